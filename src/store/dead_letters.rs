//! Work that its queue gave up on, until somebody redrives it.

use rusqlite::Row;

use super::{
    queue::WorkId,
    row::unknown,
    scope::AccountScope,
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{DeadLetterId, DeliveryId, JobId, QueueName, Result, TaskId, Timestamp};

/// A dead letter.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Public id.
    pub id: DeadLetterId,
    /// The work.
    pub work: WorkId,
    /// The job, for dead letters of `generation.create`.
    pub job_id: Option<JobId>,
    /// The delivery, for dead letters of `webhook.delivery`.
    pub delivery_id: Option<DeliveryId>,
    /// The scheduled task, for dead letters of `task.run`.
    pub task_id: Option<TaskId>,
    /// Why it was given up: an error code.
    pub reason: String,
    /// The same in words.
    pub message: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// When it was given up.
    pub created_at: Timestamp,
    /// When it was put back into its queue.
    pub redriven_at: Option<Timestamp>,
}

fn dead_letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    let queue = QueueName::from_number(row.get("queue")?).ok_or_else(|| unknown("queue"))?;
    Ok(DeadLetter {
        id: row.get("id")?,
        work: WorkId { queue, subject: row.get("subject")? },
        job_id: row.get("job_id")?,
        delivery_id: row.get("delivery_id")?,
        task_id: row.get("task_id")?,
        reason: row.get("reason")?,
        message: row.get("message")?,
        attempts: row.get("attempts")?,
        created_at: row.get("created_at")?,
        redriven_at: row.get("redriven_at")?,
    })
}

/// Columns for [`dead_letter`].
macro_rules! select_dead_letter {
    ($rest:literal) => {
        concat!(
            "select l.*, j.id as job_id, d.id as delivery_id, t.id as task_id from dead_letter l \
             left join job j on l.queue = 2 and j.seq = l.subject \
             left join webhook_delivery d on l.queue = 3 and d.seq = l.subject \
             left join scheduled_task t on l.queue = 5 and t.seq = l.subject ",
            $rest
        )
    };
}

/// Keeps work that is given up.
pub fn insert(
    tx: &Tx<'_, AccountScope>,
    id: DeadLetterId,
    work: WorkId,
    reason: &str,
    message: &str,
    attempts: u32,
) -> Result<()> {
    tx.execute(
        "insert into main.dead_letter
           (account, id, queue, subject, reason, message, attempts, created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (id, work.queue.number(), work.subject, reason, message, attempts, tx.now()),
    )?;
    tx.signal(Signal::Buried(work.queue));
    Ok(())
}

/// The account's dead letter of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: DeadLetterId) -> Result<Option<DeadLetter>> {
    snapshot.one(select_dead_letter!("where l.id = ?1"), [id], dead_letter)
}

/// The account's dead letters that nobody redrove, newest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    queue: Option<QueueName>,
    before: Option<DeadLetterId>,
    limit: u32,
) -> Result<Vec<DeadLetter>> {
    let before = before.unwrap_or(DeadLetterId::MAX);
    snapshot.all(LIST, (queue.map(QueueName::number), before, limit), dead_letter)
}

pub(in crate::store) const LIST: &str = select_dead_letter!(
    "where l.redriven_at is null and (?1 is null or l.queue = ?1) and l.id < ?2
     order by l.id desc limit ?3"
);

/// Marks all dead letters of the work as redriven: it waits in its queue again.
pub fn redriven(tx: &Tx<'_, AccountScope>, work: WorkId) -> Result<()> {
    tx.execute(
        "update main.dead_letter set redriven_at = ?3
         where account = current_account() and queue = ?1 and subject = ?2
           and redriven_at is null",
        (work.queue.number(), work.subject, tx.now()),
    )?;
    Ok(())
}
