//! As many calls as there may be, and a database that takes no writes.

use std::time::Duration;

use serde_json::json;

use super::rig::{CHAT, Rig, begins, error_of, rest, says, streamed};
use crate::support::{
    Piece,
    client::Connection,
    eventually,
    provider::{TEXT, completion},
    server::{COST, job},
};

/// A call that waits for its provider.
fn held(rig: &Rig, key: &str) -> Connection {
    rig.provider.queue(completion(TEXT).held());
    let headers = [("Idempotency-Key", key)];
    let connection = rig.account.client.begin_post(CHAT, &headers, &job(&json!({})));
    rig.provider.wait_for_in_flight(1);
    connection
}

#[test]
fn no_more_calls_are_made_at_once_than_there_may_be() {
    let rig = Rig::with(|config| config.jobs.max_calls = 1);
    let mut first = held(&rig, "k");
    for stream in [false, true] {
        let refused = rig.ask(&json!({ "stream": stream })).expect(429);
        assert_eq!(
            (refused.header("retry-after"), refused.header("x-should-retry")),
            (Some("1"), None)
        );
        assert_eq!(error_of(&refused.json(), "queue_full")["type"], "rate_limit_error");
    }
    rig.provider.release();
    first.read_reply(true).unwrap().expect(200);
    rig.ask(&json!({})).expect(200);
    assert_eq!(rig.account.list("/v1/jobs").len(), 2);
}

#[test]
fn one_account_does_not_take_the_places_of_others() {
    let rig = Rig::with(|config| config.jobs.max_calls_per_account = 1);
    let mut first = held(&rig, "k");
    let refused = rig.ask(&json!({})).expect(429);
    assert!(refused.text().contains("as many as the account may make"), "{}", refused.text());
    let other = rig.server.account();
    other.client.post(CHAT, &job(&json!({}))).expect(200);
    rig.provider.release();
    first.read_reply(true).unwrap().expect(200);
}

#[test]
fn the_open_jobs_of_one_account_are_bounded() {
    let rig = Rig::with(|config| config.jobs.max_open_per_account = 1);
    let mut first = held(&rig, "k");
    let refused = rig.ask(&json!({})).expect(429);
    assert!(refused.header("retry-after").is_some());
    error_of(&refused.json(), "queue_full");
    // Another account has its own.
    let other = rig.server.account();
    other.client.post(CHAT, &job(&json!({}))).expect(200);
    rig.provider.release();
    first.read_reply(true).unwrap().expect(200);
    rig.ask(&json!({})).expect(200);
}

fn quickly_troubled() -> Rig {
    Rig::with(|config| config.store.busy_timeout = Duration::from_millis(50))
}

#[test]
fn an_outcome_that_the_database_does_not_take_is_recorded_later_and_once() {
    let rig = quickly_troubled();
    let mut waiting = held(&rig, "k");
    let locked = rig.server.lock();
    rig.provider.release();
    let reply = waiting.read_reply(true).unwrap().expect(503);
    assert!(reply.header("retry-after").is_some());
    error_of(&reply.json(), "unavailable");
    drop(locked);
    let job = rig.job();
    assert_eq!((&job["status"], &job["output_text"]), (&json!("succeeded"), &json!(TEXT)));
    rig.assert_charged(&job, COST);
    // Who asks again gets what was paid for.
    let reply = rig.ask_once("k", &json!({})).expect(200);
    assert_eq!(reply.header("idempotent-replayed"), Some("true"));
    assert_eq!(rig.provider.received().len(), 1);
}

#[test]
fn so_is_that_of_a_stream() {
    let rig = quickly_troubled();
    rig.provider.always(streamed([
        begins(),
        says("One"),
        Piece::Hold,
        super::rig::ends("stop"),
        super::rig::usage(10, 5),
        super::rig::done(),
    ]));
    let mut stream = rig.stream(&json!({}));
    stream.read_until("One");
    let locked = rig.server.lock();
    rig.provider.release();
    let text = rest(&mut stream);
    assert!(text.contains("\"unavailable\"") && !text.contains("[DONE]"), "{text}");
    drop(locked);
    rig.assert_charged(&rig.job(), COST);
}

#[test]
fn an_answer_that_its_client_cannot_get_is_not_charged() {
    let rig = quickly_troubled();
    rig.provider.queue(completion(TEXT).held());
    let mut waiting = rig.account.client.begin_post(CHAT, &[], &job(&json!({})));
    rig.provider.wait_for_in_flight(1);
    let locked = rig.server.lock();
    rig.provider.release();
    waiting.read_reply(true).unwrap().expect(503);
    drop(locked);
    let job = rig.job();
    assert_eq!(job["status"], "failed");
    rig.assert_charged(&job, 0);
}

#[test]
fn a_call_that_cannot_be_accepted_tells_nobody_of_an_answer() {
    let rig = quickly_troubled();
    let locked = rig.server.lock();
    let reply = rig.ask(&json!({})).expect(503);
    error_of(&reply.json(), "unavailable");
    drop(locked);
    assert!(rig.account.list("/v1/jobs").is_empty());
}

#[test]
fn an_answer_that_is_kept_can_be_had_while_the_database_takes_nothing() {
    let rig = quickly_troubled();
    let first = rig.ask_once("k", &json!({})).expect(200);
    let _locked = rig.server.lock();
    let again = rig.ask_once("k", &json!({})).expect(200);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.body, first.body);
    rig.ask_once("other", &json!({})).expect(503);
}

/// A call may outlive its job, where that could not be written down: it must not end the next of the same number.
#[test]
fn each_call_ends_its_own_job_alone() {
    let rig = Rig::start();
    let _calls = ["a", "b"].map(|key| held(&rig, key));
    rig.provider.wait_for_in_flight(2);
    let outside = rig.server.outside();
    let leases =
        "select count(*), count(distinct lease), count(nullif(lease >> 31 & 1, 0)) from queue";
    // The provider is asked while the beginning of a call is still on its way to the disk.
    let found = eventually("both calls are on disk", || {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        Some(outside.query_row(leases, [], read).unwrap()).filter(|(calls, ..)| *calls == 2)
    });
    assert_eq!(found, (2, 2, 2));
    rig.provider.release();
}
