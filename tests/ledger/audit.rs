//! What would mend the books.

use serde_json::{Value, json};
use skai_server::app::ledger_audit;

use crate::support::deeds::{Deeds, model};

/// Books with a balance that is not the sum of its entries.
fn broken_books() -> Deeds {
    let deeds = Deeds::new([model("m", 0)]);
    deeds.funded(1_000);
    deeds.outside().execute("update balance set paid = 999, open_jobs = 2", []).unwrap();
    deeds
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
