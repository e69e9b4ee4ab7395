//! `/dashboard/api/sessions`: the browsers that somebody signed in with.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::sign_in,
    domain::{DashboardSessionId, Page, Result, Timestamp},
    http::{
        reply::Reply,
        request::Request,
        routes::{Access, Route, handler},
    },
    store::dashboard_sessions::DashboardSession,
};

/// One's own sessions.
pub(super) fn routes() -> [Route; 2] {
    [
        Route::get("/dashboard/api/sessions", "listDashboardSessions", handler!(list))
            .summary("Lists your sessions, last seen first; there are 20 at most.")
            .access(Access::SignedIn)
            .answers::<Page<BrowserBody<'_>>>(StatusCode::OK),
        Route::delete("/dashboard/api/sessions/{id}", "endDashboardSession", handler!(end))
            .summary("Ends one of your sessions, at once.")
            .access(Access::SignedIn)
            .answers_nothing(),
    ]
}

/// A browser that somebody signed in with.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DashboardBrowser")]
struct BrowserBody<'a> {
    id: DashboardSessionId,
    #[schemars(extend("const" = "dashboard_session"))]
    object: &'static str,
    /// Whether it is the one that asks.
    current: bool,
    /// Where it signed in from.
    address: &'a str,
    /// What it calls itself.
    user_agent: &'a str,
    created_at: Timestamp,
    /// At most a minute old.
    last_seen_at: Timestamp,
    /// When it is over, if it is not used before.
    expires_at: Timestamp,
}

impl<'a> BrowserBody<'a> {
    fn of(session: &'a DashboardSession, current: DashboardSessionId) -> Self {
        Self {
            id: session.id,
            object: "dashboard_session",
            current: session.id == current,
            address: &session.address,
            user_agent: &session.user_agent,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
        }
    }
}

/// `GET /dashboard/api/sessions`
async fn list(request: Request) -> Result<Reply> {
    let user = request.user()?.clone();
    let current = user.session;
    let sessions = request.blocking(move |app| sign_in::sessions(app, &user)).await?;
    let bodies = sessions.iter().map(|session| BrowserBody::of(session, current)).collect();
    Reply::ok(&Page::<BrowserBody<'_>>::of(bodies, None))
}

/// `DELETE /dashboard/api/sessions/{id}`
async fn end(request: Request) -> Result<Reply> {
    let (id, user) = (request.id("id")?, request.user()?);
    sign_in::end_session(&request.app, user, id).await?;
    Ok(Reply::no_content())
}
