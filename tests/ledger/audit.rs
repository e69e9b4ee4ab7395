//! The daily proof of the books, and what would mend them.

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{app::ledger_audit, workers::Auditing};

use crate::support::deeds::{Deeds, model};

/// Books with a balance that is not the sum of its entries.
fn broken_books() -> Deeds {
    let deeds = Deeds::new([model("m", 0)]);
    deeds.funded(1_000);
    deeds.outside().execute("update balance set paid = 999, open_jobs = 2", []).unwrap();
    deeds
}

#[test]
fn the_books_are_verified_every_day_at_the_same_time() {
    let deeds = broken_books();
    // It is nine in the morning.
    let three = Some(Duration::from_hours(3));
    let auditing = Auditing::new(deeds.app.clone(), three);
    let found = || deeds.app.last_audit.found();
    auditing.tick();
    assert_eq!(found(), None);
    deeds.ambient.advance(Duration::from_hours(18) - Duration::from_millis(1));
    auditing.tick();
    assert_eq!(found(), None);
    deeds.ambient.advance(Duration::from_millis(1));
    auditing.tick();
    let first = found().unwrap();
    assert_eq!((first.verified_at, first.problems), (deeds.ambient.now(), 3));
    deeds.ambient.advance(Duration::from_hours(12));
    auditing.tick();
    assert_eq!(found(), Some(first));
    // A clock that was set back a week does not stop it for a week.
    deeds.ambient.jump("2026-11-13T09:00:00Z".parse().unwrap());
    auditing.tick();
    deeds.ambient.advance(Duration::from_hours(18));
    auditing.tick();
    assert_eq!(found().unwrap().verified_at, "2026-11-14T03:00:00Z".parse().unwrap());
}

#[test]
fn it_can_be_switched_off() {
    let deeds = broken_books();
    let auditing = Auditing::new(deeds.app.clone(), None);
    for _ in 0..3 {
        auditing.tick();
        deeds.ambient.advance(Duration::from_hours(24));
    }
    assert_eq!(deeds.app.last_audit.found(), None);
}

#[test]
fn a_plan_says_what_would_mend_each_problem_and_changes_nothing() {
    let deeds = broken_books();
    let outside = deeds.outside();
    let version =
        || outside.query_row("pragma data_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = version();
    let report = ledger_audit::verify(&deeds.app).unwrap();
    assert_eq!((report.ok, report.problems.len()), (false, 3));
    let shown = serde_json::to_value(&report).unwrap();
    assert_eq!(shown.get("repair_plan"), None);
    let planned = serde_json::to_value(ledger_audit::plan_repairs(&deeds.app).unwrap()).unwrap();
    let repairs: Vec<&Value> =
        planned["repair_plan"].as_array().unwrap().iter().map(|it| &it["repair"]).collect();
    let expected = json!([
        "set the balance to what its entries sum up to",
        "let the balance count 0 open jobs",
        "set right balance and grants first, each by its entries",
    ]);
    assert_eq!(json!(repairs), expected);
    assert_eq!(planned["problems"], shown["problems"]);
    assert!(planned["problems"][0].as_str().unwrap().contains("by entries 0 and 1000"));
    assert_eq!(version(), before);
    deeds.outside().execute("update balance set open_jobs = 0", []).unwrap();
    assert_ne!(version(), before, "a change would have been seen");
}
