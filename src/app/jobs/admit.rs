//! How many jobs may wait and be open.

use crate::{
    app::App,
    domain::{Error, ErrorKind, Result},
    store::{AccountScope, ledger},
};

/// How long a client waits before it sends again what found the queue full.
const QUEUE_FULL_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

/// What the transaction would refuse anyway, before thousands of jobs are prepared for it. Blocks while it
/// reads.
pub(in crate::app) fn admit_early(app: &App, scope: AccountScope, more: usize) -> Result<()> {
    admit(app, more)?;
    let balance = app.store.read(scope, ledger::balance)?;
    may_open(app, balance.open_jobs, more)
}

/// Refuses more jobs where as many wait as may. Those of one account are counted exactly, in the transaction;
/// this is about memory, and a few more do no harm.
pub(in crate::app) fn admit(app: &App, more: usize) -> Result<()> {
    let (waiting, most) = (app.backlog.waiting(), app.settings.max_waiting_jobs);
    if waiting.saturating_add(more) <= most {
        return Ok(());
    }
    Err(queue_full(format!(
        "{waiting} jobs wait in the queue, which takes {most}; send it again later"
    )))
}

/// Refuses an account with so many open jobs more than it may have.
pub(super) fn may_open(app: &App, open: u64, more: usize) -> Result<()> {
    let most = app.settings.max_open_jobs;
    let more = u64::try_from(more).unwrap_or(u64::MAX);
    if open.saturating_add(more) <= most {
        return Ok(());
    }
    if more > most {
        let message =
            format!("an account may have {most} jobs that are not over; send fewer at once");
        return Err(Error::invalid("requests", message));
    }
    Err(queue_full(format!(
        "of the account {open} jobs are not over, and with {more} more there would be more than the {most} \
         that it may have; wait for some to end, cancel some, or send fewer"
    )))
}

fn queue_full(message: String) -> Error {
    Error::new(ErrorKind::QueueFull, message).with_retry_after(QUEUE_FULL_PAUSE)
}
