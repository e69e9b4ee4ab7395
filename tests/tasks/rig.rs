//! The deeds on a clock that the tests set; schedules are fired, and their tasks worked off, step by step. The first
//! moment is 9:00.

use std::{cell::Cell, sync::Arc, time::Duration};

use serde_json::{Value, json};
use skai_server::{
    app::{
        Caller, Settings, functions,
        schedules::{self, SchedulePatch},
        tasks::{self, Attempt, Outcome, Retry},
    },
    domain::{PageRequest, QueueName, ScheduleId, TaskError, Timestamp},
    store::{
        AccountScope, SystemScope,
        queue::{self, Claimed, Lease, Waiting},
        scheduled_tasks::{Task, TaskFilter},
        schedules::Schedule,
    },
};

use crate::support::deeds::{Deeds, caller};

pub(super) struct Rig {
    pub(super) deeds: Deeds,
    pub(super) scope: AccountScope,
    claims: Cell<i64>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(|_| ())
    }

    /// An account with a function `f`, and without the schedules that every account has.
    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let deeds = Deeds::with([], change);
        let scope = deeds.account("a");
        let rig = Self { deeds, scope, claims: Cell::new(1) };
        for schedule in rig.schedules() {
            rig.delete(schedule.id);
        }
        let function = serde_json::from_str(r#"{"kind": "agent", "agent": "none"}"#).unwrap();
        functions::put(&rig.deeds.app, &rig.caller(), "f".to_owned(), function).wait().unwrap();
        rig
    }

    pub(super) fn caller(&self) -> Caller {
        caller(self.scope)
    }

    pub(super) fn schedules(&self) -> Vec<Schedule> {
        schedules::list(&self.deeds.app, self.scope, &PageRequest::default()).unwrap().data
    }

    /// A schedule that is due every hour, with `more` in it.
    pub(super) fn schedule(&self, more: &Value) -> ScheduleId {
        let mut body = json!({"name": "s", "cron": "0 * * * *", "function_name": "f"});
        super::add(&mut body, more);
        let new = serde_json::from_value(body).unwrap();
        let made = schedules::create(&self.deeds.app, &self.caller(), new, None, |_| Ok(vec![]));
        made.wait().unwrap();
        self.schedules()[0].id
    }

    pub(super) fn look(&self, id: ScheduleId) -> Schedule {
        schedules::get(&self.deeds.app, self.scope, id).unwrap()
    }

    pub(super) fn patch(&self, id: ScheduleId, change: &Value) -> Schedule {
        let patch: SchedulePatch = serde_json::from_str(&change.to_string()).unwrap();
        schedules::update(&self.deeds.app, &self.caller(), id, patch).wait().unwrap()
    }

    pub(super) fn delete(&self, id: ScheduleId) {
        schedules::delete(&self.deeds.app, &self.caller(), id).wait().unwrap();
    }

    pub(super) fn run_now(&self, id: ScheduleId) {
        let run = schedules::run(&self.deeds.app, &self.caller(), id, None, |_| Ok(vec![]));
        run.wait().unwrap();
    }

    /// So much later, what is due is made to tasks; gives when the next is due.
    pub(super) fn after(&self, time: Duration) -> Option<Timestamp> {
        self.deeds.ambient.advance(time);
        schedules::fire_due(&self.deeds.app).unwrap()
    }

    /// The account's tasks, oldest first.
    pub(super) fn tasks(&self) -> Vec<Task> {
        let all = tasks::list(&self.deeds.app, self.scope, &TaskFilter::default(), 100).unwrap();
        all.data.into_iter().rev().collect()
    }

    /// Hour and minute of the tasks, and what is known of each: `held` or its status.
    pub(super) fn story(&self) -> Vec<(String, &'static str)> {
        let state = |task: &Task| if task.held { "held" } else { task.status.as_str() };
        let tasks = self.tasks();
        let at = |task: &Task| task.scheduled_time.to_string()[11..16].to_owned();
        tasks.iter().map(|task| (at(task), state(task))).collect()
    }

    /// How many occurrences were left out, and why the last.
    pub(super) fn skipped(&self, id: ScheduleId) -> (u64, Option<String>) {
        let skipped = self.look(id).skipped;
        (skipped.count, skipped.why)
    }

    /// What waits in the queue, due or not.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let scan = |snapshot: &skai_server::store::Snapshot<'_, SystemScope>| {
            queue::scan(snapshot, QueueName::TaskRun, 0, 100)
        };
        self.deeds.app.store.read(SystemScope::new(), scan).unwrap()
    }

    /// Begins an attempt at the oldest task that is due.
    pub(super) fn begin(&self) -> (Claimed, Attempt) {
        self.try_begin().expect("it is not over")
    }

    /// Whether the oldest task that is due ends instead of beginning.
    pub(super) fn begin_none(&self) -> bool {
        self.try_begin().is_none()
    }

    fn try_begin(&self) -> Option<(Claimed, Attempt)> {
        let (app, now) = (Arc::clone(&self.deeds.app), self.deeds.ambient.now());
        let waiting = self.waiting();
        let id = waiting.iter().find(|row| row.run_at <= now).expect("one is due").id;
        let lease = Lease { id, token: self.claims.replace(self.claims.get() + 1) };
        let begun = self.deeds.app.store.write(SystemScope::new(), move |tx| {
            let claimed = queue::claim(tx, lease)?.expect("it waits");
            let attempt = tasks::begin(&app, tx, &claimed)?;
            if attempt.is_none() {
                queue::withdraw(tx, id)?;
            }
            Ok(attempt.map(|attempt| (claimed, attempt)))
        });
        begun.wait().unwrap()
    }

    /// Makes an attempt at the oldest task that is due, with this outcome.
    pub(super) fn work(&self, outcome: Outcome) {
        let (claimed, attempt) = self.begin();
        assert!(tasks::finish(&self.deeds.app, &claimed, attempt.task, outcome).wait().unwrap());
    }

    pub(super) fn complete(&self) {
        self.work(Outcome::Completed("null".to_owned()));
    }

    pub(super) fn fail(&self, retry: Retry) {
        self.work(Self::failure(retry));
    }

    pub(super) fn failure(retry: Retry) -> Outcome {
        let error = TaskError::new("SERVER_ERROR", "no");
        Outcome::Failed { error, result: None, retry }
    }
}
