//! Endpoints and deliveries: each endpoint gets what it wants, signed, and delays only itself.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::conventions::refused;
use crate::support::{
    Answer, LIMIT, Received, Receiver, eventually,
    receiver::{verify, verify_standard},
    server::{Account, Endpoint, TestServer},
};

/// The only delivery to the endpoint, once it has this status.
fn wait_delivery(account: &Account, endpoint: &Endpoint, status: &str) -> Value {
    let path = format!("/v1/webhooks/deliveries?endpoint_id={}", endpoint.id);
    let row = eventually(&format!("a delivery is {status}"), || {
        account.list(&path).into_iter().find(|row| row["status"] == status)
    });
    account.client.get(&delivery_path(&row, "")).expect(200).json()
}

fn delivery_path(delivery: &Value, rest: &str) -> String {
    format!("/v1/webhooks/deliveries/{}{rest}", delivery["id"].as_str().unwrap())
}

fn post(account: &Account, path: &str) -> Value {
    account.client.send("POST", path, &[], None).expect(202).json()
}

#[test]
fn a_test_event_is_sent_and_logged() {
    let receiver = Receiver::start();
    let server = TestServer::start();
    let account = server.account();
    let endpoint = account.endpoint(&receiver, "/a/b?c=d", &json!({"events": ["job.failed"]}));
    receiver.queue(Answer::new(201, "thank you"));
    let reply = account.client.with_header("X-Request-Id", "of-the-test");
    let reply = reply.send("POST", &endpoint.path("/test"), &[], None);
    let sent = reply.expect(202).json();
    let seen = account.client.get(&delivery_path(&sent, "")).expect(200).json();
    // It may be over already.
    assert_eq!(seen["next_attempt_at"].is_string(), seen["status"] == "pending", "{seen}");
    assert_eq!((&sent["status"], &sent["event_type"]), (&json!("pending"), &json!("ping")));
    let request = &receiver.wait_for_deliveries(1)[0];
    verify(request, &endpoint.secret).unwrap();
    assert_eq!((&*request.method, &*request.path), ("POST", "/a/b?c=d"));
    let event = request.json();
    assert_eq!(
        (&event["type"], &event["data"]["request_id"]),
        (&json!("ping"), &json!("of-the-test"))
    );
    for name in ["webhook-id", "x-delivery-id", "x-delivery-key"] {
        assert_eq!(request.header(name), sent["id"].as_str(), "{name}");
    }
    let log = wait_delivery(&account, &endpoint, "delivered");
    assert_eq!((&log["payload"], &log["next_attempt_at"]), (&event, &Value::Null));
    assert_eq!(log["attempts"].as_array().unwrap().len(), 1);
    let attempt = &log["attempts"][0];
    assert_eq!(
        (&attempt["status_code"], &attempt["response_body"]),
        (&json!(201), &json!("thank you"))
    );
    refused(
        &account.client.send("POST", &delivery_path(&log, "/redrive"), &[], None),
        409,
        "CONFLICT",
    );
}

#[test]
fn failed_tries_are_repeated_under_one_key() {
    let receiver = Receiver::start();
    let server = TestServer::start();
    let account = server.account();
    let endpoint = account.endpoint(&receiver, "/", &json!({}));
    receiver.queue(Answer::new(500, "broken"));
    receiver.queue(Answer::new(302, "").header("location", &receiver.url("/elsewhere")));
    receiver.queue(Answer::close());
    post(&account, &endpoint.path("/test"));
    let log = wait_delivery(&account, &endpoint, "delivered");
    let tries = receiver.received();
    assert_eq!(tries.len(), 4, "a redirect is not followed");
    assert!(tries.iter().all(|request| request.path == "/"));
    let headers = |name: &str| -> Vec<_> {
        tries.iter().map(|request| request.header(name).unwrap().to_owned()).collect()
    };
    for name in ["x-delivery-key", "webhook-id", "x-delivery-id"] {
        assert!(headers(name).iter().all(|value| *value == headers(name)[0]), "{name}");
    }
    for request in &tries {
        verify(request, &endpoint.secret).unwrap();
    }
    let codes: Vec<_> =
        log["attempts"].as_array().unwrap().iter().map(|a| &a["status_code"]).collect();
    assert_eq!(codes, [&json!(500), &json!(302), &Value::Null, &json!(200)]);
    assert!(log["attempts"][2]["error"].is_string());
    assert_eq!(log["attempt_count"], 4);
}

#[test]
fn a_hanging_endpoint_delays_only_itself() {
    let (hanging, quick) = (Receiver::start(), Receiver::start());
    let timeout = Duration::from_secs(10);
    let server = TestServer::builder().config(|config| config.webhooks.timeout = timeout).start();
    let (one, two) = (server.account(), server.account());
    hanging.always(Answer::new(200, "").held());
    let slow = one.endpoint(&hanging, "/", &json!({"events": ["ping"]}));
    let same_account = one.endpoint(&quick, "/one", &json!({"events": ["ping"]}));
    let other_account = two.endpoint(&quick, "/two", &json!({"events": ["ping"]}));
    for _ in 0..30 {
        post(&one, &slow.path("/test"));
    }
    hanging.wait_for(1, LIMIT);
    let began = Instant::now();
    for _ in 0..10 {
        post(&one, &same_account.path("/test"));
        post(&two, &other_account.path("/test"));
    }
    quick.wait_for_deliveries(20);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "they took {took:?}");
    assert!(hanging.in_flight() >= 1, "it still hangs");
    hanging.always(Answer::new(200, ""));
    hanging.release();
    hanging.wait_for(30, LIMIT);
}

#[test]
fn gone_disables_an_endpoint() {
    let (receiver, witness) = (Receiver::start(), Receiver::start());
    let server = TestServer::start();
    let account = server.account();
    let endpoint = account.endpoint(&receiver, "/", &json!({"events": ["ping"]}));
    let events = json!({"events": ["webhook.endpoint.disabled"]});
    let told = account.endpoint(&witness, "/", &events);
    receiver.queue(Answer::new(410, "gone"));
    post(&account, &endpoint.path("/test"));
    let news = &witness.wait_for_deliveries(1)[0];
    verify(news, &told.secret).unwrap();
    assert_eq!(news.json()["data"]["endpoint_id"], endpoint.id.as_str());
    let state = account.client.get(&endpoint.path("")).expect(200).json();
    assert_eq!(state["active"], false);
    assert!(state["disabled_reason"].as_str().unwrap().contains("410"), "{state}");
    wait_delivery(&account, &endpoint, "failed");
    refused(&account.client.send("POST", &endpoint.path("/test"), &[], None), 409, "CONFLICT");
    let back =
        account.client.patch(&endpoint.path(""), &json!({"active": true})).expect(200).json();
    assert_eq!((&back["active"], &back["disabled_reason"]), (&json!(true), &Value::Null));
    post(&account, &endpoint.path("/test"));
    wait_delivery(&account, &endpoint, "delivered");
}

fn signatures(request: &Received) -> [usize; 2] {
    let count = |name, separator| request.header(name).unwrap().matches(separator).count();
    [count("webhook-signature", "v1,"), count("x-webhook-signature", "sig=")]
}

#[test]
fn both_secrets_sign_while_a_rotation_overlaps() {
    let receiver = Receiver::start();
    let server = TestServer::start();
    let account = server.account();
    let endpoint = account.endpoint(&receiver, "/", &json!({"events": ["ping"]}));
    let rotate = |overlap: &Value| {
        let reply = account.client.post(&endpoint.path("/rotate-secret"), overlap);
        reply.expect(200).json()["secret"].as_str().unwrap().to_owned()
    };
    let second = rotate(&json!({}));
    assert_ne!(second, endpoint.secret);
    post(&account, &endpoint.path("/test"));
    let request = receiver.wait_for_deliveries(1).remove(0);
    verify(&request, &second).unwrap();
    // The old secret signs in the format that has room for two.
    verify_standard(&request, &endpoint.secret).unwrap();
    assert_eq!(signatures(&request), [2, 1]);
    let third = rotate(&json!({"overlap_seconds": 0}));
    post(&account, &endpoint.path("/test"));
    let request = receiver.wait_for_deliveries(2).remove(1);
    verify(&request, &third).unwrap();
    verify_standard(&request, &second).unwrap_err();
    assert_eq!(signatures(&request), [1, 1]);
    let seen = account.client.get(&endpoint.path("")).expect(200);
    assert!(!seen.text().contains("whsec_"));
}

#[test]
fn what_failed_is_redriven() {
    let receiver = Receiver::start();
    let builder = TestServer::builder();
    let server = builder.config(|c| c.queues.webhook_delivery.backoff.clear()).start();
    let account = server.account();
    let endpoint = account.endpoint(&receiver, "/", &json!({"events": ["ping"]}));
    receiver.always(Answer::new(503, "busy"));
    let sent: Vec<_> = (0..3).map(|_| post(&account, &endpoint.path("/test"))).collect();
    receiver.wait_for_deliveries(3);
    wait_until_dead(&account, 3);
    receiver.always(Answer::new(200, ""));
    // One by its delivery, one by its dead letter, the last by what failed since.
    post(&account, &delivery_path(&sent[0], "/redrive"));
    receiver.wait_for_deliveries(4);
    let letters = account.list("/v1/dlq?queue=webhook.delivery.dlq");
    let letter = letters.iter().find(|letter| letter["delivery_id"] == sent[1]["id"]).unwrap();
    post(&account, &format!("/v1/dlq/{}/redrive", letter["id"].as_str().unwrap()));
    receiver.wait_for_deliveries(5);
    let redrive = |since: &str| {
        let reply = account.client.post(&endpoint.path("/redrive"), &json!({"since": since}));
        reply.expect(202).json()["count"].clone()
    };
    assert_eq!(redrive("2999-01-01T00:00:00Z"), 0);
    assert_eq!(redrive(sent[0]["created_at"].as_str().unwrap()), 1);
    let requests = receiver.wait_for_deliveries(6);
    assert_eq!(requests[5].header("x-delivery-id"), sent[2]["id"].as_str());
    assert!(account.list("/v1/dlq").is_empty());
    wait_delivered(&account, 3);
}

fn wait_until_dead(account: &Account, count: usize) {
    wait_rows(account, "/v1/dlq", count);
}

fn wait_delivered(account: &Account, count: usize) {
    wait_rows(account, "/v1/webhooks/deliveries?status=delivered", count);
}

/// The outcome of a try is written after its answer came, and nothing tells of it but the list.
fn wait_rows(account: &Account, path: &str, count: usize) {
    eventually(&format!("{path} has {count} rows"), || {
        (account.list(path).len() == count).then_some(())
    });
}

#[test]
fn endpoints_get_the_events_that_they_want() {
    let receiver = Receiver::start();
    let server = TestServer::start();
    let account = server.account();
    let all = account.endpoint(&receiver, "/all", &json!({}));
    account.endpoint(&receiver, "/granted", &json!({"events": ["credits.granted"]}));
    account.endpoint(&receiver, "/inactive", &json!({"active": false}));
    let gone = account.endpoint(&receiver, "/gone", &json!({}));
    account.client.delete(&gone.path("")).expect(204);
    refused(&account.client.get(&gone.path("")), 404, "NOT_FOUND");
    refused(&account.client.delete(&gone.path("")), 404, "NOT_FOUND");
    account.run_job(&json!({"model": "sandbox"}));
    let path = format!("/admin/v1/accounts/{}/credits/grants", account.id);
    server.operator().post(&path, &json!({"amount": 5})).expect(201);
    receiver.wait_for_deliveries(3);
    wait_delivered(&account, 3);
    let mut got: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| format!("{} {}", request.path, request.json()["type"].as_str().unwrap()))
        .collect();
    got.sort();
    assert_eq!(got, ["/all credits.granted", "/all job.completed", "/granted credits.granted"]);
    let change = json!({"url": receiver.url("/moved"), "events": ["ping"], "description": "d"});
    let changed = account.client.patch(&all.path(""), &change).expect(200).json();
    assert_eq!((&changed["events"], &changed["description"]), (&json!(["ping"]), &json!("d")));
    post(&account, &all.path("/test"));
    receiver.wait_for_one(|request| request.path == "/moved");
}
