//! What the server does for itself from time to time: when it is due, and what came of it the last time.

use std::time::Duration;

use rusqlite::Row;
use serde_json::value::RawValue;

use super::{
    row::{named, raw},
    scope::SystemScope,
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{DutyName, Result, Timestamp};

/// A duty as it stands.
#[derive(Clone, Debug)]
pub struct Duty {
    /// Which one.
    pub name: DutyName,
    /// What `due_at` was computed with; empty where it is never due by itself.
    pub cron: String,
    /// The time zone of that.
    pub timezone: String,
    /// When it is to run next; `None`: not by itself.
    pub due_at: Option<Timestamp>,
    /// How often it was begun since it last ended.
    pub begun: u32,
    /// When it was last begun.
    pub started_at: Option<Timestamp>,
    /// When that run ended; `None` while it goes on, or where it broke off.
    pub finished_at: Option<Timestamp>,
    /// How long that run took.
    pub duration: Option<Duration>,
    /// When a run last ended well.
    pub succeeded_at: Option<Timestamp>,
    /// What the last run did.
    pub result: Option<Box<RawValue>>,
    /// Why the last run failed.
    pub error: Option<String>,
    /// When it was planned for the first time.
    pub created_at: Timestamp,
}

impl Duty {
    /// Whether it was begun and has not ended: it runs, or it broke off.
    pub const fn is_begun(&self) -> bool {
        self.started_at.is_some() && self.finished_at.is_none()
    }

    /// Whether it is to be run now: its time has come, or it broke off.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.is_begun() || self.due_at.is_some_and(|due_at| due_at <= now)
    }
}

fn duty(row: &Row<'_>) -> rusqlite::Result<Duty> {
    let duration: Option<u64> = row.get("duration_ms")?;
    Ok(Duty {
        name: named(row, "name", DutyName::parse)?,
        cron: row.get("cron")?,
        timezone: row.get("timezone")?,
        due_at: row.get("due_at")?,
        begun: row.get("begun")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        duration: duration.map(Duration::from_millis),
        succeeded_at: row.get("succeeded_at")?,
        result: raw(row, "result")?,
        error: row.get("error")?,
        created_at: row.get("created_at")?,
    })
}

/// The duty of that name; `None` before it is planned.
pub fn find(snapshot: &Snapshot<'_, SystemScope>, name: DutyName) -> Result<Option<Duty>> {
    snapshot.one("select * from main.duty where name = ?1", [name.as_str()], duty)
}

/// Sets when a duty is due, and by which rule. What it was begun with and never ended is forgotten: who changed the rule
/// may have done so because of it.
pub fn plan(
    tx: &Tx<'_, SystemScope>,
    name: DutyName,
    (cron, timezone): (&str, &str),
    due_at: Option<Timestamp>,
) -> Result<()> {
    tx.execute(
        "insert into main.duty (name, cron, timezone, due_at, created_at) values (?1, ?2, ?3, ?4, ?5)
         on conflict (name) do update set cron = excluded.cron, timezone = excluded.timezone,
           due_at = excluded.due_at, begun = 0, started_at = iif(finished_at is null, null, started_at)",
        (name.as_str(), cron, timezone, due_at, tx.now()),
    )?;
    Ok(())
}

/// Sets when a duty is due, by the rule that it has.
pub fn set_due(tx: &Tx<'_, SystemScope>, name: DutyName, due_at: Option<Timestamp>) -> Result<()> {
    tx.execute("update main.duty set due_at = ?2 where name = ?1", (name.as_str(), due_at))?;
    tx.signal(Signal::DutyPlanned);
    Ok(())
}

/// A run begins, in a transaction of its own before it does anything.
pub fn begin(tx: &Tx<'_, SystemScope>, name: DutyName) -> Result<()> {
    tx.execute(
        "update main.duty set started_at = ?2, begun = begun + 1, finished_at = null, duration_ms = null,
           result = null, error = null where name = ?1",
        (name.as_str(), tx.now()),
    )?;
    Ok(())
}

/// A run is to be done again, and was not to blame for that.
pub fn put_back(tx: &Tx<'_, SystemScope>, name: DutyName) -> Result<()> {
    let sql = "update main.duty set begun = max(begun - 1, 0) where name = ?1";
    tx.execute(sql, [name.as_str()]).map(drop)
}

/// A run ended: what it did or why it failed, how long it took, and when the next one is due.
pub fn finish(
    tx: &Tx<'_, SystemScope>,
    name: DutyName,
    outcome: std::result::Result<&str, &str>,
    duration: Duration,
    due_at: Option<Timestamp>,
) -> Result<()> {
    let duration = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    tx.execute(
        "update main.duty set finished_at = ?2, duration_ms = ?3, begun = 0, result = ?4, error = ?5, due_at = ?6,
           succeeded_at = iif(?5 is null, ?2, succeeded_at) where name = ?1",
        (name.as_str(), tx.now(), duration, outcome.ok(), outcome.err(), due_at),
    )?;
    Ok(())
}
