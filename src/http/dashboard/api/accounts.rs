//! `/dashboard/api/accounts`: where somebody may act.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::session::PlaceBody;
use crate::{
    app::sign_in::{self, OwnAccount},
    domain::{AccountId, MemberRole, Page, Result},
    http::{
        reply::Reply,
        request::Request,
        routes::{Access, Route, handler},
    },
};

/// Where somebody may act.
pub(super) fn routes() -> [Route; 1] {
    [Route::get("/dashboard/api/accounts", "listOwnAccounts", handler!(list))
        .summary(
            "Lists the accounts that you may act in, newest first, each with its newest projects. Operators act in all.",
        )
        .access(Access::SignedIn)
        .paged()
        .answers::<Page<OwnAccountBody<'_>>>(StatusCode::OK)]
}

/// An account that somebody may act in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OwnAccount")]
struct OwnAccountBody<'a> {
    id: AccountId,
    #[schemars(extend("const" = "account"))]
    object: &'static str,
    name: &'a str,
    /// As what.
    role: MemberRole,
    /// Up to 100 of its projects, and `default`.
    projects: Vec<PlaceBody<'a>>,
}

impl<'a> OwnAccountBody<'a> {
    fn of(account: &'a OwnAccount) -> Self {
        Self {
            id: account.id,
            object: "account",
            name: &account.name,
            role: account.role,
            projects: account.projects.iter().map(PlaceBody::of).collect(),
        }
    }
}

/// `GET /dashboard/api/accounts`
async fn list(request: Request) -> Result<Reply> {
    let (page, user) = (request.page()?, request.user()?.clone());
    let page = request.blocking(move |app| sign_in::accounts(app, &user, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(OwnAccountBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}
