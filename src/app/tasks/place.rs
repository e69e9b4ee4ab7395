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

/// Adds a task that is no occurrence of a schedule. [`ErrorKind::QueueFull`] where the account has enough.
pub(in crate::app) fn add(app: &App, tx: &Tx<'_, AccountScope>, new: &NewTask) -> Result<Task> {
    may_open(app, tx)?;
    let seq = insert(app, tx, new, new.scheduled_time)?;
    let made = seq.map(|seq| scheduled_tasks::by_seq(tx, seq)).transpose()?.flatten();
    made.ok_or_else(|| Error::internal("a task that is no occurrence was there already"))
}

/// Adds a task, however many there are, and, unless it is held, its place in the queue. Gives its number; `None` where
/// its occurrence is one already.
pub(in crate::app) fn insert(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    new: &NewTask,
    run_at: Timestamp,
) -> Result<Option<i64>> {
    let seq = scheduled_tasks::insert(tx, new)?;
    if let (Some(seq), false) = (seq, new.held) {
        enqueue(app, tx, seq, run_at)?;
    }
    Ok(seq)
}

/// How many more tasks the account may have that are not over.
pub(in crate::app) fn left(app: &App, snapshot: &Snapshot<'_, AccountScope>) -> Result<u32> {
    let most = app.settings.tasks.max_open;
    Ok(most.saturating_sub(scheduled_tasks::open(snapshot, most)?))
}

/// Refuses one more task where enough are not over.
pub(super) fn may_open(app: &App, snapshot: &Snapshot<'_, AccountScope>) -> Result<()> {
    if left(app, snapshot)? > 0 {
        return Ok(());
    }
    let most = app.settings.tasks.max_open;
    let message = format!("{most} tasks of the account wait or run; try again once some are over");
    Err(Error::new(ErrorKind::QueueFull, message))
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
    let Some(next) = scheduled_tasks::next_held(tx, schedule)? else { return Ok(()) };
    scheduled_tasks::set_held(tx, next.seq, false)?;
    enqueue(app, tx, next.seq, next.scheduled_time.max(tx.now()))
}
