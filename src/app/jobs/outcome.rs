//! What is recorded of the end of an attempt at a job.

use std::sync::Arc;

use super::{
    App,
    afford::{charge, release},
    batches,
    ending::{Outcome, Success},
    told::{AgentName, Completed, Ended, Failed, Retrying, Succeeded},
};
use crate::{
    app::{
        asking::{BrokenAnswer, Trail},
        tasks::outcome::job_ended,
        telemetry::execution,
    },
    domain::{
        AgentTotals, DeadLetterId, Error, EventType, JobError, JobErrorCode, JobStatus, Result,
    },
    store::{
        AccountScope, Commit, Tx, agent_hours,
        batches::Batch,
        dead_letters, job_events,
        jobs::{self, Job, JobAgent, JobResult},
        ledger::Charge,
        open_jobs::OpenJob,
        queue::{self, Claimed, Lease, WorkId},
    },
};

/// Records what an attempt led to, unless its lease is not valid any more: then somebody else ended
/// the job, and the late answer is discarded. Gives whether it was recorded.
pub fn finish(
    app: &Arc<App>,
    claimed: &Claimed,
    job: Arc<Job>,
    outcome: Arc<Outcome>,
) -> Commit<bool> {
    let (this, lease) = (Arc::clone(app), claimed.lease);
    app.store.write(claimed.scope, move |tx| record(&this, tx, lease, &job, &outcome))
}

/// The transaction of [`finish`], for direct jobs too.
pub(super) fn record(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    lease: Lease,
    job: &Arc<Job>,
    outcome: &Arc<Outcome>,
) -> Result<bool> {
    if let Outcome::Failed { error, retry_at: Some(at), trail, .. } = &**outcome {
        let retrying = Retrying { attempt: job.attempts, error, run_at: *at, trail };
        return put_off(app, tx, lease, job, &retrying);
    }
    if !queue::finish(tx, lease)? {
        return Ok(false);
    }
    match &**outcome {
        Outcome::Succeeded(success) => {
            succeed(app, tx, job, success)?;
            execution::attempted(app, tx, job, outcome);
        }
        Outcome::Failed { error, exhausted, answer, trail, .. } => {
            let open = OpenJob::of(job);
            fail_after(app, tx, &open, JobStatus::Failed, error, answer.as_ref(), trail)?;
            if *exhausted {
                bury(app, tx, lease.id, error, job.attempts)?;
            }
            execution::attempted(app, tx, job, outcome);
        }
        Outcome::Left => {
            let message = "the connection to the client ended before the answer began".to_owned();
            let error = JobError { code: JobErrorCode::Canceled, message };
            fail(app, tx, job, JobStatus::Canceled, &error)?;
        }
    }
    Ok(true)
}

/// The job waits for its next attempt.
fn put_off(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    lease: Lease,
    job: &Job,
    retrying: &Retrying<'_>,
) -> Result<bool> {
    if !queue::release(tx, lease, retrying.run_at, true)? {
        return Ok(false);
    }
    batches::step(app, tx, job.batch, job.status, JobStatus::Queued)?;
    jobs::set_status(tx, job.seq, JobStatus::Queued)?;
    let data = serde_json::to_string(retrying).map_err(Error::internal)?;
    job_events::add(tx, job.seq, job.id, "retrying", Some(&data))?;
    Ok(true)
}

fn succeed(app: &App, tx: &Tx<'_, AccountScope>, job: &Job, success: &Success) -> Result<()> {
    let cost = success.cost;
    let charged = Charge { cost, price: success.price };
    charge(app, tx, job.reservation(), charged, success.usage)?;
    let batch = batches::step(app, tx, job.batch, job.status, JobStatus::Succeeded)?;
    jobs::end(tx, job.seq, JobStatus::Succeeded, &success.result())?;
    job_ended(app, tx, (job.seq, job.id), JobStatus::Succeeded, None)?;
    let reserved = job.reserved.total().unwrap_or_default();
    let data = Succeeded {
        model: &success.model,
        provider: &success.provider,
        credits_charged: cost,
        overrun: cost.checked_sub(reserved).filter(|over| over.is_positive()),
        estimated: success.estimated,
        cut_short: success.cut_short,
        trail: &success.trail,
    };
    let data = serde_json::to_string(&data).map_err(Error::internal)?;
    job_events::add(tx, job.seq, job.id, "succeeded", Some(&data))?;
    let latency = tx.now().since(job.started_at.unwrap_or(job.created_at));
    let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    let totals = AgentTotals::success(success.trail.repairs, latency_ms, success.usage, cost);
    count(tx, job.agent.as_ref(), batch.as_ref(), totals)?;
    let completed = Completed {
        job_id: job.id,
        account_id: tx.scope().account_id(),
        status: JobStatus::Succeeded,
        model: &job.model,
        agent: job.agent.as_ref().map(AgentName::of),
        latency_ms,
        credits_charged: cost,
        request_id: &job.request_id,
    };
    app.emit_within(tx, job.trace, EventType::JobCompleted, &completed)
}

/// Counts a job that ended for the version of the agent that it ran, if any. Cases of evals do not count: they
/// tell how a version does that may never be used.
fn count(
    tx: &Tx<'_, AccountScope>,
    agent: Option<&JobAgent>,
    batch: Option<&Batch>,
    ended: AgentTotals,
) -> Result<()> {
    match agent {
        Some(agent) if batch.is_none_or(|batch| !batch.is_eval) => {
            agent_hours::add(tx, agent.seq, agent.version, &ended)
        }
        _ => Ok(()),
    }
}

/// Ends a job by something else than the outcome of an attempt: nothing is charged and what was set aside comes back.
pub(super) fn fail(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: &Job,
    to: JobStatus,
    error: &JobError,
) -> Result<()> {
    fail_open(app, tx, &OpenJob::of(job), to, error)
}

/// The same of a job without what it was asked.
pub(super) fn fail_open(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: &OpenJob,
    to: JobStatus,
    error: &JobError,
) -> Result<()> {
    execution::ended(app, tx, job, to, error);
    fail_after(app, tx, job, to, error, None, &Trail::default())
}

/// The same after an attempt, whose way its step tells.
fn fail_after(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: &OpenJob,
    to: JobStatus,
    error: &JobError,
    answer: Option<&BrokenAnswer>,
    trail: &Trail,
) -> Result<()> {
    release(tx, job.reservation())?;
    let batch = batches::step(app, tx, job.batch, job.status, to)?;
    let result = JobResult {
        output_text: answer.map(|answer| answer.text.clone()),
        model: answer.map(|answer| answer.model.clone()),
        provider: answer.map(|answer| answer.provider.clone()),
        usage: answer.map(|answer| answer.usage),
        error: Some(error.clone()),
        ..JobResult::default()
    };
    jobs::end(tx, job.seq, to, &result)?;
    job_ended(app, tx, (job.seq, job.id), to, Some(error))?;
    let model = answer.map(|answer| answer.model.as_str());
    let provider = answer.map(|answer| answer.provider.as_str());
    let data = Failed { error, model, provider, trail };
    let data = serde_json::to_string(&data).map_err(Error::internal)?;
    job_events::add(tx, job.seq, job.id, to.as_str(), Some(&data))?;
    if to != JobStatus::Canceled {
        let totals = AgentTotals::failure(trail.repairs, error.code);
        count(tx, job.agent.as_ref(), batch.as_ref(), totals)?;
    }
    let kind = match to {
        JobStatus::Canceled => EventType::JobCanceled,
        _ => EventType::JobFailed,
    };
    let ended = Ended {
        job_id: job.id,
        account_id: tx.scope().account_id(),
        status: to,
        error,
        request_id: &job.request_id,
    };
    app.emit_within(tx, job.trace, kind, &ended)
}

fn bury(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    work: WorkId,
    error: &JobError,
    attempts: u32,
) -> Result<()> {
    let id = DeadLetterId::from_uuid(app.ambient.uuid());
    dead_letters::insert(tx, id, work, error.code.as_str(), &error.message, attempts)
}

/// Ends a job that will not be tried again: its time to live is over, or the server ended during
/// too many of its attempts.
pub fn give_up(app: &Arc<App>, claimed: &Claimed, code: JobErrorCode) -> Commit<bool> {
    let (this, claimed) = (Arc::clone(app), claimed.clone());
    app.store.write(claimed.scope, move |tx| {
        if !queue::finish(tx, claimed.lease)? {
            return Ok(false);
        }
        let Some(job) = jobs::by_seq(tx, claimed.lease.id.subject)? else { return Ok(false) };
        if job.status.is_terminal() {
            return Ok(false);
        }
        if code == JobErrorCode::Expired {
            let message = "the job waited longer than its time to live and was not run".to_owned();
            fail(&this, tx, &job, JobStatus::Expired, &JobError { code, message })?;
        } else {
            let message = format!(
                "{} attempts broke off without an outcome: the server ended, or they took too long",
                claimed.crashes
            );
            let error = JobError { code, message };
            fail(&this, tx, &job, JobStatus::Failed, &error)?;
            bury(&this, tx, claimed.lease.id, &error, claimed.attempts)?;
        }
        Ok(true)
    })
}
