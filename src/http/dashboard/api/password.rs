//! `/dashboard/api/password`: another password.

use std::sync::Arc;

use super::session;
use crate::{
    app::{
        App,
        sign_in::{self, PasswordChange},
    },
    domain::{ErrorKind, Result},
    http::{
        reply::Reply,
        request::Request,
        routes::{Access, Route, handler},
    },
};

/// One's own password.
pub(super) fn routes() -> [Route; 1] {
    [Route::post("/dashboard/api/password", "changePassword", handler!(change))
        .summary("Sets a new password, and ends all your other sessions. This one goes on with another cookie.")
        .access(Access::SignedIn)
        .takes::<PasswordChange>()
        .headers(&["Set-Cookie"])
        .answers_nothing()
        .errors(&[ErrorKind::Conflict])]
}

/// `POST /dashboard/api/password`
async fn change(request: Request) -> Result<Reply> {
    let (body, user): (PasswordChange, _) = (request.json()?, request.user()?.clone());
    let deed = move |app: &Arc<App>| sign_in::change_password(app, &user, &body);
    let token = request.hashing(deed).await?;
    Ok(Reply::no_content().header("set-cookie", session::cookie_of(&request, &token)?))
}
