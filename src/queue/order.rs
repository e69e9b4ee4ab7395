//! The order of a queue's work, in memory: lanes take turns, so that one account's ten thousand jobs
//! do not delay another's first, and within a lane priority goes before age.
//!
//! Lanes below zero are in the background: they take turns among each other, and get one only when no
//! other lane has ready work and room for it. What they began goes on to its end.
//!
//! The table is the truth. A row that is missing here waits until polling comes by it; a row that is
//! here but gone from the table is found out when it is claimed. So changes may come twice.
//!
//! A lane whose attempts are slow, or were abandoned while their threads go on, is *burdened*: it gets
//! only a share of the threads that are left, so that nobody else's work waits for one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ops::Bound,
    time::Duration,
};

use super::ages::{Ages, Second};
use crate::{domain::Timestamp, store::queue::Waiting};

/// Lanes that are remembered as slow. More of them are only learned anew, one slow attempt each.
const SLOW_MAX: usize = 10_000;

/// Work taken from the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    /// What to work on.
    pub(crate) subject: i64,
    /// The lane that it occupies until [`Order::done`].
    pub(crate) lane: i64,
    /// Its priority, should it have to wait again.
    pub(crate) priority: i32,
    /// Its lane is known to be slow: it takes a spare thread and no slot.
    pub(crate) slow: bool,
    /// Somebody asked for it.
    pub(crate) asked: bool,
    /// When it was due.
    due: Second,
}

/// How much may begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// Attempts that count towards the queue's concurrency.
    pub(crate) slots: usize,
    /// Threads besides those that lanes known to be slow may still take.
    pub(crate) spare: usize,
    /// Threads of all kinds.
    pub(crate) threads: usize,
}

/// Waiting work of one queue.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// How much of one lane may run at the same time; 0 for any.
    lane_limit: u32,
    lanes: BTreeMap<i64, Lane>,
    /// Lanes with ready work and room to run it.
    open: BTreeSet<i64>,
    /// The same of those that are burdened.
    burdened: BTreeSet<i64>,
    /// Lanes whose last attempt was slow.
    slow: BTreeSet<i64>,
    /// The lane that had the last turn.
    turn: i64,
    /// The same of those in the background.
    background_turn: i64,
    /// Work that is not due yet, soonest first.
    later: BTreeSet<(Timestamp, i64, i64, Reverse<i32>)>,
    ready: usize,
    /// Since when what is ready is due: the background's and the rest.
    ages: [Ages; 2],
    paused: bool,
}

#[derive(Debug, Default)]
struct Lane {
    /// When each was due.
    ready: BTreeMap<(Reverse<i32>, i64), Second>,
    /// Those of them that somebody asked for.
    asked: BTreeSet<(Reverse<i32>, i64)>,
    running: u32,
    /// Threads that it has beyond the queue's slots: of slow attempts, and of abandoned ones.
    extra: usize,
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
            self.add_ready(work.lane, (priority, work.id.subject), Second::of(work.run_at));
        }
    }

    fn add_ready(&mut self, lane: i64, key: (Reverse<i32>, i64), due: Second) {
        if let Entry::Vacant(new) = self.lanes.entry(lane).or_default().ready.entry(key) {
            new.insert(due);
            self.ages[usize::from(lane >= 0)].add(due);
            self.ready += 1;
        }
        self.review(lane);
    }

    /// Counts work of the lane as ready no more.
    fn unready(&mut self, lane: i64, due: Second) {
        self.ages[usize::from(lane >= 0)].remove(due);
        self.ready -= 1;
    }

    /// Lets a pick wait again that did not begin, for the next turn of its lane.
    pub(crate) fn put_back(&mut self, pick: &Pick) {
        let key = (Reverse(pick.priority), pick.subject);
        self.add_ready(pick.lane, key, pick.due);
        if pick.asked
            && let Some(lane) = self.lanes.get_mut(&pick.lane)
        {
            lane.asked.insert(key);
            self.review(pick.lane);
        }
    }

    /// Forgets work that will not be done, whether it is due or not.
    pub(crate) fn remove(&mut self, work: &Waiting) {
        let (priority, subject) = (Reverse(work.priority), work.id.subject);
        self.later.remove(&(work.run_at, subject, work.lane, priority));
        let lane = self.lanes.get_mut(&work.lane);
        let take_out = |lane: &mut Lane| {
            lane.asked.remove(&(priority, subject));
            lane.ready.remove(&(priority, subject))
        };
        if let Some(due) = lane.and_then(take_out) {
            self.unready(work.lane, due);
            self.review(work.lane);
        }
    }

    /// Makes ready what has come due.
    pub(crate) fn promote(&mut self, now: Timestamp) {
        while let Some(&(run_at, subject, lane, priority)) = self.later.first()
            && run_at <= now
        {
            self.later.pop_first();
            self.add_ready(lane, (priority, subject), Second::of(run_at));
        }
    }

    /// How long until more work comes due.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<Duration> {
        self.later.first().map(|(run_at, ..)| run_at.since(now))
    }

    /// Takes the first work of the lane whose turn it is, and its place out of the room.
    pub(crate) fn take(&mut self, room: &mut Room) -> Option<Pick> {
        let lane = self.next_lane(*room)?;
        let slow = self.slow.contains(&lane);
        let found = self.lanes.get_mut(&lane)?;
        let asked = found.asked.pop_first();
        let key = asked.or_else(|| found.ready.keys().next().copied())?;
        let due = found.ready.remove(&key)?;
        let (Reverse(priority), subject) = key;
        found.running += 1;
        room.threads = room.threads.saturating_sub(1);
        if slow {
            found.extra += 1;
            room.spare = room.spare.saturating_sub(1);
        } else {
            room.slots = room.slots.saturating_sub(1);
        }
        self.unready(lane, due);
        *(if lane < 0 { &mut self.background_turn } else { &mut self.turn }) = lane;
        self.review(lane);
        Some(Pick { subject, lane, priority, slow, asked: asked.is_some(), due })
    }

    /// Lets this very work go first in its lane, and also while the queue is paused. No effect where it does not wait.
    pub(crate) fn ask(&mut self, work: &Waiting) {
        let key = (Reverse(work.priority), work.id.subject);
        if let Some(lane) = self.lanes.get_mut(&work.lane)
            && lane.ready.contains_key(&key)
        {
            lane.asked.insert(key);
            self.review(work.lane);
        }
    }

    /// Whether lanes give nothing but what somebody asked for.
    pub(crate) fn pause(&mut self, paused: bool) {
        if self.paused != paused {
            self.paused = paused;
            let lanes: Vec<i64> = self.lanes.keys().copied().collect();
            for lane in lanes {
                self.review(lane);
            }
        }
    }

    /// The lane after that of the last turn that may run something; one in the background only where no
    /// other may.
    fn next_lane(&self, room: Room) -> Option<i64> {
        self.next_of(0, i64::MAX, self.turn, room)
            .or_else(|| self.next_of(i64::MIN, -1, self.background_turn, room))
    }

    /// The same of the lanes from `first` to `last`, of which `turn` had the last turn.
    fn next_of(&self, first: i64, last: i64, turn: i64, room: Room) -> Option<i64> {
        let turn = turn.clamp(first, last);
        let after_turn = |lanes: &BTreeSet<i64>, may: &dyn Fn(i64) -> bool| {
            let after = lanes.range((Bound::Excluded(turn), Bound::Included(last)));
            after.chain(lanes.range(first..=turn)).copied().find(|lane| may(*lane))
        };
        let open = (room.slots > 0).then(|| after_turn(&self.open, &|_| true));
        // Those that are passed over have threads of their own, so they are few.
        let burdened = (room.threads > 0)
            .then(|| after_turn(&self.burdened, &|lane| self.may_take_more(lane, room)));
        let found = [open.flatten(), burdened.flatten()].into_iter().flatten();
        found.min_by_key(|lane| (*lane <= turn, *lane))
    }

    /// A burdened lane may have half as many extra threads as are left, so that one alone does not take
    /// them all from the others. One that is known to be slow takes a spare thread, any other a slot.
    fn may_take_more(&self, lane: i64, room: Room) -> bool {
        let extra = self.lanes.get(&lane).map_or(0, |lane| lane.extra);
        if self.slow.contains(&lane) {
            extra * 2 < room.spare
        } else {
            room.slots > 0 && extra * 2 < room.threads
        }
    }

    /// A pick ended, whichever way: its lane has room again. `extra` says whether it was slow.
    pub(crate) fn done(&mut self, lane: i64, extra: bool) {
        self.change(lane, |lane| {
            lane.running = lane.running.saturating_sub(1);
            lane.extra = lane.extra.saturating_sub(extra.into());
        });
    }

    /// A pick has taken so long that its slot is free for others.
    pub(crate) fn slowed(&mut self, lane: i64) {
        self.change(lane, |lane| lane.extra += 1);
        self.pace(lane, true);
    }

    /// Nobody wants a pick any more, but its thread goes on until [`Order::freed`].
    pub(crate) fn abandoned(&mut self, lane: i64, extra: bool) {
        self.change(lane, |lane| {
            lane.running = lane.running.saturating_sub(1);
            lane.extra += usize::from(!extra);
        });
    }

    /// The thread of an abandoned pick ended.
    pub(crate) fn freed(&mut self, lane: i64) {
        self.change(lane, |lane| lane.extra = lane.extra.saturating_sub(1));
    }

    /// Remembers whether the last attempt of the lane was slow.
    pub(crate) fn pace(&mut self, lane: i64, slow: bool) {
        let changed = if slow { self.slow.insert(lane) } else { self.slow.remove(&lane) };
        if changed {
            self.review(lane);
        }
        if self.slow.len() > SLOW_MAX
            && let Some(forgotten) = self.slow.pop_first()
        {
            self.review(forgotten);
        }
    }

    fn change(&mut self, lane: i64, change: impl FnOnce(&mut Lane)) {
        if let Some(found) = self.lanes.get_mut(&lane) {
            change(found);
            self.review(lane);
        }
    }

    /// How much work is ready, and how much is not due yet.
    pub(crate) fn depth(&self) -> (usize, usize) {
        (self.ready, self.later.len())
    }

    /// When the oldest ready work was due, to a second: what is not in the background, and what is.
    pub(crate) fn oldest(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let [background, rest] = &self.ages;
        (rest.oldest(), background.oldest())
    }

    /// Opens or closes a lane after it changed, and forgets it where nothing is left of it.
    fn review(&mut self, lane: i64) {
        let Some(found) = self.lanes.get(&lane) else {
            return;
        };
        let has_room = self.lane_limit == 0 || found.running < self.lane_limit;
        let nothing = if self.paused { found.asked.is_empty() } else { found.ready.is_empty() };
        let opens = has_room && !nothing;
        let burdened = found.extra > 0 || self.slow.contains(&lane);
        put(&mut self.open, lane, opens && !burdened);
        put(&mut self.burdened, lane, opens && burdened);
        if found.ready.is_empty() && found.running == 0 && found.extra == 0 {
            self.lanes.remove(&lane);
        }
    }
}

fn put(lanes: &mut BTreeSet<i64>, lane: i64, inside: bool) {
    if inside {
        lanes.insert(lane);
    } else {
        lanes.remove(&lane);
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

    fn take_any(order: &mut Order) -> Option<Pick> {
        order.take(&mut Room { slots: usize::MAX, spare: usize::MAX, threads: usize::MAX })
    }

    fn subjects(order: &mut Order) -> Vec<i64> {
        std::iter::from_fn(|| take_any(order)).map(|pick| pick.subject).collect()
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
    fn lanes_in_the_background_take_turns_where_no_other_may() {
        let mut order = Order::new(1);
        for (lane, subject) in [(-1, 1), (-1, 2), (-2, 3), (-2, 4), (1, 100), (1, 101), (2, 200)] {
            order.add(&work(lane, subject, 0, 0), Timestamp::default());
        }
        // Those before have room for one each.
        assert_eq!(lanes_of(&mut order, slots(3)), [1, 2, -2]);
        order.done(-2, false);
        order.done(2, false);
        assert_eq!(lanes_of(&mut order, slots(1)), [-1]);
        order.done(1, false);
        assert_eq!(lanes_of(&mut order, slots(1)), [1]);
        order.done(-1, false);
        assert_eq!(lanes_of(&mut order, slots(2)), [-2, -1]);
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
    fn what_is_asked_for_goes_first_in_its_lane() {
        let mut order = Order::new(0);
        for subject in 1..=3 {
            order.add(&work(1, subject, 0, 0), Timestamp::default());
            order.add(&work(2, 10 * subject, 0, 0), Timestamp::default());
        }
        order.ask(&work(1, 3, 0, 0));
        order.ask(&work(1, 9, 0, 0));
        assert_eq!(subjects(&mut order), [3, 10, 1, 20, 2, 30]);
    }

    #[test]
    fn a_paused_queue_gives_what_is_asked_for_and_nothing_else() {
        let mut order = Order::new(1);
        for subject in 1..=3 {
            order.add(&work(1, subject, 0, 0), Timestamp::default());
            order.add(&work(2, 10 * subject, 0, 0), Timestamp::default());
        }
        order.pause(true);
        assert_eq!(subjects(&mut order), [0; 0]);
        for (lane, subject) in [(1, 2), (1, 3), (2, 30)] {
            order.ask(&work(lane, subject, 0, 0));
        }
        // Lanes take turns, and keep to their limit.
        assert_eq!(subjects(&mut order), [2, 30]);
        order.done(1, false);
        order.remove(&work(1, 3, 0, 0));
        order.done(2, false);
        assert_eq!(subjects(&mut order), [0; 0]);
        order.pause(false);
        assert_eq!(subjects(&mut order), [1, 10]);
    }

    #[test]
    fn a_full_lane_waits_until_it_has_room() {
        let mut order = Order::new(1);
        order.add(&work(1, 1, 0, 0), Timestamp::default());
        order.add(&work(1, 2, 0, 0), Timestamp::default());
        assert_eq!(subjects(&mut order), [1]);
        order.done(1, false);
        assert_eq!(subjects(&mut order), [2]);
    }

    #[test]
    fn work_that_is_not_due_waits() {
        let mut order = Order::new(0);
        order.add(&work(1, 1, 0, 500), Timestamp::default());
        assert_eq!(take_any(&mut order), None);
        assert_eq!(order.next_due(Timestamp::from_millis(100)), Some(Duration::from_millis(400)));
        order.promote(Timestamp::from_millis(500));
        assert_eq!(subjects(&mut order), [1]);
        assert_eq!(order.depth(), (0, 0));
    }

    #[test]
    fn withdrawn_work_leaves_nothing_behind() {
        let mut order = Order::new(0);
        let rows = [work(1, 1, 5, 0), work(1, 2, 0, 0), work(2, 3, -5, 900), work(2, 4, 0, 900)];
        for row in &rows {
            order.add(row, Timestamp::default());
        }
        assert_eq!(order.depth(), (2, 2));
        for row in [&rows[0], &rows[2], &rows[2]] {
            order.remove(row);
        }
        assert_eq!(order.depth(), (1, 1));
        order.remove(&rows[1]);
        order.remove(&rows[3]);
        assert_eq!((order.depth(), order.next_due(Timestamp::default())), ((0, 0), None));
        assert!(order.lanes.is_empty() && order.open.is_empty());
    }

    #[test]
    fn what_is_put_back_keeps_its_place() {
        let mut order = Order::new(1);
        for (subject, priority) in [(1, 0), (2, 5)] {
            order.add(&work(1, subject, priority, 0), Timestamp::default());
        }
        let pick = take_any(&mut order).unwrap();
        order.done(1, false);
        order.put_back(&pick);
        assert_eq!(order.depth(), (2, 0));
        assert_eq!(take_any(&mut order), Some(pick));
    }

    fn full_of(lanes: std::ops::Range<i64>) -> Order {
        let mut order = Order::new(0);
        for lane in lanes {
            for number in 0..100 {
                order.add(&work(lane, lane * 1_000 + number, 0, 0), Timestamp::default());
            }
        }
        order
    }

    fn lanes_of(order: &mut Order, mut room: Room) -> Vec<i64> {
        std::iter::from_fn(|| order.take(&mut room)).map(|pick| pick.lane).collect()
    }

    #[test]
    fn a_lane_with_abandoned_threads_needs_a_slot_and_a_share_of_the_threads() {
        let mut order = full_of(1..3);
        let threads = |order: &Order| 10 - order.lanes.get(&1).map_or(0, |lane| lane.extra);
        // Both get their turn; whatever the first lane began is abandoned at once.
        for _ in 0..20 {
            let room = Room { slots: 2, spare: 0, threads: threads(&order) };
            for lane in lanes_of(&mut order, room) {
                if lane == 1 {
                    order.abandoned(lane, false);
                } else {
                    order.done(lane, false);
                }
            }
        }
        assert_eq!(order.lanes[&1].extra, 4, "it has more than half of the 6 that are left");
        let without_slots = Room { slots: 0, spare: 10, threads: 10 };
        assert!(lanes_of(&mut order, without_slots).is_empty());
        for _ in 0..4 {
            order.freed(1);
        }
        assert_eq!(lanes_of(&mut order, slots(2)).len(), 2);
        assert!(order.burdened.is_empty());
    }

    #[test]
    fn whoever_cancels_a_part_of_many_attempts_goes_on_with_the_rest() {
        let mut order = full_of(1..7);
        let room = |order: &Order, running: usize| {
            let abandoned = order.lanes.get(&1).map_or(0, |lane| lane.extra);
            Room { slots: 500 - running, spare: 0, threads: 1_128 - running - abandoned }
        };
        let first = room(&order, 0);
        assert_eq!(lanes_of(&mut order, first).len(), 500);
        let canceled = 40;
        (0..canceled).for_each(|_| order.abandoned(1, false));
        let second = room(&order, 500 - canceled);
        assert_eq!(lanes_of(&mut order, second).len(), canceled);
    }

    fn slots(slots: usize) -> Room {
        Room { slots, spare: 0, threads: 10 }
    }

    #[test]
    fn slow_lanes_take_no_slots_and_share_the_spare_threads() {
        let mut order = full_of(1..4);
        for lane in lanes_of(&mut order, slots(2)) {
            order.slowed(lane);
        }
        // 1 and 2 have a thread each; they get more while they have less than half of what is spare.
        let began = lanes_of(&mut order, Room { slots: 1, spare: 6, threads: 10 });
        assert_eq!(began, [3, 1, 2], "the third lane has the slot");
        for _ in 0..2 {
            order.done(1, true);
            order.done(2, true);
        }
        assert_eq!(lanes_of(&mut order, slots(2)), [3, 3], "they are known");
        order.pace(1, false);
        assert_eq!(lanes_of(&mut order, slots(2)), [1, 3]);
    }

    proptest! {
        /// Whatever comes, also twice, leaves exactly once, and no lane runs more than it may.
        #[test]
        fn nothing_is_lost_and_limits_hold(
            works in prop::collection::vec((-3i64..5, 0i64..40), 0..80),
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
                let batch: Vec<Pick> = std::iter::from_fn(|| take_any(&mut order)).collect();
                if batch.is_empty() { break }
                prop_assert!(batch.is_sorted_by_key(|pick| pick.lane < 0), "the background waits");
                for pick in &batch {
                    let in_lane = batch.iter().filter(|other| other.lane == pick.lane).count();
                    prop_assert!(in_lane <= limit as usize);
                    prop_assert!(seen.insert(pick.subject));
                }
                for pick in batch { order.done(pick.lane, pick.slow) }
            }
            prop_assert_eq!(seen, expected);
            prop_assert!(order.lanes.is_empty() && order.open.is_empty());
        }

        /// Whatever happens to work, the age of the oldest is that of what is ready.
        #[test]
        fn the_oldest_is_the_oldest_that_is_ready(
            steps in prop::collection::vec((0u8..4, -2i64..3, 0i64..20, 0i64..9_000), 1..120),
        ) {
            let (mut order, mut taken) = (Order::new(0), Vec::new());
            for (step, lane, subject, millis) in steps {
                let some = work(lane, subject, 0, millis);
                match step {
                    0 => order.add(&some, Timestamp::from_millis(4_000)),
                    1 => taken.extend(take_any(&mut order)),
                    2 => order.remove(&some),
                    _ => {
                        order.promote(Timestamp::from_millis(millis));
                        if let Some(pick) = taken.pop() {
                            order.done(pick.lane, pick.slow);
                            order.put_back(&pick);
                        }
                    }
                }
                let oldest = |background: bool| {
                    let lanes = order.lanes.iter().filter(|(lane, _)| (**lane < 0) == background);
                    let due = lanes.flat_map(|(_, lane)| lane.ready.values()).min();
                    due.map(|due| due.begin())
                };
                prop_assert_eq!(order.oldest(), (oldest(false), oldest(true)));
            }
        }
    }
}
