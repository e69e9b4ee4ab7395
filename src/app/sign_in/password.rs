//! A new password for who knows the old one.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{same_person, token_hash};
use crate::{
    app::{
        App,
        auth::{Guesser, SignedIn, not_signed_in, tokens::TokenKind},
    },
    domain::{Error, ErrorKind, Result, Secret, check_password},
    store::{SystemScope, dashboard_sessions, persons, sign_in_links},
};

/// `POST /dashboard/api/password`: another password.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password until now.
    #[schemars(with = "String")]
    pub current_password: Secret<String>,
    /// The new one, of 10 to 200 characters.
    #[schemars(with = "String")]
    pub new_password: Secret<String>,
}

/// Sets a new password, and ends all other sessions of the person. This one goes on with another token, which is given.
/// Blocks, and takes some 40 ms of a core.
pub fn change_password(
    app: &Arc<App>,
    user: &SignedIn,
    change: &PasswordChange,
) -> Result<Secret<String>> {
    check_password("new_password", &change.new_password)?;
    let person = app.store.read(SystemScope::new(), |snapshot| persons::find(snapshot, user.id))?;
    let person = person.ok_or_else(not_signed_in)?;
    let stored = person.password_hash.as_ref();
    let guesser = Guesser::Session(user.session);
    let checked = app.auth.check_password(guesser, stored, &change.current_password);
    checked.map_err(|error| match error.kind() {
        ErrorKind::Unauthenticated => {
            Error::invalid("current_password", "current_password is wrong; give the one until now")
        }
        _ => error,
    })?;
    let hash = app.auth.hash_password(&change.new_password)?;
    let (session, token) = (user.session, TokenKind::Session.draw(&app.ambient));
    let token_hash = token_hash(&token)?;
    let set = app.store.write(SystemScope::new(), move |tx| {
        let person = same_person(tx, &person)?;
        persons::set_password(tx, &person, &hash)?;
        sign_in_links::void_resets(tx, person.seq)?;
        dashboard_sessions::end_all(tx, &person, Some(session))?;
        // One that was ended meanwhile changes nothing.
        let is_in = dashboard_sessions::set_token(tx, &person, session, &token_hash)?;
        is_in.then_some(()).ok_or_else(not_signed_in)
    });
    set.wait()?;
    Ok(token)
}
