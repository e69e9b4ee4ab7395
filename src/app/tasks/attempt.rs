//! How an attempt at a task begins, and how a run of an agent becomes a job.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::outcome::fail;
use crate::{
    app::{
        App, Caller,
        agents::{self, Run},
        jobs,
    },
    domain::{Error, ErrorKind, Result, RunRequest, TaskError},
    store::{
        Commit, SystemScope, Tx, api_keys,
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

/// An attempt begins, in the transaction that leases the task. `None` where there is none: the task is over, or it
/// fails now since its function is gone.
pub fn begin(app: &App, tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<Attempt>> {
    tx.within(claimed.scope, |tx| {
        let Some(task) = scheduled_tasks::by_seq(tx, claimed.lease.id.subject)? else {
            return Ok(None);
        };
        if task.status.is_terminal() {
            return Ok(None);
        }
        let Some(function) = functions::find(tx, &task.function)? else {
            let message = "the function was deleted; make it again by PUT, and retry the task";
            let error = TaskError::new("NOT_FOUND", message);
            fail(app, tx, &task, task.attempts, &error, None)?;
            return Ok(None);
        };
        scheduled_tasks::begin(tx, &task)?;
        Ok(Some(Attempt { task, target: function.target }))
    })
}

/// Accepts the job of a run of an agent: the attempt is over with that, and the task is with its job. Gives whether
/// its lease was still valid; an error where the job is not accepted. Blocks.
pub fn run_agent(
    app: &Arc<App>,
    claimed: &Claimed,
    task: &Task,
    agent: &str,
    input: Option<&RawValue>,
) -> Result<Commit<bool>> {
    let caller = caller(app, claimed, task)?;
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

/// Who asked for the task, and so pays for its job.
fn caller(app: &App, claimed: &Claimed, task: &Task) -> Result<Caller> {
    let gone = || {
        let message = "the API key that asked for this, and would pay for it, is gone; ask for it anew, or change \
                       its schedule with another key";
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
    })
}
