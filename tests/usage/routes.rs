//! `/v1/usage/summary` and `/v1/usage/daily` over sockets.

use serde_json::{Value, json};
use skai_server::{ambient::Ambient, app::usage};

use crate::support::{
    Answer, Provider, Receiver, eventually,
    provider::error,
    server::{Account, COST, TestServer},
};

const SUMMARY: &str = "/v1/usage/summary";
const DAILY: &str = "/v1/usage/daily";
const TODAY: &str = "2026-11-20";

/// A provider, a server whose clock stands at noon, and an account.
fn rig() -> (Provider, TestServer, Account) {
    let provider = Provider::start();
    let clock = Ambient::manual("2026-11-20T12:00:00Z".parse().unwrap(), 1);
    let builder = TestServer::builder().provider(&provider).other_provider(&provider);
    let server = builder.clock(&clock).start();
    let account = server.account();
    (provider, server, account)
}

fn get(account: &Account, path: &str) -> Value {
    account.client.get(path).expect(200).json()
}

/// One job that succeeds, one that fails, one that is canceled and one that stays open.
fn work(provider: &Provider, server: &TestServer, account: &Account) {
    let done = account.run_job(&json!({"user": "=ann"}));
    assert_eq!(done["status"], "succeeded", "{done}");
    provider.queue(error(400, "no"));
    assert_eq!(account.run_job(&json!({"user": "bob"}))["status"], "failed");
    server.set_paused("generation.create", true);
    let canceled = account.post_job(&json!({"model": "second"}));
    account.deed(&canceled, "cancel").expect(200);
    account.post_job(&json!({}));
}

#[test]
fn the_summary_is_exact_at_once() {
    let (provider, server, account) = rig();
    let empty = get(&account, SUMMARY);
    for name in ["error_rate", "latency_p50_ms", "latency_p95_ms", "webhook_success_rate"] {
        assert_eq!(empty[name], Value::Null, "{name}");
    }
    for name in ["credits_used", "jobs", "tokens", "queue_depth"] {
        assert_eq!(empty[name], 0, "{name}");
    }
    work(&provider, &server, &account);
    let summary = get(&account, SUMMARY);
    let numbers = ["jobs", "succeeded", "failed", "canceled", "queue_depth", "error_rate"];
    let numbers = numbers.map(|name| summary[name].clone());
    assert_eq!(numbers, [json!(3), json!(1), json!(1), json!(1), json!(1), json!(0.5)]);
    assert_eq!(summary["credits_used"], COST);
    let tokens = ["tokens", "prompt_tokens", "completion_tokens"];
    assert_eq!(tokens.map(|name| summary[name].clone()), [json!(15), json!(10), json!(5)]);
    assert_eq!(summary["balance"], get(&account, "/v1/credits/balance")["available"]);
    assert_eq!(summary["to"], TODAY);
    assert!(summary["latency_p50_ms"].is_u64() && summary["latency_p95_ms"].is_u64());
    // What is counted by days is the same.
    let before = [get(&account, SUMMARY), get(&account, DAILY)];
    assert_eq!(server.metric("skai_usage_tail_rows"), Some(2.0));
    assert_eq!(usage::fold_once(&server.app(), 1).unwrap(), 2);
    assert_eq!(server.metric("skai_usage_tail_rows"), Some(0.0));
    assert_eq!([get(&account, SUMMARY), get(&account, DAILY)], before);
}

#[test]
fn the_part_of_deliveries_that_arrived_is_shown() {
    let (_provider, server, account) = rig();
    let receiver = Receiver::start();
    account.endpoint(&receiver, "/good", &json!({}));
    account.endpoint(&receiver, "/gone", &json!({}));
    receiver.answer_with(|call| Answer::new(if call.path == "/gone" { 410 } else { 200 }, ""));
    account.run_job(&json!({}));
    // The other is told that one was disabled, as it answered that it is gone.
    let expected = json!(2.0 / 3.0);
    eventually("all three deliveries ended", || {
        let rate = get(&account, SUMMARY)["webhook_success_rate"].clone();
        (rate == expected).then_some(())
    });
    // Deliveries are no jobs.
    assert_eq!(get(&account, SUMMARY)["jobs"], 1);
    usage::fold_once(&server.app(), 1).unwrap();
    assert_eq!(get(&account, SUMMARY)["webhook_success_rate"], expected);
}

#[test]
fn calls_that_clients_wait_for_count_too() {
    let (provider, server, account) = rig();
    let messages = json!([{"role": "user", "content": "hi"}]);
    let body = json!({"model": "m", "messages": messages, "user": "ann"});
    account.client.post("/v1/chat/completions", &body).expect(200);
    provider.queue(error(400, "no"));
    let refused = account.client.post("/v1/chat/completions", &body);
    assert!(refused.status >= 400, "{}", refused.status);
    for _ in 0..2 {
        let rows = account.list(&format!("{DAILY}?group_by=user"));
        assert_eq!((rows.len(), &rows[0]["user"]), (1, &json!("ann")));
        let numbers = ["succeeded", "failed", "tokens", "credits_used"];
        assert_eq!(numbers.map(|name| rows[0][name].as_u64().unwrap()), [1, 1, 15, COST]);
        assert!(rows[0]["p95"].is_u64(), "{}", rows[0]);
        usage::fold_once(&server.app(), 1).unwrap();
    }
}

#[test]
fn days_are_listed_in_all_and_by_group() {
    let (provider, server, account) = rig();
    let agent =
        json!({"name": "helper", "model": "m", "messages": [{"role": "user", "content": "hi"}]});
    account.client.post("/v1/agents", &agent).expect(201);
    let run = account.client.post("/v1/agents/helper/runs", &json!({})).expect(202).json();
    account.wait_job(&run);
    account.client.send("DELETE", "/v1/agents/helper", &[], None);
    work(&provider, &server, &account);
    let all = account.list(DAILY);
    assert_eq!(all.len(), 1);
    let row = &all[0];
    let numbers = ["jobs_count", "succeeded", "failed", "canceled", "tokens", "credits_used"];
    assert_eq!(numbers.map(|name| row[name].as_u64().unwrap()), [4, 2, 1, 1, 30, 2 * COST]);
    assert_eq!(row["day"], TODAY);
    for name in ["avg_latency_ms", "p50", "p95", "error_rate"] {
        assert!(row[name].is_number(), "{name}: {row}");
    }
    assert!(row["deliveries"].is_u64(), "{row}");
    let me = get(&account, "/v1/me");
    let (project, key) = (&me["project"]["id"], &me["key"]["id"]);
    for (by, field, groups) in [
        ("model", "model", json!([["second", 1], ["m", 3]])),
        ("agent", "agent", json!([["helper", 1], [null, 3]])),
        ("project", "project_id", json!([[project, 4]])),
        ("api_key", "api_key_id", json!([[key, 4]])),
        ("user", "user", json!([["bob", 1], ["=ann", 1], [null, 2]])),
    ] {
        for _ in 0..2 {
            let rows = account.list(&format!("{DAILY}?group_by={by}"));
            let found: Vec<_> =
                rows.iter().map(|row| json!([row[field], row["jobs_count"]])).collect();
            assert_eq!(json!(found), groups, "{by}");
            // No other group is spoken of.
            let fields = |row: &Value| row.as_object().unwrap().len();
            assert_eq!(fields(&rows[0]) + 1, fields(&all[0]), "its group, and not the deliveries");
            usage::fold_once(&server.app(), 1).unwrap();
        }
    }
    assert_eq!(account.list(&format!("{DAILY}?group_by=model"))[0]["error_rate"], Value::Null);
}

#[test]
fn days_come_in_pages_and_as_a_file() {
    let (provider, server, account) = rig();
    work(&provider, &server, &account);
    let path = format!("{DAILY}?group_by=user");
    let all = account.list(&path);
    let (mut paged, mut next) = (Vec::new(), String::new());
    loop {
        let page = get(&account, &format!("{path}&limit=1{next}"));
        paged.extend(page["data"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(paged, all);
    let accept = [("Accept", "text/csv")];
    let file = account.client.send("GET", &path, &accept, None).expect(200);
    let lines: Vec<&str> = file.text().lines().collect();
    assert_eq!(
        lines[0],
        "day,user,credits_used,jobs_count,succeeded,failed,canceled,tokens,prompt_tokens,completion_tokens,\
         avg_latency_ms,p50,p95,error_rate"
    );
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1], format!("{TODAY},bob,0,1,0,1,0,0,0,0,,,,1"));
    assert!(lines[2].starts_with(&format!("{TODAY},'=ann,20,1,1,0,0,15,10,5,")), "{}", lines[2]);
    assert_eq!(lines[3], format!("{TODAY},,0,1,0,0,1,0,0,0,,,,"));
    let plain = account.client.send("GET", DAILY, &accept, None).expect(200);
    let columns = plain.text().lines().next().unwrap();
    assert!(columns.starts_with("day,credits_used,jobs_count,"));
    assert!(columns.ends_with(",error_rate,deliveries,delivery_success_rate"));
    assert!(plain.header("content-disposition").unwrap().contains("usage.csv"));
    let first = format!("{path}&limit=1");
    let file = account.client.send("GET", &first, &accept, None).expect(200);
    assert!(file.header("link").unwrap().contains("group_by=user"));
}

#[test]
fn only_the_days_that_are_asked_for_are_shown() {
    let (_provider, server, account) = rig();
    account.run_job(&json!({}));
    for _ in 0..2 {
        for (query, jobs) in [
            ("?to=2026-01-31", 0),
            ("?from=2025-12-01&to=2025-12-31T23:59:59Z", 0),
            (&format!("?from={TODAY}"), 1),
            (&format!("?from={TODAY}T23:30:00.000Z&to={TODAY}"), 1),
        ] {
            assert_eq!(get(&account, &format!("{SUMMARY}{query}"))["jobs"], jobs, "{query}");
            assert_eq!(account.list(&format!("{DAILY}{query}")).len(), jobs, "{query}");
        }
        account.post_job(&json!({"run_at": "2027-01-01T00:00:00Z"}));
        usage::fold_once(&server.app(), 1).unwrap();
    }
}

#[test]
fn what_is_no_question_is_refused_by_its_parameter() {
    let (_provider, _server, account) = rig();
    for (query, param) in [
        ("from=2026-02-30", "from"),
        ("from=yesterday", "from"),
        ("from=", "from"),
        ("to=2026", "to"),
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("from=2020-01-01&to=2026-01-01", "from"),
    ] {
        for route in [SUMMARY, DAILY] {
            let refused = account.client.get(&format!("{route}?{query}")).expect(400).json();
            assert_eq!(refused["error"]["param"], param, "{query}");
        }
    }
    for (query, param) in [
        ("group_by=color", "group_by"),
        ("group_by=", "group_by"),
        ("limit=0", "limit"),
        ("cursor=AAAA", "cursor"),
    ] {
        let refused = account.client.get(&format!("{DAILY}?{query}")).expect(400).json();
        assert_eq!(refused["error"]["param"], param, "{query}");
    }
}

#[test]
fn nobody_sees_what_others_used_nor_live_what_tests_used() {
    let (provider, server, live) = rig();
    let (other, test) = (server.account(), live.twin(&server));
    work(&provider, &server, &live);
    server.set_paused("generation.create", false);
    let job = test.run_job(&json!({"user": "tester"}));
    assert_eq!(job["status"], "succeeded");
    for _ in 0..2 {
        for path in [DAILY.to_owned(), format!("{DAILY}?group_by=user")] {
            assert_eq!(other.list(&path), [] as [Value; 0]);
        }
        assert_eq!(get(&other, SUMMARY)["jobs"], 0);
        assert_eq!(get(&test, SUMMARY)["jobs"], 1);
        let users = test.list(&format!("{DAILY}?group_by=user"));
        assert_eq!((users.len(), &users[0]["user"]), (1, &json!("tester")));
        let me = get(&test, "/v1/me");
        for (by, field, id) in [
            ("project", "project_id", &me["project"]["id"]),
            ("api_key", "api_key_id", &me["key"]["id"]),
        ] {
            assert_eq!(&test.list(&format!("{DAILY}?group_by={by}"))[0][field], id);
        }
        usage::fold_once(&server.app(), 1).unwrap();
    }
    let reader = server.key(&live.id, &json!(["jobs:read"]), &json!({}));
    let reader = server.client().with_key(&reader);
    for path in [SUMMARY, DAILY] {
        reader.get(path).expect(403);
    }
}

#[test]
fn keys_that_replaced_one_another_count_as_the_first() {
    let (_provider, server, account) = rig();
    let body = json!({"name": "k", "scopes": ["*"]});
    let made = account.client.post("/v1/api-keys", &body).expect(201).json();
    let id = made["id"].as_str().unwrap();
    let rotated = account.client.post(&format!("/v1/api-keys/{id}/rotate"), &json!({})).expect(201);
    for key in [&made, &rotated.json()] {
        let client = server.client().with_key(key["key"].as_str().unwrap());
        let account = Account { id: account.id.clone(), client };
        account.run_job(&json!({}));
    }
    let rows = account.list(&format!("{DAILY}?group_by=api_key"));
    assert_eq!((rows.len(), &rows[0]["api_key_id"]), (1, &made["id"]));
    assert_eq!(rows[0]["jobs_count"], 2);
}
