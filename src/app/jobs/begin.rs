//! How an attempt at a job begins.

use super::{App, batches, direct, outcome::fail};
use crate::{
    app::end_users,
    domain::{JobError, JobErrorCode, JobStatus, Result},
    store::{
        AccountScope, SystemScope, Tx, job_events,
        jobs::{self, Job},
        queue::Claimed,
    },
};

/// An attempt begins, in the transaction that leases the job. `None` where the job ended meanwhile, or ends
/// now because it must not begin.
pub fn begin(app: &App, tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<Job>> {
    tx.within(claimed.scope, |tx| {
        let Some(job) = jobs::by_seq(tx, claimed.lease.id.subject)? else { return Ok(None) };
        if !job.status.may_become(JobStatus::Running) && job.status != JobStatus::Running {
            return Ok(None);
        }
        if let Some((to, error)) = unwanted(app, tx, &job)? {
            fail(app, tx, &job, to, &error)?;
            return Ok(None);
        }
        let token_bound = end_users::count_in(app, tx, &job)?;
        batches::step(app, tx, job.batch, job.status, JobStatus::Running)?;
        jobs::start(tx, job.seq, claimed.attempts)?;
        let data = format!(r#"{{"attempt":{}}}"#, claimed.attempts);
        job_events::add(tx, job.seq, job.id, "started", Some(&data))?;
        let (attempts, started_at) = (claimed.attempts, Some(tx.now()));
        Ok(Some(Job { status: JobStatus::Running, attempts, started_at, token_bound, ..job }))
    })
}

/// How a job ends that must not begin: one whose client waited on a connection to a server that stopped, one whose
/// batch was canceled, and one that was put off to a day on which its end user has reached its cap.
fn unwanted(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: &Job,
) -> Result<Option<(JobStatus, JobError)>> {
    if job.direct {
        return Ok(Some((JobStatus::Failed, direct::stopped())));
    }
    if batches::is_canceling(tx, job)? {
        let message = batches::CANCELED.to_owned();
        let error = JobError { code: JobErrorCode::Canceled, message };
        return Ok(Some((JobStatus::Canceled, error)));
    }
    if let Some(message) = end_users::capped_today(app, tx, job)? {
        let error = JobError { code: JobErrorCode::RateLimit, message };
        return Ok(Some((JobStatus::Failed, error)));
    }
    Ok(None)
}
