//! The log of requests.

use serde_json::{Value, json};

use super::name;
use crate::support::{
    Client, Provider,
    client::Reply,
    eventually,
    server::{Account, COST, TestServer, job},
};

/// The row of the request that was answered like this.
#[track_caller]
fn row_of(client: &Client, list: &str, reply: &Reply) -> Value {
    let path = format!("{list}?request_id={}", name(reply));
    let rows = client.get(&path).expect(200).json()["data"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}

/// Every row of a list, by pages of this many.
fn all(client: &Client, list: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{list}&limit={limit}{cursor}")).expect(200).json();
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

#[test]
fn a_request_is_logged_with_all_that_is_known_of_it() {
    let server = TestServer::start();
    let account = server.account();
    let client = account.client.with_header("User-Agent", "acme/1.0 (ada@example.com)");
    let body = job(&json!({"messages": [{"role": "user", "content": "x"}], "model": "nothing"}));
    let reply = client.post("/v1/jobs/generations?", &body).expect(400);
    let row = row_of(&account.client, "/v1/logs", &reply);
    let key = account.client.authorization().strip_prefix("Bearer sk_live_").unwrap();
    for (field, expected) in [
        ("object", json!("request_log")),
        ("request_id", json!(name(&reply))),
        ("method", json!("POST")),
        ("route", json!("/v1/jobs/generations")),
        ("path", json!("/v1/jobs/generations")),
        ("status", json!(400)),
        ("error_code", json!("UNKNOWN_MODEL")),
        ("bytes_in", json!(body.to_string().len())),
        ("bytes_out", json!(reply.body.len())),
        ("client_address", json!("127.0.0.1")),
        ("user_agent", json!("acme/1.0 ([redacted])")),
        ("api_key_prefix", json!(key.split('_').next().unwrap())),
    ] {
        assert_eq!(row[field], expected, "{field}");
    }
    assert!((0.0..20_000.0).contains(&row["duration_ms"].as_f64().unwrap()), "{row}");
    let server_of = &row["server"];
    assert!(!server_of["host"].as_str().unwrap().is_empty());
    assert!(server_of["cpu_percent"].is_f64());
    assert!(server_of["memory_bytes"].as_u64().unwrap() > 1 << 20);
    assert!(row["created_at"].is_string() && row["id"].is_string());
}

#[test]
fn what_nobody_known_asked_for_is_the_operators_to_see() {
    let server = TestServer::start();
    let account = server.account();
    let operator = server.operator();
    let stranger = server.client();
    let refused = stranger.with_key("sk_live_wrong").get("/v1/jobs").expect(401);
    let lost = stranger.get("/nowhere/%73k_live_abc?token=def").expect(404);
    let own = operator.get("/admin/v1/accounts").expect(200);
    let row = row_of(&operator, "/admin/v1/logs", &refused);
    assert_eq!(
        (&row["error_code"], &row["route"]),
        (&json!("UNAUTHENTICATED"), &json!("/v1/jobs"))
    );
    assert_eq!(row["api_key_prefix"], json!(null));
    let row = row_of(&operator, "/admin/v1/logs", &lost);
    assert_eq!((&row["path"], &row["route"]), (&json!("/nowhere/[redacted]"), &json!(null)));
    row_of(&operator, "/admin/v1/logs", &own);
    let of_account = account.client.get("/v1/me").expect(200);
    for reply in [&refused, &lost, &own] {
        let rows = account.list(&format!("/v1/logs?request_id={}", name(reply)));
        assert!(rows.is_empty(), "{rows:?}");
    }
    let path = format!("/admin/v1/logs?request_id={}", name(&of_account));
    assert_eq!(operator.get(&path).expect(200).json()["data"], json!([]));
    row_of(&account.client, "/v1/logs", &of_account);
}

#[test]
fn keys_that_are_refused_are_known_all_the_same_and_twins_are_apart() {
    let server = TestServer::start();
    let account = server.account();
    let key = server.key(&account.id, &json!(["jobs:read"]), &json!({"rate_limit": "1,1m"}));
    let client = server.client().with_key(&key);
    let replies = [client.post("/v1/jobs/generations", &job(&json!({}))).expect(403), {
        client.get("/v1/jobs").expect(200);
        client.get("/v1/jobs").expect(429)
    }];
    for (reply, code) in replies.iter().zip(["INSUFFICIENT_SCOPE", "RATE_LIMIT"]) {
        let row = row_of(&account.client, "/v1/logs", reply);
        assert_eq!(row["error_code"], code);
        assert!(key.contains(row["api_key_prefix"].as_str().unwrap()));
    }
    let twin = account.twin(&server);
    let reply = twin.client.get("/v1/me").expect(200);
    row_of(&twin.client, "/v1/logs", &reply);
    assert!(account.list(&format!("/v1/logs?request_id={}", name(&reply))).is_empty());
}

#[test]
fn probes_are_left_out() {
    let server = TestServer::start();
    for path in ["/healthz", "/readyz", "/metrics"] {
        server.client().get(path).expect(200);
        server.client().send("HEAD", path, &[], None).expect(200);
    }
    server.client().get("/docs").expect(200);
    let rows = server.operator().get("/admin/v1/logs").expect(200).json();
    assert_eq!(rows["data"].as_array().unwrap().len(), 1, "{rows}");
}

#[test]
fn bodies_that_flow_are_counted_to_their_end() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let job = account.run_job(&json!({}));
    assert_eq!(job["credits"]["charged"], json!(COST));
    let csv = account.client.send("GET", "/v1/credits/ledger", &[("Accept", "text/csv")], None);
    let row = row_of(&account.client, "/v1/logs", &csv);
    assert_eq!(row["bytes_out"], json!(csv.body.len()));
    let path = format!("/v1/jobs/{}/events", job["id"].as_str().unwrap());
    let whole = account.client.send("GET", &path, &[("Accept", "text/event-stream")], None);
    assert!(!whole.body.is_empty());
    assert_eq!(row_of(&account.client, "/v1/logs", &whole)["bytes_out"], json!(whole.body.len()));
    let head = account.client.send("HEAD", "/v1/me", &[], None);
    assert_eq!(row_of(&account.client, "/v1/logs", &head)["bytes_out"], json!(0));
}

#[test]
fn a_client_that_leaves_ends_its_request() {
    let server = TestServer::start();
    let account = server.account();
    server.set_paused("generation.create", true);
    let job = account.post_job(&json!({}));
    let path = format!("/v1/jobs/{}/events", job["id"].as_str().unwrap());
    let mut stream = account.client.stream(&path, &[("Accept", "text/event-stream")]);
    let seen = stream.read_until("\n\n").len();
    let name = name(&stream.head);
    let list = format!("/v1/logs?request_id={name}");
    assert!(account.list(&list).is_empty(), "it goes on");
    drop(stream);
    // The server hears of it when it has something to say.
    server.set_paused("generation.create", false);
    let row = eventually("the request is logged", || account.list(&list).first().cloned());
    assert!(row["bytes_out"].as_u64().unwrap() >= seen as u64, "{row}");
    assert_eq!((&row["status"], &row["error_code"]), (&json!(200), &json!(null)));
}

fn ask(account: &Account, times: usize) -> Vec<String> {
    (0..times).map(|_| name(&account.client.get("/v1/me").expect(200))).collect()
}

#[test]
fn the_list_is_paged_and_filtered() {
    let server = TestServer::start();
    let account = server.account();
    let mut names = ask(&account, 7);
    let missing = account.client.get("/v1/agents/none").expect(404);
    names.reverse();
    let rows = all(&account.client, "/v1/logs?route=/v1/me", 3);
    let found: Vec<_> = rows.iter().map(|row| row["request_id"].as_str().unwrap()).collect();
    assert_eq!(found, names);
    let rows = all(&account.client, "/v1/logs?status=404", 3);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["request_id"], json!(name(&missing)));
    let at = rows[0]["created_at"].as_str().unwrap();
    let after = all(&account.client, &format!("/v1/logs?status=404&created_after={at}"), 1);
    let before = all(&account.client, &format!("/v1/logs?status=404&created_before={at}"), 1);
    assert_eq!((after, before), (rows, Vec::new()));
    for bad in ["status=99", "status=x", "created_after=x", "limit=0", "cursor=x"] {
        let refused = account.client.get(&format!("/v1/logs?{bad}")).expect(400).json();
        assert_eq!(refused["error"]["param"], bad.split('=').next().unwrap());
    }
}

#[test]
fn what_is_too_long_is_cut() {
    let server = TestServer::start();
    let client = server.client().with_header("User-Agent", &"a".repeat(2_000));
    let reply = client.get(&format!("/{}", "b".repeat(2_000))).expect(404);
    let row = row_of(&server.operator(), "/admin/v1/logs", &reply);
    assert_eq!(row["path"].as_str().unwrap().len(), 512);
    assert_eq!(row["user_agent"].as_str().unwrap().len(), 256);
}

#[test]
fn nothing_is_recorded_where_it_is_switched_off() {
    let server = TestServer::builder().config(|config| config.telemetry.enabled = false).start();
    let account = server.account();
    account.client.get("/v1/me").expect(200);
    assert!(account.list("/v1/logs").is_empty());
    assert_eq!(super::state(&server), json!({"status": "off"}));
    assert!(!super::file(&server).exists());
}
