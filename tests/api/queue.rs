//! When jobs run: in which order, not before their time, not after it, and across a restart.

use std::time::Duration;

use serde_json::{Value, json};

use super::jobs::{kinds, left};
use crate::support::{
    LIMIT, Provider, Receiver,
    provider::{TEXT, completion},
    server::{COST, TestServer, job},
};

/// For whom the provider was called, once it was called so often.
fn users(provider: &Provider, count: usize) -> Vec<String> {
    let calls = provider.wait_for_calls(count, LIMIT);
    calls.iter().map(|call| call.json()["user"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn priority_and_run_at_order_an_accounts_jobs() {
    let provider = Provider::start();
    let builder = TestServer::builder().provider(&provider);
    let server = builder.config(|c| c.queues.generation_create.concurrency = 1).start();
    let account = server.account();
    server.set_paused("generation.create", true);
    let soon = skai_server::ambient::Ambient::system().now().plus(Duration::from_secs(3));
    let post = |user: &str, more: Value| {
        let mut body = more;
        body["user"] = json!(user);
        account.post_job(&body)
    };
    let later = post("later", json!({"priority": 100, "run_at": soon}));
    for (user, priority) in [("low", -5), ("first", 0), ("second", 0), ("high", 5)] {
        post(user, json!({"priority": priority}));
    }
    let due = post("due", json!({"run_at": "2020-01-01T00:00:00Z", "priority": 4}));
    server.set_paused("generation.create", false);
    let done = account.wait_job(&later);
    assert_eq!(users(&provider, 6), ["high", "due", "first", "second", "low", "later"]);
    assert!(done["started_at"].as_str().unwrap() >= soon.to_string().as_str());
    account.wait_job(&due);
}

#[test]
fn one_account_does_not_delay_anothers_first_job() {
    const WAITING: usize = 2000;
    let provider = Provider::start();
    let builder = TestServer::builder().provider(&provider);
    let server = builder.config(|c| c.queues.generation_create.concurrency = 1).start();
    let (busy, other) = (server.account(), server.account());
    provider.always(completion("x").held());
    let posting: Vec<_> = (0..8)
        .map(|_| {
            let client = busy.client.clone();
            std::thread::spawn(move || {
                let body = job(&json!({"model": "free", "user": "busy"}));
                for _ in 0..WAITING / 8 {
                    client.post("/v1/jobs/generations", &body).expect(202);
                }
            })
        })
        .collect();
    for thread in posting {
        thread.join().unwrap();
    }
    provider.wait_for_in_flight(1);
    other.post_job(&json!({"model": "free", "user": "other"}));
    provider.say("quick");
    provider.release();
    assert_eq!(users(&provider, 2)[..2], ["busy", "other"]);
    server.set_paused("generation.create", true);
}

#[test]
fn a_job_that_waits_too_long_expires() {
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let builder = TestServer::builder().provider(&provider);
    let ttl = Duration::from_secs(1);
    let server = builder
        .config(|config| {
            config.queues.generation_create.ttl = ttl;
            config.queues.generation_create.concurrency = 1;
        })
        .start();
    let account = server.account();
    account.endpoint(&receiver, "/hook", &json!({"events": ["job.failed"]}));
    provider.queue(completion("slow").held());
    let running = account.post_job(&json!({}));
    provider.wait_for_in_flight(1);
    let waiting = account.post_job(&json!({}));
    let expired = account.wait_job(&waiting);
    assert_eq!(
        (&expired["status"], &expired["error"]["code"]),
        (&json!("expired"), &json!("EXPIRED"))
    );
    assert_eq!(kinds(&account, &expired), ["reserve", "release"]);
    assert_eq!(receiver.wait_for_deliveries(1)[0].json()["data"]["error"]["code"], "EXPIRED");
    provider.release();
    assert_eq!(account.wait_job(&running)["status"], "succeeded");
    account.deed(&waiting, "retry").expect(202);
    assert_eq!(account.wait_job(&waiting)["status"], "succeeded");
}

#[test]
fn a_queue_is_paused_and_resumed() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let answer = server.set_paused("generation.create", true);
    assert_eq!((&answer["object"], &answer["paused"]), (&json!("queue"), &json!(true)));
    let jobs: Vec<_> = (0..3).map(|_| account.post_job(&json!({}))).collect();
    let stats = server.operator().get("/admin/v1/stats").expect(200).json();
    let mut queues = stats["queues"].as_array().unwrap().iter();
    let queue = queues.find(|queue| queue["name"] == "generation.create").unwrap();
    assert_eq!((&queue["waiting"], &queue["running"]), (&json!(3), &json!(0)));
    assert_eq!(queue["paused"], true);
    assert!(jobs.iter().all(|job| account.look(job)["status"] == "queued"));
    assert!(provider.received().is_empty());
    assert_eq!(server.set_paused("generation.create", false)["paused"], false);
    assert!(jobs.iter().all(|job| account.wait_job(job)["status"] == "succeeded"));
}

#[test]
fn what_a_stopped_server_gave_back_runs_after_the_next_start() {
    let provider = Provider::start();
    let builder = TestServer::builder().provider(&provider);
    let server = builder.config(|c| c.http.drain_timeout = Duration::from_millis(50)).start();
    let account = server.account();
    provider.queue(completion("nobody waits for this").held());
    let running = account.post_job(&json!({}));
    provider.wait_for_in_flight(1);
    let later = account.post_job(&json!({"run_at": "2020-01-01T00:00:00Z"}));
    let server = server.restart();
    let account = account.at(&server);
    for job in [&running, &later] {
        let done = account.wait_job(job);
        assert_eq!((&done["status"], &done["output_text"]), (&json!("succeeded"), &json!(TEXT)));
        assert_eq!(kinds(&account, &done), ["reserve", "release", "charge"]);
    }
    assert_eq!(account.balance(), left(2 * COST));
    provider.release();
}
