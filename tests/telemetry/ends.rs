//! Each execution leaves one record, however it ends.

use std::{io::Write as _, net::TcpStream};

use serde_json::{Value, json};

use crate::support::{
    Provider, eventually,
    provider::{completion, error},
    server::{Account, TestServer},
};

/// How the account's executions ended, oldest first: status and code.
fn ends(account: &Account) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut ends: Vec<_> = account
        .list("/v1/usage/events?limit=100")
        .iter()
        .map(|it| (text(&it["execution_status"]).unwrap(), text(&it["error_code"])))
        .collect();
    ends.reverse();
    ends
}

fn success() -> (String, Option<String>) {
    ("SUCCESS".to_owned(), None)
}

fn failed(code: &str) -> (String, Option<String>) {
    ("FAILED".to_owned(), Some(code.to_owned()))
}

fn skipped(code: &str) -> (String, Option<String>) {
    ("SKIPPED".to_owned(), Some(code.to_owned()))
}

fn rig() -> (Provider, TestServer, Account) {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    (provider, server, account)
}

fn call(more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn what_is_canceled_during_a_call_failed() {
    let (provider, _server, account) = rig();
    provider.queue(completion("late").held());
    let job = account.post_job(&json!({"model": "m"}));
    eventually("the call is made", || (provider.in_flight() > 0).then_some(()));
    account.deed(&job, "cancel").expect(200);
    provider.release();
    assert_eq!(ends(&account), [failed("CANCELED")]);
}

#[test]
fn a_job_that_is_retried_is_two_executions_and_a_replay_is_none() {
    let (provider, _server, account) = rig();
    provider.queue(error(400, "no"));
    let failing = account.run_job(&json!({"model": "m"}));
    account.deed(&failing, "retry").expect(202);
    assert_eq!(account.wait_job(&failing)["status"], "succeeded");
    assert_eq!(ends(&account), [failed("BAD_REQUEST"), success()]);
    for _ in 0..2 {
        account.client.post_once("/v1/chat/completions", "once", &call(&json!({}))).expect(200);
    }
    assert_eq!(ends(&account).len(), 3);
    let of_job = format!("/v1/usage/events?job_id={}", failing["id"].as_str().unwrap());
    assert_eq!(account.list(&of_job).len(), 2);
}

#[test]
fn a_call_that_its_provider_refuses_is_told_of_by_its_job_alone() {
    let (provider, _server, account) = rig();
    provider.always(error(429, "slow down"));
    account.client.post("/v1/chat/completions", &call(&json!({}))).expect(429);
    assert_eq!(ends(&account), [failed("RATE_LIMIT")]);
}

#[test]
fn streams_are_executions_too() {
    let (_provider, _server, account) = rig();
    let whole = call(&json!({"model": "sandbox", "stream": true}));
    account.client.post("/v1/chat/completions", &whole).expect(200);
    assert_eq!(ends(&account), [success()]);
}

#[test]
fn a_batch_that_is_canceled_skips_what_did_not_begin() {
    let (_provider, server, account) = rig();
    server.set_paused("generation.create", true);
    let batch = crate::batches::batch(3, &json!({}));
    let made = account.client.post(crate::batches::BATCHES, &batch).expect(202).json();
    let path = format!("{}/{}/cancel", crate::batches::BATCHES, made["id"].as_str().unwrap());
    account.client.send("POST", &path, &[], None);
    eventually("all are canceled", || (ends(&account).len() == 3).then_some(()));
    assert_eq!(ends(&account), vec![skipped("CANCELED"); 3]);
}

#[test]
fn a_scheduled_run_that_finds_no_credits_was_skipped() {
    let (_provider, server, _) = rig();
    let poor = server.account_with(&json!(0));
    let agent =
        json!({"name": "greeter", "model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    poor.client.post("/v1/agents", &agent).expect(201);
    let function = json!({"kind": "agent", "agent": "greeter"});
    poor.client.put("/v1/functions/greet", &function).expect(200);
    poor.client.post("/v1/scheduled-tasks", &json!({"function_name": "greet"})).expect(201);
    let end = eventually("an attempt is told of", || ends(&poor).first().cloned());
    assert_eq!(end, skipped("INSUFFICIENT_CREDITS"));
    assert_eq!(poor.list("/v1/usage/events?skill_name=greeter")[0]["job_id"], Value::Null);
}

#[test]
fn a_client_that_leaves_before_its_answer_is_in_the_log() {
    let (provider, server, account) = rig();
    provider.queue(completion("late").held());
    let body = call(&json!({})).to_string();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: here\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        account.client.authorization(),
        body.len()
    )
    .unwrap();
    eventually("the call is made", || (provider.in_flight() > 0).then_some(()));
    drop(stream);
    let row = eventually("the request is logged", || {
        account.list("/v1/logs?status=499").first().cloned()
    });
    assert_eq!((&row["route"], &row["bytes_out"]), (&json!("/v1/chat/completions"), &json!(0)));
    // What was begun ends as it would have.
    provider.release();
    assert_eq!(eventually("the job ends", || ends(&account).first().cloned()), success());
}
