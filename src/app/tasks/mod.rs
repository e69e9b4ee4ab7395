//! What can be done with scheduled tasks. A task's state, its place in the queue and the news of it change in one
//! transaction, or not at all.

mod attempt;
mod due;
mod outcome;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, value::RawValue};

pub use attempt::{Attempt, begin, run_agent};
pub use due::{Asked, Processed, answer, answered, demand, has_ended, report};
pub use outcome::{Outcome, Retry, finish, give_up};

pub(in crate::app) use outcome::job_ended;

use super::{App, Caller, Reply, Secrecy, builtins, functions, jobs, once};
use crate::{
    domain::{
        Backoff, Cursor, Error, ErrorKind, Idempotency, Overlap, Page, QueueName, Result,
        TaskError, TaskId, TaskRequest, TaskStatus, Timestamp,
    },
    store::{
        AccountScope, Commit, Snapshot, Tx, dead_letters,
        functions::{Function, Target},
        jobs as store_jobs,
        open_jobs::OpenJob,
        queue::{self, Waiting, WorkId},
        scheduled_tasks::{self, NewTask, Task, TaskFilter, TaskStep},
        schedules,
    },
};

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
        let run_at = new.scheduled_time;
        insert(&this, tx, &new, run_at)?
            .ok_or_else(|| Error::internal("a task without a schedule was there already"))
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

/// Adds a task and, unless it is held, its place in the queue; `None` where its occurrence is one already.
pub(in crate::app) fn insert(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    new: &NewTask,
    run_at: Timestamp,
) -> Result<Option<Task>> {
    may_open(app, tx)?;
    let Some(seq) = scheduled_tasks::insert(tx, new)? else { return Ok(None) };
    if !new.held {
        enqueue(app, tx, seq, run_at)?;
    }
    scheduled_tasks::by_seq(tx, seq)
}

/// Refuses one more task where enough are not over.
fn may_open(app: &App, snapshot: &Snapshot<'_, AccountScope>) -> Result<()> {
    let most = app.settings.tasks.max_open;
    if scheduled_tasks::open(snapshot, most)? >= most {
        let message =
            format!("{most} tasks of the account wait or run; try again once some are over");
        return Err(Error::new(ErrorKind::QueueFull, message));
    }
    Ok(())
}

/// Lets a task wait for its time. Those of one account take turns with those of others.
fn enqueue(app: &App, tx: &Tx<'_, AccountScope>, task: i64, run_at: Timestamp) -> Result<()> {
    let lane = tx.scope().seq().number();
    let expires_at = run_at.max(tx.now()).plus(app.settings.tasks.ttl);
    queue::push(tx, Waiting { id: work(task), lane, priority: 0, run_at }, expires_at)
}

fn work(task: i64) -> WorkId {
    WorkId { queue: QueueName::TaskRun, subject: task }
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
pub(in crate::app) fn withdraw(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    task: &Task,
    message: &str,
) -> Result<()> {
    queue::withdraw(tx, work(task.seq))?;
    let error = TaskError::new("CANCELED", message);
    let step = TaskStep { status: TaskStatus::Canceled, result: None, error: Some(&error) };
    scheduled_tasks::step(tx, task, &step)?;
    if let (TaskStatus::Running, Some((job, _))) = (task.status, task.job)
        && let Some(job) = store_jobs::by_seq(tx, job)?.filter(|job| !job.status.is_terminal())
    {
        jobs::withdraw(app, tx, &OpenJob::of(&job), message)?;
    }
    release_next(app, tx, task)
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
    let waits = must_wait(tx, &task)?;
    let error = task.error.as_ref();
    let step = TaskStep { status: TaskStatus::Pending, result: None, error };
    scheduled_tasks::step(tx, &task, &step)?;
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
    let queues =
        schedules::find(snapshot, id)?.is_some_and(|it| it.rules.overlap == Overlap::Queue);
    Ok(queues && scheduled_tasks::open_of(snapshot, seq)? != (0, 0))
}

/// Where a schedule lets its tasks run one after the other, the next one's turn has come.
fn release_next(app: &App, tx: &Tx<'_, AccountScope>, ended: &Task) -> Result<()> {
    let Some((schedule, _)) = ended.schedule else { return Ok(()) };
    let (at_work, held) = scheduled_tasks::open_of(tx, schedule)?;
    if at_work > 0 || held == 0 {
        return Ok(());
    }
    let Some(next) = scheduled_tasks::first_held(tx, schedule)? else { return Ok(()) };
    scheduled_tasks::set_held(tx, next.seq, false)?;
    enqueue(app, tx, next.seq, next.scheduled_time)
}

fn must_find(snapshot: &Snapshot<'_, AccountScope>, id: TaskId) -> Result<Task> {
    scheduled_tasks::find(snapshot, id)?.ok_or_else(|| Error::not_found("scheduled task"))
}

fn over(task: &Task, what: &str) -> Error {
    let message = format!("the task is {} and {what}", task.status.as_str());
    Error::new(ErrorKind::Conflict, message)
}
