//! The order of a queue's work, in memory: lanes take turns, so that one account's ten thousand jobs
//! do not delay another's first, and within a lane priority goes before age.
//!
//! The table is the truth. A row that is missing here would wait until the next scan; a row that
//! is here but gone from the table is found out when it is claimed. So changes may come twice.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Duration,
};

use crate::{domain::Timestamp, store::queue::Waiting};

/// Work taken from the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    /// What to work on.
    pub(crate) subject: i64,
    /// The lane that it occupies until [`Order::done`].
    pub(crate) lane: i64,
}

/// Waiting work of one queue.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// How much of one lane may run at the same time; 0 for any.
    lane_limit: u32,
    lanes: BTreeMap<i64, Lane>,
    /// Lanes with ready work and room to run it.
    open: BTreeSet<i64>,
    /// The lane that had the last turn.
    turn: i64,
    /// Work that is not due yet, soonest first.
    later: BTreeSet<(Timestamp, i64, i64, Reverse<i32>)>,
    ready: usize,
}

#[derive(Debug, Default)]
struct Lane {
    ready: BTreeSet<(Reverse<i32>, i64)>,
    running: u32,
}

impl Order {
    /// No work yet.
    pub(crate) fn new(lane_limit: u32) -> Self {
        Self { lane_limit, ..Self::default() }
    }

    /// Adds work, or moves it if its time changed.
    pub(crate) fn add(&mut self, work: &Waiting, now: Timestamp) {
        let priority = Reverse(work.priority);
        if work.run_at > now {
            self.later.insert((work.run_at, work.id.subject, work.lane, priority));
        } else {
            self.add_ready(work.lane, priority, work.id.subject);
        }
    }

    fn add_ready(&mut self, lane: i64, priority: Reverse<i32>, subject: i64) {
        if self.lanes.entry(lane).or_default().ready.insert((priority, subject)) {
            self.ready += 1;
        }
        self.review(lane);
    }

    /// Makes ready what has come due.
    pub(crate) fn promote(&mut self, now: Timestamp) {
        while let Some(&(run_at, subject, lane, priority)) = self.later.first()
            && run_at <= now
        {
            self.later.pop_first();
            self.add_ready(lane, priority, subject);
        }
    }

    /// How long until more work comes due.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<Duration> {
        self.later.first().map(|(run_at, ..)| run_at.since(now))
    }

    /// Takes the first work of the lane whose turn it is.
    pub(crate) fn take(&mut self) -> Option<Pick> {
        let after = (Bound::Excluded(self.turn), Bound::Unbounded);
        let lane = *self.open.range(after).next().or_else(|| self.open.first())?;
        let found = self.lanes.get_mut(&lane)?;
        let (_, subject) = found.ready.pop_first()?;
        found.running += 1;
        self.ready -= 1;
        self.turn = lane;
        self.review(lane);
        Some(Pick { subject, lane })
    }

    /// A pick ended, whichever way: its lane has room again.
    pub(crate) fn done(&mut self, lane: i64) {
        if let Some(found) = self.lanes.get_mut(&lane) {
            found.running = found.running.saturating_sub(1);
            self.review(lane);
        }
    }

    /// How much work is ready, and how much is not due yet.
    pub(crate) fn depth(&self) -> (usize, usize) {
        (self.ready, self.later.len())
    }

    /// Opens or closes a lane after it changed, and forgets it where nothing is left of it.
    fn review(&mut self, lane: i64) {
        let Some(found) = self.lanes.get(&lane) else {
            return;
        };
        let has_room = self.lane_limit == 0 || found.running < self.lane_limit;
        if has_room && !found.ready.is_empty() {
            self.open.insert(lane);
        } else {
            self.open.remove(&lane);
        }
        if found.ready.is_empty() && found.running == 0 {
            self.lanes.remove(&lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{domain::QueueName, store::queue::WorkId};

    fn work(lane: i64, subject: i64, priority: i32, run_at: i64) -> Waiting {
        Waiting {
            id: WorkId { queue: QueueName::GenerationCreate, subject },
            lane,
            priority,
            run_at: Timestamp::from_millis(run_at),
        }
    }

    fn subjects(order: &mut Order) -> Vec<i64> {
        std::iter::from_fn(|| order.take()).map(|pick| pick.subject).collect()
    }

    #[test]
    fn lanes_take_turns() {
        let mut order = Order::new(0);
        for subject in 0..5 {
            order.add(&work(1, subject, 0, 0), Timestamp::default());
        }
        order.add(&work(2, 100, 0, 0), Timestamp::default());
        order.add(&work(3, 200, 0, 0), Timestamp::default());
        assert_eq!(subjects(&mut order), [0, 100, 200, 1, 2, 3, 4]);
    }

    #[test]
    fn priority_goes_before_age_within_a_lane() {
        let mut order = Order::new(0);
        for (subject, priority) in [(1, 0), (2, 5), (3, -1), (4, 5)] {
            order.add(&work(1, subject, priority, 0), Timestamp::default());
        }
        assert_eq!(subjects(&mut order), [2, 4, 1, 3]);
    }

    #[test]
    fn a_full_lane_waits_until_it_has_room() {
        let mut order = Order::new(1);
        order.add(&work(1, 1, 0, 0), Timestamp::default());
        order.add(&work(1, 2, 0, 0), Timestamp::default());
        assert_eq!(order.take(), Some(Pick { subject: 1, lane: 1 }));
        assert_eq!(order.take(), None);
        order.done(1);
        assert_eq!(order.take(), Some(Pick { subject: 2, lane: 1 }));
    }

    #[test]
    fn work_that_is_not_due_waits() {
        let mut order = Order::new(0);
        order.add(&work(1, 1, 0, 500), Timestamp::default());
        assert_eq!(order.take(), None);
        assert_eq!(order.next_due(Timestamp::from_millis(100)), Some(Duration::from_millis(400)));
        order.promote(Timestamp::from_millis(500));
        assert_eq!(subjects(&mut order), [1]);
        assert_eq!(order.depth(), (0, 0));
    }

    proptest! {
        /// Whatever comes, also twice, leaves exactly once, and no lane runs more than it may.
        #[test]
        fn nothing_is_lost_and_limits_hold(
            works in prop::collection::vec((1i64..5, 0i64..40), 0..80),
            limit in 1u32..4,
        ) {
            let mut order = Order::new(limit);
            let mut expected = BTreeSet::new();
            for (lane, subject) in works {
                let priority = i32::try_from(subject % 3).unwrap();
                order.add(&work(lane, subject * 10 + lane, priority, 0), Timestamp::default());
                expected.insert(subject * 10 + lane);
            }
            let mut seen = BTreeSet::new();
            loop {
                let batch: Vec<Pick> = std::iter::from_fn(|| order.take()).collect();
                if batch.is_empty() { break }
                for pick in &batch {
                    let in_lane = batch.iter().filter(|other| other.lane == pick.lane).count();
                    prop_assert!(in_lane <= limit as usize);
                    prop_assert!(seen.insert(pick.subject));
                }
                for pick in batch { order.done(pick.lane) }
            }
            prop_assert_eq!(seen, expected);
            prop_assert!(order.lanes.is_empty() && order.open.is_empty());
        }
    }
}
