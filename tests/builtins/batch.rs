//! `batch-ai-processor`, while the server runs.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use serde_json::{Value, json};
use skai_server::{
    app::{App, accounts},
    domain::{Builtin::BatchAiProcessor, ErrorKind},
    store::AccountScope,
};

use super::{run, run_with};
use crate::{
    batches::{BATCHES, batch, request},
    support::{
        LIMIT, Provider, eventually,
        provider::{completion, error},
        server::{Account, TestServer},
    },
};

/// So many generations run at the same time.
fn server(provider: &Provider, concurrency: usize) -> TestServer {
    let builder = TestServer::builder().provider(provider);
    builder.config(|config| config.queues.generation_create.concurrency = concurrency).start()
}

fn scope(server: &TestServer, account: &Account) -> AccountScope {
    accounts::scope(&server.app(), account.id.parse().unwrap()).unwrap()
}

fn post(account: &Account, body: &Value) {
    account.client.post(BATCHES, body).expect(202);
}

/// Runs it on a thread of its own.
fn start(app: &Arc<App>, scope: AccountScope, payload: Value) -> JoinHandle<Value> {
    let app = Arc::clone(app);
    std::thread::spawn(move || run_with(&app, scope, BatchAiProcessor, &payload).unwrap())
}

/// How many jobs wait in the background.
fn in_background(server: &TestServer) -> i64 {
    let sql = "select count(*) from queue where queue = 2 and lane < 0";
    server.outside().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn result(taken: u64, more: &Value) -> Value {
    let mut result = json!({"taken": taken, "succeeded": 0, "failed": 0, "canceled": 0, "expired": 0,
        "pending": 0, "complete": true});
    for (name, count) in more.as_object().unwrap() {
        result[name] = count.clone();
    }
    result
}

#[test]
fn requests_come_forward_in_groups_and_begin_before_others() {
    let provider = Provider::start();
    let server = server(&provider, 1);
    let (busy, account) = (server.account(), server.account());
    provider.always(completion("x").held());
    post(&busy, &batch(20, &json!({"user": "busy"})));
    provider.wait_for_in_flight(1);
    post(&account, &batch(5, &json!({"user": "ours"})));
    let before = in_background(&server);
    let app = server.app();
    let running = start(&app, scope(&server, &account), json!({"size": 2}));
    // No more than a group comes forward before it is over.
    eventually("a group came forward", || (in_background(&server) == before - 2).then_some(()));
    provider.always(completion("x"));
    provider.release();
    // One may begin by itself between two groups.
    let told = running.join().unwrap();
    let taken = told["taken"].as_u64().unwrap();
    assert_eq!(told, result(taken, &json!({ "succeeded": taken })));
    assert!((3..=5).contains(&taken), "{told}");
    let calls = provider.received();
    let users: Vec<_> =
        calls.iter().map(|call| call.json()["user"].as_str().unwrap().to_owned()).collect();
    let last = users.iter().rposition(|user| user == "ours").unwrap();
    let passed = users[..last].iter().filter(|user| *user == "busy").count();
    // The one that ran already, and what may begin while a group ends and the next is taken.
    assert!(passed <= 1 + 3 * 2, "{users:?}");
    eventually("the other batch went on", || (in_background(&server) == 0).then_some(()));
    provider.wait_for_calls(25, LIMIT);
}

#[test]
fn it_tells_what_became_of_them() {
    let provider = Provider::start();
    let server = server(&provider, 4);
    let account = server.account();
    provider.answer_with(|call| match call.json()["user"].as_str().unwrap() {
        "refused" => error(400, "no"),
        "down" => error(500, "oops"),
        _ => completion("done"),
    });
    server.set_paused("generation.create", true);
    let users = ["a", "refused", "down", "b"];
    let requests: Vec<_> =
        users.iter().enumerate().map(|(n, user)| request(n, &json!({"user": user}))).collect();
    post(&account, &json!({ "requests": requests }));
    let single = account.post_job(&json!({"user": "single"}));
    let app = server.app();
    let ours = scope(&server, &account);
    let running = start(&app, ours, json!(null));
    eventually("they came forward", || (in_background(&server) == 0).then_some(()));
    server.set_paused("generation.create", false);
    // One that failed for now is not waited for.
    let told = running.join().unwrap();
    let is_over = |pending: u64, failed: u64| {
        result(4, &json!({"succeeded": 2, "failed": failed, "pending": pending}))
    };
    assert!(told == is_over(1, 1) || told == is_over(0, 2), "{told}");
    assert_eq!(account.wait_job(&single)["status"], "succeeded");
    assert_eq!(run(&app, ours, BatchAiProcessor), result(0, &json!({})));
    for job in account.list("/v1/jobs") {
        account.wait_job(&job);
    }
}

#[test]
fn a_run_brings_forward_no_more_than_it_is_told() {
    let provider = Provider::start();
    let server = server(&provider, 1);
    let account = server.account();
    server.set_paused("generation.create", true);
    post(&account, &batch(9, &json!({})));
    let app = server.app();
    let running = start(&app, scope(&server, &account), json!({"size": 2, "limit": 5}));
    eventually("a group came forward", || (in_background(&server) == 7).then_some(()));
    // A batch of another account is none of its business.
    let other = server.account();
    assert_eq!(run(&app, scope(&server, &other), BatchAiProcessor), result(0, &json!({})));
    server.set_paused("generation.create", false);
    assert_eq!(running.join().unwrap(), result(5, &json!({"succeeded": 5})));
    provider.wait_for_calls(9, LIMIT);
    for job in account.list("/v1/jobs") {
        account.wait_job(&job);
    }
    assert_eq!(provider.received().len(), 9);
}

#[test]
fn two_runs_at_once_take_each_request_once() {
    let provider = Provider::start();
    let server = server(&provider, 3);
    let account = server.account();
    post(&account, &batch(60, &json!({})));
    let (app, ours) = (server.app(), scope(&server, &account));
    let runs = [7, 3].map(|size| start(&app, ours, json!({ "size": size })));
    let runs = runs.map(|run| run.join().unwrap());
    let taken: u64 = runs.iter().map(|told| told["taken"].as_u64().unwrap()).sum();
    let succeeded: u64 = runs.iter().map(|told| told["succeeded"].as_u64().unwrap()).sum();
    assert!(taken <= 60 && succeeded == taken, "{runs:?}");
    for job in account.list("/v1/jobs") {
        assert_eq!(account.wait_job(&job)["status"], "succeeded");
    }
    assert_eq!(provider.received().len(), 60, "each ran once");
}

#[test]
fn canceled_requests_are_waited_for_no_longer() {
    let provider = Provider::start();
    let server = server(&provider, 1);
    let account = server.account();
    server.set_paused("generation.create", true);
    post(&account, &batch(3, &json!({})));
    let app = server.app();
    let running = start(&app, scope(&server, &account), json!(null));
    eventually("they came forward", || (in_background(&server) == 0).then_some(()));
    let made = account.list(BATCHES).remove(0);
    let path = format!("{BATCHES}/{}/cancel", made["id"].as_str().unwrap());
    account.client.post(&path, &json!({})).expect(200);
    assert_eq!(running.join().unwrap(), result(3, &json!({"canceled": 3})));
    server.set_paused("generation.create", false);
}

#[test]
fn a_run_ends_with_its_time_and_the_requests_go_on() {
    let provider = Provider::start();
    let server = TestServer::builder()
        .provider(&provider)
        .config(|config| config.queues.task_run.max_runtime = Duration::from_secs(1))
        .start();
    let account = server.account();
    server.set_paused("generation.create", true);
    post(&account, &batch(12, &json!({})));
    let (app, ours) = (server.app(), scope(&server, &account));
    let told = run(&app, ours, BatchAiProcessor);
    assert_eq!(told, result(10, &json!({"pending": 10, "complete": false})));
    // What came forward stays there over a restart.
    drop(app);
    let server = server.restart();
    let account = account.at(&server);
    assert_eq!(in_background(&server), 2);
    server.set_paused("generation.create", false);
    for job in account.list("/v1/jobs") {
        assert_eq!(account.wait_job(&job)["status"], "succeeded");
    }
}

#[test]
fn a_server_that_stops_is_not_held_up() {
    let provider = Provider::start();
    let server = server(&provider, 1);
    let account = server.account();
    server.set_paused("generation.create", true);
    post(&account, &batch(2, &json!({})));
    let app = server.app();
    let ours = scope(&server, &account);
    let running = std::thread::spawn(move || run_with(&app, ours, BatchAiProcessor, &json!(null)));
    eventually("they came forward", || (in_background(&server) == 0).then_some(()));
    let server = server.restart();
    // Another attempt goes on.
    assert_eq!(running.join().unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    server.set_paused("generation.create", false);
    let account = account.at(&server);
    for job in account.list("/v1/jobs") {
        assert_eq!(account.wait_job(&job)["status"], "succeeded");
    }
}
