//! Canceled jobs on their way out. Their entries in the ledger stay for ever, and so does a small row that tells whose
//! they are.

use super::{
    scope::{AccountScope, Scope as _, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::domain::{JobId, Result, Timestamp, Topic, Topics};

/// A canceled job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanceledJob {
    /// Internal number.
    pub seq: i64,
    /// Whether it is of no batch and ended before the time that was asked for.
    pub is_old: bool,
}

/// The account's next canceled jobs above number `after`; some may have ended `before` a time.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    after: i64,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<CanceledJob>> {
    snapshot.all(LIST, (after, before, limit), |row| {
        Ok(CanceledJob { seq: row.get("seq")?, is_old: row.get("is_old")? })
    })
}

/// The first condition is that of the index.
const LIST: &str = "select j.seq, j.batch is null and coalesce(r.finished_at < ?2, 0) as is_old
    from job j left join job_result r on r.job = j.seq
    where j.status >= 5 and j.status = 6 and j.seq > ?1 order by j.seq limit ?3";

/// Removes a canceled job with all that hangs on it; false, and nothing is removed, where it was retried, is the
/// newest, or is still needed: by a batch, a task, the queue or a dead letter that can be redriven.
pub fn delete(
    tx: &Tx<'_, SystemScope>,
    account: AccountScope,
    job: i64,
    before: Timestamp,
) -> Result<bool> {
    let (whose, account) = (account.whose(), account.seq().number());
    let gone: Option<JobId> = tx.one(
        "delete from main.job where account = ?1 and seq = ?2 and status = 6 and batch is null
           and seq < (select max(seq) from main.job)
           and exists (select 1 from main.job_result r where r.job = ?2 and r.finished_at < ?3)
           and not exists (select 1 from main.scheduled_task t where t.job = ?2)
           and not exists (select 1 from main.queue q where q.queue = 2 and q.subject = ?2)
           and not exists (select 1 from main.dead_letter d
             where d.queue = 2 and d.subject = ?2 and d.redriven_at is null)
           returning id",
        (account, job, before),
        |row| row.get(0),
    )?;
    let Some(id) = gone else { return Ok(false) };
    tx.execute(
        "insert into main.removed_job (account, seq, id, removed_at) values (?1, ?2, ?3, ?4)",
        (account, job, id, tx.now()),
    )?;
    for sql in [
        "delete from main.job_request where account = ?1 and job = ?2",
        "delete from main.job_result where account = ?1 and job = ?2",
        "delete from main.job_event where account = ?1 and job = ?2",
        "delete from main.dead_letter where account = ?1 and queue = 2 and subject = ?2
           and redriven_at is not null",
    ] {
        tx.execute(sql, (account, job))?;
    }
    if let Some(whose) = whose {
        tx.tell(whose, Topics::NONE.with(Topic::Jobs));
    }
    Ok(true)
}

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 1] = [LIST];
