//! Lists of an account's jobs. Those that are not over are few: they are found by their rows in the queue.

use rusqlite::{ToSql, params};

use super::{
    jobs::{Job, job, job_columns, job_tables, select_job},
    listing::{LOOKED_AT, Listing, Looked, PlaceSql, between, place},
    row::status_number,
    scope::AccountScope,
    tx::{Filling, Snapshot},
};
use crate::domain::{JobId, JobStatus, Result, Timestamp};

/// The conditions of [`JobFilter`] that remain when its times have become numbers as far as they can.
macro_rules! matches_filter {
    () => {
        " and (?3 is null or j.status = ?3) and (?4 is null or j.model = ?4) \
         and (?5 is null or j.end_user = ?5) and (?6 is null or j.created_at >= ?6) \
         and (?7 is null or j.created_at < ?7) and (?8 is null or j.agent = ?8) "
    };
}

/// Reads jobs between two numbers, newest first.
macro_rules! list_jobs {
    ($($index:expr)?) => {
        select_job!(
            $($index, " and ",)?
            "j.seq > ?1 and j.seq < ?2",
            matches_filter!(),
            "order by j.seq desc limit ?9"
        )
    };
}

const UNLISTED: &str = list_jobs!();
const LISTED: &str = list_jobs!("j.listed = 1");
/// The planner takes the index of all jobs for as good unless it is told.
const OF_AGENT: &str =
    list_jobs!("j.listed = 1 and j.agent is not null and likelihood(j.agent = ?8, 0.001)");
const UNSUCCESSFUL: &str = list_jobs!("j.status >= 5 and j.status = ?3");
const OPEN: &str = concat!(
    "select ",
    job_columns!(),
    " from queue w cross join job j on j.seq = w.subject ",
    job_tables!(),
    " where w.queue = 2 and w.subject > ?1 and w.subject < ?2",
    matches_filter!(),
    "order by w.subject desc limit ?9"
);

/// The last of so many jobs below a number, by the same indexes.
const LAST_LISTED: &str =
    "select seq from job where listed = 1 and seq < ?1 order by seq desc limit 1 offset ?2 - 1";
const LAST_OF_AGENT: &str =
    "select seq from job where listed = 1 and agent is not null and agent = ?3
    and seq < ?1 order by seq desc limit 1 offset ?2 - 1";
const LAST_UNSUCCESSFUL: &str = "select seq from job where status >= 5 and status = ?3 and seq < ?1
    order by seq desc limit 1 offset ?2 - 1";
const LAST_OPEN: &str = "select subject from queue where queue = 2 and subject < ?1
    order by subject desc limit 1 offset ?2 - 1";

/// The newest listed job up to a number.
const NEWEST_LISTED: &str =
    "select seq, created_at from job where listed = 1 and seq <= ?1 order by seq desc limit 1";

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

/// Where jobs are looked for.
#[derive(Clone, Copy)]
enum Way {
    /// Among all of the account.
    All,
    /// Among those of this agent.
    Agent(i64),
    /// Among those that ended with this status.
    Unsuccessful(i64),
    /// Among those that are not over. The queue has no index by account: a million that wait are gone through
    /// in some 0.1 s, and an account without any is told so at once.
    Open,
}

impl Way {
    fn of(status: Option<JobStatus>, agent: Option<i64>) -> Self {
        match (status, agent) {
            (Some(JobStatus::Queued | JobStatus::Running), _) => Self::Open,
            (_, Some(agent)) => Self::Agent(agent),
            (Some(JobStatus::Succeeded) | None, None) => Self::All,
            (Some(status), None) => Self::Unsuccessful(status_number(status)),
        }
    }

    /// The statements that read them one after the other, and the number that each reads above.
    fn statements(self, mark: i64, above: i64) -> Vec<(&'static str, i64)> {
        let unlisted = (UNLISTED, above.max(mark));
        match self {
            Self::All => vec![unlisted, (LISTED, above)],
            Self::Agent(_) => vec![unlisted, (OF_AGENT, above)],
            Self::Unsuccessful(_) => vec![(UNSUCCESSFUL, above)],
            Self::Open => vec![(OPEN, above)],
        }
    }

    /// Whether jobs on this way can fail the filter, so that many may be looked at for one that is shown.
    fn is_filtered(self, filter: &JobFilter) -> bool {
        let by_status = match self {
            Self::All | Self::Agent(_) => filter.status.is_some(),
            Self::Unsuccessful(_) => false,
            Self::Open => true,
        };
        let by_time = filter.created_after.is_some() || filter.created_before.is_some();
        by_status || by_time || filter.model.is_some() || filter.user.is_some()
    }

    /// The last job below this number that a page looks at; `None` where there are fewer than it may.
    fn last(self, snapshot: &Snapshot<'_, AccountScope>, below: i64) -> Result<Option<i64>> {
        let (sql, key) = match self {
            Self::All => (LAST_LISTED, None),
            Self::Agent(agent) => (LAST_OF_AGENT, Some(agent)),
            Self::Unsuccessful(status) => (LAST_UNSUCCESSFUL, Some(status)),
            Self::Open if open_jobs(snapshot)? < LOOKED_AT => return Ok(None),
            Self::Open => (LAST_OPEN, None),
        };
        match key {
            Some(key) => snapshot.one(sql, (below, LOOKED_AT, key), |row| row.get(0)),
            None => snapshot.one(sql, (below, LOOKED_AT), |row| row.get(0)),
        }
    }
}

/// The account's jobs, newest first: up to `limit`, fewer where they are large or hard to find.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    filter: &JobFilter,
    limit: usize,
) -> Result<Looked<Job, JobId>> {
    let agent = filter.agent.as_deref().map(|name| agent_named(snapshot, name)).transpose()?;
    let way = Way::of(filter.status, agent.flatten());
    let is_idle = matches!(way, Way::Open) && open_jobs(snapshot)? == 0;
    if agent == Some(None) || is_idle {
        return Ok(Looked { rows: Vec::new(), next_after: None });
    }
    let mark = snapshot.fact(Listing::Jobs.mark())?;
    let (above, below) = bounds(snapshot, filter)?;
    let last = if way.is_filtered(filter) { way.last(snapshot, below)? } else { None };
    let last = last.filter(|last| *last > above + 1);
    let above = last.map_or(above, |last| last - 1);
    let (status, rows) = (filter.status.map(status_number), limit.saturating_add(1));
    let mut filling = Filling::new(limit);
    for (sql, above) in way.statements(mark, above) {
        let JobFilter { model, user, created_after, created_before, .. } = filter;
        let agent = agent.flatten();
        let params: &[&dyn ToSql] =
            params![above, below, status, model, user, created_after, created_before, agent, rows];
        if !filling.is_full() {
            snapshot.fill(&mut filling, sql, params, &job)?;
        }
    }
    let last = last.map(|last| id_of(snapshot, last)).transpose()?.flatten();
    Ok(Looked::of(filling.rows(), last, |job| job.id))
}

/// The numbers that all jobs are between that the filter's page and times leave, both exclusive.
fn bounds(snapshot: &Snapshot<'_, AccountScope>, filter: &JobFilter) -> Result<(i64, i64)> {
    let JobFilter { created_after, created_before, before, .. } = *filter;
    let before = before.map_or(Ok(i64::MAX), |id| place(snapshot, Listing::Jobs, PLACE, &id))?;
    let (above, below) = between(snapshot, NEWEST_LISTED, created_after, created_before)?;
    Ok((above, below.min(before)))
}

fn open_jobs(snapshot: &Snapshot<'_, AccountScope>) -> Result<i64> {
    let open = snapshot.one("select open_jobs from balance", [], |row| row.get(0))?;
    Ok(open.unwrap_or(0))
}

/// The internal number of the agent of that name.
fn agent_named(snapshot: &Snapshot<'_, AccountScope>, name: &str) -> Result<Option<i64>> {
    snapshot.one("select seq from agent where name = ?1", [name], |row| row.get(0))
}

/// The job of that number.
fn id_of(snapshot: &Snapshot<'_, AccountScope>, seq: i64) -> Result<Option<JobId>> {
    snapshot.one("select id from job where seq = ?1", [seq], |row| row.get(0))
}

/// Finds the job that a page ended with.
const PLACE: PlaceSql = PlaceSql {
    of_id: "select seq from job where id = ?1",
    newest: "select iif(id > ?2, seq, null) from job where listed = 1 and seq <= ?1
        order by seq desc limit 1",
    unlisted: "select seq from job where seq > ?1 and id > ?2 order by seq limit 1",
};

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 5] = [UNLISTED, LISTED, OF_AGENT, UNSUCCESSFUL, OPEN];
#[cfg(test)]
pub(in crate::store) const LASTS: [&str; 7] = [
    LAST_LISTED,
    LAST_OF_AGENT,
    LAST_UNSUCCESSFUL,
    LAST_OPEN,
    NEWEST_LISTED,
    PLACE.newest,
    PLACE.unlisted,
];
