//! `/dashboard/api/links`: coming in by a link that works once.

use std::sync::Arc;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::session::{self, SessionBody};
use crate::{
    app::{
        App,
        sign_in::{self, Acceptance, Opened},
    },
    domain::{AccountId, ErrorKind, Result, Secret},
    http::{
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
};

/// Links.
pub(super) fn routes() -> [Route; 2] {
    [
        Route::post("/dashboard/api/links/open", "openSignInLink", handler!(open))
            .summary("Shows what a link is for. It stays good.")
            .takes::<OpenRequest>()
            .answers::<LinkBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::NotFound]),
        Route::post("/dashboard/api/links/accept", "acceptSignInLink", handler!(accept))
            .summary(
                "Uses a link, once: sets the password, or checks it for who is invited and has one, and begins a \
                 session.",
            )
            .own_page()
            .takes::<Acceptance>()
            .headers(&["Set-Cookie"])
            .answers::<SessionBody<'_>>(StatusCode::CREATED)
            .errors(&[
                ErrorKind::NotFound,
                ErrorKind::Unauthenticated,
                ErrorKind::RateLimit,
                ErrorKind::Conflict,
            ]),
    ]
}

/// `POST /dashboard/api/links/open`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OpenRequest {
    /// What follows the `#` of the link.
    #[schemars(with = "String")]
    token: Secret<String>,
}

/// A link that works once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignInLink")]
struct LinkBody<'a> {
    #[schemars(extend("const" = "link"))]
    object: &'static str,
    /// `setup`: for the first person; `invite`: to an account; `reset`: for a new password.
    #[schemars(extend("enum" = ["setup", "invite", "reset"]))]
    purpose: &'static str,
    /// Whose it is; null for the first person.
    email: Option<&'a str>,
    /// The account that it leads to, where that is known.
    account: Option<LinkAccount<'a>>,
    /// Whether whoever uses it must prove the password that the person has, instead of choosing one.
    has_password: bool,
}

/// The account that a link leads to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignInLinkAccount")]
struct LinkAccount<'a> {
    id: AccountId,
    name: &'a str,
}

impl<'a> LinkBody<'a> {
    fn of(opened: &'a Opened) -> Self {
        let account = opened.account.as_ref();
        Self {
            object: "link",
            purpose: opened.purpose.as_str(),
            email: opened.email.as_deref(),
            account: account.map(|(id, name)| LinkAccount { id: *id, name }),
            has_password: opened.has_password,
        }
    }
}

/// `POST /dashboard/api/links/open`
async fn open(request: Request) -> Result<Reply> {
    let OpenRequest { token } = request.json()?;
    let opened = request.looking(move |app| sign_in::open(app, &token)).await?;
    Reply::ok(&LinkBody::of(&opened))
}

/// `POST /dashboard/api/links/accept`
async fn accept(request: Request) -> Result<Reply> {
    let (body, browser): (Acceptance, _) = (request.json()?, request.browser());
    let deed = move |app: &Arc<App>| sign_in::accept(app, &body, &browser);
    let done = request.hashing(deed).await?;
    session::begun(&request, done).await
}
