//! What becomes of occurrences of schedules.

use std::time::Duration;

use serde_json::json;
use skai_server::{
    app::{
        Caller,
        accounts::{self, AccountChange},
        schedules::{self, SchedulePatch},
        tasks::{self, Outcome, Retry},
    },
    domain::TaskStatus,
};

use super::rig::Rig;

const MINUTE: Duration = Duration::from_mins(1);

fn story(tasks: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    tasks.iter().map(|(at, state)| ((*at).to_owned(), *state)).collect()
}

#[test]
fn an_occurrence_becomes_one_task_when_it_is_due() {
    let rig = Rig::new();
    let id = rig.schedule(&json!({"payload": {"a": 1}}));
    assert!(rig.after(59 * MINUTE).is_some());
    assert!(rig.tasks().is_empty());
    let next = rig.after(MINUTE).unwrap();
    assert_eq!(next.to_string(), "2026-11-20T11:00:00.000Z");
    rig.after(Duration::ZERO);
    assert_eq!(rig.story(), story(&[("10:00", "pending")]));
    let task = rig.tasks().remove(0);
    assert_eq!(task.payload.as_deref().map(serde_json::value::RawValue::get), Some(r#"{"a":1}"#));
    assert_eq!((task.asked_by, task.request_id), (Some((1, 1)), task.id.to_string()));
    let schedule = rig.look(id);
    assert_eq!((schedule.last_at, schedule.next_at), (Some(task.scheduled_time), Some(next)));
    assert_eq!(schedules::next_runs(&schedule, 5).len(), 5);
}

#[test]
fn an_overlapping_occurrence_is_skipped() {
    let rig = Rig::new();
    let id = rig.schedule(&json!({}));
    rig.after(60 * MINUTE);
    rig.after(60 * MINUTE);
    rig.after(60 * MINUTE);
    assert_eq!(rig.story(), story(&[("10:00", "pending")]));
    assert_eq!(rig.skipped(id), (2, Some("overlap".to_owned())));
    assert_eq!(rig.look(id).skipped.at, Some(rig.deeds.ambient.now()));
    // A task that waits for its next attempt is not over.
    rig.fail(Retry::After(Some(Duration::from_mins(10))));
    rig.after(60 * MINUTE);
    assert_eq!(rig.skipped(id).0, 3);
    rig.complete();
    rig.after(60 * MINUTE);
    assert_eq!(rig.story(), story(&[("10:00", "completed"), ("14:00", "pending")]));
    // Nor is one that somebody runs now.
    rig.complete();
    rig.run_now(id);
    rig.after(60 * MINUTE);
    assert_eq!(rig.skipped(id).0, 4);
}

#[test]
fn an_overlapping_occurrence_waits_for_its_turn() {
    let rig = Rig::new();
    let id = rig.schedule(&json!({"overlap": "queue"}));
    for _ in 0..4 {
        rig.after(60 * MINUTE);
    }
    let (held, pending) = ("held", "pending");
    assert_eq!(
        rig.story(),
        story(&[("10:00", pending), ("11:00", held), ("12:00", held), ("13:00", held)])
    );
    rig.complete();
    rig.fail(Retry::Never);
    assert_eq!(
        rig.story(),
        story(&[("10:00", "completed"), ("11:00", "failed"), ("12:00", pending), ("13:00", held)])
    );
    rig.patch(id, &json!({"overlap": "skip"}));
    rig.after(60 * MINUTE);
    assert_eq!(rig.skipped(id), (1, Some("overlap".to_owned())));
    rig.complete();
    rig.complete();
    assert!(rig.tasks().iter().all(|task| task.status.is_terminal()));
}

#[test]
fn overlapping_occurrences_may_run_beside_each_other() {
    let rig = Rig::new();
    let id = rig.schedule(&json!({"overlap": "allow"}));
    for _ in 0..3 {
        rig.after(60 * MINUTE);
    }
    let pending = "pending";
    assert_eq!(rig.story(), story(&[("10:00", pending), ("11:00", pending), ("12:00", pending)]));
    rig.delete(id);
    assert!(rig.tasks().iter().all(|task| task.status == TaskStatus::Canceled));
    assert_eq!(rig.after(60 * MINUTE), None);
    assert_eq!(rig.tasks().len(), 3);
}

#[test]
fn what_passes_while_it_is_paused_is_not_made_up_for() {
    let rig = Rig::new();
    let id = rig.schedule(&json!({"catch_up": "all"}));
    rig.patch(id, &json!({"paused": true}));
    assert_eq!(rig.after(180 * MINUTE), None);
    let resumed = rig.patch(id, &json!({"paused": false}));
    assert_eq!(resumed.next_at.unwrap().to_string(), "2026-11-20T13:00:00.000Z");
    rig.after(Duration::ZERO);
    assert!(rig.tasks().is_empty());
    rig.after(60 * MINUTE);
    assert_eq!(rig.story(), story(&[("13:00", "pending")]));
    assert_eq!(rig.skipped(id), (0, None));
}

#[test]
fn a_change_takes_effect_at_once() {
    let rig = Rig::new();
    let id = rig.schedule(&json!({}));
    let moved = rig.patch(id, &json!({"cron": "30 9 * * *"}));
    assert_eq!(moved.next_at.unwrap().to_string(), "2026-11-20T09:30:00.000Z");
    rig.after(30 * MINUTE);
    let moved = rig.patch(id, &json!({"cron": "*/30 * * * *"}));
    assert_eq!(moved.next_at.unwrap().to_string(), "2026-11-20T10:00:00.000Z");
    assert_eq!(rig.story(), story(&[("09:30", "pending")]), "no occurrence comes twice");
    // Intervals are counted from the change on.
    rig.deeds.ambient.advance(5 * MINUTE);
    let moved = rig.patch(id, &json!({"cron": "every 10m"}));
    assert_eq!(moved.next_at.unwrap().to_string(), "2026-11-20T09:45:00.000Z");
    let named = rig.patch(id, &json!({"name": "other"}));
    assert_eq!(named.next_at, moved.next_at);
}

#[test]
fn occurrences_of_a_suspended_account_are_skipped() {
    let rig = Rig::new();
    let id = rig.schedule(&json!({"overlap": "allow"}));
    let suspend = |suspended| {
        let change = AccountChange { suspended: Some(suspended), ..AccountChange::default() };
        accounts::update(&rig.deeds.app, rig.scope.account_id(), change).wait().unwrap();
    };
    suspend(true);
    rig.after(60 * MINUTE);
    rig.after(60 * MINUTE);
    assert_eq!(rig.skipped(id), (2, Some("suspended".to_owned())));
    suspend(false);
    rig.after(60 * MINUTE);
    assert_eq!(rig.story(), story(&[("12:00", "pending")]));
}

#[test]
fn no_more_tasks_are_made_than_an_account_may_have() {
    let rig = Rig::with(|settings| settings.tasks.max_open = 1);
    let (one, two) = (rig.schedule(&json!({})), rig.schedule(&json!({})));
    rig.after(60 * MINUTE);
    assert_eq!(rig.tasks().len(), 1);
    let skipped = [rig.skipped(one), rig.skipped(two)];
    let full = (1, Some("too_many_tasks".to_owned()));
    assert!(skipped.contains(&(0, None)) && skipped.contains(&full), "{skipped:?}");
    rig.complete();
    rig.after(60 * MINUTE);
    assert_eq!(rig.tasks().len(), 2);
}

#[test]
fn a_task_starts_late_by_chance_but_is_for_its_time() {
    let rig = Rig::new();
    rig.schedule(&json!({"jitter_seconds": 60, "overlap": "allow"}));
    for _ in 0..20 {
        rig.after(60 * MINUTE);
    }
    let waiting = rig.waiting();
    let late = waiting.iter().zip(rig.tasks()).map(|(row, task)| {
        assert!(task.scheduled_time.to_string().ends_with(":00:00.000Z"));
        row.run_at.since(task.scheduled_time)
    });
    let late: Vec<_> = late.collect();
    assert_eq!(late.len(), 20);
    assert!(late.iter().all(|late| *late <= MINUTE), "{late:?}");
    assert!(late.iter().max() > late.iter().min(), "{late:?}");
}

#[test]
fn a_schedule_that_is_not_understood_holds_up_no_other() {
    let rig = Rig::new();
    let (broken, good) = (rig.schedule(&json!({})), rig.schedule(&json!({})));
    let sql = "update schedule set timezone = 'Gone/Zone' where seq = ?1";
    let seq = rig.look(broken).seq;
    rig.deeds.outside().execute(sql, [seq]).unwrap();
    rig.after(60 * MINUTE);
    assert_eq!(rig.tasks().len(), 1);
    assert_eq!(rig.tasks()[0].schedule.unwrap().1, good);
    let next = rig.after(60 * MINUTE).unwrap();
    assert_eq!(next.to_string(), "2026-11-20T12:00:00.000Z", "it stands still");
}

#[test]
fn what_occurrences_become_is_counted() {
    let rig = Rig::new();
    rig.schedule(&json!({}));
    rig.after(60 * MINUTE);
    rig.after(60 * MINUTE);
    let metrics = rig.deeds.app.metrics.render();
    for line in [
        r#"skai_schedule_occurrences_total{outcome="task"} 1"#,
        r#"skai_schedule_occurrences_total{outcome="overlap"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
}

#[test]
fn whoever_changes_a_schedule_pays_for_it_from_then_on() {
    let rig = Rig::new();
    let id = rig.schedule(&json!({}));
    let other = Caller { project: 2, key: 3, ..rig.caller() };
    let patch = SchedulePatch { name: Some("other".to_owned()), ..SchedulePatch::default() };
    let update = schedules::update(&rig.deeds.app, &other, id, patch);
    assert_eq!(update.wait().unwrap().asked_by, Some((2, 3)));
    rig.after(60 * MINUTE);
    assert_eq!(rig.tasks()[0].asked_by, Some((2, 3)));
}

#[test]
fn a_schedule_with_many_tasks_takes_them_along_in_parts() {
    let rig = Rig::new();
    let id = rig.schedule(&json!({"overlap": "allow"}));
    for _ in 0..600 {
        rig.run_now(id);
    }
    let (first, attempt) = rig.begin();
    let deleted = schedules::delete(&rig.deeds.app, &rig.caller(), id).wait().unwrap();
    assert!(deleted.has_more);
    rig.deeds.verify();
    // A task that is left ends when its turn comes.
    assert!(rig.begin_none(), "it began although its schedule is gone");
    let deleted = schedules::cancel_rest(&rig.deeds.app, &rig.caller(), deleted).wait().unwrap();
    assert!(!deleted.has_more);
    assert!(rig.waiting().is_empty());
    // The one at work goes on, and one that somebody asks for again runs for itself.
    let done = Outcome::Completed("null".to_owned());
    assert!(tasks::finish(&rig.deeds.app, &first, attempt.task, done).wait().unwrap());
    let canceled = rig.tasks().pop().unwrap();
    assert_eq!(canceled.status, TaskStatus::Canceled);
    assert_eq!(canceled.error.unwrap().message, "its schedule was deleted");
    let again = tasks::retry(&rig.deeds.app, &rig.caller(), canceled.id, None, |_| Ok(vec![]));
    again.wait().unwrap();
    rig.complete();
    let task = tasks::get(&rig.deeds.app, rig.scope, canceled.id).unwrap();
    assert_eq!((task.status, task.schedule), (TaskStatus::Completed, None));
    rig.deeds.verify();
}

#[test]
fn what_is_overdue_when_a_schedule_is_changed_is_counted() {
    let rig = Rig::new();
    let id = rig.schedule(&json!({"catch_up": "all"}));
    rig.deeds.ambient.advance(5 * 60 * MINUTE);
    rig.patch(id, &json!({"cron": "30 * * * *"}));
    assert_eq!(rig.skipped(id), (5, Some("changed".to_owned())));
    assert_eq!(rig.look(id).skipped.at, Some(rig.deeds.ambient.now()));
    // Another name lets it go on as it is.
    rig.deeds.ambient.advance(5 * 60 * MINUTE);
    rig.patch(id, &json!({"name": "another"}));
    rig.after(Duration::ZERO);
    assert_eq!((rig.tasks().len(), rig.skipped(id).0), (5, 5));
}
