//! What the ledger says of grants, charges and time.

use std::time::Duration;

use serde_json::json;
use skai_server::{
    app::{
        credits::{self, EntryFilter},
        jobs,
    },
    domain::{Bucket, EntryKind, ErrorKind, Idempotency, IdempotencyKey, JobStatus, PageRequest},
    store::{ledger::Balance, ledger_entries::Grant},
    workers::Maintenance,
};

use crate::support::deeds::{Deeds, caller, micros, model, success};

#[test]
fn a_charge_says_which_grants_paid_for_it() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.account("a");
    let soon = deeds.ambient.now().plus(Duration::from_hours(1));
    for (bucket, amount, expires_at) in
        [(Bucket::Paid, 10, None), (Bucket::Free, 3, None), (Bucket::Free, 4, Some(soon))]
    {
        deeds.grant(scope.account_id(), bucket, amount, expires_at);
        deeds.ambient.advance(Duration::from_secs(1));
    }
    let grants = credits::grants(&deeds.app, scope, &PageRequest::default()).unwrap().data;
    let [expiring, free, paid] = [0, 1, 2].map(|at| grants[at].id);
    let job = deeds.submit(scope, &json!({"max_tokens": 1})).unwrap();
    let (claimed, begun) = deeds.begin(job.seq, 1);
    deeds.finish(&claimed, begun, success(20));
    let charges = || {
        let filter = EntryFilter { kind: Some(EntryKind::Charge), ..EntryFilter::default() };
        let found = credits::entries(&deeds.app, scope, filter, &PageRequest::default()).unwrap();
        found.data.iter().rev().map(|it| (it.grant_id, it.delta.micros())).collect::<Vec<_>>()
    };
    let paid_by = [(Some(expiring), -4), (Some(free), -3), (Some(paid), -10), (None, -3)];
    assert_eq!(charges(), paid_by);
    deeds.verify();
    // What no grant covered is what the next one pays first.
    deeds.grant(scope.account_id(), Bucket::Paid, 5, None);
    let next = &credits::grants(&deeds.app, scope, &PageRequest::default()).unwrap().data[0];
    assert_eq!((next.amount, next.remaining), (micros(5), micros(2)));
    deeds.verify();
}

#[test]
fn the_ledger_is_listed_by_job_kind_time_and_page() {
    let deeds = Deeds::new([model("m", 0)]);
    let (scope, other) = (deeds.account("a"), deeds.account("b"));
    deeds.grant(scope.account_id(), Bucket::Free, 10, None);
    deeds.grant(scope.account_id(), Bucket::Paid, 100, None);
    let before = deeds.ambient.now();
    deeds.ambient.advance(Duration::from_mins(1));
    let job = deeds.submit(scope, &json!({"max_tokens": 30})).unwrap();
    let (claimed, begun) = deeds.begin(job.seq, 1);
    assert!(deeds.finish(&claimed, begun, success(15)));

    let list = |scope, filter, limit: &str, cursor: Option<&str>| {
        let page = PageRequest::parse(Some(limit), cursor).unwrap();
        credits::entries(&deeds.app, scope, filter, &page).unwrap()
    };
    let of_job = credits::EntryFilter { job: Some(job.id), ..Default::default() };
    let page = list(scope, of_job, "100", None);
    let lines: Vec<_> = page
        .data
        .iter()
        .map(|e| (e.kind.as_str(), e.bucket.as_str(), e.delta.micros(), e.balance_after.micros()))
        .collect();
    let expected = [
        ("charge", "paid", -5, 95),
        ("charge", "free", -10, 100),
        ("release", "paid", 20, 110),
        ("release", "free", 10, 90),
        ("reserve", "paid", -20, 80),
        ("reserve", "free", -10, 100),
    ];
    assert_eq!(lines, expected);
    assert!(page.data.iter().all(|entry| entry.job_id == Some(job.id)
        && entry.product_name.as_deref() == Some("m")
        && entry.request_id.as_deref() == Some("req-1")));
    assert!(list(other, of_job, "100", None).data.is_empty());

    let charges = credits::EntryFilter { kind: Some(EntryKind::Charge), ..of_job };
    assert_eq!(list(scope, charges, "100", None).data.len(), 2);
    let created_before = Some(before.plus(Duration::from_secs(1)));
    let early =
        credits::EntryFilter { created_after: Some(before), created_before, ..Default::default() };
    assert!(list(scope, early, "100", None).data.iter().all(|e| e.kind == EntryKind::Grant));

    let first = list(scope, credits::EntryFilter::default(), "5", None);
    let rest = list(scope, credits::EntryFilter::default(), "5", first.next_cursor.as_deref());
    let numbers: Vec<i64> = first.data.iter().chain(&rest.data).map(|entry| entry.n).collect();
    assert_eq!(numbers, [8, 7, 6, 5, 4, 3, 2, 1]);
    assert!(rest.next_cursor.is_none());
}

#[test]
fn what_the_operator_may_not_give_is_named() {
    let deeds = Deeds::new([]);
    let account = deeds.account("a").account_id();
    let grant = |body: serde_json::Value| {
        let request = serde_json::from_str(&body.to_string()).unwrap();
        let granted = credits::grant(&deeds.app, account, request, None).wait();
        granted.map_err(|error| error.param().map(str::to_owned))
    };
    let given = grant(json!({"amount": "2.5"})).unwrap();
    assert_eq!((given.bucket, given.remaining), (Bucket::Paid, micros(2_500_000)));
    for (body, param) in [
        (json!({"amount": 0}), "amount"),
        (json!({"amount": -1}), "amount"),
        (json!({"amount": 1, "reason": " "}), "reason"),
        (json!({"amount": 1, "reason": "x".repeat(501)}), "reason"),
        (json!({"amount": 1, "expires_at": "2026-11-20T09:00:00Z"}), "expires_at"),
    ] {
        assert_eq!(grant(body).unwrap_err().as_deref(), Some(param));
    }
    let nothing = serde_json::from_str(r#"{"amount": 0}"#).unwrap();
    let refused = credits::adjust(&deeds.app, account, nothing, None, None, |_| Ok(vec![]));
    assert_eq!(refused.wait().unwrap_err().param(), Some("amount"));
    let unknown = skai_server::domain::AccountId::from_uuid(deeds.ambient.uuid());
    let request = serde_json::from_str(r#"{"amount": 1}"#).unwrap();
    let refused = credits::grant(&deeds.app, unknown, request, None).wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
}

/// The answer that was saved stands, whatever the time says by then.
#[test]
fn a_grant_is_replayed_after_its_date() {
    let deeds = Deeds::new([]);
    let scope = deeds.account("a");
    let key = IdempotencyKey::parse(b"one").unwrap();
    let twin = Idempotency::new("POST /grants", &key, [7; 32]);
    let give = || {
        let body = json!({"amount": 5, "expires_at": "2026-11-20T09:00:10Z"});
        let request = serde_json::from_str(&body.to_string()).unwrap();
        let render = |grant: &Grant| Ok(grant.id.to_string().into_bytes());
        let id = scope.account_id();
        credits::grant_once(&deeds.app, id, request, None, Some(twin), render).wait()
    };
    let first = give().unwrap();
    deeds.ambient.advance(Duration::from_mins(1));
    let again = give().unwrap();
    assert_eq!((first.body, again.replayed), (again.body, true));
}

/// More than can be counted is a bad request.
#[test]
fn credits_have_an_end() {
    let deeds = Deeds::new([]);
    let scope = deeds.account("a");
    let outside = deeds.outside();
    outside.execute("update balance set paid = 9223372036854775000", []).unwrap();
    let body = json!({"amount": 1, "bucket": "free"});
    let request = serde_json::from_str(&body.to_string()).unwrap();
    let refused = credits::grant(&deeds.app, scope.account_id(), request, None).wait().unwrap_err();
    assert_eq!((refused.kind(), refused.param()), (ErrorKind::InvalidRequest, Some("amount")));
}

/// However many grants are held, the others that expired are not spent.
#[test]
fn grants_that_are_held_hide_no_others() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.account("a");
    let soon = deeds.ambient.now().plus(Duration::from_secs(1));
    for _ in 0..150 {
        deeds.grant(scope.account_id(), Bucket::Free, 1, Some(soon));
    }
    let held = deeds.submit(scope, &json!({"max_tokens": 120})).unwrap();
    deeds.grant(scope.account_id(), Bucket::Paid, 1_000, Some(soon));
    deeds.ambient.advance(Duration::from_secs(1));
    let refused = deeds.submit(scope, &json!({"max_tokens": 1})).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InsufficientCredits);
    assert_eq!(credits::expire_due_grants(&deeds.app).unwrap(), 31);
    let Balance { available, reserved, .. } = deeds.balance(scope);
    assert_eq!((available.total(), reserved.free), (Some(micros(0)), micros(120)));
    deeds.cancel(&caller(scope), held.id).unwrap();
    // A hundred in a write.
    assert_eq!(credits::expire_due_grants(&deeds.app).unwrap(), 100);
    assert_eq!(credits::expire_due_grants(&deeds.app).unwrap(), 20);
    deeds.verify();
}

#[test]
fn maintenance_lets_grants_expire_at_their_time() {
    let deeds = Deeds::new([]);
    let scope = deeds.account("a");
    let soon = deeds.ambient.now().plus(Duration::from_secs(90));
    deeds.grant(scope.account_id(), Bucket::Free, 10, Some(soon));
    let maintenance = Maintenance::new(deeds.app.clone());
    let free = || deeds.balance(scope).available.free.micros();
    for (seconds, expected) in [(0, 10), (89, 10), (1, 0)] {
        deeds.ambient.advance(Duration::from_secs(seconds));
        maintenance.tick();
        assert_eq!(free(), expected, "after {seconds} s more");
    }
    deeds.verify();
}

#[test]
fn nothing_is_written_while_all_that_has_expired_is_set_aside() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.account("a");
    let soon = deeds.ambient.now().plus(Duration::from_secs(90));
    deeds.grant(scope.account_id(), Bucket::Free, 10, Some(soon));
    let job = deeds.submit(scope, &json!({"max_tokens": 10})).unwrap();
    deeds.ambient.advance(Duration::from_secs(90));
    let outside = deeds.outside();
    let version =
        || outside.query_row("pragma data_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = version();
    assert_eq!(credits::expire_due_grants(&deeds.app).unwrap(), 0);
    assert_eq!(version(), before);
    deeds.cancel(&caller(scope), job.id).unwrap();
    assert_eq!(credits::expire_due_grants(&deeds.app).unwrap(), 1);
    deeds.verify();
}

#[test]
fn what_has_expired_is_not_spent_though_nobody_took_it_back_yet() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.account("a");
    let soon = deeds.ambient.now().plus(Duration::from_secs(1));
    deeds.grant(scope.account_id(), Bucket::Free, 50, Some(soon));
    deeds.grant(scope.account_id(), Bucket::Paid, 30, None);
    let held = deeds.submit(scope, &json!({"max_tokens": 20})).unwrap();
    deeds.ambient.advance(Duration::from_secs(1));
    let refused = deeds.submit(scope, &json!({"max_tokens": 31})).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InsufficientCredits);
    let paid = deeds.submit(scope, &json!({"max_tokens": 30})).unwrap();
    assert_eq!((held.reserved.free.micros(), paid.reserved.paid.micros()), (20, 30));
    assert_eq!(credits::expire_due_grants(&deeds.app).unwrap(), 1);
    assert_eq!(deeds.balance(scope).available.total().unwrap().micros(), 0);
    deeds.verify();
}

#[test]
fn a_job_that_was_not_counted_as_open_does_not_end() {
    let deeds = Deeds::new([model("m", 1)]);
    let scope = deeds.funded(1_000);
    let job = deeds.submit(scope, &json!({})).unwrap();
    let outside = deeds.outside();
    outside.execute("update balance set open_jobs = 0", []).unwrap();
    let cancel = jobs::cancel(&deeds.app, &caller(scope), job.id, None, |_| Ok(Vec::new()));
    assert_eq!(cancel.wait().unwrap_err().kind(), ErrorKind::ServerError);
    assert_eq!(deeds.job(scope, job.id).status, JobStatus::Queued);
}
