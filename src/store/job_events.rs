//! The story of a job, step by step.

use serde_json::value::RawValue;

use super::{
    row::{derived_uuid, raw},
    scope::AccountScope,
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{EventId, JobId, Result, Timestamp};

/// One step of a job's story.
#[derive(Clone, Debug)]
pub struct JobEvent {
    /// Public id.
    pub id: EventId,
    /// Its place in the job's story, from 1.
    pub n: i64,
    /// What happened.
    pub name: String,
    /// JSON object with particulars.
    pub data: Option<Box<RawValue>>,
    /// When.
    pub created_at: Timestamp,
}

/// Begins the story of a new job.
pub fn begin(tx: &Tx<'_, AccountScope>, job: i64, id: JobId, name: &'static str) -> Result<()> {
    tx.execute(
        "insert into main.job_event (account, job, n, name, created_at)
         values (current_account(), ?1, 1, ?2, ?3)",
        (job, name, tx.now()),
    )?;
    tx.signal(Signal::Job(id));
    Ok(())
}

/// Adds a line to the job's story. `data` is a JSON object.
pub fn add(
    tx: &Tx<'_, AccountScope>,
    job: i64,
    id: JobId,
    name: &'static str,
    data: Option<&str>,
) -> Result<()> {
    tx.execute(
        "insert into main.job_event (account, job, n, name, data, created_at)
         values (current_account(), ?1,
           (select coalesce(max(n), 0) + 1 from job_event where job = ?1), ?2, ?3, ?4)",
        (job, name, data, tx.now()),
    )?;
    tx.signal(Signal::Job(id));
    Ok(())
}

/// The job's steps after number `after`, oldest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    job: i64,
    after: i64,
    limit: usize,
) -> Result<Vec<JobEvent>> {
    snapshot.all(
        "select * from job_event where job = ?1 and n > ?2 order by n limit ?3",
        (job, after, limit),
        |row| {
            let (n, created_at) = (row.get("n")?, row.get("created_at")?);
            Ok(JobEvent {
                id: EventId::from_uuid(derived_uuid(job, n, created_at)),
                n,
                name: row.get("name")?,
                data: raw(row, "data")?,
                created_at,
            })
        },
    )
}
