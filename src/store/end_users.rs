//! End users and what they used, in all and day by day. Kept in the transactions that accept and end their jobs, so
//! that it is exact; days are those of the account's time zone.

use rusqlite::Row;

use super::{
    scope::AccountScope,
    tx::{Snapshot, Tx},
};
use crate::domain::{Credits, DailyTokens, Day, DayOfUse, EndUserId, Error, Result, Timestamp};

/// Somebody whom an account's jobs are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndUser {
    /// Public id.
    pub id: EndUserId,
    /// The account's own name for it: `user` of its jobs.
    pub external_id: String,
    /// Its own cap of tokens a day.
    pub daily_token_cap: Option<u64>,
    /// What its jobs that are not over may use at most, but for those that wait for a later day.
    pub open_tokens: u64,
    /// Tokens of its jobs that succeeded on the day that was asked for.
    pub tokens_today: u64,
    /// Tokens of all its jobs that succeeded.
    pub tokens: u64,
    /// What those cost.
    pub charged: Credits,
    /// How many those are.
    pub jobs: u64,
    /// Days in a row with a job that succeeded.
    pub streak_count: u64,
    /// The day on which the last of those ended.
    pub last_active_on: Option<Day>,
    /// When its first job was accepted, or its cap was set.
    pub created_at: Timestamp,
}

fn end_user(row: &Row<'_>) -> rusqlite::Result<EndUser> {
    Ok(EndUser {
        id: row.get("id")?,
        external_id: row.get("external_id")?,
        daily_token_cap: row.get("daily_token_cap")?,
        open_tokens: row.get("open_tokens")?,
        tokens_today: row.get("tokens_today")?,
        tokens: row.get("tokens")?,
        charged: row.get("charged")?,
        jobs: row.get("jobs")?,
        streak_count: row.get("streak_count")?,
        last_active_on: row.get("last_active_on")?,
        created_at: row.get("created_at")?,
    })
}

/// Selects rows for [`end_user`] with the tokens of day `?1`, by the conditions that follow.
macro_rules! select_end_user {
    ($rest:literal) => {
        concat!(
            "select u.*, coalesce(d.tokens, 0) as tokens_today \
             from end_user u left join end_user_day d on d.end_user = u.seq and d.day = ?1 where ",
            $rest
        )
    };
}

/// The account's end user of that name.
pub fn find(
    snapshot: &Snapshot<'_, AccountScope>,
    external_id: &str,
    today: Day,
) -> Result<Option<EndUser>> {
    snapshot.one(select_end_user!("u.external_id = ?2"), (today, external_id), end_user)
}

/// The account's end users older than `before`, newest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<EndUserId>,
    today: Day,
    limit: u32,
) -> Result<Vec<EndUser>> {
    let before = before.unwrap_or(EndUserId::MAX);
    snapshot.all(LIST, (today, before, limit), end_user)
}

pub(in crate::store) const LIST: &str = select_end_user!("u.id < ?2 order by u.id desc limit ?3");

/// What the cap of the account's end user is held against; nothing is used where there is none of that name.
pub fn tokens(
    snapshot: &Snapshot<'_, AccountScope>,
    external_id: &str,
    today: Day,
) -> Result<DailyTokens> {
    let found = snapshot.one(
        "select u.daily_token_cap, u.open_tokens, coalesce(d.tokens, 0) as used
         from end_user u left join end_user_day d on d.end_user = u.seq and d.day = ?1
         where u.external_id = ?2",
        (today, external_id),
        |row| {
            Ok(DailyTokens {
                own_cap: row.get("daily_token_cap")?,
                used: row.get("used")?,
                in_flight: row.get("open_tokens")?,
            })
        },
    )?;
    Ok(found.unwrap_or_default())
}

/// Counts what jobs may use that are not over from now on, or begin after a wait for their day; makes the end user
/// where there is none of that name.
pub fn open(tx: &Tx<'_, AccountScope>, id: EndUserId, external_id: &str, bound: u64) -> Result<()> {
    tx.execute(
        "insert into main.end_user (account, id, external_id, open_tokens, created_at)
         values (current_account(), ?1, ?2, ?3, ?4)
         on conflict (account, external_id) do update set
           open_tokens = open_tokens + excluded.open_tokens",
        (id, external_id, bound, tx.now()),
    )?;
    Ok(())
}

/// A job is over without success: what it might have used does not count any more.
pub fn close(tx: &Tx<'_, AccountScope>, external_id: &str, bound: u64) -> Result<()> {
    tx.execute(
        "update main.end_user set open_tokens = open_tokens - ?2
         where account = current_account() and external_id = ?1",
        (external_id, bound),
    )?;
    Ok(())
}

/// A job succeeded: what it used counts in place of what it might have used.
pub fn count(
    tx: &Tx<'_, AccountScope>,
    external_id: &str,
    bound: u64,
    used: &DayOfUse,
) -> Result<()> {
    let DayOfUse { day, tokens, charged } = *used;
    let row: Option<(i64, Option<Day>)> = tx.one(
        "update main.end_user set open_tokens = open_tokens - ?2, tokens = tokens + ?3,
           charged = charged + ?4, jobs = jobs + 1
         where account = current_account() and external_id = ?1 returning seq, last_active_on",
        (external_id, bound, tokens, charged),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (seq, active_on) = row.ok_or_else(|| Error::internal("the end user of a job is gone"))?;
    if active_on != Some(day) {
        // By itself, for an index that need not change with every job.
        tx.execute(
            "update main.end_user set last_active_on = ?2
             where account = current_account() and seq = ?1",
            (seq, day),
        )?;
    }
    tx.execute(
        "insert into main.end_user_day (account, end_user, day, tokens, charged, jobs)
         values (current_account(), ?1, ?2, ?3, ?4, 1)
         on conflict (account, end_user, day) do update set tokens = tokens + excluded.tokens,
           charged = charged + excluded.charged, jobs = jobs + 1",
        (seq, day, tokens, charged),
    )?;
    Ok(())
}

/// Gives the end user a cap of its own, or takes it; makes the end user where there is none of that name.
pub fn set_cap(
    tx: &Tx<'_, AccountScope>,
    id: EndUserId,
    external_id: &str,
    cap: Option<u64>,
) -> Result<()> {
    open(tx, id, external_id, 0)?;
    // An update also where it is new: the audit log hears of those alone, as jobs make end users too.
    tx.execute(
        "update main.end_user set daily_token_cap = ?2
         where account = current_account() and external_id = ?1",
        (external_id, cap),
    )?;
    Ok(())
}
