//! Schedules: what makes tasks again and again, and when next.

use rusqlite::Row;
use serde_json::value::RawValue;

use super::{
    row::{named, raw},
    scope::{AccountScope, SystemScope},
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{CatchUp, Overlap, Recurrence, Result, ScheduleId, TimeZone, Timestamp};

/// A schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: ScheduleId,
    /// What it is and when it is due.
    pub rules: ScheduleRules,
    /// Internal numbers of the project and the key that made it.
    pub asked_by: Option<(i64, i64)>,
    /// From when on its intervals are counted.
    pub anchor: Timestamp,
    /// Its next occurrence; `None` while it is paused.
    pub next_at: Option<Timestamp>,
    /// The last occurrence that was dealt with.
    pub last_at: Option<Timestamp>,
    /// When it was paused.
    pub paused_at: Option<Timestamp>,
    /// The occurrences that made no task.
    pub skipped: Skipped,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What can be said of a schedule and changed.
#[derive(Clone, Debug)]
pub struct ScheduleRules {
    /// What people call it.
    pub name: String,
    /// The function that its tasks run.
    pub function: String,
    /// What that is given.
    pub payload: Option<Box<RawValue>>,
    /// When it is due.
    pub cron: Recurrence,
    /// In the time of this zone.
    pub timezone: TimeZone,
    /// What becomes of occurrences that were missed.
    pub catch_up: CatchUp,
    /// What becomes of one while an earlier task is not over.
    pub overlap: Overlap,
    /// Its tasks run up to so many milliseconds late, by chance.
    pub jitter_ms: u32,
}

/// Occurrences that made no task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The newest.
    pub at: Option<Timestamp>,
    /// Why.
    pub why: Option<String>,
}

fn schedule(row: &Row<'_>) -> rusqlite::Result<Schedule> {
    let (project, api_key): (Option<i64>, Option<i64>) = (row.get("project")?, row.get("api_key")?);
    Ok(Schedule {
        seq: row.get("seq")?,
        id: row.get("id")?,
        rules: rules(row)?,
        asked_by: project.zip(api_key),
        anchor: row.get("anchor")?,
        next_at: row.get("next_at")?,
        last_at: row.get("last_at")?,
        paused_at: row.get("paused_at")?,
        skipped: Skipped {
            count: row.get("skipped")?,
            at: row.get("skipped_at")?,
            why: row.get("skipped_why")?,
        },
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn rules(row: &Row<'_>) -> rusqlite::Result<ScheduleRules> {
    Ok(ScheduleRules {
        name: row.get("name")?,
        function: row.get("function")?,
        payload: raw(row, "payload")?,
        cron: named(row, "cron", |text| Recurrence::parse(text).ok())?,
        timezone: named(row, "timezone", |name| name.parse().ok())?,
        catch_up: named(row, "catch_up", CatchUp::parse)?,
        overlap: named(row, "overlap", Overlap::parse)?,
        jitter_ms: row.get("jitter_ms")?,
    })
}

/// Adds a schedule whose first occurrence is `next_at`, `None` for one that is paused.
pub fn insert(
    tx: &Tx<'_, AccountScope>,
    id: ScheduleId,
    rules: &ScheduleRules,
    asked_by: Option<(i64, i64)>,
    next_at: Option<Timestamp>,
) -> Result<()> {
    tx.execute(
        "insert into main.schedule (account, id, name, function, payload, cron, timezone, catch_up,
           overlap, jitter_ms, project, api_key, anchor, next_at, paused_at, created_at, updated_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
           case when ?13 is null then ?12 end, ?12, ?12)",
        rusqlite::params![
            id,
            rules.name,
            rules.function,
            rules.payload.as_ref().map(|payload| payload.get()),
            rules.cron.to_string(),
            rules.timezone.name(),
            rules.catch_up.as_str(),
            rules.overlap.as_str(),
            rules.jitter_ms,
            asked_by.map(|(project, _)| project),
            asked_by.map(|(_, key)| key),
            tx.now(),
            next_at,
        ],
    )?;
    tx.signal(Signal::Rescheduled);
    Ok(())
}

/// Writes down all that can be changed of a schedule.
pub fn update(tx: &Tx<'_, AccountScope>, schedule: &Schedule) -> Result<()> {
    let rules = &schedule.rules;
    tx.execute(
        "update main.schedule set name = ?2, function = ?3, payload = ?4, cron = ?5, timezone = ?6,
           catch_up = ?7, overlap = ?8, jitter_ms = ?9, project = ?10, api_key = ?11, anchor = ?12,
           next_at = ?13, paused_at = ?14, updated_at = ?15
         where account = current_account() and seq = ?1 and deleted_at is null",
        rusqlite::params![
            schedule.seq,
            rules.name,
            rules.function,
            rules.payload.as_ref().map(|payload| payload.get()),
            rules.cron.to_string(),
            rules.timezone.name(),
            rules.catch_up.as_str(),
            rules.overlap.as_str(),
            rules.jitter_ms,
            schedule.asked_by.map(|(project, _)| project),
            schedule.asked_by.map(|(_, key)| key),
            schedule.anchor,
            schedule.next_at,
            schedule.paused_at,
            tx.now(),
        ],
    )?;
    tx.signal(Signal::Rescheduled);
    Ok(())
}

/// Removes a schedule from sight; its tasks stay readable. False where there is none.
pub fn delete(tx: &Tx<'_, AccountScope>, seq: i64) -> Result<bool> {
    let changed = tx.execute(
        "update main.schedule set next_at = null, payload = null, project = null, api_key = null, deleted_at = ?2
         where account = current_account() and seq = ?1 and deleted_at is null",
        (seq, tx.now()),
    )?;
    Ok(changed > 0)
}

/// How many schedules the account has.
pub fn count(snapshot: &Snapshot<'_, AccountScope>) -> Result<u32> {
    let sql = "select count(*) from schedule where deleted_at is null";
    Ok(snapshot.one(sql, [], |row| row.get(0))?.unwrap_or(0))
}

/// How many of them run this function.
pub fn count_of(snapshot: &Snapshot<'_, AccountScope>, function: &str) -> Result<u32> {
    let sql = "select count(*) from schedule where function = ?1 and deleted_at is null";
    Ok(snapshot.one(sql, [function], |row| row.get(0))?.unwrap_or(0))
}

/// The account's schedule of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: ScheduleId) -> Result<Option<Schedule>> {
    let sql = "select * from schedule where id = ?1 and deleted_at is null";
    snapshot.one(sql, [id], schedule)
}

/// The account's schedules, newest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<ScheduleId>,
    limit: u32,
) -> Result<Vec<Schedule>> {
    snapshot.all(LIST, (before.unwrap_or(ScheduleId::MAX), limit), schedule)
}

pub(in crate::store) const LIST: &str = "select * from schedule
    where deleted_at is null and id < ?1 order by id desc limit ?2";

/// The account's schedules that run this function, the first of them.
pub fn of_function(
    snapshot: &Snapshot<'_, AccountScope>,
    function: &str,
    limit: u32,
) -> Result<Vec<Schedule>> {
    let sql =
        "select * from schedule where function = ?1 and deleted_at is null order by seq limit ?2";
    snapshot.all(sql, (function, limit), schedule)
}

/// A schedule that is due.
#[derive(Clone, Debug)]
pub struct Due {
    /// Whose it is.
    pub scope: AccountScope,
    /// Whether the operator suspended the account.
    pub is_suspended: bool,
    /// Internal number.
    pub seq: i64,
    /// The occurrence that is due.
    pub at: Timestamp,
    /// The schedule; `None` where it says what this program does not know, such as a time zone that is gone.
    pub schedule: Option<Schedule>,
}

/// When the first schedule of all accounts is due.
pub fn next_due(snapshot: &Snapshot<'_, SystemScope>) -> Result<Option<Timestamp>> {
    let sql = "select min(next_at) from main.schedule where next_at is not null";
    Ok(snapshot.one(sql, [], |row| row.get(0))?.flatten())
}

/// Schedules that are due, the first of them.
pub fn due(snapshot: &Snapshot<'_, SystemScope>, limit: u32) -> Result<Vec<Due>> {
    let system = snapshot.scope();
    snapshot.all(DUE, (snapshot.now(), limit), |row| {
        Ok(Due {
            scope: system.account(
                row.get("account")?,
                row.get("account_id")?,
                row.get("environment")?,
            ),
            is_suspended: row.get("is_suspended")?,
            seq: row.get("seq")?,
            at: row.get("next_at")?,
            schedule: schedule(row).ok(),
        })
    })
}

pub(in crate::store) const DUE: &str =
    "select s.*, a.id as account_id, a.environment, a.suspended_at is not null as is_suspended
     from main.schedule s join main.account a on a.seq = s.account
     where s.next_at <= ?1 order by s.next_at limit ?2";

/// Goes on to the next occurrence from the one that was due, which is dealt with up to `last_at`; false where somebody
/// changed the schedule since it was read.
pub fn advance(
    tx: &Tx<'_, AccountScope>,
    (seq, due, updated_at): (i64, Timestamp, Timestamp),
    last_at: Timestamp,
    next_at: Timestamp,
) -> Result<bool> {
    let changed = tx.execute(
        "update main.schedule set last_at = ?4, next_at = ?5
         where account = current_account() and seq = ?1 and next_at = ?2 and updated_at = ?3",
        (seq, due, updated_at, last_at, next_at),
    )?;
    Ok(changed > 0)
}

/// Lets a schedule stand still from now on.
pub fn pause(tx: &Tx<'_, AccountScope>, seq: i64) -> Result<()> {
    tx.execute(
        "update main.schedule set next_at = null, paused_at = ?2
         where account = current_account() and seq = ?1 and next_at is not null",
        (seq, tx.now()),
    )?;
    Ok(())
}

/// Counts occurrences that make no task.
pub fn skip(
    tx: &Tx<'_, AccountScope>,
    seq: i64,
    count: u64,
    at: Timestamp,
    why: &str,
) -> Result<()> {
    tx.execute(
        "update main.schedule set skipped = skipped + ?2, skipped_at = ?3, skipped_why = ?4
         where account = current_account() and seq = ?1",
        (seq, count, at, why),
    )?;
    Ok(())
}
