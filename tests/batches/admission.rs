//! How many jobs may wait: exactly as many as the operator said, whoever asks at the same time.

use std::{sync::Barrier, thread};

use serde_json::{Value, json};

use super::{BATCHES, batch, post};
use crate::{
    api::conventions::refused,
    support::{
        Provider,
        client::Reply,
        provider::error,
        server::{Account, TestServer, job},
    },
};

const JOBS: &str = "/v1/jobs/generations";

fn start(limit: u64) -> TestServer {
    let server =
        TestServer::builder().config(|config| config.jobs.max_open_per_account = limit).start();
    server.set_paused("generation.create", true);
    server
}

#[track_caller]
fn is_full(reply: &Reply) {
    refused(reply, 429, "QUEUE_FULL");
    let pause: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&pause), "Retry-After: {pause}");
}

fn open_jobs(account: &Account) -> usize {
    account.list("/v1/jobs?status=queued&limit=100").len()
}

#[test]
fn of_many_at_once_exactly_as_many_as_may_are_accepted() {
    const CLIENTS: usize = 64;
    const LIMIT: usize = 20;
    let server = start(LIMIT as u64);
    let (account, other) = (server.account(), server.account());
    let together = Barrier::new(CLIENTS);
    let replies: Vec<Reply> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (client, together) = (account.client.clone(), &together);
                scope.spawn(move || {
                    together.wait();
                    match n % 8 {
                        0 => client.post(BATCHES, &batch(2, &json!({}))),
                        _ => client.post(JOBS, &job(&json!({}))),
                    }
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let (accepted, full): (Vec<_>, Vec<_>) =
        replies.into_iter().partition(|reply| reply.status == 202);
    full.iter().for_each(is_full);
    let total = |reply: &Reply| reply.json()["counts"]["total"].as_u64().unwrap_or(1);
    assert_eq!(accepted.iter().map(total).sum::<u64>(), LIMIT as u64);
    assert_eq!(open_jobs(&account), LIMIT);
    other.post_job(&json!({}));
}

#[test]
fn a_batch_fits_whole_or_not_at_all() {
    let server = start(10);
    let account = server.account();
    // Waiting would not help.
    refused(&account.client.post(BATCHES, &batch(11, &json!({}))), 400, "INVALID_REQUEST");
    account.post_job(&json!({}));
    is_full(&account.client.post(BATCHES, &batch(10, &json!({}))));
    assert_eq!(open_jobs(&account), 1);
    post(&account, &batch(9, &json!({})));
    is_full(&account.client.post(JOBS, &job(&json!({}))));
}

#[test]
fn jobs_that_end_make_room_and_retries_need_it() {
    let server = start(3);
    let account = server.account();
    let made: Vec<Value> = (0..3).map(|_| account.post_job(&json!({"model": "sandbox"}))).collect();
    is_full(&account.client.post(JOBS, &job(&json!({}))));
    account.deed(&made[0], "cancel").expect(200);
    let fourth = account.post_job(&json!({"model": "sandbox"}));
    is_full(&account.deed(&made[0], "retry"));
    server.set_paused("generation.create", false);
    for job in made[1..].iter().chain([&fourth]) {
        account.wait_job(job);
    }
    account.deed(&made[0], "retry").expect(202);
    account.wait_job(&made[0]);
}

#[test]
fn redrives_need_room_too() {
    let provider = Provider::start();
    let server = TestServer::builder()
        .provider(&provider)
        .config(|config| {
            config.jobs.max_open_per_account = 1;
            config.queues.generation_create.backoff.clear();
        })
        .start();
    let account = server.account();
    provider.queue(error(500, "oops"));
    let failed = account.run_job(&json!({}));
    assert_eq!(failed["status"], "failed");
    let letter = account.list("/v1/dlq").remove(0);
    let redrive = format!("/v1/dlq/{}/redrive", letter["id"].as_str().unwrap());
    server.set_paused("generation.create", true);
    let waits = account.post_job(&json!({}));
    is_full(&account.client.send("POST", &redrive, &[], None));
    account.deed(&waits, "cancel").expect(200);
    account.client.send("POST", &redrive, &[], None).expect(202);
}

/// This one is about memory, so it may be some jobs late.
#[test]
fn the_queue_of_all_accounts_has_a_limit() {
    let server = TestServer::builder().config(|config| config.jobs.max_waiting = 5).start();
    server.set_paused("generation.create", true);
    let (one, two) = (server.account(), server.account());
    is_full(&one.client.post(BATCHES, &batch(6, &json!({}))));
    post(&one, &batch(5, &json!({})));
    for account in [&one, &two] {
        is_full(&account.client.post(JOBS, &job(&json!({}))));
        is_full(&account.client.post(BATCHES, &batch(1, &json!({}))));
    }
    let canceled = one.list("/v1/jobs").remove(0);
    one.deed(&canceled, "cancel").expect(200);
    two.post_job(&json!({}));
    is_full(&one.deed(&canceled, "retry"));
}
