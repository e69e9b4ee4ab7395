//! `/dashboard/api/password`: another password.

use std::sync::Arc;

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
        .summary("Sets a new password, and ends all your other sessions.")
        .access(Access::SignedIn)
        .takes::<PasswordChange>()
        .answers_nothing()
        .errors(&[ErrorKind::Conflict])]
}

/// `POST /dashboard/api/password`
async fn change(request: Request) -> Result<Reply> {
    let (body, user, client): (PasswordChange, _, _) =
        (request.json()?, request.user()?.clone(), request.client);
    let deed = move |app: &Arc<App>| sign_in::change_password(app, &user, client, &body);
    request.hashing(deed).await?;
    Ok(Reply::no_content())
}
