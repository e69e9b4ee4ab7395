//! Schedules over a real database, on a clock that tests set. Nobody runs their tasks.

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{
    app::{Caller, schedules},
    domain::{ScheduleId, Timestamp},
    store::AccountScope,
};

use crate::support::deeds::{Deeds, caller};

/// One account with schedules.
pub(super) struct Rig {
    pub(super) deeds: Deeds,
    caller: Caller,
    next: Option<Timestamp>,
}

impl Rig {
    /// The clock shows `now`.
    pub(super) fn at(now: &str) -> Self {
        let deeds = Deeds::with([], |settings| settings.tasks.max_open = u32::MAX);
        deeds.ambient.jump(time(now));
        let caller = caller(deeds.account("a"));
        Self { deeds, caller, next: None }
    }

    /// Adds a schedule; `more` is added to what is usual.
    pub(super) fn add(&self, cron: &str, timezone: &str, more: &Value) -> ScheduleId {
        let mut body = json!({"name": "s", "cron": cron, "timezone": timezone,
            "function_name": "daily-token-reset", "overlap": "allow"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let new = serde_json::from_value(body).unwrap();
        let render: fn(&_) -> _ = |schedule: &skai_server::store::schedules::Schedule| {
            Ok(schedule.id.to_string().into_bytes())
        };
        let made = schedules::create(&self.deeds.app, &self.caller, new, None, render);
        String::from_utf8(made.wait().unwrap().body).unwrap().parse().unwrap()
    }

    /// Changes a schedule.
    pub(super) fn change(&self, id: ScheduleId, patch: Value) {
        let patch = serde_json::from_value(patch).unwrap();
        schedules::update(&self.deeds.app, &self.caller, id, patch).wait().unwrap();
    }

    /// On whose behalf it is asked.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whose they are.
    pub(super) fn scope(&self) -> AccountScope {
        self.caller.scope
    }

    /// Makes the tasks that are due.
    pub(super) fn fire(&mut self) {
        self.next = schedules::fire_due(&self.deeds.app).unwrap();
        let now = self.deeds.ambient.now();
        assert!(self.next.is_none_or(|next| next > now), "{now}: something is left that is due");
    }

    /// Lets so many minutes pass. Each time that a schedule is due, and each full hour, its tasks are made.
    pub(super) fn pass(&mut self, minutes: u32) {
        for minute in 1..=minutes {
            self.deeds.ambient.advance(Duration::from_mins(1));
            let now = self.deeds.ambient.now();
            if minute % 60 == 0 || self.next.is_none_or(|next| next <= now) {
                self.fire();
            }
        }
    }

    /// All tasks so far are over.
    pub(super) fn finish_all(&self) {
        let outside = self.deeds.outside();
        let sql = "update scheduled_task set status = 4, finished_at = 1 where status <= 3; delete from queue";
        outside.execute_batch(sql).unwrap();
    }

    /// The occurrences of a schedule that were made tasks, in the order in which they were made.
    pub(super) fn tasks(&self, id: ScheduleId) -> Vec<Timestamp> {
        let outside = self.deeds.outside();
        let mut found = outside
            .prepare(
                "select t.occurrence from scheduled_task t join schedule s on s.seq = t.schedule
                 where s.id = ?1 order by t.seq",
            )
            .unwrap();
        let rows = found.query_map([id.as_bytes().as_slice()], |row| row.get(0)).unwrap();
        rows.map(|millis| Timestamp::from_millis(millis.unwrap())).collect()
    }

    /// How many occurrences made no task, and why the last one did not.
    pub(super) fn skipped(&self, id: ScheduleId) -> (u64, Option<String>) {
        let schedule = schedules::get(&self.deeds.app, self.caller.scope, id).unwrap();
        (schedule.skipped.count, schedule.skipped.why)
    }
}

/// A time of RFC 3339.
pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
