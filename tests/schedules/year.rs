//! A year, minute by minute, in time zones whose clocks change: each occurrence becomes one task, and those are the
//! occurrences that an independent library finds.

use std::time::Duration;

use serde_json::json;

use super::{
    reference::{Case, reference},
    rig::{Rig, time},
};

const BEGIN: &str = "2026-03-01T00:00:00Z";
const YEAR: Duration = Duration::from_hours(365 * 24);

/// The changes of the clocks are, in 2026 and 2027: Berlin at 02:00 on 29 March and 03:00 on 25 October, New York at 02:00
/// on 8 March and 1 November, Lord Howe (half an hour) at 02:00 on 5 April and 4 October.
const ZONES: [&str; 3] = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];

const EXPRESSIONS: [&str; 10] = [
    // Fixed times: skipped ones run just after, repeated ones once.
    "30 2 * * *",
    "15 1,2,3 * * *",
    "0 0 * * *",
    "45 1 * * SUN",
    "0 2,3 * 3,4,10,11 *",
    "0 9 1 * *",
    "0 0 13 * FRI",
    // Elapsed time.
    "*/30 1-3 * * *",
    "0 */4 * * *",
    "20 * * 3,4,10,11 SUN",
];

#[test]
fn each_occurrence_of_a_year_is_one_task() {
    let mut rig = Rig::at(BEGIN);
    let (begin, end) = (time(BEGIN), time(BEGIN).plus(YEAR));
    let cases: Vec<Case<'_>> = ZONES
        .into_iter()
        .flat_map(|zone| EXPRESSIONS.map(|expression| (zone, expression, begin, end)))
        .collect();
    let schedules: Vec<_> =
        cases.iter().map(|(zone, cron, ..)| rig.add(cron, zone, &json!({}))).collect();
    rig.fire();
    for _ in 0..365 {
        rig.pass(24 * 60);
        rig.finish_all();
    }
    assert_eq!(rig.deeds.ambient.now(), end);
    for ((case, schedule), expected) in cases.iter().zip(schedules).zip(reference(&cases)) {
        let made: Vec<_> = rig.tasks(schedule).iter().map(|at| at.millis()).collect();
        assert!(!made.is_empty(), "{case:?} was never due");
        assert_eq!(made, expected, "{case:?}");
        assert_eq!(rig.skipped(schedule), (0, None), "{case:?}");
    }
}
