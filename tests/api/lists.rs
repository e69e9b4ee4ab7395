//! Lists: newest first, in pages that stay what they are while rows are added.

use serde_json::{Value, json};

use crate::support::server::{Account, TestServer};

fn ids(rows: &Value) -> Vec<String> {
    let rows = rows["data"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// All ids of a list, page by page; `between` happens after each page.
fn walk(account: &Account, path: &str, limit: usize, mut between: impl FnMut()) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = account.client.get(&format!("{path}{separator}limit={limit}{cursor}"));
        let page = page.expect(200).json();
        let fields: Vec<_> = page.as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, ["object", "data", "has_more", "next_cursor"]);
        assert_eq!(page["object"], "list");
        let rows = ids(&page);
        assert!(rows.len() <= limit);
        all.extend(rows);
        assert_eq!(page["has_more"], json!(page["next_cursor"].is_string()), "{page}");
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
        between();
    }
}

#[test]
fn pages_are_stable_while_rows_are_added() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let post = |user: &str| {
        let job = account.post_job(&json!({"model": "free", "user": user}));
        job["id"].as_str().unwrap().to_owned()
    };
    let mut made: Vec<_> = (0..25).map(|_| post("a")).collect();
    made.reverse();
    for limit in [1, 7, 25, 100] {
        assert_eq!(walk(&account, "/v1/jobs", limit, || ()), made, "{limit} a page");
    }
    // A row that is added while somebody walks is before what was walked.
    let mut added = Vec::new();
    assert_eq!(walk(&account, "/v1/jobs", 10, || added.push(post("b"))), made);
    assert_eq!(added.len(), 2);
    assert_eq!(walk(&account, "/v1/jobs?user=a", 10, || ()), made);
    let first = account.client.get("/v1/jobs").expect(200).json();
    assert_eq!(
        (ids(&first).len(), &ids(&first)[..2]),
        (20, &[added[1].clone(), added[0].clone()][..])
    );
    assert_eq!(first["has_more"], true);
}

#[test]
fn every_list_turns_its_pages() {
    let server = TestServer::start();
    let account = server.account();
    for n in 0..3 {
        account.client.post("/v1/api-keys", &json!({"name": "k", "scopes": ["*"]})).expect(201);
        let url = format!("https://example.com/{n}");
        let endpoint = json!({"url": url, "events": ["ping"]});
        account.client.post("/v1/webhooks/endpoints", &endpoint).expect(201);
        let path = format!("/admin/v1/accounts/{}/credits/grants", account.id);
        server.operator().post(&path, &json!({"amount": 1})).expect(201);
        account.run_job(&json!({"model": "sandbox"}));
        let function = json!({"kind": "agent", "agent": "a"});
        let path = format!("/v1/functions/f{n}");
        account.client.put(&path, &function).expect(200);
        task(&account, &json!({}));
        schedule(&account, &json!({}));
        server.account_with(&json!(0));
    }
    for path in [
        "/v1/jobs",
        "/v1/api-keys",
        "/v1/webhooks/endpoints",
        "/v1/credits/ledger",
        "/v1/credits/grants",
        "/v1/functions",
        "/v1/scheduled-tasks",
        "/v1/schedules",
    ] {
        let whole = walk(&account, path, 100, || ());
        assert!(whole.len() >= 3, "{path}");
        assert_eq!(walk(&account, path, 1, || ()), whole, "{path}");
    }
    let operator = Account { id: String::new(), client: server.operator() };
    let keys = format!("/admin/v1/keys?account_id={}", account.id);
    for path in ["/admin/v1/accounts", &keys] {
        assert_eq!(walk(&operator, path, 1, || ()), walk(&operator, path, 100, || ()));
    }
    let job = &account.list("/v1/jobs")[0];
    let events = format!("/v1/jobs/{}/events", job["id"].as_str().unwrap());
    assert_eq!(walk(&account, &events, 1, || ()), walk(&account, &events, 100, || ()));
    assert_eq!(account.story(job), ["queued", "started", "succeeded"]);
}

/// A task that waits, with `more` in it; gives its id.
fn task(account: &Account, more: &Value) -> String {
    let mut body = json!({"function_name": "streak-updater", "scheduled_time": later()});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = account.client.post("/v1/scheduled-tasks", &body).expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

fn schedule(account: &Account, more: &Value) -> String {
    let mut body = json!({"name": "s", "cron": "@daily", "function_name": "streak-updater"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = account.client.post("/v1/schedules", &body).expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

/// In an hour.
fn later() -> skai_server::domain::Timestamp {
    let ahead = std::time::Duration::from_hours(1);
    skai_server::ambient::Ambient::system().now().plus(ahead)
}

#[test]
fn filters_pick_tasks() {
    let server = TestServer::start();
    server.set_paused("task.run", true);
    let account = server.account();
    let of_schedule = schedule(&account, &json!({"function_name": "daily-token-reset"}));
    let ran = account.client.send("POST", &format!("/v1/schedules/{of_schedule}/run"), &[], None);
    let ran = ran.expect(201).json()["id"].as_str().unwrap().to_owned();
    let (waiting, canceled) = (task(&account, &json!({})), task(&account, &json!({})));
    let cancel = format!("/v1/scheduled-tasks/{canceled}/cancel");
    account.client.send("POST", &cancel, &[], None).expect(200);
    let found = |query: &str| -> Vec<String> {
        let rows = account.list(&format!("/v1/scheduled-tasks?{query}"));
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found(""), [&*canceled, &waiting, &ran]);
    assert_eq!(found("status=pending"), [&*waiting, &ran]);
    assert_eq!(found("status=canceled"), [&*canceled]);
    assert!(found("status=running").is_empty());
    assert_eq!(found("function_name=streak-updater"), [&*canceled, &waiting]);
    assert_eq!(found("function_name=streak-updater&status=pending"), [&*waiting]);
    assert_eq!(found(&format!("schedule_id={of_schedule}")), [&*ran]);
    assert!(found(&format!("schedule_id={of_schedule}&status=canceled")).is_empty());
    let path = format!("/v1/scheduled-tasks?schedule_id={of_schedule}");
    assert!(server.account().list(&path).is_empty());
    for wrong in ["status=done", "schedule_id=x"] {
        let reply = account.client.get(&format!("/v1/scheduled-tasks?{wrong}")).expect(400).json();
        assert_eq!(reply["error"]["param"], wrong.split('=').next().unwrap());
    }
    account.client.delete(&format!("/v1/schedules/{of_schedule}")).expect(204);
    assert_eq!(found(&format!("schedule_id={of_schedule}")), [&*ran], "it stays readable");
}

#[test]
fn a_page_of_large_tasks_ends_early() {
    let server = TestServer::start();
    let account = server.account();
    let function = json!({"kind": "agent", "agent": "a"});
    account.client.put("/v1/functions/f", &function).expect(200);
    let payload = json!({"function_name": "f", "payload": "x".repeat(65_000)});
    let mut made: Vec<_> = (0..70).map(|_| task(&account, &payload)).collect();
    made.reverse();
    let first = account.client.get("/v1/scheduled-tasks?limit=100").expect(200).json();
    assert_eq!(first["has_more"], true, "{} rows", ids(&first).len());
    assert!((60..70).contains(&ids(&first).len()), "{} rows", ids(&first).len());
    assert_eq!(walk(&account, "/v1/scheduled-tasks", 100, || ()), made);
}

#[test]
fn a_page_of_large_rows_ends_early() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let content = "x".repeat(900_000);
    let large = json!({"model": "free", "messages": [{"role": "user", "content": content}]});
    let mut made: Vec<_> =
        (0..7).map(|_| account.post_job(&large)["id"].as_str().unwrap().to_owned()).collect();
    made.reverse();
    let first = account.client.get("/v1/jobs?limit=100").expect(200).json();
    assert_eq!(ids(&first), made[..5], "the row that reaches 4 MiB is the last");
    assert_eq!(first["has_more"], true);
    assert_eq!(walk(&account, "/v1/jobs", 100, || ()), made);
    assert_eq!(walk(&account, "/v1/jobs?status=queued", 3, || ()), made);
    let first = &account.list("/v1/jobs?limit=1")[0];
    account.deed(first, "cancel").expect(200);
    assert_eq!(account.list("/v1/jobs?status=canceled").len(), 1);
}

#[test]
fn a_key_shows_when_it_was_used() {
    let server = TestServer::start();
    let account = server.account();
    let path = format!("/admin/v1/keys?account_id={}", account.id);
    let used =
        || server.operator().get(&path).expect(200).json()["data"][0]["last_used_at"].clone();
    account.client.get("/v1/me").expect(200);
    // It is written after the answer, and nobody waits for it.
    let written = (0..500).any(|_| used().is_string());
    assert!(written, "{}", used());
}

#[test]
fn filters_pick_rows() {
    let server = TestServer::start();
    let account = server.account();
    let done = account.run_job(&json!({"model": "sandbox", "user": "ann"}));
    server.set_paused("generation.create", true);
    let waiting = account.post_job(&json!({"model": "m", "user": "bob"}));
    let one = |query: &str| {
        let rows = account.list(&format!("/v1/jobs?{query}"));
        assert_eq!(rows.len(), 1, "{query}");
        rows[0]["id"].clone()
    };
    assert_eq!(one("status=succeeded"), done["id"]);
    assert_eq!(one("status=queued"), waiting["id"]);
    assert_eq!(one("model=m"), waiting["id"]);
    assert_eq!(one("user=ann"), done["id"]);
    assert!(account.list("/v1/jobs?user=ann&status=queued").is_empty());
    assert!(account.list("/v1/jobs?created_before=2020-01-01T00:00:00Z").is_empty());
    assert_eq!(account.list("/v1/jobs?created_after=2020-01-01T00:00:00Z").len(), 2);
    let entries = account.entries(&waiting);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].0, "reserve");
    assert_eq!(account.list("/v1/credits/ledger?kind=grant").len(), 1);
    account.deed(&waiting, "cancel").expect(200);
}
