//! One record per execution.

use rusqlite::{Connection, params};
use uuid::Uuid;

pub use super::rows::UsageEvent;

use super::list::{Window, last_looked_at, matching};
use crate::{
    domain::{ExecutionStatus, JobId, Result},
    store::{
        listing::Looked,
        row::{named, raw, unknown},
        scope::{AccountScope, AccountSeq},
        tx::Snapshot,
    },
};

/// Which executions are asked for.
#[derive(Clone, Debug, Default)]
pub struct UsageEventFilter {
    /// Those that ended like this.
    pub status: Option<ExecutionStatus>,
    /// Those of this agent or model.
    pub skill_name: Option<String>,
    /// Those of this job: it may have been retried.
    pub job: Option<JobId>,
}

pub(super) fn insert(
    sql: &Connection,
    account: AccountSeq,
    row: &UsageEvent,
) -> rusqlite::Result<()> {
    let mut insert = sql.prepare_cached(
        "insert into usage_event (account, id, job, user_uid, skill_name, source_skill_uid, display_name, tags,
           cost, status, error_code, latency_ms, metadata, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    insert.execute(params![
        account,
        row.id,
        row.job,
        row.user_uid.as_bytes(),
        row.skill_name,
        row.source_skill_uid.as_bytes(),
        row.display_name,
        row.tags.get(),
        row.cost,
        row.status.as_str(),
        row.error_code,
        row.latency_ms,
        row.metadata.get(),
        row.created_at,
    ])?;
    Ok(())
}

/// The account's executions, newest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    window: &Window,
    filter: &UsageEventFilter,
) -> Result<Looked<UsageEvent, Uuid>> {
    let [after, from] = window.ids();
    let status = filter.status.map(ExecutionStatus::as_str);
    let matching = (after, from, window.rows(), status, &filter.skill_name, filter.job);
    let rows = snapshot.all(LOOKS[0], matching, read)?;
    window.cut(snapshot, LOOKS[1], rows, |row| row.id.uuid())
}

pub(super) const LOOKS: [&str; 2] = [
    matching!(
        "usage_event",
        "status, skill_name, job",
        "(?4 is null or status = ?4) and (?5 is null or skill_name = ?5) and (?6 is null or job = ?6)"
    ),
    last_looked_at!("usage_event"),
];

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<UsageEvent> {
    let json = |column| raw(row, column)?.ok_or_else(|| unknown(column));
    Ok(UsageEvent {
        id: row.get("id")?,
        job: row.get("job")?,
        user_uid: Uuid::from_bytes(row.get("user_uid")?),
        skill_name: row.get("skill_name")?,
        source_skill_uid: Uuid::from_bytes(row.get("source_skill_uid")?),
        display_name: row.get("display_name")?,
        tags: json("tags")?,
        cost: row.get("cost")?,
        status: named(row, "status", ExecutionStatus::parse)?,
        error_code: row.get("error_code")?,
        latency_ms: row.get("latency_ms")?,
        metadata: json("metadata")?,
        created_at: row.get("created_at")?,
    })
}
