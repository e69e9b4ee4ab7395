//! What executions were asked and what they answered.

use rusqlite::{Connection, params};
use uuid::Uuid;

pub use super::rows::Invocation;

use super::list::{Window, last_looked_at, matching};
use crate::{
    domain::{InvocationId, JobId, Result},
    store::{
        listing::Looked,
        row::{named, raw, unknown},
        scope::{AccountScope, AccountSeq},
        tx::Snapshot,
    },
};

/// Which invocations are asked for.
#[derive(Clone, Debug, Default)]
pub struct InvocationFilter {
    /// Those with an answer that keeps its contract, or those without.
    pub is_success: Option<bool>,
    /// Those of this job: it may have been retried.
    pub job: Option<JobId>,
}

const fn status(is_success: bool) -> &'static str {
    if is_success { "success" } else { "error" }
}

pub(super) fn insert(
    sql: &Connection,
    account: AccountSeq,
    row: &Invocation,
) -> rusqlite::Result<()> {
    let mut insert = sql.prepare_cached(
        "insert into invocation (account, id, job, skill_uid, user_uid, status, input_payload, output_payload,
           duration_ms, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    insert.execute(params![
        account,
        row.id,
        row.job,
        row.skill_uid.as_bytes(),
        row.user_uid.as_bytes(),
        status(row.is_success),
        row.input_payload.get(),
        row.output_payload.get(),
        row.duration_ms,
        row.created_at,
    ])?;
    Ok(())
}

/// The account's invocations, newest first; fewer than asked for where they are large.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    window: &Window,
    filter: &InvocationFilter,
) -> Result<Looked<Invocation, Uuid>> {
    let [after, from] = window.ids();
    let matching = (after, from, window.rows(), filter.is_success.map(status), filter.job);
    let page = snapshot.page(LOOKS[0], matching, window.limit, read)?;
    if page.has_more {
        let next_after = page.rows.last().map(|last| last.id.uuid());
        return Ok(Looked { rows: page.rows, next_after });
    }
    window.cut(snapshot, LOOKS[1], page.rows, |row| row.id.uuid())
}

/// The account's invocation of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: InvocationId) -> Result<Option<Invocation>> {
    snapshot.one("select * from invocation where id = ?1", [id], read)
}

pub(super) const LOOKS: [&str; 2] = [
    matching!(
        "invocation",
        "status, job",
        "(?4 is null or status = ?4) and (?5 is null or job = ?5)"
    ),
    last_looked_at!("invocation"),
];

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Invocation> {
    let json = |column| raw(row, column)?.ok_or_else(|| unknown(column));
    Ok(Invocation {
        id: row.get("id")?,
        job: row.get("job")?,
        skill_uid: Uuid::from_bytes(row.get("skill_uid")?),
        user_uid: Uuid::from_bytes(row.get("user_uid")?),
        is_success: named(row, "status", |name| match name {
            "success" => Some(true),
            "error" => Some(false),
            _ => None,
        })?,
        input_payload: json("input_payload")?,
        output_payload: json("output_payload")?,
        duration_ms: row.get("duration_ms")?,
        created_at: row.get("created_at")?,
    })
}
