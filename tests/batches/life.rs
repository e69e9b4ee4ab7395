//! From acceptance to the webhook: how a batch follows its jobs, and who goes first.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{batch, counts, look, path, post, request, wait};
use crate::support::{
    LIMIT, Provider, Receiver,
    provider::{completion, error},
    server::{COST, CREDITS, TestServer},
};

#[test]
fn a_batch_is_counted_step_by_step_and_told_when_it_ends() {
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let server = TestServer::builder()
        .provider(&provider)
        .config(|config| config.queues.generation_create.concurrency = 2)
        .start();
    let account = server.account();
    account.endpoint(&receiver, "/", &json!({"events": ["batch.completed"]}));
    provider.always(completion("done").held());
    let users = ["a", "b", "refused", "flaky", "c"];
    let requests: Vec<_> =
        users.iter().enumerate().map(|(n, user)| request(n, &json!({"user": user}))).collect();
    let made = post(&account, &json!({ "requests": requests }));
    provider.wait_for_in_flight(2);
    let running = look(&account, &made);
    assert_eq!(running["status"], "running");
    assert_eq!(running["counts"], counts(5, &json!({"running": 2, "queued": 3})));
    assert!(running["started_at"].is_string() && running["finished_at"].is_null(), "{running}");
    // The third is refused; the fourth is put off once.
    let first = AtomicBool::new(true);
    provider.answer_with(move |call| match call.json()["user"].as_str().unwrap() {
        "refused" => error(400, "no"),
        "flaky" if first.swap(false, Ordering::Relaxed) => error(500, "oops"),
        _ => completion("done"),
    });
    provider.release();
    let ended = wait(&account, &made);
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["counts"], counts(5, &json!({"succeeded": 4, "failed": 1})));
    let told = receiver.wait_for_one(|call| call.json()["type"] == "batch.completed").json();
    assert_eq!(
        told["data"],
        json!({"batch_id": made["id"], "account_id": account.id, "status": "completed",
            "counts": ended["counts"], "request_id": made["request_id"]})
    );
    assert_eq!(account.balance(), (json!(u64::try_from(CREDITS).unwrap() - 4 * COST), json!(0)));
}

#[test]
fn a_retry_lets_the_batch_go_on() {
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    account.endpoint(&receiver, "/", &json!({"events": ["batch.completed"]}));
    provider.queue(error(400, "no"));
    let made = post(&account, &batch(1, &json!({})));
    let failed = wait(&account, &made);
    assert_eq!(failed["counts"], counts(1, &json!({"failed": 1})));
    let job = account.list("/v1/jobs").remove(0);
    provider.queue(completion("done").held());
    account.deed(&job, "retry").expect(202);
    provider.wait_for_in_flight(1);
    let again = look(&account, &made);
    assert_eq!((&again["status"], &again["finished_at"]), (&json!("running"), &Value::Null));
    assert_eq!(again["counts"], counts(1, &json!({"running": 1})));
    provider.release();
    assert_eq!(wait(&account, &made)["counts"], counts(1, &json!({"succeeded": 1})));
    receiver.wait_for(2, LIMIT);
}

#[test]
fn the_wait_for_a_batch_is_bounded() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let made = post(&account, &batch(1, &json!({})));
    let waited = account.client.get(&path(&made, "?wait=1")).expect(200).json();
    assert_eq!(waited["status"], "queued");
    account.client.get(&path(&made, "?wait=61")).expect(400);
}

/// Of whatever account: what a batch has begun goes on, but it begins nothing before others.
#[test]
fn single_jobs_begin_before_those_of_a_batch() {
    const BATCH: usize = 200;
    let provider = Provider::start();
    let server = TestServer::builder()
        .provider(&provider)
        .config(|config| config.queues.generation_create.concurrency = 2)
        .start();
    let (busy, other) = (server.account(), server.account());
    provider.always(completion("x").held());
    let made = post(&busy, &batch(BATCH, &json!({"user": "batch"})));
    provider.wait_for_in_flight(2);
    let single =
        [busy.post_job(&json!({"user": "own"})), other.post_job(&json!({"user": "other"}))];
    provider.release();
    provider.wait_for(4, LIMIT);
    provider.always(completion("x"));
    provider.release();
    for (account, job) in [&busy, &other].into_iter().zip(&single) {
        assert_eq!(account.wait_job(job)["status"], "succeeded");
    }
    let ended = wait(&busy, &made);
    assert_eq!(ended["counts"]["succeeded"], BATCH);
    let calls = provider.received();
    let users: Vec<_> =
        calls.iter().map(|call| call.json()["user"].as_str().unwrap().to_owned()).collect();
    assert_eq!(users.len(), BATCH + 2);
    assert_eq!(users[..2], ["batch", "batch"], "they were first");
    let mut next = users[2..4].to_vec();
    next.sort();
    assert_eq!(next, ["other", "own"], "no job of the batch began before them");
}
