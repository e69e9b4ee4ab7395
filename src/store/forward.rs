//! Jobs of batches that are brought forward: from the background to the lane of the account's single jobs.

use super::{
    queue::Waiting,
    row::status,
    scope::AccountScope,
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{JobId, JobStatus, QueueName, Result};

/// A job that was brought forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: JobId,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits for its turn, or runs.
    Open,
    /// It failed for now and waits until it is tried again.
    PutOff,
    /// It is over.
    Ended(JobStatus),
}

/// The account's jobs above number `after` that could run now but wait in the background, oldest first.
pub fn in_background(
    snapshot: &Snapshot<'_, AccountScope>,
    after: i64,
    limit: usize,
) -> Result<Vec<i64>> {
    snapshot.all(IN_BACKGROUND, (after, snapshot.now(), limit), |row| row.get(0))
}

/// The queue has no index by account: a million rows that wait are gone through in some 0.1 s.
const IN_BACKGROUND: &str = "select subject from queue
    where queue = 2 and subject > ?1 and lane < 0 and lease is null and run_at <= ?2
    order by subject limit ?3";

/// Brings a job forward; `None` where it does not wait in the background any more. From then on its row says that it
/// takes turns with the account's single jobs.
pub fn bring(tx: &Tx<'_, AccountScope>, job: i64) -> Result<Option<Forwarded>> {
    let row = tx.one(
        "update main.queue set lane = -lane
         where account = current_account() and queue = 2 and subject = ?1 and lane < 0
           and lease is null and run_at <= ?2
         returning lane, priority, run_at",
        (job, tx.now()),
        |row| Ok((row.get("lane")?, row.get("priority")?, row.get("run_at")?)),
    )?;
    let Some((lane, priority, run_at)) = row else { return Ok(None) };
    let found = tx.one("select id from job where seq = ?1", [job], |row| row.get("id"))?;
    let id = super::queue::WorkId { queue: QueueName::GenerationCreate, subject: job };
    tx.signal(Signal::Moved { work: Waiting { id, lane, priority, run_at }, from: -lane });
    Ok(found.map(|id| Forwarded { seq: job, id }))
}

/// Where the account's job stands; `None` where there is none of that number.
pub fn standing(snapshot: &Snapshot<'_, AccountScope>, job: i64) -> Result<Option<Standing>> {
    snapshot.one(
        "select j.status, q.lease is null and q.run_at > ?2 as is_put_off
         from job j left join queue q on q.queue = 2 and q.subject = j.seq where j.seq = ?1",
        (job, snapshot.now()),
        |row| {
            let status = status(row)?;
            let is_put_off: Option<bool> = row.get("is_put_off")?;
            Ok(match (status.is_terminal(), is_put_off) {
                (true, _) => Standing::Ended(status),
                (false, Some(true)) => Standing::PutOff,
                (false, _) => Standing::Open,
            })
        },
    )
}

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 1] = [IN_BACKGROUND];
