//! What becomes of a schedule's occurrences up to now.

use std::time::Duration;

use crate::{
    domain::{CatchUp, Timestamp},
    store::schedules::Schedule,
};

/// An occurrence that is not later than this comes in time; others were missed.
const GRACE: Duration = Duration::from_mins(1);
/// Occurrences that are made up for, the newest of those that were missed.
const CATCH_UP_MAX: usize = 100;

/// An occurrence that is to be a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// When it was due.
    pub(super) at: Timestamp,
    /// Whether it was missed and is one of several that are made up for, so that they wait for each other.
    pub(super) queues: bool,
}

/// What is to be done for a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The occurrences that are to be tasks, oldest first.
    pub(super) runs: Vec<Run>,
    /// How many are left out since they were missed.
    pub(super) missed: u64,
    /// The newest occurrence up to now.
    pub(super) last: Timestamp,
    /// The first after now; `None` where there is none.
    pub(super) next: Option<Timestamp>,
}

impl Plan {
    /// How many occurrences it is about.
    pub(super) fn count(&self) -> u64 {
        self.missed + count(&self.runs)
    }
}

fn count<T>(of: &[T]) -> u64 {
    u64::try_from(of.len()).unwrap_or(u64::MAX)
}

/// Plans for a schedule that is due since `from`.
pub(super) fn plan(schedule: &Schedule, from: Timestamp, now: Timestamp) -> Plan {
    let (rules, anchor) = (&schedule.rules, schedule.anchor);
    let before = from.minus(Duration::from_millis(1));
    let in_time = now.minus(GRACE).max(before);
    let missed =
        |after, until| rules.cron.missed(&rules.timezone, anchor, after, until, CATCH_UP_MAX);
    let (late, fresh) = (missed(before, in_time), missed(in_time, now));
    let late_count = late.earlier + count(&late.occurrences);
    let made_up: Vec<Timestamp> = match rules.catch_up {
        CatchUp::Skip => Vec::new(),
        // What comes in time makes up for what came before.
        CatchUp::One if !fresh.occurrences.is_empty() => Vec::new(),
        CatchUp::One => late.occurrences.last().copied().into_iter().collect(),
        CatchUp::All => late.occurrences.clone(),
    };
    let newest = fresh.occurrences.last().or(late.occurrences.last()).copied();
    let queues = rules.catch_up == CatchUp::All;
    let missed = late_count - count(&made_up);
    let made_up = made_up.into_iter().map(|at| Run { at, queues });
    let in_time = fresh.occurrences.into_iter().map(|at| Run { at, queues: false });
    Plan {
        runs: made_up.chain(in_time).collect(),
        missed,
        last: newest.unwrap_or(from),
        next: rules.cron.next(&rules.timezone, anchor, now),
    }
}
