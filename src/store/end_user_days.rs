//! The days of end users, over all of an account.

use super::{
    scope::AccountScope,
    tx::{Snapshot, Tx},
};
use crate::domain::{Credits, Day, Result};

/// The row that sums up the days that were forgotten.
const FORGOTTEN: Day = Day::from_number(-1);

/// How many of the account's end users used tokens on a day, and how many tokens.
pub fn used_on(snapshot: &Snapshot<'_, AccountScope>, day: Day) -> Result<(u64, u64)> {
    let used = snapshot.one(USED_ON, [day], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(used.unwrap_or_default())
}

// In the order of days, so that the index by day is taken: there is one row of the key for each day of an end user.
const USED_ON: &str = "select count(*), coalesce(sum(tokens), 0) from (
       select tokens from end_user_day where day >= ?1 and day < ?1 + 1 order by day limit 1000000000)
     where tokens > 0";

/// Forgets up to `limit` days before that one: they are kept as a part of each end user's sum. Gives how many.
pub fn forget(tx: &Tx<'_, AccountScope>, before: Day, limit: u32) -> Result<usize> {
    let days = tx.all(FORGETTABLE, (before, limit), |row| {
        let used: (u64, Credits, u64) = (row.get("tokens")?, row.get("charged")?, row.get("jobs")?);
        Ok((row.get::<_, i64>("end_user")?, row.get::<_, Day>("day")?, used))
    })?;
    for (end_user, day, (tokens, charged, jobs)) in &days {
        tx.execute(
            "insert into main.end_user_day (account, end_user, day, tokens, charged, jobs)
             values (current_account(), ?1, ?2, ?3, ?4, ?5)
             on conflict (account, end_user, day) do update set tokens = tokens + excluded.tokens,
               charged = charged + excluded.charged, jobs = jobs + excluded.jobs",
            (end_user, FORGOTTEN, tokens, charged, jobs),
        )?;
        tx.execute(
            "delete from main.end_user_day
             where account = current_account() and end_user = ?1 and day = ?2",
            (end_user, day),
        )?;
    }
    Ok(days.len())
}

const FORGETTABLE: &str =
    "select * from end_user_day where day >= 0 and day < ?1 order by day limit ?2";

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 2] = [USED_ON, FORGETTABLE];
