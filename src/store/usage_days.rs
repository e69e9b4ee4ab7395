//! What ended on each day of UTC, by what it is grouped by. Rows are counted in bulk from
//! [`usage_tail`](super::usage_tail), so whoever reports adds what is still there.

use rusqlite::Row;

use super::{
    scope::{AccountScope, AccountSeq, SystemScope},
    tx::{Snapshot, Tx},
    usage_tail::Dimension,
};
use crate::domain::{AgentId, Day, DaySpan, Result, UsageTotals};

/// What a row counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Whose jobs or deliveries.
    pub account: AccountSeq,
    /// What they are grouped by.
    pub dimension: Dimension,
    /// When they ended.
    pub day: Day,
    /// The name of the model or end user in UTF-8, or the id; nothing where there is none.
    pub subject: Vec<u8>,
}

/// What is counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// Sums.
    pub totals: UsageTotals,
    /// How long those took that succeeded, as [`Latencies`](crate::domain::Latencies) writes it.
    pub latencies: Vec<u8>,
}

fn counted(row: &Row<'_>) -> rusqlite::Result<Counted> {
    let totals = UsageTotals {
        succeeded: row.get("succeeded")?,
        failed: row.get("failed")?,
        canceled: row.get("canceled")?,
        prompt_tokens: row.get("prompt_tokens")?,
        completion_tokens: row.get("completion_tokens")?,
        charged: row.get("charged")?,
        latency_ms: row.get("latency_ms")?,
    };
    Ok(Counted { totals, latencies: row.get("latencies")? })
}

/// What is counted there.
pub fn find(snapshot: &Snapshot<'_, SystemScope>, place: &Place) -> Result<Option<Counted>> {
    snapshot.one(
        "select * from main.usage_day where account = ?1 and dimension = ?2 and day = ?3 and subject = ?4",
        (place.account, place.dimension.number(), place.day, &place.subject),
        counted,
    )
}

/// Replaces what is counted there.
pub fn put(tx: &Tx<'_, SystemScope>, place: &Place, counted: &Counted) -> Result<()> {
    let totals = &counted.totals;
    tx.execute(
        "insert into main.usage_day (account, dimension, day, subject, succeeded, failed, canceled,
           prompt_tokens, completion_tokens, charged, latency_ms, latencies)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         on conflict (account, dimension, day, subject) do update set
           succeeded = excluded.succeeded, failed = excluded.failed, canceled = excluded.canceled,
           prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
           charged = excluded.charged, latency_ms = excluded.latency_ms, latencies = excluded.latencies",
        rusqlite::params![
            place.account,
            place.dimension.number(),
            place.day,
            place.subject,
            totals.succeeded,
            totals.failed,
            totals.canceled,
            totals.prompt_tokens,
            totals.completion_tokens,
            totals.charged,
            totals.latency_ms,
            counted.latencies,
        ],
    )?;
    Ok(())
}

/// A row of a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfDay {
    /// The day.
    pub day: Day,
    /// The name of the model or end user in UTF-8, or the id; nothing where there is none.
    pub subject: Vec<u8>,
    /// What is counted.
    pub counted: Counted,
}

fn of_day(row: &Row<'_>) -> rusqlite::Result<OfDay> {
    Ok(OfDay { day: row.get("day")?, subject: row.get("subject")?, counted: counted(row)? })
}

/// Hands `take` what is counted in a dimension since a day, before that subject of that day: newest days first, and the
/// subjects of each the other way round. One row after the other, as its histogram is much larger than what is made of
/// it.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    dimension: Dimension,
    since: Day,
    before: (Day, &[u8]),
    limit: u32,
    mut take: impl FnMut(OfDay),
) -> Result<()> {
    snapshot.each(LIST, (dimension.number(), since, before.0, before.1, limit), |row| {
        take(of_day(row)?);
        Ok(())
    })
}

const LIST: &str = "select * from usage_day
    where dimension = ?1 and day >= ?2 and (day, subject) < (?3, ?4)
    order by day desc, subject desc limit ?5";

/// What is counted on each of these days that has something, in a dimension of one subject: at most
/// [`DaySpan::MAX_DAYS`].
pub fn of_days(
    snapshot: &Snapshot<'_, AccountScope>,
    dimension: Dimension,
    days: DaySpan,
) -> Result<Vec<OfDay>> {
    snapshot.all(OF_DAYS, (dimension.number(), days.from, days.to), of_day)
}

const OF_DAYS: &str =
    "select * from usage_day where dimension = ?1 and day between ?2 and ?3 order by day";

/// An end user's row, to be forgotten.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OldUser {
    /// Whose end user it is.
    pub account: i64,
    /// The day.
    pub day: Day,
    /// The end user's name; nothing for jobs without one.
    pub subject: Vec<u8>,
}

/// The oldest rows of end users before a day, from that account on.
pub fn old_users(
    snapshot: &Snapshot<'_, SystemScope>,
    from: i64,
    before: Day,
    limit: u32,
) -> Result<Vec<OldUser>> {
    snapshot.all(OLD_USERS, (from, before, limit), |row| {
        Ok(OldUser {
            account: row.get("account")?,
            day: row.get("day")?,
            subject: row.get("subject")?,
        })
    })
}

const OLD_USERS: &str = "select d.account, d.day, d.subject
    from main.account a cross join main.usage_day d
      on d.account = a.seq and d.dimension = 7 and d.day < ?2
    where a.seq >= ?1 order by a.seq, d.day, d.subject limit ?3";

/// Under this name `meta` holds the day before which rows of end users may be missing.
pub(in crate::store) const USERS_SINCE: &str = "usage_by_user_since";

/// Forgets these rows of end users, which are of days before that one; gives how many there were.
pub fn forget_users(tx: &Tx<'_, SystemScope>, rows: &[OldUser], before: Day) -> Result<usize> {
    let since = tx.fact(USERS_SINCE)?.max(before.number());
    tx.set_fact(USERS_SINCE, since)?;
    let gone = rows.iter().map(|row| {
        tx.execute(
            "delete from main.usage_day where account = ?1 and dimension = 7 and day = ?2 and subject = ?3",
            (row.account, row.day, &row.subject),
        )
    });
    gone.sum()
}

/// What the account's agent of that id is called now, archived or not.
pub fn agent_name(snapshot: &Snapshot<'_, AccountScope>, id: AgentId) -> Result<Option<String>> {
    snapshot.one("select name from agent where id = ?1", [id], |row| row.get(0))
}

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 3] = [LIST, OF_DAYS, OLD_USERS];
