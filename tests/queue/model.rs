//! Whatever happens in whatever order, all that was pushed is finished exactly once, or withdrawn, or
//! given up for its crashes; and nothing is lost.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;
use skai_server::queue::{GiveUp, QueueSettings, Runner};

use super::rig::{Attempt, Event, Rig, SECOND, Toy, settings, until};

/// Something that happens. Indexes are taken modulo what runs or was pushed.
#[derive(Clone, Debug)]
enum Step {
    Push { lane: i64, count: i64 },
    Finish(usize),
    Release { at: usize, seconds: u64 },
    Panic(usize),
    Withdraw(usize),
    Restart,
    Pass(u64),
    Jump(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (-2_i64..4, 1_i64..5).prop_map(|(lane, count)| Step::Push { lane, count }),
        4 => any::<usize>().prop_map(Step::Finish),
        2 => (any::<usize>(), 0_u64..60).prop_map(|(at, seconds)| Step::Release { at, seconds }),
        1 => any::<usize>().prop_map(Step::Panic),
        2 => any::<usize>().prop_map(Step::Withdraw),
        1 => Just(Step::Restart),
        2 => (1_u64..30).prop_map(Step::Pass),
        1 => (-3_600_i64..3_600).prop_map(Step::Jump),
    ]
}

struct Model {
    rig: Rig,
    runner: Option<Runner<Toy>>,
    running: Vec<Attempt>,
    pushed: i64,
    finished: BTreeSet<i64>,
    withdrawn: BTreeSet<i64>,
    given_up: BTreeSet<i64>,
}

fn queue() -> QueueSettings {
    QueueSettings { lane_limit: 2, ..settings(3) }
}

impl Model {
    fn new() -> Self {
        let rig = Rig::new();
        let runner = Some(rig.start(queue()));
        Self {
            rig,
            runner,
            running: Vec::new(),
            pushed: 0,
            finished: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
            given_up: BTreeSet::new(),
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Began(attempt) => self.running.push(attempt),
            Event::GaveUp(claimed, why) => {
                assert_eq!(why, GiveUp::CrashLoop);
                assert!(self.given_up.insert(claimed.lease.id.subject), "given up twice");
            }
        }
    }

    fn pick(&mut self, at: usize) -> Option<Attempt> {
        while let Some(event) = self.rig.already() {
            self.take(event);
        }
        // Else most steps would come before anything has begun.
        let stats = self.runner.as_ref().unwrap().stats();
        if self.running.is_empty()
            && stats.ready + stats.running > 0
            && let Some(event) = self.rig.soon()
        {
            self.take(event);
        }
        (!self.running.is_empty()).then(|| self.running.remove(at % self.running.len()))
    }

    fn finish(&mut self, attempt: Attempt) {
        let subject = attempt.subject();
        if attempt.finish() {
            assert!(self.finished.insert(subject), "{subject} finished twice");
        }
    }

    fn act(&mut self, step: &Step) {
        let now = self.rig.ambient.now();
        match *step {
            Step::Push { lane, count } => {
                let expires_at = now.plus(1_000_000 * SECOND);
                self.rig.push_until(lane, self.pushed + 1..=self.pushed + count, expires_at);
                self.pushed += count;
            }
            Step::Finish(at) => {
                if let Some(attempt) = self.pick(at) {
                    self.finish(attempt);
                }
            }
            Step::Release { at, seconds } => {
                if let Some(attempt) = self.pick(at) {
                    attempt.release(now.plus(Duration::from_secs(seconds)));
                }
            }
            Step::Panic(at) => {
                if let Some(attempt) = self.pick(at) {
                    attempt.panic();
                }
            }
            Step::Withdraw(at) if self.pushed > 0 => {
                let subject =
                    i64::try_from(at % usize::try_from(self.pushed).unwrap()).unwrap() + 1;
                if self.rig.withdraw(subject) {
                    assert!(self.withdrawn.insert(subject), "{subject} withdrawn twice");
                }
            }
            Step::Withdraw(_) => {}
            Step::Restart => {
                // Attempts go on for a while after their process gave them back; they are fenced.
                self.runner.take().unwrap().drain(Duration::ZERO);
                self.runner = Some(self.rig.start(queue()));
            }
            Step::Pass(seconds) => self.rig.ambient.advance(Duration::from_secs(seconds)),
            Step::Jump(seconds) => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                self.rig.ambient.jump(if seconds < 0 { now.minus(by) } else { now.plus(by) });
            }
        }
    }

    /// Lets all that is left be done, and compares.
    fn settle(mut self) {
        let pushed: BTreeSet<i64> = (1..=self.pushed).collect();
        // All that waits for its time is due by then, whatever the jumps were.
        self.rig.ambient.advance(500_000 * SECOND);
        let ended = |model: &Self| {
            model.finished.len() + model.withdrawn.len() + model.given_up.len() == pushed.len()
        };
        let mut idle = 0;
        while !ended(&self) {
            if let Some(attempt) = self.running.pop() {
                self.finish(attempt);
                continue;
            }
            if let Some(event) = self.rig.already() {
                self.take(event);
                continue;
            }
            // What breaks off waits for five seconds of this clock, from when that is recorded.
            self.rig.ambient.advance(5 * SECOND);
            idle += 1;
            assert!(idle < 1_000, "lost: {:?}", self.rig.waiting());
            if let Some(event) = self.rig.soon() {
                self.take(event);
                idle = 0;
            }
        }
        let all: BTreeSet<i64> =
            self.finished.iter().chain(&self.withdrawn).chain(&self.given_up).copied().collect();
        assert_eq!(all, pushed, "each ended in one way");
        let runner = self.runner.take().unwrap();
        until("the queue is empty", || self.rig.waiting().is_empty());
        drop(self.running);
        runner.drain(SECOND);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_time: 30_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_ends_twice(steps in prop::collection::vec(step(), 1..40)) {
        let mut model = Model::new();
        for step in &steps {
            model.act(step);
        }
        model.settle();
    }
}
