//! What is recorded of the end of an attempt at a task.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::place::{release_next, work};
use crate::{
    app::App,
    domain::{
        AccountId, DeadLetterId, Error, ErrorKind, EventType, JobError, JobErrorCode, JobId,
        JobStatus, Result, ScheduleId, TaskError, TaskId, TaskStatus, Timestamp,
    },
    store::{
        AccountScope, Commit, Tx, dead_letters,
        queue::{self, Claimed},
        scheduled_tasks::{self, Task, TaskStep},
    },
};

/// What an attempt led to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The function succeeded and gave this back: JSON.
    Completed(String),
    /// It failed.
    Failed {
        /// Why.
        error: TaskError,
        /// What it gave back all the same: JSON.
        result: Option<String>,
        /// Whether another attempt may succeed, and how long to wait for it at least.
        retry: Retry,
    },
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again.
    Never,
    /// After the queue's pause, or as long as the other side asks for.
    After(Option<Duration>),
}

impl Outcome {
    /// A deed that was refused, or failed.
    pub fn refused(error: &Error) -> Self {
        let retry = if may_pass(error) { Retry::After(None) } else { Retry::Never };
        Self::Failed { error: error.into(), result: None, retry }
    }
}

/// Whether a run that was not accepted may be accepted later: what is wrong is not in the request.
fn may_pass(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InsufficientCredits
            | ErrorKind::BudgetExceeded
            | ErrorKind::RateLimit
            | ErrorKind::QueueFull
            | ErrorKind::DailyTokenCap
            | ErrorKind::ServerError
            | ErrorKind::Unavailable
    )
}

/// The data of `task.failed`.
#[derive(Serialize)]
struct Failed<'a> {
    task_id: TaskId,
    account_id: AccountId,
    function_name: &'a str,
    schedule_id: Option<ScheduleId>,
    scheduled_time: Timestamp,
    error: &'a TaskError,
    request_id: &'a str,
}

/// The result of a run of an agent.
#[derive(Serialize)]
struct OfJob {
    job_id: JobId,
    status: JobStatus,
}

/// Records an attempt, unless its lease is not valid any more: then somebody else has the task, and this attempt's
/// outcome is discarded. Gives whether it was recorded.
pub fn finish(app: &Arc<App>, claimed: &Claimed, task: Task, outcome: Outcome) -> Commit<bool> {
    let (this, lease) = (Arc::clone(app), claimed.lease);
    let again = match &outcome {
        Outcome::Failed { retry: Retry::After(asked), .. } => {
            app.settings.tasks.backoff.delay(claimed.attempts, app.ambient.fraction(), *asked)
        }
        _ => None,
    };
    app.store.write(claimed.scope, move |tx| match (&outcome, again) {
        (Outcome::Failed { error, result, .. }, Some(pause)) => {
            let valid = queue::release(tx, lease, tx.now().plus(pause), true)?;
            if valid {
                let result = result.as_deref();
                let step = TaskStep { status: TaskStatus::Pending, result, error: Some(error) };
                scheduled_tasks::step(tx, task.key(), &step)?;
            }
            Ok(valid)
        }
        (outcome, _) => {
            let valid = queue::finish(tx, lease)?;
            if valid {
                end(&this, tx, &task, outcome)?;
            }
            Ok(valid)
        }
    })
}

fn end(app: &App, tx: &Tx<'_, AccountScope>, task: &Task, outcome: &Outcome) -> Result<()> {
    match outcome {
        Outcome::Completed(result) => complete(app, tx, task, result),
        Outcome::Failed { error, result, .. } => {
            let attempts = task.attempts.saturating_add(1);
            fail(app, tx, task, attempts, error, result.as_deref())
        }
    }
}

fn complete(app: &App, tx: &Tx<'_, AccountScope>, task: &Task, result: &str) -> Result<()> {
    let step = TaskStep { status: TaskStatus::Completed, result: Some(result), error: None };
    scheduled_tasks::step(tx, task.key(), &step)?;
    release_next(app, tx, task)
}

/// Ends a task that will not be tried again after so many attempts: it can be redriven, and endpoints are told.
pub(super) fn fail(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    task: &Task,
    attempts: u32,
    error: &TaskError,
    result: Option<&str>,
) -> Result<()> {
    let id = DeadLetterId::from_uuid(app.ambient.uuid());
    dead_letters::insert(tx, id, work(task.seq), &error.code, &error.message, attempts)?;
    tell(app, tx, task, error, result)
}

/// The same without a dead letter.
fn tell(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    task: &Task,
    error: &TaskError,
    result: Option<&str>,
) -> Result<()> {
    let step = TaskStep { status: TaskStatus::Failed, result, error: Some(error) };
    scheduled_tasks::step(tx, task.key(), &step)?;
    let failed = Failed {
        task_id: task.id,
        account_id: tx.scope().account_id(),
        function_name: &task.function,
        schedule_id: task.schedule.map(|(_, id)| id),
        scheduled_time: task.scheduled_time,
        error,
        request_id: &task.request_id,
    };
    app.emit(tx, EventType::TaskFailed, &failed)?;
    release_next(app, tx, task)
}

/// Lets a task wait again whose attempt the end of the server cuts short: it does not count. Gives whether its lease was
/// still valid.
pub fn put_back(app: &App, claimed: &Claimed) -> Commit<bool> {
    let lease = claimed.lease;
    app.store.write(claimed.scope, move |tx| queue::release(tx, lease, tx.now(), false))
}

/// Ends a task that will not be tried again: it waited too long, or the server ended during too many of its attempts.
pub fn give_up(app: &Arc<App>, claimed: &Claimed, code: JobErrorCode) -> Commit<bool> {
    let (this, claimed) = (Arc::clone(app), claimed.clone());
    app.store.write(claimed.scope, move |tx| {
        if !queue::finish(tx, claimed.lease)? {
            return Ok(false);
        }
        let Some(task) = scheduled_tasks::by_seq(tx, claimed.lease.id.subject)? else {
            return Ok(false);
        };
        if task.status.is_terminal() {
            return Ok(false);
        }
        let message = match code {
            JobErrorCode::Expired => {
                "the task waited longer than its time to live and was not run".to_owned()
            }
            _ => format!(
                "{} attempts broke off without an outcome: the server ended, or they took too long",
                claimed.crashes
            ),
        };
        let error = TaskError::new(code.as_str(), message);
        fail(&this, tx, &task, task.attempts, &error, None)?;
        Ok(true)
    })
}

/// A job ended: with it the task that waits for it, if there is one. A dead letter, where one is due, is the job's.
pub(in crate::app) fn job_ended(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    (seq, id): (i64, JobId),
    status: JobStatus,
    error: Option<&JobError>,
) -> Result<()> {
    let Some(task) = scheduled_tasks::waiting_for(tx, seq)? else { return Ok(()) };
    let result = serde_json::to_string(&OfJob { job_id: id, status }).map_err(Error::internal)?;
    let error = error.map(|error| TaskError::new(error.code.as_str(), error.message.as_str()));
    match (status, error) {
        (JobStatus::Canceled, error) => {
            let status = TaskStatus::Canceled;
            let step = TaskStep { status, result: Some(&result), error: error.as_ref() };
            scheduled_tasks::step(tx, task.key(), &step)?;
            release_next(app, tx, &task)
        }
        (_, Some(error)) => tell(app, tx, &task, &error, Some(&result)),
        (_, None) => complete(app, tx, &task, &result),
    }
}
