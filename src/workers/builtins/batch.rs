//! Brings requests of batches forward, one group after the other.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::Value;

use super::{Turn, told};
use crate::{
    app::{
        App, Steps, Told,
        builtins::{BatchOrder, batch},
    },
    domain::{JobId, JobStatus, Result},
    store::{
        AccountScope,
        forward::{Forwarded, Standing},
    },
};

/// After how long all of a group are looked at although nothing was heard of them.
const LOOK: Duration = Duration::from_mins(1);

/// The result: how many requests were brought forward, and what became of them. Those that are pending wait for
/// another attempt, or were not over when the run ended; they go on by themselves.
#[derive(Clone, Copy, Default, Serialize)]
struct Forward {
    taken: u64,
    succeeded: u64,
    failed: u64,
    canceled: u64,
    expired: u64,
    pending: u64,
    /// False where it ended early.
    complete: bool,
}

impl Forward {
    fn count(&mut self, standing: Standing) {
        let count = match standing {
            Standing::Ended(JobStatus::Succeeded) => &mut self.succeeded,
            Standing::Ended(JobStatus::Failed) => &mut self.failed,
            Standing::Ended(JobStatus::Canceled) => &mut self.canceled,
            Standing::Ended(JobStatus::Expired) => &mut self.expired,
            Standing::Ended(_) | Standing::PutOff | Standing::Open => &mut self.pending,
        };
        *count += 1;
    }
}

/// Groups follow each other: the next one is taken when each request of the last is over or was put off after an
/// attempt, so that the account's single jobs wait for one group at most.
pub(super) fn run(
    app: &App,
    scope: AccountScope,
    payload: Option<&Value>,
    turn: &Turn<'_>,
) -> Result<Value> {
    let order = BatchOrder::read(payload)?;
    let size = order.size.unwrap_or(app.settings.tasks.batch_size);
    let mut done = Forward { complete: true, ..Forward::default() };
    let (mut left, mut after) = (order.limit, 0);
    while left > 0 && done.complete {
        if !turn.goes_on()? {
            done.complete = false;
            break;
        }
        let Some(group) = batch::bring_forward(app, scope, after, size.min(left))? else { break };
        after = group.last;
        left -= group.jobs.len();
        done.taken += group.jobs.len() as u64;
        for standing in wait(app, scope, &group.jobs, turn)? {
            done.complete &= standing != Standing::Open;
            done.count(standing);
        }
    }
    told(&done)
}

/// Waits until none of them is open, as long as the attempt may; gives where each stands.
fn wait(
    app: &App,
    scope: AccountScope,
    jobs: &[Forwarded],
    turn: &Turn<'_>,
) -> Result<Vec<Standing>> {
    let steps = app.watches.steps(jobs.iter().map(|job| job.id).collect())?;
    let bell = steps.bell();
    turn.stop.on_set(move || bell.ring());
    let mut open: BTreeMap<JobId, Forwarded> = jobs.iter().map(|job| (job.id, *job)).collect();
    let mut standing = Vec::with_capacity(jobs.len());
    let mut told = Told::All;
    loop {
        let looked: Vec<Forwarded> = match told {
            Told::All => open.values().copied().collect(),
            Told::Jobs(jobs) => jobs.iter().filter_map(|job| open.get(job).copied()).collect(),
        };
        for (job, found) in looked.iter().zip(batch::standing(app, scope, &looked)?) {
            if found != Standing::Open {
                open.remove(&job.id);
                standing.push(found);
            }
        }
        if open.is_empty() || !turn.goes_on()? {
            standing.extend(open.values().map(|_| Standing::Open));
            return Ok(standing);
        }
        told = hear(&steps, turn);
    }
}

/// What happened since the last time. Where nothing did for long, it may be that a signal was lost.
fn hear(steps: &Steps, turn: &Turn<'_>) -> Told {
    match steps.wait(turn.left().min(LOOK)) {
        Told::Jobs(none) if none.is_empty() => Told::All,
        told => told,
    }
}
