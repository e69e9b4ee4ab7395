//! `daily-token-reset`. A new day begins by itself, as the day is part of the key of what was used: so this only tells
//! what counts no more, and a run that is late, or was missed, harms nobody.

use serde::Serialize;

use crate::{
    app::{App, accounts},
    domain::{Day, Result},
    store::{AccountScope, end_user_days},
};

/// What does not count against daily caps any more since the day began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct TokenReset {
    /// Today, in the account's time zone.
    pub day: Day,
    /// End users that used tokens on the day before.
    pub end_users: u64,
    /// What they used then.
    pub tokens: u64,
}

/// Looks at what was used on the day before today. Blocks while it reads.
pub fn token_reset(app: &App, scope: AccountScope) -> Result<TokenReset> {
    app.store.read(scope, |snapshot| {
        let day = accounts::cap_policy(app, snapshot)?.timezone.day(snapshot.now());
        let (end_users, tokens) = end_user_days::used_on(snapshot, day.plus(-1))?;
        Ok(TokenReset { day, end_users, tokens })
    })
}
