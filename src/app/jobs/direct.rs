//! Jobs whose clients wait on their connections. They run at once, on a thread of the door they came by, and
//! only once. Their row in the queue is leased from its first moment: what a crash leaves of them is found
//! there by the next start, and ended.

use std::sync::Arc;

use super::{
    accept::{Prepared, as_inserted},
    afford::set_aside,
    ending::Outcome,
    outcome::{fail, record},
};
use crate::{
    app::App,
    domain::{JobError, JobErrorCode, JobStatus, QueueName, Result, TraceContext},
    store::{
        AccountScope, Snapshot, SystemScope, Tx, job_events,
        jobs::{self, Job},
        new_jobs,
        queue::{self, Lease, WorkId},
    },
};

/// Jobs that are looked up at a time.
const LEFT_AT_A_TIME: u32 = 100;

/// A direct job that runs.
#[derive(Clone, Debug)]
pub(in crate::app) struct Direct {
    pub(in crate::app) job: Arc<Job>,
    lease: Lease,
}

impl Direct {
    /// What it leads to from now on is a step behind its attempt.
    pub(in crate::app) fn lead_from(&mut self, attempt: Option<TraceContext>) {
        if self.job.trace != attempt {
            Arc::make_mut(&mut self.job).trace = attempt;
        }
    }
}

/// Accepts a job and begins its only attempt.
pub(in crate::app) fn begin(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    prepared: &Prepared,
) -> Result<Direct> {
    let Prepared { new, payer, .. } = prepared;
    let job = set_aside(app, tx, payer, prepared.need(), |aside| {
        let job = as_inserted(tx, new, new_jobs::insert(tx, new, aside)?, aside);
        Ok((job.round(), job))
    })?;
    job_events::begin(tx, job.seq, new.id, "started")?;
    let id = WorkId { queue: QueueName::GenerationCreate, subject: job.seq };
    // Of its lower half, claims of this start are below 2³¹. Nor does another call have this token: where the
    // transaction is undone, the number of the job may be that of another, which this one must not end.
    let token = app.boot << 32 | 1 << 31 | i64::from(app.calls.number());
    let lease = Lease { id, token };
    let expires_at = tx.now().plus(app.settings.job_ttl);
    queue::hold(tx, lease, tx.scope().seq().number(), expires_at)?;
    let started_at = Some(tx.now());
    let job = Job { status: JobStatus::Running, attempts: 1, started_at, ..job };
    Ok(Direct { job: Arc::new(job), lease })
}

/// Records what became of it; false where somebody else ended it meanwhile.
pub(in crate::app) fn end(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    direct: &Direct,
    outcome: &Arc<Outcome>,
) -> Result<bool> {
    record(app, tx, direct.lease, &direct.job, outcome)
}

/// Ends what a crash left of direct jobs, whether the queue is paused or not; gives how many. Blocks.
pub fn end_left(app: &Arc<App>) -> Result<usize> {
    let mut ended = 0;
    loop {
        let look = |snapshot: &Snapshot<'_, SystemScope>| {
            queue::left_direct(snapshot, app.boot, LEFT_AT_A_TIME)
        };
        let left = app.store.read(SystemScope::new(), look)?;
        for (scope, job) in &left {
            let (this, job) = (Arc::clone(app), *job);
            app.store.write(*scope, move |tx| end_one(&this, tx, job)).wait()?;
        }
        ended += left.len();
        if left.len() < LEFT_AT_A_TIME as usize {
            return Ok(ended);
        }
    }
}

fn end_one(app: &App, tx: &Tx<'_, AccountScope>, job: i64) -> Result<()> {
    let Some(job) = jobs::by_seq(tx, job)?.filter(|job| job.direct && !job.status.is_terminal())
    else {
        return Ok(());
    };
    queue::withdraw(tx, WorkId { queue: QueueName::GenerationCreate, subject: job.seq })?;
    fail(app, tx, &job, JobStatus::Failed, &stopped())
}

/// Why a job has no outcome whose client waited while the server stopped.
pub(in crate::app) fn stopped() -> JobError {
    let message = "the server stopped while the client waited; send the request again".to_owned();
    JobError { code: JobErrorCode::ServerError, message }
}
