//! What the operator set for accounts; where there is no row, the server's configuration holds.

use rusqlite::Row;

use super::{
    row::unknown,
    scope::AccountScope,
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{AccountSettings, Result};

/// Reads the columns of `account_setting`, which are null where there is no row, and the mark of `balance`.
pub(in crate::store) fn settings(row: &Row<'_>) -> rusqlite::Result<AccountSettings> {
    let timezone: Option<String> = row.get("timezone")?;
    let timezone = timezone.map(|name| name.parse().map_err(|_| unknown("timezone")));
    Ok(AccountSettings {
        timezone: timezone.transpose()?,
        daily_token_caps: row.get("daily_token_caps")?,
        daily_token_cap: row.get("daily_token_cap")?,
        credits_low_mark: row.get("low_mark")?,
        record_invocations: row.get("record_invocations")?,
    })
}

/// What is set for the account.
pub fn get(snapshot: &Snapshot<'_, AccountScope>) -> Result<AccountSettings> {
    let found = snapshot.one(
        "select s.*, b.low_mark from balance b left join account_setting s on s.account = b.account",
        [],
        settings,
    )?;
    Ok(found.unwrap_or_default())
}

/// Sets all of it.
pub fn set(tx: &Tx<'_, AccountScope>, settings: &AccountSettings) -> Result<()> {
    tx.execute(
        "insert into main.account_setting (account, timezone, daily_token_caps, daily_token_cap, record_invocations)
         values (current_account(), ?1, ?2, ?3, ?4)
         on conflict (account) do update set timezone = excluded.timezone,
           daily_token_caps = excluded.daily_token_caps,
           daily_token_cap = excluded.daily_token_cap,
           record_invocations = excluded.record_invocations",
        (
            settings.timezone.as_ref().map(|zone| zone.name().to_owned()),
            settings.daily_token_caps,
            settings.daily_token_cap,
            settings.record_invocations,
        ),
    )?;
    tx.signal(Signal::RecordingChanged);
    // Beside the balance, as it is compared with it at every change.
    tx.execute(
        "update main.balance set low_mark = ?1 where account = current_account()",
        [settings.credits_low_mark],
    )?;
    Ok(())
}
