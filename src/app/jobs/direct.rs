//! Jobs whose clients wait on their connections. They run at once, on a thread of the door they came by, and
//! only once. Their row in the queue is leased from its first moment: what a crash leaves of them is found
//! there by the next start.

use super::{
    accept::{Prepared, as_inserted, cover},
    outcome::{Outcome, record},
};
use crate::{
    app::App,
    domain::{JobError, JobErrorCode, JobStatus, QueueName, Result},
    store::{
        AccountScope, Tx, job_events,
        jobs::{self, Job},
        ledger::{self, JobRound},
        queue::{self, Lease, WorkId},
    },
};

/// A direct job that runs.
#[derive(Clone, Debug)]
pub(in crate::app) struct Direct {
    pub(in crate::app) job: Job,
    lease: Lease,
}

/// Accepts a job and begins its only attempt.
pub(in crate::app) fn begin(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    prepared: &Prepared,
) -> Result<Direct> {
    let hold = cover(app, tx, prepared.estimate)?;
    let new = &prepared.new;
    let seq = jobs::insert(tx, new, hold.split)?;
    ledger::reserve(tx, JobRound { job: seq, round: 1 }, hold)?;
    job_events::begin(tx, seq, new.id, "started")?;
    let id = WorkId { queue: QueueName::GenerationCreate, subject: seq };
    // No other start and no claim of this one has this token for this row.
    let lease = Lease { id, token: app.boot << 32 };
    let expires_at = tx.now().plus(app.settings.job_ttl);
    queue::hold(tx, lease, tx.scope().seq().number(), expires_at)?;
    let job = as_inserted(tx, new, seq, hold.split);
    let started_at = Some(tx.now());
    Ok(Direct { job: Job { status: JobStatus::Running, attempts: 1, started_at, ..job }, lease })
}

/// Records what became of it; false where somebody else ended it meanwhile.
pub(in crate::app) fn end(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    direct: &Direct,
    outcome: &Outcome,
) -> Result<bool> {
    record(app, tx, direct.lease, &direct.job, outcome)
}

/// Why a job has no outcome whose client waited while the server stopped.
pub(in crate::app) fn stopped() -> JobError {
    let message = "the server stopped while the client waited; send the request again".to_owned();
    JobError { code: JobErrorCode::ServerError, message }
}
