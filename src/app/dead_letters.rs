//! What can be done with work that its queue gave up on: look at it, and put it back.

use std::sync::Arc;

use super::{App, Caller, Reply, Secrecy, deliveries, jobs, once, stripe, tasks};
use crate::{
    domain::{
        Cursor, DeadLetterId, Error, ErrorKind, Idempotency, Page, PageRequest, QueueName, Result,
    },
    store::{
        AccountScope, Commit, Snapshot, Tx,
        dead_letters::{self, DeadLetter},
    },
};

/// The account's dead letters that nobody redrove, of one queue or all, newest first. Blocks while
/// it reads.
pub fn list(
    app: &App,
    caller: &Caller,
    queue: Option<QueueName>,
    page: &PageRequest,
) -> Result<Page<DeadLetter>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(DeadLetterId::from_uuid);
    let rows = app.store.read(caller.scope, |snapshot| {
        dead_letters::list(snapshot, queue, before, super::one_more(page))
    })?;
    Ok(Page::cut(rows, page.limit, |letter| Cursor::from_uuid(letter.id.uuid())))
}

/// Puts the work back into its queue: a job with a new reservation, a delivery, a payment or a task with
/// all its retries. [`ErrorKind::Conflict`] where that was done before.
pub fn redrive(
    app: &Arc<App>,
    caller: &Caller,
    id: DeadLetterId,
    request: Option<Idempotency>,
    render: once::Render<DeadLetter>,
) -> Commit<Reply> {
    let (this, caller) = (Arc::clone(app), caller.clone());
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let letter = must_find(tx, id)?;
        if letter.redriven_at.is_some() {
            return Err(conflict(
                "this was redriven before; look at its job, delivery, grant or task for what became of it",
            ));
        }
        requeue(&this, tx, &caller, &letter)?;
        must_find(tx, id)
    })
}

fn requeue(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    caller: &Caller,
    letter: &DeadLetter,
) -> Result<()> {
    let gone = || Error::internal("what a dead letter stands for is gone");
    match letter.work.queue {
        QueueName::GenerationCreate => {
            jobs::requeue(app, tx, caller.payer, letter.job_id.ok_or_else(gone)?)
        }
        QueueName::WebhookDelivery => {
            deliveries::requeue(app, tx, letter.delivery_id.ok_or_else(gone)?)
        }
        QueueName::BillingCreditGrant => stripe::requeue(app, tx, letter.work.subject),
        QueueName::TaskRun => {
            let asked_by = caller.payer.map(|_| (caller.project, caller.key));
            tasks::redrive(app, tx, letter.task_id.ok_or_else(gone)?, asked_by)
        }
    }
}

fn must_find(snapshot: &Snapshot<'_, AccountScope>, id: DeadLetterId) -> Result<DeadLetter> {
    dead_letters::find(snapshot, id)?.ok_or_else(|| Error::not_found("dead letter"))
}

fn conflict(message: &str) -> Error {
    Error::new(ErrorKind::Conflict, message)
}
