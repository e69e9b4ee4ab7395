//! Lists of an account's jobs.

use rusqlite::ToSql;

use super::{
    jobs::{Job, job, number, select_job},
    listing::{self, ListSql, Listing},
    scope::AccountScope,
    tx::Snapshot,
};
use crate::domain::{Cursor, JobId, JobStatus, Result, Rows, Timestamp};

/// The conditions of [`JobFilter`] and the order of [`list`].
macro_rules! listed_jobs {
    () => {
        " and j.seq < ?2 and (?3 is null or j.status = ?3) and (?4 is null or j.model = ?4) \
         and (?5 is null or j.end_user = ?5) and (?6 is null or j.created_at >= ?6) \
         and (?7 is null or j.created_at < ?7) and (?8 is null or j.agent = ?8) \
         order by j.seq desc limit ?9"
    };
}

const LIST: ListSql = ListSql {
    unlisted: select_job!("j.seq > ?1", listed_jobs!()),
    listed: select_job!("j.listed = 1", listed_jobs!()),
};
const LIST_OF_AGENT: ListSql = ListSql {
    unlisted: LIST.unlisted,
    listed: select_job!("j.listed = 1 and j.agent is not null and j.agent = ?8", listed_jobs!()),
};
/// Has an index of its own, which begins with the status.
const LIST_UNSUCCESSFUL: &str = select_job!("j.status >= 5 and j.status = ?3", listed_jobs!());

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only with this status.
    pub status: Option<JobStatus>,
    /// Only of this model.
    pub model: Option<String>,
    /// Only of this agent, by its name.
    pub agent: Option<String>,
    /// Only for this end user.
    pub user: Option<String>,
    /// Only accepted at this time or later.
    pub created_after: Option<Timestamp>,
    /// Only accepted before this time.
    pub created_before: Option<Timestamp>,
    /// Only older than this job.
    pub before: Option<JobId>,
}

/// The account's jobs, newest first: up to `limit`, fewer where they are large.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    filter: &JobFilter,
    limit: usize,
) -> Result<Rows<Job>> {
    let agent = filter.agent.as_deref().map(|name| agent_named(snapshot, name)).transpose()?;
    if agent == Some(None) {
        return Ok(Rows { rows: Vec::new(), has_more: false });
    }
    let agent = agent.flatten();
    let before = filter.before.map_or(Ok(i64::MAX), |id| place(snapshot, id))?;
    let status = filter.status.map(number);
    let rows = limit.saturating_add(1);
    let params: [&dyn ToSql; 8] = [
        &before,
        &status,
        &filter.model,
        &filter.user,
        &filter.created_after,
        &filter.created_before,
        &agent,
        &rows,
    ];
    if agent.is_some() {
        return listing::read(snapshot, Listing::Jobs, LIST_OF_AGENT, &params, limit, job);
    }
    if status.is_some_and(|status| status >= 5) {
        let params = [&[&0_i64 as &dyn ToSql], &params[..]].concat();
        return snapshot.page(LIST_UNSUCCESSFUL, params.as_slice(), limit, job);
    }
    listing::read(snapshot, Listing::Jobs, LIST, &params, limit, job)
}

/// The internal number of the agent of that name.
fn agent_named(snapshot: &Snapshot<'_, AccountScope>, name: &str) -> Result<Option<i64>> {
    snapshot.one("select seq from agent where name = ?1", [name], |row| row.get(0))
}

/// The number of the job that a page ended with.
fn place(snapshot: &Snapshot<'_, AccountScope>, id: JobId) -> Result<i64> {
    let seq = snapshot.one("select seq from job where id = ?1", [id], |row| row.get(0))?;
    seq.ok_or_else(Cursor::refused)
}

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 4] =
    [LIST.unlisted, LIST.listed, LIST_OF_AGENT.listed, LIST_UNSUCCESSFUL];
