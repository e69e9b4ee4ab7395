//! `Idempotency-Key`: a request that is sent twice is executed once.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use serde_json::{Value, json};

use super::conventions::refused;
use crate::support::{
    client::Reply,
    server::{TestServer, job},
};

const JOBS: &str = "/v1/jobs/generations";

fn is_replay(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == Some("true")
}

#[test]
fn the_same_request_gets_the_same_answer() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let body = job(&json!({"user": "u", "metadata": {"a": 1, "b": [true, null]}}));
    let first = account.client.post_once(JOBS, "k", &body).expect(202);
    assert!(!is_replay(&first));
    let again = account.client.post_once(JOBS, "k", &body).expect(202);
    assert!(is_replay(&again));
    assert_eq!(again.body, first.body);
    // Neither the order of keys nor white space makes another body.
    let spelled = br#" {"metadata": {"b": [true,null], "a": 1}, "user":"u",
        "messages": [{"content":"h\u0069","role":"user"}], "model":"m"} "#;
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
    let again = account.client.send("POST", JOBS, &headers, Some(spelled)).expect(202);
    assert_eq!((is_replay(&again), again.body), (true, first.body.clone()));
    // The answer stays what it was, whatever has become of the job.
    server.set_paused("generation.create", false);
    account.wait_job(&first.json());
    let again = account.client.post_once(JOBS, "k", &body).expect(202);
    assert_eq!((is_replay(&again), again.body), (true, first.body.clone()));
    assert_eq!(account.list("/v1/jobs").len(), 1);
    let other = account.client.post_once(JOBS, "k", &job(&json!({"user": "v"})));
    refused(&other, 409, "IDEMPOTENCY_KEY_CONFLICT");
    assert_eq!(account.list("/v1/jobs").len(), 1);
}

#[test]
fn keys_of_accounts_and_routes_are_apart() {
    let server = TestServer::start();
    let (one, two) = (server.account(), server.account());
    let first = one.client.post_once(JOBS, "k", &job(&json!({}))).expect(202).json();
    let other = two.client.post_once(JOBS, "k", &job(&json!({}))).expect(202);
    assert!(!is_replay(&other) && other.json()["id"] != first["id"]);
    let endpoint = json!({"url": "https://example.com/hook"});
    let made = one.client.post_once("/v1/webhooks/endpoints", "k", &endpoint).expect(201);
    assert!(!is_replay(&made));
    one.wait_job(&first);
    let path = |id: &Value, deed: &str| format!("/v1/jobs/{}/{deed}", id.as_str().unwrap());
    let headers = [("Idempotency-Key", "k")];
    let retry = |id: &Value| one.client.send("POST", &path(id, "retry"), &headers, None);
    let retried = retry(&first["id"]).expect(202);
    assert!(!is_replay(&retried));
    let again = retry(&first["id"]).expect(202);
    assert_eq!((is_replay(&again), again.body), (true, retried.body));
    one.wait_job(&first);
}

#[test]
fn a_body_that_may_be_left_out_stands_for_an_empty_object() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    server.set_paused("webhook.delivery", true);
    let account = server.account();
    let make = |path: &str, body: &Value| -> String {
        account.client.post(path, body).json()["id"].as_str().unwrap().to_owned()
    };
    let endpoints = "/v1/webhooks/endpoints";
    let endpoint = make(endpoints, &json!({"url": "https://example.com/hook"}));
    let key = make("/v1/api-keys", &json!({"name": "k", "scopes": ["jobs:read"]}));
    let waiting = make(JOBS, &job(&json!({})));
    for path in [
        format!("{endpoints}/{endpoint}/rotate-secret"),
        format!("{endpoints}/{endpoint}/redrive"),
        format!("{endpoints}/{endpoint}/test"),
        format!("/v1/api-keys/{key}/rotate"),
        format!("/v1/jobs/{waiting}/cancel"),
    ] {
        let send = |key: &str, body: Option<&str>| {
            let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
            account.client.send("POST", &path, &headers, body.map(str::as_bytes))
        };
        let first = send("k", None);
        assert!(matches!(first.status, 200..=202) && !is_replay(&first), "{path}: {first:?}");
        for body in [Some("{}"), Some(" {\n} "), Some(""), None] {
            let again = send("k", body).expect(first.status);
            assert_eq!((is_replay(&again), &again.body), (true, &first.body), "{path}: {body:?}");
        }
    }
    // A field is another request.
    let path = format!("{endpoints}/{endpoint}/rotate-secret");
    let other = account.client.post_once(&path, "k", &json!({"overlap_seconds": 1}));
    refused(&other, 409, "IDEMPOTENCY_KEY_CONFLICT");
}

#[test]
fn secrets_are_replayed_too() {
    let server = TestServer::start();
    let account = server.account();
    for (path, body) in [
        ("/v1/webhooks/endpoints", json!({"url": "https://example.com/hook"})),
        ("/v1/api-keys", json!({"name": "k", "scopes": ["jobs:read"]})),
    ] {
        let before = account.list(path).len();
        let first = account.client.post_once(path, "k", &body).expect(201);
        let again = account.client.post_once(path, "k", &body).expect(201);
        assert_eq!((is_replay(&again), again.body), (true, first.body));
        assert_eq!(account.list(path).len(), before + 1, "{path}");
    }
}

#[test]
fn the_operator_moves_credits_once() {
    let server = TestServer::start();
    let (one, two) = (server.account_with(&json!(10)), server.account_with(&json!(10)));
    let operator = server.operator();
    let path = |id: &str, deed: &str| format!("/admin/v1/accounts/{id}/credits/{deed}");
    for (deed, amount, after) in [("grants", 5, 15), ("adjust", -3, 12)] {
        let (body, path) = (json!({"amount": amount}), |id: &str| path(id, deed));
        let first = operator.post_once(&path(&one.id), "k", &body).expect(201);
        assert!(!is_replay(&first), "{deed}");
        let again = operator.post_once(&path(&one.id), "k", &body).expect(201);
        assert_eq!((is_replay(&again), again.body), (true, first.body));
        let other = operator.post_once(&path(&one.id), "k", &json!({"amount": 1}));
        refused(&other, 409, "IDEMPOTENCY_KEY_CONFLICT");
        assert_eq!(one.balance().0, json!(after), "{deed}");
        // The key stands for nothing with another account, and what is refused is not saved.
        let bad = operator.post_once(&path(&two.id), "k", &json!({"amount": 0}));
        refused(&bad, 400, "INVALID_REQUEST");
        assert!(!is_replay(&operator.post_once(&path(&two.id), "k", &body).expect(201)));
        assert_eq!(two.balance().0, json!(after), "{deed}");
        refused(&operator.post_once(&path(&one.id), "", &body), 400, "INVALID_REQUEST");
    }
    let unknown = path("01939b2a-7c1e-7000-8000-000000000000", "grants");
    refused(&operator.post_once(&unknown, "k", &json!({"amount": 1})), 404, "NOT_FOUND");
}

#[test]
fn what_is_refused_is_not_saved() {
    let server = TestServer::start();
    let account = server.account_with(&json!(1));
    let reading = server.key(&account.id, &json!(["jobs:read"]), &json!({}));
    let reading = server.client().with_key(&reading);
    let body = job(&json!({}));
    refused(&reading.post_once(JOBS, "k", &body), 403, "INSUFFICIENT_SCOPE");
    refused(&server.client().post_once(JOBS, "k", &body), 401, "UNAUTHENTICATED");
    let poor = account.client.post_once(JOBS, "k", &body);
    refused(&poor, 402, "INSUFFICIENT_CREDITS");
    let bad = account.client.post_once(JOBS, "k", &job(&json!({"model": "nothing"})));
    refused(&bad, 400, "UNKNOWN_MODEL");
    let path = format!("/admin/v1/accounts/{}/credits/grants", account.id);
    server.operator().post(&path, &json!({"amount": 1000})).expect(201);
    assert!(!is_replay(&account.client.post_once(JOBS, "k", &body).expect(202)));
    assert!(is_replay(&account.client.post_once(JOBS, "k", &body).expect(202)));
}

#[test]
fn bad_keys_are_refused() {
    let server = TestServer::start();
    let account = server.account();
    let long = "x".repeat(256);
    for bad in ["", &long, "kéy", "a\tb"] {
        let error =
            refused(&account.client.post_once(JOBS, bad, &job(&json!({}))), 400, "INVALID_REQUEST");
        assert_eq!(error["param"], "Idempotency-Key");
    }
    let twice = account.client.with_header("Idempotency-Key", "a");
    refused(&twice.post_once(JOBS, "b", &job(&json!({}))), 400, "INVALID_REQUEST");
    assert!(account.list("/v1/jobs").is_empty());
    account.client.post_once(JOBS, &long[1..], &job(&json!({}))).expect(202);
}

#[test]
fn sixty_four_at_once_are_one() {
    const CLIENTS: usize = 64;
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let barrier = Arc::new(Barrier::new(CLIENTS));
    let post = |_| {
        let (client, barrier) = (account.client.clone(), Arc::clone(&barrier));
        thread::spawn(move || {
            barrier.wait();
            client.post_once(JOBS, "together", &job(&json!({})))
        })
    };
    let threads: Vec<_> = (0..CLIENTS).map(post).collect();
    let replies: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let (done, busy): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 202);
    assert_eq!(done.iter().filter(|reply| !is_replay(reply)).count(), 1);
    assert!(done.iter().all(|reply| reply.body == done[0].body));
    for reply in busy {
        refused(reply, 409, "IDEMPOTENCY_IN_PROGRESS");
        assert!(reply.header("retry-after").is_some());
    }
    let job = done[0].json();
    assert_eq!(account.list("/v1/jobs").len(), 1);
    assert_eq!(account.list("/v1/credits/ledger?kind=reserve").len(), 1);
    assert_eq!(account.balance().1, job["credits"]["reserved"]);
    account.deed(&job, "cancel").expect(200);
}
