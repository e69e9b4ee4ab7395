//! What ended and is not counted in the days yet. It is added at the end of one narrow table in the transaction that
//! ends it, and counted in bulk later ([`usage_days`](super::usage_days)).

use std::ops::RangeInclusive;

use rusqlite::Row;

use super::{
    row::unknown,
    scope::{AccountScope, AccountSeq, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::domain::{Credits, Day, DaySpan, JobStatus, Result, Usage, UsageBy, UsageTotals};

/// What is counted together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dimension {
    /// All jobs.
    All,
    /// Jobs by one of their properties.
    By(UsageBy),
    /// Deliveries of webhooks.
    Deliveries,
}

impl Dimension {
    /// Every dimension.
    pub const EACH: [Self; 7] = [
        Self::All,
        Self::By(UsageBy::Model),
        Self::By(UsageBy::Agent),
        Self::By(UsageBy::Project),
        Self::By(UsageBy::ApiKey),
        Self::By(UsageBy::User),
        Self::Deliveries,
    ];

    /// The number that rows say it by; those of [`By`](Self::By) follow [`UsageBy::ALL`].
    pub const fn number(self) -> i64 {
        match self {
            Self::All => 2,
            Self::By(UsageBy::Model) => 3,
            Self::By(UsageBy::Agent) => 4,
            Self::By(UsageBy::Project) => 5,
            Self::By(UsageBy::ApiKey) => 6,
            Self::By(UsageBy::User) => 7,
            Self::Deliveries => 8,
        }
    }
}

/// Something that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Internal number.
    pub seq: i64,
    /// Whose it is.
    pub account: AccountSeq,
    /// The day of UTC on which it ended.
    pub day: Day,
    /// What it adds to the sums.
    pub totals: UsageTotals,
    /// What it was of; `None` for a delivery.
    of: Option<OfJob>,
}

/// What a job is counted by, each as its subject. What is missing is nothing, so that a row which lost its project or
/// key counts without it, and stops no others.
#[derive(Clone, Debug)]
struct OfJob {
    model: Vec<u8>,
    agent: Vec<u8>,
    project: Vec<u8>,
    key: Vec<u8>,
    user: Vec<u8>,
}

impl Ended {
    /// What it is called in this dimension: nothing where it has no agent or user, `None` where it is not counted
    /// there.
    pub fn subject(&self, dimension: Dimension) -> Option<&[u8]> {
        let of = match (&self.of, dimension) {
            (None, Dimension::Deliveries) => return Some(&[]),
            (Some(of), Dimension::All | Dimension::By(_)) => of,
            _ => return None,
        };
        Some(match dimension {
            Dimension::All | Dimension::Deliveries => &[],
            Dimension::By(UsageBy::Model) => &of.model,
            Dimension::By(UsageBy::Agent) => &of.agent,
            Dimension::By(UsageBy::Project) => &of.project,
            Dimension::By(UsageBy::ApiKey) => &of.key,
            Dimension::By(UsageBy::User) => &of.user,
        })
    }

    /// The dimensions that it is counted in, and what it is called there.
    pub fn places(&self) -> impl Iterator<Item = (Dimension, &[u8])> {
        let each = Dimension::EACH.into_iter();
        each.filter_map(|dimension| Some((dimension, self.subject(dimension)?)))
    }

    /// How long it took, where it is a job that succeeded.
    pub fn latency_ms(&self) -> Option<u64> {
        let is_success = self.of.is_some() && self.totals.succeeded > 0;
        is_success.then_some(self.totals.latency_ms)
    }
}

/// Selects rows for [`ended`] from the tables of a schema, by the conditions that follow. A project or key of test mode
/// is a row of another account; the row that counts what they spend is not, and it stays.
macro_rules! select_ended {
    ($schema:literal, $rest:literal) => {
        concat!(
            "select t.*, s.project as project_id, s.api_key as key_id, g.id as agent_id from ",
            $schema,
            "usage_tail t left join ",
            $schema,
            "spending s on s.seq = t.spending left join ",
            $schema,
            "agent g on g.seq = t.agent where ",
            $rest
        )
    };
}

fn ended(row: &Row<'_>) -> rusqlite::Result<Ended> {
    let outcome: u8 = row.get("outcome")?;
    let one = |is_so: bool| u64::from(is_so);
    let some = |column: &str| row.get::<_, Option<u64>>(column).map(Option::unwrap_or_default);
    let totals = UsageTotals {
        succeeded: one(matches!(outcome, 2 | 5)),
        failed: one(matches!(outcome, 3 | 6)),
        canceled: one(outcome == 4),
        prompt_tokens: some("prompt_tokens")?,
        completion_tokens: some("completion_tokens")?,
        charged: row.get::<_, Option<_>>("charged")?.unwrap_or_default(),
        latency_ms: some("latency_ms")?,
    };
    let of = match outcome {
        2..=4 => Some(of_job(row)?),
        5 | 6 => None,
        _ => return Err(unknown("outcome")),
    };
    let (seq, account, day) = (row.get("seq")?, row.get("account")?, row.get("day")?);
    Ok(Ended { seq, account, day, totals, of })
}

fn of_job(row: &Row<'_>) -> rusqlite::Result<OfJob> {
    let bytes = |column: &str| {
        let value = row.get_ref(column)?.as_bytes_or_null()?;
        Ok::<_, rusqlite::Error>(value.unwrap_or_default().to_vec())
    };
    Ok(OfJob {
        model: bytes("model")?,
        agent: bytes("agent_id")?,
        project: bytes("project_id")?,
        key: bytes("key_id")?,
        user: bytes("end_user")?,
    })
}

/// Adds a job that ended now like this. A success took as long as its last attempt.
pub(in crate::store) fn job(
    tx: &Tx<'_, AccountScope>,
    job: i64,
    to: JobStatus,
    usage: Option<Usage>,
    charged: Credits,
) -> Result<()> {
    let outcome = match to {
        JobStatus::Succeeded => 2,
        JobStatus::Canceled => 4,
        _ => 3,
    };
    let is_success = to == JobStatus::Succeeded;
    let usage = is_success.then(|| usage.unwrap_or_default());
    tx.execute(
        "insert into main.usage_tail (account, day, outcome, spending, agent, model, end_user,
           latency_ms, prompt_tokens, completion_tokens, charged)
         select current_account(), ?2, ?3, spending, agent, model, end_user,
           iif(?3 = 2, max(?4 - started_at, 0), null), ?5, ?6, ?7
         from job where seq = ?1",
        (
            job,
            today(tx),
            outcome,
            tx.now(),
            usage.map(|usage| usage.prompt_tokens),
            usage.map(|usage| usage.completion_tokens),
            is_success.then_some(charged),
        ),
    )?;
    Ok(())
}

/// Adds a delivery that ended now.
pub(in crate::store) fn delivery(tx: &Tx<'_, AccountScope>, delivered: bool) -> Result<()> {
    tx.execute(
        "insert into main.usage_tail (account, day, outcome) values (current_account(), ?1, ?2)",
        (today(tx), if delivered { 5 } else { 6 }),
    )?;
    Ok(())
}

fn today(tx: &Tx<'_, AccountScope>) -> Day {
    Day::of_utc(tx.now())
}

/// Hands `take` what of the account ended on these days and is not counted yet. Looks at what all accounts have there:
/// some hundreds of rows, and what a second adds.
pub fn each(
    snapshot: &Snapshot<'_, AccountScope>,
    days: DaySpan,
    mut take: impl FnMut(Ended),
) -> Result<()> {
    snapshot.each(EACH, (days.from, days.to), |row| {
        take(ended(row)?);
        Ok(())
    })
}

const EACH: &str = select_ended!("", "t.day between ?1 and ?2");

/// How many rows can be counted: all but the newest, which stays.
pub fn waiting(snapshot: &Snapshot<'_, SystemScope>) -> Result<u64> {
    let found = snapshot.one(WAITING, [], |row| row.get(0))?;
    Ok(found.unwrap_or_default())
}

const WAITING: &str = "select coalesce((select max(seq) from main.usage_tail)
    - (select min(seq) from main.usage_tail), 0)";

/// The oldest rows of all accounts, but not the newest of all.
pub fn oldest(snapshot: &Snapshot<'_, SystemScope>, limit: u64) -> Result<Vec<Ended>> {
    snapshot.all(OLDEST, [limit], ended)
}

const OLDEST: &str = select_ended!(
    "main.",
    "t.seq < (select max(seq) from main.usage_tail) order by t.seq limit ?1"
);

/// Takes rows away that were the oldest when they were read; false, and nothing is taken, where others took them since.
/// No number comes twice, so those rows are there as long as the first is.
pub fn take(tx: &Tx<'_, SystemScope>, rows: &RangeInclusive<i64>) -> Result<bool> {
    let oldest = tx.one("select min(seq) from main.usage_tail", [], |row| row.get(0))?;
    if oldest != Some(Some(*rows.start())) {
        return Ok(false);
    }
    tx.execute(
        "delete from main.usage_tail
         where seq <= ?1 and seq < (select max(seq) from main.usage_tail)",
        [rows.end()],
    )?;
    Ok(true)
}

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 3] = [EACH, WAITING, OLDEST];
