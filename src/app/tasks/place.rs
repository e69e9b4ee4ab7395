//! A task's place: in the queue, or behind an earlier task of its schedule.

use crate::{
    app::App,
    domain::{Error, ErrorKind, QueueName, Result, Timestamp},
    store::{
        AccountScope, Snapshot, Tx,
        queue::{self, Waiting, WorkId},
        scheduled_tasks::{self, NewTask, Task},
    },
};

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
pub(super) fn may_open(app: &App, snapshot: &Snapshot<'_, AccountScope>) -> Result<()> {
    let most = app.settings.tasks.max_open;
    if scheduled_tasks::open(snapshot, most)? >= most {
        let message =
            format!("{most} tasks of the account wait or run; try again once some are over");
        return Err(Error::new(ErrorKind::QueueFull, message));
    }
    Ok(())
}

/// Lets a task wait for its time. Those of one account take turns with those of others.
pub(super) fn enqueue(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    task: i64,
    run_at: Timestamp,
) -> Result<()> {
    let lane = tx.scope().seq().number();
    let expires_at = run_at.max(tx.now()).plus(app.settings.tasks.ttl);
    queue::push(tx, Waiting { id: work(task), lane, priority: 0, run_at }, expires_at)
}

/// Its row in the queue.
pub(super) fn work(task: i64) -> WorkId {
    WorkId { queue: QueueName::TaskRun, subject: task }
}

/// Where a schedule lets its tasks run one after the other, the next one's turn has come.
pub(super) fn release_next(app: &App, tx: &Tx<'_, AccountScope>, ended: &Task) -> Result<()> {
    let Some((schedule, _)) = ended.schedule else { return Ok(()) };
    let (at_work, held) = scheduled_tasks::open_of(tx, schedule)?;
    if at_work > 0 || held == 0 {
        return Ok(());
    }
    let Some(next) = scheduled_tasks::first_held(tx, schedule)? else { return Ok(()) };
    scheduled_tasks::set_held(tx, next.seq, false)?;
    enqueue(app, tx, next.seq, next.scheduled_time)
}
