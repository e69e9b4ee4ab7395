//! How an attempt at a task begins, and how a run of an agent becomes a job.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{ORPHANED, end_canceled, outcome::fail};
use crate::{
    app::{
        App, Caller,
        agents::{self, Run},
        jobs,
        telemetry::skipped::{self, Refused},
    },
    domain::{Error, ErrorKind, Result, RunRequest, TaskError, TaskStatus, TraceContext},
    store::{
        Commit, SystemScope, Tx, accounts, api_keys,
        functions::{self, Target},
        queue::{self, Claimed},
        scheduled_tasks::{self, Task},
    },
};

/// What an attempt needs to know.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The task as it was before this attempt.
    pub task: Task,
    /// What its function does, as of now.
    pub target: Target,
}

impl Attempt {
    /// The number of this attempt, from 1.
    pub fn number(&self) -> u32 {
        self.task.attempts.saturating_add(1)
    }
}

/// An attempt begins, in the transaction that leases the task. `None` where there is none: the task is over, or ends
/// now since it must not begin.
pub fn begin(app: &App, tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<Attempt>> {
    let is_suspended = accounts::is_suspended(tx, claimed.scope)?;
    tx.within(claimed.scope, |tx| {
        let Some(task) = scheduled_tasks::by_seq(tx, claimed.lease.id.subject)? else {
            return Ok(None);
        };
        if task.status.is_terminal() {
            return Ok(None);
        }
        if task.is_orphan && task.status == TaskStatus::Pending {
            end_canceled(tx, task.key(), ORPHANED)?;
            return Ok(None);
        }
        let refused = |code: &str, message: &str| {
            fail(app, tx, &task, task.attempts, &TaskError::new(code, message), None)
        };
        if is_suspended {
            let code = ErrorKind::AccountSuspended.code();
            refused(code, "the account is suspended; retry the task once the operator resumed it")?;
            return Ok(None);
        }
        let Some(function) = functions::find(tx, &task.function)? else {
            refused(
                "NOT_FOUND",
                "the function was deleted; make it again by PUT, and retry the task",
            )?;
            return Ok(None);
        };
        scheduled_tasks::begin(tx, &task)?;
        Ok(Some(Attempt { task, target: function.target }))
    })
}

/// Accepts the job of a run of an agent: the attempt is over with that, and the task is with its job. Gives whether
/// its lease was still valid; an error where the job is not accepted. `trace` is the attempt's. Blocks.
pub fn run_agent(
    app: &Arc<App>,
    claimed: &Claimed,
    task: &Task,
    agent: &str,
    input: Option<&RawValue>,
    trace: Option<TraceContext>,
) -> Result<Commit<bool>> {
    let caller = caller(app, claimed, task, trace)?;
    let run = RunRequest::of(task.payload.as_deref().or(input).map(RawValue::to_owned));
    let Run::New(prepared) = agents::prepare_run(app, &caller, agent, &run, None)? else {
        return Err(Error::internal("a run without an idempotency key was accepted before"));
    };
    let (this, lease, task) = (Arc::clone(app), claimed.lease, task.seq);
    Ok(app.store.write(claimed.scope, move |tx| {
        if !queue::finish(tx, lease)? {
            return Ok(false);
        }
        let job = jobs::accept(&this, tx, &prepared)?;
        scheduled_tasks::set_job(tx, task, job.seq)?;
        Ok(true)
    }))
}

/// Records a run of an agent that a limit was in the way of.
pub fn skipped(app: &App, claimed: &Claimed, task: &Task, agent: &str, error: &Error) {
    let refused = Refused {
        scope: claimed.scope,
        request_id: task.request_id.clone(),
        agent: Some(agent.to_owned()),
        body: Bytes::new(),
    };
    skipped::record(app, refused, error);
}

/// Who asked for the task, and so pays for its job.
fn caller(
    app: &App,
    claimed: &Claimed,
    task: &Task,
    trace: Option<TraceContext>,
) -> Result<Caller> {
    let gone = || {
        let message = "the API key that asked for this, and would pay for it, was revoked or is gone; retry the \
                       task, or change its schedule, with another key";
        Error::new(ErrorKind::Conflict, message)
    };
    let (project, key) = task.asked_by.ok_or_else(gone)?;
    let payer = app
        .store
        .read(SystemScope::new(), |snapshot| api_keys::payer_of(snapshot, claimed.scope, key))?;
    Ok(Caller {
        scope: claimed.scope,
        project,
        key,
        payer: Some(payer.ok_or_else(gone)?),
        request_id: task.request_id.clone(),
        trace,
    })
}
