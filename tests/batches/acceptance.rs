//! All requests of a batch are accepted, or none; and what is wrong is named.

use serde_json::{Value, json};

use super::{BATCHES, batch, counts, look, path, post, request};
use crate::{
    api::conventions::refused,
    support::server::{Account, CREDITS, TestServer},
};

/// What the smallest job of the model `m` reserves.
fn reserved(account: &Account) -> u64 {
    let job = account.post_job(&json!({}));
    let reserved = job["credits"]["reserved"].as_u64().unwrap();
    account.deed(&job, "cancel").expect(200);
    reserved
}

fn has_nothing(account: &Account) {
    assert_eq!(account.list("/v1/jobs"), Vec::<Value>::new());
    assert_eq!(account.list(BATCHES), Vec::<Value>::new());
}

#[test]
fn a_batch_is_accepted_whole_and_waits() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let mut body = batch(3, &json!({}));
    body["metadata"] = json!({"month": "november"});
    let made = post(&account, &body);
    assert_eq!((&made["object"], &made["status"]), (&json!("batch"), &json!("queued")));
    assert_eq!(made["counts"], counts(3, &json!({"queued": 3})));
    assert_eq!(made["metadata"], body["metadata"]);
    assert!(made["finished_at"].is_null() && made["created_at"].is_string(), "{made}");
    assert_eq!(look(&account, &made), made);
    assert_eq!(account.list(BATCHES), std::slice::from_ref(&made));
    let jobs = account.list("/v1/jobs");
    assert_eq!(jobs.len(), 3);
    let reserved: u64 = jobs.iter().map(|job| job["credits"]["reserved"].as_u64().unwrap()).sum();
    assert_eq!(account.balance().1, json!(reserved));
    for job in &jobs {
        assert_eq!(job["request_id"], made["request_id"]);
        assert_eq!(account.story(job), ["queued"]);
        assert_eq!(account.entries(job).len(), 1);
    }
}

#[test]
fn batches_are_listed_newest_first() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let made: Vec<_> =
        (0..5).map(|_| post(&account, &batch(1, &json!({})))["id"].clone()).collect();
    let mut listed = Vec::new();
    let mut next = format!("{BATCHES}?limit=2");
    loop {
        let page = account.client.get(&next).expect(200).json();
        listed.extend(page["data"].as_array().unwrap().iter().map(|batch| batch["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("{BATCHES}?limit=2&cursor={cursor}");
    }
    listed.reverse();
    assert_eq!(listed, made);
    refused(&account.client.get("/v1/batches?cursor=AAAA"), 400, "INVALID_REQUEST");
    let nobody = json!({"id": "01939b2a-7c1e-7000-8000-000000000000"});
    refused(&account.client.get(&path(&nobody, "")), 404, "NOT_FOUND");
    refused(&account.client.get(&path(&nobody, "?wait=1")), 404, "NOT_FOUND");
}

#[test]
fn an_error_names_the_request_and_nothing_is_accepted() {
    let server = TestServer::builder().config(|config| config.batches.max_requests = 4).start();
    let account = server.account();
    let good = request(0, &json!({}));
    let second = |change: Value| {
        let mut bad = request(1, &json!({}));
        for (key, value) in change.as_object().unwrap() {
            bad[key] = value.clone();
        }
        json!({"requests": [good, bad]})
    };
    let nameless = {
        let mut bad = request(1, &json!({}));
        bad.as_object_mut().unwrap().remove("custom_id");
        json!({"requests": [good, bad]})
    };
    for (body, code, param) in [
        (json!({}), "INVALID_REQUEST", "requests"),
        (json!({"requests": []}), "INVALID_REQUEST", "requests"),
        (batch(5, &json!({})), "INVALID_REQUEST", "requests"),
        (json!({"requests": {}}), "INVALID_REQUEST", "requests"),
        (json!({"requests": [good], "x": 1}), "INVALID_REQUEST", "x"),
        (json!({"requests": [good], "metadata": []}), "INVALID_REQUEST", "metadata"),
        (json!({"requests": [good, 7]}), "INVALID_REQUEST", "requests/1"),
        (json!({"requests": [good, ["a"]]}), "INVALID_REQUEST", "requests/1"),
        (nameless, "INVALID_REQUEST", "requests/1/custom_id"),
        (second(json!({"custom_id": "request 0"})), "INVALID_REQUEST", "requests/1/custom_id"),
        (second(json!({"custom_id": ""})), "INVALID_REQUEST", "requests/1/custom_id"),
        (second(json!({"custom_id": "a\u{7}"})), "INVALID_REQUEST", "requests/1/custom_id"),
        (second(json!({"custom_id": "x".repeat(65)})), "INVALID_REQUEST", "requests/1/custom_id"),
        (second(json!({"custom_id": 7})), "INVALID_REQUEST", "requests/1/custom_id"),
        (second(json!({"x": 1})), "INVALID_REQUEST", "requests/1/x"),
        (second(json!({"temperature": 3})), "INVALID_REQUEST", "requests/1/temperature"),
        (
            second(json!({"messages": [{"role": "x", "content": ""}]})),
            "INVALID_REQUEST",
            "requests/1/messages/0/role",
        ),
        (second(json!({"model": "nonsense"})), "UNKNOWN_MODEL", "requests/1/model"),
        (second(json!({"model": "unpriced"})), "MODEL_NOT_PRICED", "requests/1/model"),
        (
            second(json!({"output_schema": {"type": 7}})),
            "INVALID_SCHEMA",
            "requests/1/output_schema",
        ),
    ] {
        let error = refused(&account.client.post(BATCHES, &body), 400, code);
        assert_eq!(error["param"], param, "{body}");
        let message = error["message"].as_str().unwrap();
        let is_of_one = param.starts_with("requests/1");
        assert!(!is_of_one || message.starts_with("requests/1: "), "{message}");
    }
    has_nothing(&account);
    post(&account, &batch(4, &json!({})));
}

#[test]
fn a_body_has_a_limit_of_its_own() {
    let server = TestServer::builder()
        .config(|config| {
            config.http.body_limit = 1 << 10;
            config.batches.body_limit = 2 << 20;
        })
        .start();
    server.set_paused("generation.create", true);
    let account = server.account_with(&json!(1_000_000_000));
    let text = "x".repeat(1 << 10);
    let more = json!({"messages": [{"role": "user", "content": text}]});
    assert_eq!(post(&account, &batch(1_000, &more))["counts"]["queued"], 1_000);
    refused(&account.client.post(BATCHES, &batch(2_000, &more)), 413, "BODY_TOO_LARGE");
    refused(
        &account.client.post("/v1/jobs/generations", &request(0, &more)),
        413,
        "BODY_TOO_LARGE",
    );
    // What is large is checked as strictly.
    let mut body = batch(1_000, &more).to_string();
    body.truncate(body.len() - 1);
    let headers = [("Content-Type", "application/json")];
    let broken = account.client.send("POST", BATCHES, &headers, Some(body.as_bytes()));
    refused(&broken, 400, "INVALID_JSON");
}

/// There are places for some at the same time; the others wait for them.
#[test]
fn large_bodies_wait_for_each_other() {
    const CLIENTS: usize = 20;
    let server = TestServer::builder().config(|config| config.http.body_limit = 1 << 10).start();
    server.set_paused("generation.create", true);
    let account = server.account_with(&json!(1_000_000_000));
    let body = batch(50, &json!({"metadata": {"a": "x".repeat(1_000)}}));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let (client, body) = (account.client.clone(), &body);
            scope.spawn(move || client.post(BATCHES, body).expect(202));
        }
    });
    assert_eq!(account.list(BATCHES).len(), CLIENTS);
}

#[test]
fn the_sum_must_be_covered() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let one = reserved(&server.account());
    let (rich, poor) =
        (server.account_with(&json!(one * 3)), server.account_with(&json!(one * 3 - 1)));
    let error =
        refused(&poor.client.post(BATCHES, &batch(3, &json!({}))), 402, "INSUFFICIENT_CREDITS");
    assert_eq!(error["details"], json!({"required": one * 3, "available": one * 3 - 1}));
    has_nothing(&poor);
    assert_eq!(poor.balance(), (json!(one * 3 - 1), json!(0)));
    post(&rich, &batch(3, &json!({})));
    assert_eq!(rich.balance(), (json!(0), json!(one * 3)));
}

#[test]
fn free_credits_go_first_over_all_requests() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let one = reserved(&account);
    let path = format!("/admin/v1/accounts/{}/credits/grants", account.id);
    let grant = json!({"amount": one + 1, "bucket": "free"});
    server.operator().post(&path, &grant).expect(201);
    post(&account, &batch(3, &json!({})));
    let balance = account.client.get("/v1/credits/balance").expect(200).json();
    assert_eq!(balance["free"], 0);
    assert_eq!(balance["paid"], u64::try_from(CREDITS).unwrap() - one * 2 + 1);
    let jobs = account.list("/v1/jobs");
    // Newest first, and the oldest is that of the trial.
    let entries: Vec<_> = jobs[..3].iter().map(|job| account.entries(job).len()).collect();
    assert_eq!(entries, [1, 2, 1], "the second is paid from both buckets");
}

#[test]
fn a_batch_that_is_sent_twice_is_accepted_once() {
    let server = TestServer::start();
    let account = server.account();
    let body = batch(20, &json!({"model": "sandbox"}));
    let first = account.client.post_once(BATCHES, "k", &body).expect(202);
    assert_eq!(first.header("idempotent-replayed"), None);
    super::wait(&account, &first.json());
    let again = account.client.post_once(BATCHES, "k", &body).expect(202);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.body, first.body);
    let other = account.client.post_once(BATCHES, "k", &batch(19, &json!({})));
    refused(&other, 409, "IDEMPOTENCY_KEY_CONFLICT");
    assert_eq!(account.list(BATCHES).len(), 1);
    assert_eq!(account.list("/v1/jobs?limit=100").len(), 20);
}
