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
    /// Whether it was missed, and is made up for.
    pub(super) is_late: bool,
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
    let (late, mut fresh) = (missed(before, in_time), missed(in_time, now).occurrences);
    let late_count = late.earlier + count(&late.occurrences);
    let newest = fresh.last().or(late.occurrences.last()).copied();
    let mut made_up = Vec::new();
    let mut left_out = late_count;
    if rules.catch_up == CatchUp::All {
        made_up = late.occurrences;
    } else if late_count > 0 {
        // One that comes in time makes up for all before it.
        left_out += count(&fresh).saturating_sub(1);
        fresh = fresh.pop().into_iter().collect();
        if rules.catch_up == CatchUp::One && fresh.is_empty() {
            made_up.extend(late.occurrences.last());
        }
    }
    let missed = left_out - count(&made_up);
    let made_up = made_up.into_iter().map(|at| Run { at, is_late: true });
    let in_time = fresh.into_iter().map(|at| Run { at, is_late: false });
    Plan {
        runs: made_up.chain(in_time).collect(),
        missed,
        last: newest.unwrap_or(from),
        next: rules.cron.next(&rules.timezone, anchor, now),
    }
}

/// How many occurrences of a schedule have passed and were not dealt with yet, and the newest of them.
pub(super) fn overdue(schedule: &Schedule, now: Timestamp) -> Option<(u64, Timestamp)> {
    let from = schedule.next_at.filter(|next| *next <= now)?;
    let plan = plan(schedule, from, now);
    Some((plan.count(), plan.last))
}
