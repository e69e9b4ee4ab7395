//! Two whole years next to an independent library: `cronsim`, which does as Debian's cron does.
//!
//! `tests/run.sh` installs it. `reference.py` says where it is not followed.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use serde_json::json;
use skai_server::domain::{Recurrence, TimeZone, Timestamp};

use crate::sdk::installed;

/// The occurrences of an expression in a zone after one time up to another.
pub(crate) type Case<'a> = (&'a str, &'a str, Timestamp, Timestamp);

/// How many processes are asked at once.
const PROCESSES: usize = 4;

const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"];

const EXPRESSIONS: [&str; 44] = [
    "*/7 * 1-8,25-31 3,4,10,11 *",
    "0 * * * *",
    "30 * * * *",
    "15,45 * 1-8 4,11 *",
    "1-59/29 * 25-31 3,10 *",
    "* 2 * 3-4,10-11 *",
    "*/15 1-3 * 3-4,10-11 *",
    "*/30 */2 * 3-4,10-11 *",
    "*/20 0 * * *",
    "0 */3 * * *",
    "17 */1 * * *",
    "59 */4 * * *",
    "0 0 * * *",
    "30 0 * * *",
    "0 1 * * *",
    "30 1 * * *",
    "0 2 * * *",
    "15 2 * * *",
    "30 2 * * *",
    "45 2 * * *",
    "0 3 * * *",
    "0,30 2 * * *",
    "0,10,20,30,40,50 1-3 * * *",
    "10/25 2,3 * * *",
    "5 1,2,3 * * *",
    "0 9-17 * * MON-FRI",
    "0 9-17/2 * * 1-5",
    "0 9 * * 5-7",
    "0 9 * * SUN",
    "0 9 * * 7",
    "30 2 * * 0",
    "0 0 1 * *",
    "0 0 31 * *",
    "0 0 29-31 */2 *",
    "0 0 */10 * *",
    "0 0 1-7 * */2",
    "0 0 */2 * MON",
    "0 0 13 * FRI",
    "0 0 1,15 * WED",
    "0 0 31 2 1",
    "30 2 29 3 *",
    "0 12 1 JAN,JUL *",
    "*/10 4 25 10 *",
    "0 0 29 FEB 1",
];

#[test]
fn two_years_are_those_of_an_independent_library() {
    let (after, until) = (time("2025-12-31T12:00:00Z"), time("2028-01-01T12:00:00Z"));
    let cases: Vec<Case<'_>> = ZONES
        .into_iter()
        .flat_map(|zone| EXPRESSIONS.map(|expression| (zone, expression, after, until)))
        .collect();
    let mut wrong = Vec::new();
    for (case, expected) in cases.iter().zip(reference(&cases)) {
        let found = ours(case);
        if let Some(difference) = first_difference(&found, &expected) {
            wrong.push(format!("{} {}: {difference}", case.0, case.1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// By `next`, one after the other, and by `missed`.
fn ours((zone, expression, after, until): &Case<'_>) -> Vec<i64> {
    let zone: TimeZone = zone.parse().unwrap();
    let recurrence = Recurrence::parse(expression).unwrap();
    let next = |after: &Timestamp| recurrence.next(&zone, *after, *after);
    let found = std::iter::successors(next(after), next).take_while(|at| at <= until);
    let found: Vec<Timestamp> = found.collect();
    let missed = recurrence.missed(&zone, *after, *after, *until, usize::MAX);
    assert_eq!(missed.occurrences, found);
    found.into_iter().map(Timestamp::millis).collect()
}

fn first_difference(found: &[i64], expected: &[i64]) -> Option<String> {
    let at = (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at))?;
    let shown = |all: &[i64]| all.get(at).map(|at| Timestamp::from_millis(*at).to_string());
    Some(format!("{:?} should be {:?}", shown(found), shown(expected)))
}

/// What the library says of each case, in milliseconds since the epoch. Some processes share the work.
pub(crate) fn reference(cases: &[Case<'_>]) -> Vec<Vec<i64>> {
    let share = cases.len().div_ceil(PROCESSES).max(1);
    thread::scope(|scope| {
        let asked = cases.chunks(share).map(|some| scope.spawn(move || ask(some)));
        let asked: Vec<_> = asked.collect();
        asked.into_iter().flat_map(|answers| answers.join().unwrap()).collect()
    })
}

fn ask(cases: &[Case<'_>]) -> Vec<Vec<i64>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schedules/reference.py");
    let mut python = Command::new(installed("python/bin/python"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut questions, answers) = (python.stdin.take().unwrap(), python.stdout.take().unwrap());
    let mut answers = BufReader::new(answers).lines();
    let answer = |(zone, expression, after, until): &Case<'_>| {
        let question = json!([zone, expression, after.seconds(), until.seconds()]);
        writeln!(questions, "{question}").unwrap();
        questions.flush().unwrap();
        let answer = answers.next().expect("the script failed, and said why").unwrap();
        let seconds: Vec<i64> = serde_json::from_str(&answer).unwrap();
        seconds.into_iter().map(|second| second * 1000).collect()
    };
    let answered = cases.iter().map(answer).collect();
    drop(questions);
    assert!(python.wait().unwrap().success());
    answered
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
