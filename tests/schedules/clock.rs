//! Servers that were stopped, and clocks that jump.

use std::time::Duration;

use serde_json::json;
use skai_server::domain::Timestamp;

use super::rig::{Rig, time};

const BEGIN: &str = "2026-06-01T00:30:00Z";
const HOUR: Duration = Duration::from_hours(1);
const THREE_DAYS: Duration = Duration::from_hours(72);

/// A schedule that ran once, after a stop of three days.
fn stopped(cron: &str, catch_up: &str, overlap: &str) -> (Vec<Timestamp>, u64) {
    let mut rig = Rig::at(BEGIN);
    let id = rig.add(cron, "UTC", &json!({"catch_up": catch_up, "overlap": overlap}));
    rig.pass(60);
    let before = rig.tasks(id).len();
    assert!(before >= 1, "it ran before the stop");
    rig.finish_all();
    rig.deeds.ambient.advance(THREE_DAYS);
    rig.fire();
    rig.fire();
    (rig.tasks(id).split_off(before), rig.skipped(id).0)
}

#[test]
fn after_three_days_nothing_is_made_up_for_where_that_is_skipped() {
    for overlap in ["skip", "queue", "allow"] {
        assert_eq!(stopped("0 * * * *", "skip", overlap), (vec![], 72), "{overlap}");
    }
}

#[test]
fn after_three_days_one_run_makes_up_for_all() {
    let newest = time("2026-06-04T01:00:00Z");
    for overlap in ["skip", "queue", "allow"] {
        assert_eq!(stopped("0 * * * *", "one", overlap), (vec![newest], 71), "{overlap}");
    }
}

#[test]
fn after_three_days_all_are_made_up_for() {
    let first = time("2026-06-01T02:00:00Z");
    let expected: Vec<_> = (0..72).map(|hour| first.plus(HOUR * hour)).collect();
    for overlap in ["skip", "queue", "allow"] {
        assert_eq!(stopped("0 * * * *", "all", overlap), (expected.clone(), 0), "{overlap}");
    }
}

#[test]
fn no_more_than_a_hundred_are_made_up_for_the_newest() {
    let (made, skipped) = stopped("5-59/10 * * * *", "all", "allow");
    assert_eq!((made.len(), skipped), (100, 3 * 24 * 6 - 100));
    assert_eq!(made.last(), Some(&time("2026-06-04T01:25:00Z")));
    assert!(made.windows(2).all(|two| two[1].since(two[0]) == Duration::from_mins(10)));
}

#[test]
fn one_that_comes_in_time_makes_up_for_those_before() {
    // It is 01:30 after the stop, and 01:30 is one of its times.
    let (made, skipped) = stopped("30 * * * *", "one", "skip");
    assert_eq!((made, skipped), (vec![time("2026-06-04T01:30:00Z")], 71));
    let (made, skipped) = stopped("30 * * * *", "skip", "skip");
    assert_eq!((made, skipped), (vec![time("2026-06-04T01:30:00Z")], 71));
}

#[test]
fn a_minute_late_is_in_time() {
    let mut rig = Rig::at(BEGIN);
    let id = rig.add("0 * * * *", "UTC", &json!({"catch_up": "skip"}));
    rig.deeds.ambient.advance(Duration::from_mins(31) - Duration::from_millis(1));
    rig.fire();
    assert_eq!(rig.tasks(id), [time("2026-06-01T01:00:00Z")]);
    rig.deeds.ambient.advance(HOUR + Duration::from_millis(1));
    rig.fire();
    assert_eq!(rig.tasks(id).len(), 1, "a minute and a bit is late");
    assert_eq!(rig.skipped(id), (1, Some("missed".to_owned())));
}

#[test]
fn a_clock_that_is_set_back_repeats_nothing() {
    let mut rig = Rig::at(BEGIN);
    let crons = ["*/5 * * * *", "0 * * * *", "every 7m", "30 1 * * *"];
    let ids = crons.map(|cron| rig.add(cron, "UTC", &json!({"catch_up": "all"})));
    let undisturbed = ids.map(|id| {
        let schedule = skai_server::app::schedules::get(&rig.deeds.app, rig.scope(), id).unwrap();
        skai_server::app::schedules::next_runs(&schedule, 100)
    });
    rig.pass(90);
    let now = rig.deeds.ambient.now();
    rig.deeds.ambient.jump(now.minus(HOUR));
    rig.fire();
    // Also not where somebody changes it meanwhile.
    rig.change(ids[0], json!({"name": "another"}));
    rig.change(ids[0], json!({"paused": true}));
    rig.change(ids[0], json!({"paused": false}));
    rig.pass(60);
    rig.deeds.ambient.jump(now.minus(HOUR / 2));
    rig.pass(90);
    let end = rig.deeds.ambient.now();
    for (id, undisturbed) in ids.into_iter().zip(undisturbed) {
        let expected: Vec<_> = undisturbed.into_iter().filter(|at| *at <= end).collect();
        assert_eq!(rig.tasks(id), expected);
        assert_eq!(rig.skipped(id), (0, None));
    }
}

#[test]
fn a_clock_that_was_years_ahead_stops_a_schedule_until_somebody_changes_it() {
    let mut rig = Rig::at(BEGIN);
    let id = rig.add("0 * * * *", "UTC", &json!({"catch_up": "one"}));
    rig.deeds.ambient.jump(time("2036-06-01T00:30:00Z"));
    rig.fire();
    assert_eq!(rig.tasks(id), [time("2036-06-01T00:00:00Z")]);
    rig.deeds.ambient.jump(time(BEGIN));
    rig.pass(180);
    assert_eq!(rig.tasks(id).len(), 1, "until then nothing is due");
    rig.change(id, json!({"paused": true}));
    rig.change(id, json!({"paused": false}));
    rig.pass(60);
    assert_eq!(rig.tasks(id)[1..], [time("2026-06-01T04:00:00Z")]);
}

#[test]
fn after_a_stop_no_more_than_one_runs_in_time() {
    let burst = |catch_up: &str| {
        let mut rig = Rig::at(BEGIN);
        let id = rig.add("every 10s", "UTC", &json!({ "catch_up": catch_up }));
        rig.deeds.ambient.advance(THREE_DAYS);
        rig.fire();
        (rig.tasks(id).len(), rig.skipped(id).0)
    };
    assert_eq!(burst("skip").0, 1);
    assert_eq!(burst("one").0, 1);
    assert_eq!(burst("all").0, 106);
}
