//! Streaks of end users: who is to be counted, and what was given for it.

use super::{
    scope::AccountScope,
    tx::{Snapshot, Tx},
};
use crate::domain::{ActiveDay, Credits, Day, EndUserId, Result, Streak};

/// An end user whose streak is to be counted.
#[derive(Clone, Debug)]
pub struct ToCount {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: EndUserId,
    /// As it was counted last.
    pub streak: Streak,
    /// The last day on which it was active.
    pub last_active_on: Day,
}

/// The account's end users above number `after` who were active on another day than the last that was counted.
pub fn to_count(
    snapshot: &Snapshot<'_, AccountScope>,
    after: i64,
    limit: u32,
) -> Result<Vec<ToCount>> {
    snapshot.all(TO_COUNT, (after, limit), |row| {
        Ok(ToCount {
            seq: row.get("seq")?,
            id: row.get("id")?,
            streak: Streak { count: row.get("streak_count")?, day: row.get("streak_day")? },
            last_active_on: row.get("last_active_on")?,
        })
    })
}

const TO_COUNT: &str = "select seq, id, streak_count, streak_day, last_active_on from end_user
    where last_active_on is not streak_day and last_active_on is not null and seq > ?1
    order by seq limit ?2";

/// Days with a job that succeeded, after one day, newest first; also those that are yet to come since the clock was put
/// back.
pub fn active_days(
    snapshot: &Snapshot<'_, AccountScope>,
    end_user: i64,
    after: Option<Day>,
    limit: u32,
) -> Result<Vec<ActiveDay>> {
    // Day -1 is no day.
    let after = after.unwrap_or(Day::from_number(-1));
    snapshot.all(ACTIVE_DAYS, (end_user, after, limit), |row| {
        Ok(ActiveDay { day: row.get("day")?, reached: row.get("streak")? })
    })
}

const ACTIVE_DAYS: &str = "select day, streak from end_user_day
    where end_user = ?1 and day > ?2 and jobs > 0 order by day desc limit ?3";

/// End users whose streak was last counted before that day and who were not active since.
pub fn to_end(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Day,
    limit: u32,
) -> Result<Vec<(i64, Streak)>> {
    snapshot.all(TO_END, (before, limit), |row| {
        Ok((row.get(0)?, Streak { count: row.get(1)?, day: row.get(2)? }))
    })
}

const TO_END: &str = "select seq, streak_count, streak_day from end_user
    where streak_count > 0 and streak_day < ?1 and last_active_on is streak_day
    order by streak_day limit ?2";

/// Sets what was counted.
pub fn set(tx: &Tx<'_, AccountScope>, end_user: i64, streak: Streak) -> Result<()> {
    tx.execute(
        "update main.end_user set streak_count = ?2, streak_day = ?3
         where account = current_account() and seq = ?1",
        (end_user, streak.count, streak.day),
    )?;
    Ok(())
}

/// Keeps what a streak reached that does not go on, with the day on which it was last counted.
pub fn leave(tx: &Tx<'_, AccountScope>, end_user: i64, left: ActiveDay) -> Result<()> {
    tx.execute(
        "update main.end_user_day set streak = max(streak, ?3)
         where account = current_account() and end_user = ?1 and day = ?2",
        (end_user, left.day, left.reached),
    )?;
    Ok(())
}

/// What streaks earned the account on the last day on which they earned something.
pub fn bonus(snapshot: &Snapshot<'_, AccountScope>) -> Result<Option<(Day, Credits)>> {
    snapshot.one("select day, granted from streak_bonus", [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Sets that.
pub fn set_bonus(tx: &Tx<'_, AccountScope>, day: Day, granted: Credits) -> Result<()> {
    tx.execute(
        "insert into main.streak_bonus (account, day, granted)
         values (current_account(), ?1, ?2)
         on conflict (account) do update set day = excluded.day, granted = excluded.granted",
        (day, granted),
    )?;
    Ok(())
}

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 3] = [TO_COUNT, ACTIVE_DAYS, TO_END];
