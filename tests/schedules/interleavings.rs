//! Whatever comes in whatever order: no task is lost, stuck, or run beside another that it waits for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use proptest::prelude::*;
use serde_json::json;
use skai_server::{
    app::{
        schedules,
        tasks::{self, Attempt, Outcome, Retry},
    },
    domain::{JobErrorCode, Overlap, QueueName, ScheduleId, TaskError, TaskId, TaskStatus},
    store::{
        SystemScope,
        queue::{self, Claimed, Lease, WorkId},
        scheduled_tasks::{Task, TaskFilter},
        schedules::Schedule,
    },
};

use super::rig::Rig;

/// One thing that happens; numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask {
        later: bool,
    },
    Schedule {
        overlap: usize,
        catch_up: usize,
    },
    RunNow(usize),
    Pass(u32),
    Begin(usize),
    Finish {
        of: usize,
        how: usize,
    },
    GiveUp(usize),
    Cancel(usize),
    Retry(usize),
    Pause(usize),
    Delete(usize),
    /// The process ends, and another begins.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => any::<bool>().prop_map(|later| Step::Ask { later }),
        1 => (0..3_usize, 0..3_usize).prop_map(|(overlap, catch_up)| Step::Schedule { overlap, catch_up }),
        2 => any::<usize>().prop_map(Step::RunNow),
        4 => (1..400_u32).prop_map(Step::Pass),
        8 => any::<usize>().prop_map(Step::Begin),
        8 => (any::<usize>(), 0..3_usize).prop_map(|(of, how)| Step::Finish { of, how }),
        1 => any::<usize>().prop_map(Step::GiveUp),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => any::<usize>().prop_map(Step::Retry),
        1 => any::<usize>().prop_map(Step::Pause),
        1 => any::<usize>().prop_map(Step::Delete),
        1 => Just(Step::Crash),
    ]
}

/// An account with tasks, and the attempts that are being made, late ones included.
struct World {
    rig: Rig,
    schedules: Vec<ScheduleId>,
    attempts: Vec<(Claimed, Attempt)>,
    claims: i64,
    boot: i64,
    /// How tasks ended that nobody put back since.
    ended: BTreeMap<TaskId, TaskStatus>,
    /// Schedules with a task that somebody ran again or now: those run beside others.
    beside: BTreeSet<ScheduleId>,
}

impl World {
    fn new() -> Self {
        let (schedules, attempts) = (Vec::new(), Vec::new());
        let rig = Rig::at("2026-06-01T00:30:00Z");
        Self {
            rig,
            schedules,
            attempts,
            claims: 0,
            boot: 1,
            ended: BTreeMap::new(),
            beside: BTreeSet::new(),
        }
    }

    fn tasks(&self) -> Vec<Task> {
        let deeds = &self.rig.deeds;
        let filter = TaskFilter::default();
        let mut found = tasks::list(&deeds.app, self.rig.scope(), &filter, 10_000).unwrap().data;
        found.reverse();
        found
    }

    fn pick<T: Clone>(from: &[T], at: usize) -> Option<T> {
        (!from.is_empty()).then(|| from[at % from.len()].clone())
    }

    fn take(&mut self, step: Step) {
        let (app, caller) = (Arc::clone(&self.rig.deeds.app), self.rig.caller().clone());
        match step {
            Step::Ask { later } => {
                let mut body = json!({"function_name": "daily-token-reset"});
                if later {
                    body["scheduled_time"] =
                        app.ambient.now().plus(Duration::from_mins(5)).to_string().into();
                }
                let new = serde_json::from_value(body).unwrap();
                tasks::create(&app, &caller, new, None, |_| Ok(Vec::new())).wait().unwrap();
            }
            Step::Schedule { overlap, catch_up } => {
                let overlap = ["skip", "queue", "allow"][overlap];
                let catch_up = ["skip", "one", "all"][catch_up];
                let more = json!({"overlap": overlap, "catch_up": catch_up});
                self.schedules.push(self.rig.add("*/2 * * * *", "UTC", &more));
            }
            Step::RunNow(at) => {
                let Some(id) = Self::pick(&self.schedules, at) else { return };
                if self.schedule(id).rules.overlap == Overlap::Skip {
                    self.beside.insert(id);
                }
                // Refused where enough wait.
                drop(schedules::run(&app, &caller, id, None, |_| Ok(Vec::new())).wait());
            }
            Step::Pass(seconds) => {
                self.rig.deeds.ambient.advance(Duration::from_secs(seconds.into()));
                self.rig.fire();
            }
            Step::Begin(at) => self.begin(at),
            Step::Finish { of, how } => self.finish(of, how),
            Step::GiveUp(at) => {
                let Some((claimed, _)) = Self::pick(&self.attempts, at) else { return };
                tasks::give_up(&app, &claimed, JobErrorCode::CrashLoop).wait().unwrap();
            }
            Step::Cancel(at) => {
                let Some(task) = Self::pick(&self.tasks(), at) else { return };
                let canceled =
                    tasks::cancel(&app, &caller, task.id, None, |_| Ok(Vec::new())).wait();
                assert_eq!(canceled.is_err(), task.status.is_terminal());
            }
            Step::Retry(at) => {
                let Some(task) = Self::pick(&self.tasks(), at) else { return };
                let again = tasks::retry(&app, &caller, task.id, None, |_| Ok(Vec::new())).wait();
                assert_eq!(again.is_ok(), task.status.may_be_retried());
                self.ended.remove(&task.id);
                self.beside.extend(task.schedule.map(|(_, id)| id));
            }
            Step::Pause(at) => {
                let Some(id) = Self::pick(&self.schedules, at) else { return };
                let paused = self.schedule(id).paused_at.is_none();
                self.rig.change(id, json!({"paused": paused}));
            }
            Step::Delete(at) => {
                let Some(id) = Self::pick(&self.schedules, at) else { return };
                schedules::delete(&app, &caller, id).wait().unwrap();
                self.schedules.retain(|known| *known != id);
            }
            Step::Crash => {
                self.boot += 1;
                let before = self.boot << 32;
                let store = &app.store;
                let reclaimed = store.write(SystemScope::new(), move |tx| {
                    queue::reclaim(tx, QueueName::TaskRun, before, u32::MAX)
                });
                reclaimed.wait().unwrap();
            }
        }
    }

    fn schedule(&self, id: ScheduleId) -> Schedule {
        schedules::get(&self.rig.deeds.app, self.rig.scope(), id).unwrap()
    }

    /// Leases a task, as the queue does.
    fn begin(&mut self, at: usize) {
        let Some(task) = Self::pick(&self.tasks(), at) else { return };
        self.claims += 1;
        let id = WorkId { queue: QueueName::TaskRun, subject: task.seq };
        let lease = Lease { id, token: (self.boot << 32) | self.claims };
        let app = Arc::clone(&self.rig.deeds.app);
        let begun = self.rig.deeds.app.store.write(SystemScope::new(), move |tx| {
            let Some(claimed) = queue::claim(tx, lease)? else { return Ok(None) };
            let attempt = tasks::begin(&app, tx, &claimed)?;
            Ok(attempt.map(|attempt| (claimed, attempt)))
        });
        self.attempts.extend(begun.wait().unwrap());
    }

    fn finish(&mut self, of: usize, how: usize) {
        if self.attempts.is_empty() {
            return;
        }
        let (claimed, attempt) = self.attempts.swap_remove(of % self.attempts.len());
        let error = TaskError::new("SERVER_ERROR", "no");
        let outcome = match how {
            0 => Outcome::Completed("{}".to_owned()),
            1 => Outcome::Failed { error, result: None, retry: Retry::Never },
            _ => Outcome::Failed { error, result: None, retry: Retry::After(None) },
        };
        tasks::finish(&self.rig.deeds.app, &claimed, attempt.task, outcome).wait().unwrap();
    }

    /// What is over stays as it ended; of a schedule that queues, one task is out of the queue's hold at a time.
    fn check(&mut self) {
        let mut loose: BTreeMap<ScheduleId, u32> = BTreeMap::new();
        for task in self.tasks() {
            if task.status.is_terminal() {
                let before = *self.ended.entry(task.id).or_insert(task.status);
                assert_eq!(before, task.status, "{task:?} ended twice");
            } else {
                assert!(!self.ended.contains_key(&task.id), "{task:?} goes on");
            }
            if let (Some((_, id)), false, false) =
                (task.schedule, task.held, task.status.is_terminal())
            {
                *loose.entry(id).or_default() += 1;
            }
        }
        for (id, count) in loose {
            if self.schedules.contains(&id) && !self.beside.contains(&id) {
                let overlap = self.schedule(id).rules.overlap;
                assert!(count <= 1 || overlap == Overlap::Allow, "{count} of {overlap:?}");
            }
        }
        self.rig.deeds.verify();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn no_interleaving_loses_or_doubles_a_task(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for (n, step) in steps.into_iter().enumerate() {
            world.take(step);
            if n % 4 == 0 {
                world.check();
            }
        }
        world.check();
    }
}
