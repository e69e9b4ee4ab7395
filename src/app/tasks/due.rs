//! Running what is due at somebody's request: that of a cron outside, where the queue is paused or not.

use std::sync::Arc;

use super::{App, Caller, Reply, Secrecy, once};
use crate::{
    domain::{Idempotency, Result, TaskId, TaskStatus},
    store::{
        AccountScope, Commit, queue,
        scheduled_tasks::{self, DueTask},
    },
};

/// Tasks that one request runs.
const DUE_MAX: u32 = 100;

/// A task that was asked for, and how many of its attempts had ended by then.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The task.
    pub id: TaskId,
    ended: u32,
}

impl Asked {
    fn of(task: &DueTask) -> Self {
        Self { id: task.id, ended: ended(task.status, task.attempts) }
    }
}

/// How the tasks that were asked for stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Processed {
    /// Those of which an attempt ended: the next two together, and what was canceled.
    pub processed: u32,
    /// Those that are completed.
    pub completed: u32,
    /// Those whose attempt failed, also where it will be made again.
    pub failed: u32,
    /// Those at work.
    pub running: u32,
}

/// Lets all tasks of the account begin that are due, up to a hundred, and gives them with those that are at work.
/// Blocks while it reads.
pub fn demand(app: &App, caller: &Caller) -> Result<Commit<Vec<Asked>>> {
    let due = app.store.read(caller.scope, |snapshot| scheduled_tasks::due(snapshot, DUE_MAX))?;
    let asked: Vec<_> = due.iter().map(Asked::of).collect();
    Ok(app.store.write(caller.scope, move |tx| {
        for task in &due {
            queue::demand(tx, task.work.clone());
        }
        Ok(asked.clone())
    }))
}

/// How many attempts at a task ended.
fn ended(status: TaskStatus, attempts: u32) -> u32 {
    if status == TaskStatus::Running { attempts.saturating_sub(1) } else { attempts }
}

/// Whether an attempt at the task ended since it was asked for, or will not be made. Blocks while it reads.
pub fn has_ended(app: &App, scope: AccountScope, asked: Asked) -> Result<bool> {
    let task = app.store.read(scope, |snapshot| scheduled_tasks::find(snapshot, asked.id))?;
    Ok(task.is_none_or(|task| {
        task.status.is_terminal() || ended(task.status, task.attempts) > asked.ended
    }))
}

/// How the tasks stand that were asked for. Blocks while it reads.
pub fn report(app: &App, scope: AccountScope, asked: &[Asked]) -> Result<Processed> {
    app.store.read(scope, |snapshot| {
        let mut report = Processed::default();
        for asked in asked {
            let Some(task) = scheduled_tasks::find(snapshot, asked.id)? else { continue };
            if !task.status.is_terminal() && ended(task.status, task.attempts) <= asked.ended {
                report.running += 1;
                continue;
            }
            report.processed += 1;
            match task.status {
                TaskStatus::Completed => report.completed += 1,
                // Where it waits or is at work again, the attempt that ended failed.
                TaskStatus::Failed | TaskStatus::Pending | TaskStatus::Running => {
                    report.failed += 1;
                }
                TaskStatus::Canceled => {}
            }
        }
        Ok(report)
    })
}

/// The answer to this request where one was given before. Blocks while it reads.
pub fn answered(
    app: &App,
    caller: &Caller,
    request: Option<&Idempotency>,
) -> Result<Option<Reply>> {
    once::answered(app, caller.scope, request)
}

/// Keeps the answer for a request that is sent again.
pub fn answer(
    app: &Arc<App>,
    caller: &Caller,
    report: Processed,
    request: Option<Idempotency>,
    render: once::Render<Processed>,
) -> Commit<Reply> {
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |_| Ok(report))
}
