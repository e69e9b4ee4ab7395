//! The same request twice under one key.

use std::thread;

use serde_json::json;

use super::rig::{CHAT, Rig, error_of, job_of};
use crate::support::{
    Answer, LIMIT,
    provider::{TEXT, completion, error},
    server::{COST, job},
};

#[test]
fn the_same_request_gets_the_same_answer_and_costs_nothing_more() {
    let rig = Rig::start();
    let first = rig.ask_once("k", &json!({})).expect(200);
    assert_eq!(first.header("idempotent-replayed"), None);
    rig.provider.say("Something else.");
    for _ in 0..3 {
        let again = rig.ask_once("k", &json!({})).expect(200);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.body, first.body);
    }
    assert_eq!(rig.provider.received().len(), 1);
    rig.assert_charged(&rig.job(), COST);
}

#[test]
fn the_order_of_the_fields_does_not_matter() {
    let rig = Rig::start();
    let body = r#"{"messages":[{"content":"hi","role":"user"}],"model":"m"}"#;
    let first = rig.ask_once("k", &json!({})).expect(200);
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
    let again = rig.account.client.send("POST", CHAT, &headers, Some(body.as_bytes())).expect(200);
    assert_eq!(again.body, first.body);
}

#[test]
fn another_request_under_the_key_is_a_conflict() {
    let rig = Rig::start();
    rig.ask_once("k", &json!({})).expect(200);
    let reply = rig.ask_once("k", &json!({"seed": 1})).expect(409);
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    error_of(&reply.json(), "idempotency_key_conflict");
    assert_eq!(rig.provider.received().len(), 1);
}

#[test]
fn a_twin_is_told_to_wait_while_the_first_is_answered() {
    let rig = Rig::start();
    rig.provider.always(completion(TEXT).held());
    let body = job(&json!({}));
    let mut first = rig.account.client.begin_post(CHAT, &[("Idempotency-Key", "k")], &body);
    rig.provider.wait_for_in_flight(1);
    let twin = rig.ask_once("k", &json!({})).expect(409);
    assert_eq!((twin.header("retry-after"), twin.header("x-should-retry")), (Some("1"), None));
    error_of(&twin.json(), "idempotency_in_progress");
    let other = rig.ask_once("k", &json!({"seed": 1})).expect(409);
    error_of(&other.json(), "idempotency_key_conflict");
    rig.provider.release();
    let first = first.read_reply(true).unwrap().expect(200);
    let again = rig.ask_once("k", &json!({})).expect(200);
    assert_eq!(again.body, first.body);
    assert_eq!(rig.provider.received().len(), 1);
    rig.assert_charged(&rig.job(), COST);
}

#[test]
fn after_a_failure_the_key_is_free_again() {
    let rig = Rig::start();
    for failure in [error(500, "oops"), error(400, "bad"), Answer::close()] {
        rig.provider.queue(failure);
        assert!(rig.ask_once("k", &json!({})).status >= 400);
    }
    let good = rig.ask_once("k", &json!({})).expect(200);
    assert_eq!(good.header("idempotent-replayed"), None);
    assert_eq!(rig.provider.received().len(), 4);
    assert_eq!(rig.account.list("/v1/jobs").len(), 4);
    rig.assert_charged(&rig.account.look(&job_of(&good.json())), COST);
    // What was refused before it ran is not saved either.
    rig.ask_once("other", &json!({"model": "nothing"})).expect(404);
    rig.ask_once("other", &json!({})).expect(200);
}

#[test]
fn sixty_four_twins_at_once_are_one_call() {
    let rig = Rig::start();
    rig.provider.always(completion(TEXT).held());
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let client = rig.account.client.clone();
            thread::spawn(move || client.post_once(CHAT, "k", &job(&json!({}))))
        })
        .collect();
    rig.provider.wait_for(1, LIMIT);
    // Whoever was first waits for the provider; the others are told at once.
    let (waiting, told): (Vec<_>, Vec<_>) = {
        while clients.iter().filter(|client| client.is_finished()).count() < 63 {
            thread::yield_now();
        }
        clients.into_iter().partition(|client| !client.is_finished())
    };
    rig.provider.release();
    assert_eq!((waiting.len(), told.len()), (1, 63));
    for twin in told {
        error_of(&twin.join().unwrap().expect(409).json(), "idempotency_in_progress");
    }
    for first in waiting {
        first.join().unwrap().expect(200);
    }
    assert_eq!(rig.provider.received().len(), 1);
    rig.assert_charged(&rig.job(), COST);
}

#[test]
fn an_answer_is_replayed_after_a_restart() {
    let rig = Rig::start();
    let first = rig.ask_once("k", &json!({})).expect(200);
    let Rig { server, account, provider, other: _other } = rig;
    let server = server.restart();
    let again = account.at(&server).client.post_once(CHAT, "k", &job(&json!({}))).expect(200);
    assert_eq!(
        (again.body, again.headers.iter().any(|(name, _)| name == "idempotent-replayed")),
        (first.body, true)
    );
    assert_eq!(provider.received().len(), 1);
}

#[test]
fn keys_are_of_one_account() {
    let rig = Rig::start();
    rig.ask_once("k", &json!({})).expect(200);
    let other = rig.server.account();
    let answer = other.client.post_once(CHAT, "k", &job(&json!({}))).expect(200);
    assert_eq!(answer.header("idempotent-replayed"), None);
    assert_eq!(rig.provider.received().len(), 2);
}
