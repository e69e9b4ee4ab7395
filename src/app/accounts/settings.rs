//! What the operator sets for accounts, and what holds for each of them.

use super::AccountChange;
use crate::{
    app::{App, schedules::nightly},
    domain::{CapPolicy, Environment, Result},
    store::{
        AccountScope, Snapshot, SystemScope, Tx, account_settings,
        accounts::{self, Account},
    },
};

/// How the account's end users are held to their caps.
pub(in crate::app) fn cap_policy(
    app: &App,
    snapshot: &Snapshot<'_, AccountScope>,
) -> Result<CapPolicy> {
    Ok(app.settings.end_users.of(account_settings::get(snapshot)?))
}

/// Sets what is given, for the account and its twin for tests; what is left out stays.
pub(super) fn change(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    account: &Account,
    change: &AccountChange,
) -> Result<()> {
    let mut settings = account.settings.clone();
    if let Some(timezone) = &change.timezone {
        settings.timezone.clone_from(timezone);
    }
    if let Some(caps) = change.daily_token_caps {
        settings.daily_token_caps = caps;
    }
    if let Some(cap) = change.daily_token_cap {
        settings.daily_token_cap = cap;
    }
    if let Some(mark) = change.credits_low_mark {
        settings.credits_low_mark = mark;
    }
    if let Some(switch) = change.record_invocations {
        settings.record_invocations = switch;
    }
    if settings == account.settings {
        return Ok(());
    }
    for environment in [Environment::Live, Environment::Test] {
        if let Some(found) = accounts::find(tx, account.id(), environment)? {
            tx.within(found.scope, |tx| {
                let before = cap_policy(app, tx)?.timezone;
                account_settings::set(tx, &settings)?;
                nightly::move_to(tx, &before, &cap_policy(app, tx)?.timezone)
            })?;
        }
    }
    Ok(())
}
