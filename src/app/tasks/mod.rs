//! What can be done with scheduled tasks. A task's state, its place in the queue and the news of it change in one
//! transaction, or not at all.

mod attempt;
mod due;
pub(in crate::app) mod outcome;
mod place;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, value::RawValue};

pub use attempt::{Attempt, begin, run_agent, skipped};
pub use due::{Asked, Processed, answer, answered, demand, has_ended, report};
pub use outcome::{Outcome, Retry, finish, give_up, put_back};

pub(in crate::app) use place::{add, insert, left};

use place::{enqueue, may_open, release_next, work};

use super::{App, Caller, Reply, Secrecy, builtins, functions, jobs, once};
use crate::{
    domain::{
        Backoff, Cursor, Error, ErrorKind, Idempotency, Overlap, Page, Result, TaskError, TaskId,
        TaskRequest, TaskStatus,
    },
    store::{
        AccountScope, Commit, Snapshot, Tx, dead_letters,
        functions::{Function, Target},
        jobs as store_jobs,
        open_jobs::OpenJob,
        queue,
        scheduled_tasks::{self, NewTask, Task, TaskFilter, TaskStep},
        schedules,
    },
};

/// Tasks of a deleted schedule that one transaction cancels: more than can be held.
const ORPHANS_MAX: u32 = 500;
/// Tasks of a schedule that wait for earlier ones.
pub(in crate::app) const HELD_MAX: u32 = 100;
/// Why a task is canceled whose schedule is gone.
const ORPHANED: &str = "its schedule was deleted";

/// What the operator decided about tasks.
#[derive(Clone, Debug)]
pub struct TaskSettings {
    /// How long after its time a task may still start.
    pub ttl: Duration,
    /// Pauses between its attempts.
    pub backoff: Backoff,
    /// How long an attempt may take.
    pub runtime: Duration,
    /// Functions of an account.
    pub max_functions: u32,
    /// Schedules of an account.
    pub max_schedules: u32,
    /// Tasks of an account that are not over.
    pub max_open: u32,
    /// Requests of batches that one group of `batch-ai-processor` brings forward.
    pub batch_size: usize,
}

/// Adds a task.
pub fn create(
    app: &Arc<App>,
    caller: &Caller,
    new: TaskRequest,
    request: Option<Idempotency>,
    render: once::Render<Task>,
) -> Commit<Reply> {
    if let Err(error) = new.check(app.ambient.now()) {
        return Commit::refused(error);
    }
    let (this, caller) = (Arc::clone(app), caller.clone());
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let function = functions::named(tx, &new.function_name)?;
        check_payload(&function, new.payload.as_deref())?;
        let new = NewTask {
            id: TaskId::from_uuid(this.ambient.uuid()),
            function: function.name,
            schedule: None,
            occurrence: None,
            scheduled_time: new.scheduled_time.unwrap_or(tx.now()),
            payload: new.payload.clone(),
            asked_by: Some((caller.project, caller.key)),
            request_id: caller.request_id.clone(),
            held: false,
        };
        add(&this, tx, &new)
    })
}

/// Refuses what a function of the server's own does not understand.
pub(in crate::app) fn check_payload(function: &Function, payload: Option<&RawValue>) -> Result<()> {
    match function.target {
        Target::Builtin(builtin) => builtins::check_payload(builtin, value(payload)?.as_ref()),
        _ => Ok(()),
    }
}

/// A payload as a value.
pub fn value(payload: Option<&RawValue>) -> Result<Option<Value>> {
    payload.map(|payload| serde_json::from_str(payload.get())).transpose().map_err(Error::internal)
}

/// The account's task of that id. Blocks while it reads.
pub fn get(app: &App, scope: AccountScope, id: TaskId) -> Result<Task> {
    app.store.read(scope, |snapshot| must_find(snapshot, id))
}

/// The account's tasks, newest first: up to `limit`, fewer where they are large or hard to find. Blocks while it
/// reads.
pub fn list(
    app: &App,
    scope: AccountScope,
    filter: &TaskFilter,
    limit: usize,
) -> Result<Page<Task>> {
    let found = app.store.read(scope, |snapshot| scheduled_tasks::list(snapshot, filter, limit))?;
    Ok(super::page_of(found, |id| Cursor::from_uuid(id.uuid())))
}

/// Cancels a task that is not over. An attempt that is being made is abandoned, and the job of a run of an agent is
/// canceled with it.
pub fn cancel(
    app: &Arc<App>,
    caller: &Caller,
    id: TaskId,
    request: Option<Idempotency>,
    render: once::Render<Task>,
) -> Commit<Reply> {
    let this = Arc::clone(app);
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let task = must_find(tx, id)?;
        if task.status.is_terminal() {
            return Err(over(&task, "cannot be canceled any more"));
        }
        withdraw(&this, tx, &task, "canceled by request")?;
        must_find(tx, id)
    })
}

/// Ends a task as canceled, whoever works on it.
fn withdraw(app: &App, tx: &Tx<'_, AccountScope>, task: &Task, message: &str) -> Result<()> {
    end_canceled(tx, task.key(), message)?;
    if let (TaskStatus::Running, Some((job, _))) = (task.status, task.job)
        && let Some(job) = store_jobs::by_seq(tx, job)?.filter(|job| !job.status.is_terminal())
    {
        jobs::withdraw(app, tx, &OpenJob::of(&job), message)?;
    }
    release_next(app, tx, task)
}

fn end_canceled(tx: &Tx<'_, AccountScope>, key: (i64, TaskId), message: &str) -> Result<()> {
    queue::withdraw(tx, work(key.0))?;
    let error = TaskError::new("CANCELED", message);
    let step = TaskStep { status: TaskStatus::Canceled, result: None, error: Some(&error) };
    scheduled_tasks::step(tx, key, &step)
}

/// Cancels tasks of a schedule that is deleted and that wait, some hundred of them; gives whether there may be more.
pub(in crate::app) fn cancel_orphans(tx: &Tx<'_, AccountScope>, schedule: i64) -> Result<bool> {
    let waiting = scheduled_tasks::pending_of(tx, schedule, ORPHANS_MAX)?;
    for key in &waiting {
        end_canceled(tx, *key, ORPHANED)?;
    }
    Ok(waiting.len() >= ORPHANS_MAX as usize)
}

/// Lets a task that failed or was canceled wait again, with all its retries. Whoever asks for that pays for its job.
pub fn retry(
    app: &Arc<App>,
    caller: &Caller,
    id: TaskId,
    request: Option<Idempotency>,
    render: once::Render<Task>,
) -> Commit<Reply> {
    let (this, asked_by) = (Arc::clone(app), (caller.project, caller.key));
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        redrive(&this, tx, id, Some(asked_by))?;
        must_find(tx, id)
    })
}

/// The transaction of [`retry`], for dead letters too. `asked_by` are the numbers of a project and its key; without,
/// whoever asked before pays.
pub(in crate::app) fn redrive(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    id: TaskId,
    asked_by: Option<(i64, i64)>,
) -> Result<()> {
    let task = must_find(tx, id)?;
    if !task.status.may_be_retried() {
        return Err(over(&task, "cannot be retried"));
    }
    may_open(app, tx)?;
    if task.is_orphan {
        scheduled_tasks::detach(tx, task.seq)?;
    }
    let waits = must_wait(tx, &task)?;
    let error = task.error.as_ref();
    let step = TaskStep { status: TaskStatus::Pending, result: None, error };
    scheduled_tasks::step(tx, task.key(), &step)?;
    dead_letters::redriven(tx, work(task.seq))?;
    if let Some(asked_by) = asked_by {
        scheduled_tasks::set_asked_by(tx, task.seq, asked_by)?;
    }
    if waits {
        return scheduled_tasks::set_held(tx, task.seq, true);
    }
    enqueue(app, tx, task.seq, tx.now())
}

/// Whether the task's schedule lets it wait for others that are not over.
fn must_wait(snapshot: &Snapshot<'_, AccountScope>, task: &Task) -> Result<bool> {
    let Some((seq, id)) = task.schedule else { return Ok(false) };
    match schedules::find(snapshot, id)? {
        Some(schedule) if schedule.rules.overlap == Overlap::Queue => waits(snapshot, seq),
        _ => Ok(false),
    }
}

/// Whether one more task of a schedule that queues them waits. [`ErrorKind::QueueFull`] where enough do.
pub(in crate::app) fn waits(snapshot: &Snapshot<'_, AccountScope>, schedule: i64) -> Result<bool> {
    match scheduled_tasks::open_of(snapshot, schedule)? {
        (0, 0) => Ok(false),
        (_, held) if held < HELD_MAX => Ok(true),
        _ => {
            let message = format!("{HELD_MAX} tasks of the schedule wait already");
            Err(Error::new(ErrorKind::QueueFull, message))
        }
    }
}

fn must_find(snapshot: &Snapshot<'_, AccountScope>, id: TaskId) -> Result<Task> {
    scheduled_tasks::find(snapshot, id)?.ok_or_else(|| Error::not_found("scheduled task"))
}

fn over(task: &Task, what: &str) -> Error {
    let message = format!("the task is {} and {what}", task.status.as_str());
    Error::new(ErrorKind::Conflict, message)
}
