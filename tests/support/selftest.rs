//! Tests of the test support: a counterpart that lies makes every other test worthless.

use std::{thread, time::Duration};

use hyper::HeaderMap;
use serde_json::json;
use standardwebhooks::Webhook;

use super::{
    Answer, Client, LIMIT, Provider, Received, Receiver,
    provider::{TEXT, error},
    receiver::{own_signature, verify, verify_at_any_time},
    scripted::Scripted,
};

const PATH: &str = "/v1/chat/completions";

#[test]
fn the_provider_answers_and_records() {
    let provider = Provider::start();
    let client = Client::new(provider.address()).with_key("sk-test");
    let reply = client.post(PATH, &json!({"model": "m"})).expect(200);
    assert_eq!(reply.json()["choices"][0]["message"]["content"], TEXT);
    client.get("/elsewhere").expect(404);
    let calls = provider.wait_for_calls(2, LIMIT);
    assert_eq!((&*calls[0].method, &*calls[0].path), ("POST", PATH));
    assert_eq!(calls[0].header("authorization"), Some("Bearer sk-test"));
    assert_eq!(calls[0].json()["model"], "m");
    assert_eq!((provider.connections(), provider.in_flight()), (1, 0));
}

#[test]
fn queued_answers_come_first_and_in_order() {
    let provider = Provider::start();
    let client = Client::new(provider.address());
    provider.say("later");
    provider.queue(error(429, "slow down").header("retry-after", "7"));
    provider.queue(Answer::close());
    let reply = client.post(PATH, &json!({})).expect(429);
    assert_eq!(reply.header("Retry-After"), Some("7"));
    assert!(client.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_none());
    let reply = client.post(PATH, &json!({})).expect(200);
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "later");
}

#[test]
fn held_answers_wait_together() {
    let provider = Provider::start();
    provider.always(Answer::new(200, "").held());
    let ask = |client: Client| thread::spawn(move || client.post(PATH, &json!({})).status);
    let asked: Vec<_> = (0..20).map(|_| ask(Client::new(provider.address()))).collect();
    provider.wait_for_in_flight(20);
    provider.release();
    assert!(asked.into_iter().all(|thread| thread.join().unwrap() == 200));
    provider.wait_for_in_flight(0);
    assert_eq!(provider.peak_in_flight(), 20);
}

#[test]
fn a_client_that_goes_away_is_no_longer_in_flight() {
    let provider = Provider::start();
    provider.always(Answer::new(200, "").held());
    let mut connection = Client::new(provider.address()).connect();
    connection.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    provider.wait_for_in_flight(1);
    drop(connection);
    provider.wait_for_in_flight(0);
}

#[test]
fn a_server_ends_while_someone_waits_for_it() {
    let server = Scripted::start(|_| Answer::new(200, "").held());
    let client = Client::new(server.address());
    let waiting = thread::spawn(move || client.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_none());
    server.wait_for_in_flight(1);
    drop(server);
    assert!(waiting.join().unwrap());
}

#[test]
#[should_panic(expected = "waited 10ms in vain; 0 requests came")]
fn waiting_ends() {
    Provider::start().wait_for_calls(1, Duration::from_millis(10));
}

#[test]
fn streams_are_read_piece_by_piece() {
    let server = Scripted::start(|_| Answer::endless("data: 1\n\n", Duration::ZERO));
    let mut stream = Client::new(server.address()).stream("/events", &[]);
    assert_eq!(stream.head.status, 200);
    assert!(stream.read_until("1\n\ndata: 1").starts_with("data: 1\n\n"));
}

#[test]
fn replies_without_a_body_end() {
    let server = Scripted::start(|_| Answer::new(200, "body"));
    let client = Client::new(server.address());
    let reply = client.send("HEAD", "/", &[], None);
    assert_eq!((reply.header("content-length"), reply.text()), (Some("4"), ""));
    server.queue(Answer::new(204, ""));
    assert_eq!(client.delete("/").expect(204).text(), "");
    assert_eq!(client.get("/").expect(200).text(), "body");
}

#[test]
fn bad_requests_can_be_sent() {
    let server = Scripted::start(|_| Answer::new(200, ""));
    let reply = Client::new(server.address()).raw(b"BAD\x00\r\n\r\n");
    assert_eq!(reply.unwrap().status, 400);
    assert!(server.received().is_empty());
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A delivery that was signed at `time`.
fn delivery(time: i64) -> Received {
    let receiver = Receiver::start();
    let body = br#"{"type":"ping"}"#;
    let signature = Webhook::new(SECRET).unwrap().sign("msg_1", time, body).unwrap();
    let time = time.to_string();
    let own = format!("v1,t={time},sig={}", own_signature(SECRET, &time, body));
    let headers = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &time),
        ("webhook-signature", &signature),
        ("x-webhook-signature", &own),
    ];
    let client = Client::new(receiver.address());
    client.send("POST", "/hook", &headers, Some(body)).expect(200);
    receiver.wait_for_deliveries(1).remove(0)
}

#[test]
fn signatures_are_verified() {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_secs()).unwrap();
    let fresh = delivery(now);
    verify(&fresh, SECRET).unwrap();
    verify_at_any_time(&fresh, SECRET).unwrap();
    let old = delivery(1_000);
    verify(&old, SECRET).unwrap_err();
    verify_at_any_time(&old, SECRET).unwrap();
}

#[test]
fn false_signatures_are_refused() {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_secs()).unwrap();
    let right = delivery(now);
    let spoil = |change: fn(&mut Received)| {
        let mut spoiled = right.clone();
        change(&mut spoiled);
        spoiled
    };
    let without = |name| move |headers: &mut HeaderMap| drop(headers.remove(name));
    let mut unsigned = right.clone();
    without("x-webhook-signature")(&mut unsigned.headers);
    for wrong in [
        unsigned,
        spoil(|delivery| delivery.body = "{}".into()),
        spoil(|delivery| drop(delivery.headers.remove("webhook-id"))),
        spoil(|delivery| {
            let value = delivery.headers["x-webhook-signature"].to_str().unwrap();
            let value = value.replace("sig=", "sig=0");
            delivery.headers.insert("x-webhook-signature", value.parse().unwrap());
        }),
    ] {
        verify(&wrong, SECRET).unwrap_err();
        verify_at_any_time(&wrong, SECRET).unwrap_err();
    }
    verify(&right, "whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap_err();
}
