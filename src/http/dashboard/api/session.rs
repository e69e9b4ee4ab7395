//! `/dashboard/api/session`, `sign-in` and `sign-out`: who somebody is, and where they act.

use std::sync::Arc;

use hyper::{StatusCode, header::HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    app::{
        App,
        auth::{Session, SignedIn, not_signed_in},
        sign_in::{self, Begun, Here},
    },
    domain::{
        AccountId, DashboardSessionId, Environment, ErrorKind, MemberRole, ProjectId, Result,
        Secret, Timestamp, UserId,
    },
    http::{
        cookie,
        reply::Reply,
        request::{PROJECT, Request},
        routes::{Route, handler},
    },
    store::projects::Project,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who somebody is.
pub(super) fn routes() -> [Route; 3] {
    [
        Route::get("/dashboard/api/session", "getDashboardSession", handler!(get))
            .summary(
                "Shows who signed in and where they act, or that nobody did; `needs_setup` where nobody can yet. In a \
                 project that `Skai-Project` names, if they may act there.",
            )
            .headers(&["Set-Cookie"])
            .answers::<SessionBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::RateLimit]),
        Route::post("/dashboard/api/sign-in", "signIn", handler!(sign_in))
            .summary("Begins a session, whose token is in the cookie alone.")
            .own_page()
            .takes::<SignInRequest>()
            .headers(&["Set-Cookie"])
            .answers::<SessionBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::Unauthenticated, ErrorKind::RateLimit, ErrorKind::Conflict]),
        Route::post("/dashboard/api/sign-out", "signOut", handler!(sign_out))
            .summary("Ends the session of the cookie, where there is one.")
            .own_page()
            .headers(&["Set-Cookie"])
            .answers_nothing(),
    ]
}

/// `POST /dashboard/api/sign-in`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignInRequest {
    email: String,
    #[schemars(with = "String")]
    password: Secret<String>,
}

/// Who somebody is on the dashboard.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "DashboardSession")]
pub(super) enum SessionBody<'a> {
    /// They signed in.
    In(Box<InBody<'a>>),
    /// They did not.
    Out(OutBody),
}

/// Nobody signed in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignedOut")]
pub(super) struct OutBody {
    #[schemars(extend("const" = "dashboard_session"))]
    object: &'static str,
    #[schemars(extend("const" = false))]
    signed_in: bool,
    /// Whether nobody at all can sign in yet: the server printed a link when it started.
    needs_setup: bool,
    /// The server's version.
    version: &'static str,
}

/// Somebody who signed in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignedIn")]
pub(super) struct InBody<'a> {
    #[schemars(extend("const" = "dashboard_session"))]
    object: &'static str,
    #[schemars(extend("const" = true))]
    signed_in: bool,
    id: DashboardSessionId,
    user: UserBody<'a>,
    account: AccountBody<'a>,
    project: PlaceBody<'a>,
    /// The live project `default` of the account.
    home_project_id: ProjectId,
    /// What the person is in the account; operators are owners everywhere.
    role: MemberRole,
    /// What the role may do, each by its name.
    scopes: Vec<&'static str>,
    /// When the session is over, if it is not used before.
    expires_at: Option<Timestamp>,
    /// The server's version.
    version: &'static str,
}

/// A person.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DashboardUser")]
struct UserBody<'a> {
    id: UserId,
    email: &'a str,
    /// Whether they act in every account, and for the server itself.
    is_operator: bool,
}

/// The account that somebody acts in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DashboardAccount")]
struct AccountBody<'a> {
    id: AccountId,
    name: &'a str,
    /// Whether the operator suspended it.
    suspended: bool,
}

/// A project that somebody can act in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DashboardProject")]
pub(super) struct PlaceBody<'a> {
    id: ProjectId,
    name: &'a str,
    environment: Environment,
}

impl<'a> PlaceBody<'a> {
    pub(super) fn of(project: &'a Project) -> Self {
        Self { id: project.id, name: &project.name, environment: project.environment }
    }
}

impl<'a> SessionBody<'a> {
    fn of(session: &Session, user: &'a SignedIn, here: &'a Here) -> Self {
        let SignedIn { id, email, is_operator, role, session: session_id, .. } = user;
        Self::In(Box::new(InBody {
            object: "dashboard_session",
            signed_in: true,
            id: *session_id,
            user: UserBody { id: *id, email, is_operator: *is_operator },
            account: AccountBody {
                id: here.account.id(),
                name: &here.account.name,
                suspended: here.account.suspended_at.is_some(),
            },
            project: PlaceBody::of(&here.project),
            home_project_id: here.home_project,
            role: *role,
            scopes: session.scopes.each().map(crate::domain::Scope::as_str).collect(),
            expires_at: session.expires_at,
            version: VERSION,
        }))
    }
}

/// `GET /dashboard/api/session`
async fn get(request: Request) -> Result<Reply> {
    let Some(token) = request.cookie().map(str::to_owned) else {
        return nobody(&request, StatusCode::OK).await;
    };
    let project = request.only_header(PROJECT).and_then(|text| text.parse().ok());
    let look = move |app: &Arc<App>| {
        let session = find(app, &token, project)?;
        let here = sign_in::here(app, &session)?;
        Ok((session, here))
    };
    let found = request.looking(look).await;
    match found {
        Ok((session, here)) => somebody(&session, &here, StatusCode::OK),
        Err(error) if error.kind() == ErrorKind::Unauthenticated => {
            let reply = nobody(&request, StatusCode::OK).await?;
            Ok(reply.header("set-cookie", cookie::clear(request.is_secure())?))
        }
        Err(error) => Err(error),
    }
}

/// Where they may not act in the project, they act where they usually do. Counts as one request of theirs.
fn find(app: &App, token: &str, project: Option<ProjectId>) -> Result<Arc<Session>> {
    let session = match open(app, token, project) {
        // It was counted there.
        Err(error) if error.kind() == ErrorKind::NotFound => return open(app, token, None),
        found => found?,
    };
    let user = session.user.as_ref().ok_or_else(not_signed_in)?;
    app.auth.count_request(user.id)?;
    Ok(session)
}

fn open(app: &App, token: &str, project: Option<ProjectId>) -> Result<Arc<Session>> {
    let known = app.auth.known_session(token, project);
    known.map_or_else(|| app.auth.open_session(token, project), Ok)
}

async fn nobody(request: &Request, status: StatusCode) -> Result<Reply> {
    let needs_setup = request.looking(|app| sign_in::needs_setup(app)).await?;
    let body =
        OutBody { object: "dashboard_session", signed_in: false, needs_setup, version: VERSION };
    Reply::json(status, &SessionBody::Out(body))
}

fn somebody(session: &Session, here: &Here, status: StatusCode) -> Result<Reply> {
    let user = session.user.as_ref().ok_or_else(not_signed_in)?;
    Reply::json(status, &SessionBody::of(session, user, here))
}

/// Answers a session that was just begun, with its cookie.
pub(super) async fn begun(request: &Request, begun: Begun) -> Result<Reply> {
    let set = cookie_of(request, &begun.token)?;
    let look = move |app: &Arc<App>| {
        let session = open(app, begun.token.expose(), begun.project)?;
        let here = sign_in::here(app, &session)?;
        Ok((session, here))
    };
    let found = request.blocking(look).await;
    let reply = found.and_then(|(session, here)| somebody(&session, &here, StatusCode::CREATED));
    // The session has begun: whoever cannot be told where they are is in all the same.
    let reply = reply.unwrap_or_else(|error| request.refusal(&error));
    Ok(reply.header("set-cookie", set))
}

/// The cookie that holds the token of a session.
pub(super) fn cookie_of(request: &Request, token: &Secret<String>) -> Result<HeaderValue> {
    cookie::set(token, request.app.auth.longest_session(), request.is_secure())
}

/// `POST /dashboard/api/sign-in`
async fn sign_in(request: Request) -> Result<Reply> {
    let SignInRequest { email, password } = request.json()?;
    let browser = request.browser();
    let deed = move |app: &Arc<App>| sign_in::sign_in(app, &email, &password, &browser);
    let done = request.hashing(deed).await?;
    begun(&request, done).await
}

/// `POST /dashboard/api/sign-out`
async fn sign_out(request: Request) -> Result<Reply> {
    if let Some(token) = request.cookie().map(str::to_owned) {
        request.looking(move |app| sign_in::sign_out(app, &token)).await?;
    }
    Ok(Reply::no_content().header("set-cookie", cookie::clear(request.is_secure())?))
}
