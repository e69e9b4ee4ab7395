//! Runs of agents as requests of a batch.

use serde_json::{Value, json};

use super::{BATCHES, post, request, wait};
use crate::{
    api::conventions::refused,
    support::{
        Provider,
        server::{Account, TestServer},
    },
};

fn run(n: usize, more: &Value) -> Value {
    let mut run = json!({"custom_id": format!("run {n}"), "agent": "greeter"});
    for (key, value) in more.as_object().unwrap() {
        run[key] = value.clone();
    }
    run
}

fn make_agent(account: &Account) {
    let agent = |greeting: &str| {
        json!({"model": "m", "messages": [{"role": "user", "content": format!("{greeting} {{{{ input.name }}}}")}],
            "input_schema": {"type": "object", "required": ["name"]}})
    };
    let mut first = agent("Hello");
    first["name"] = json!("greeter");
    account.client.post("/v1/agents", &first).expect(201);
    account.client.post("/v1/agents/greeter/versions", &agent("Goodbye")).expect(201);
}

#[test]
fn runs_of_agents_and_generations_go_together() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    make_agent(&account);
    let requests = [
        run(0, &json!({"input": {"name": "Ann"}})),
        request(1, &json!({"agent": null})),
        run(
            2,
            &json!({"input": {"name": "Bob"}, "version": 1, "user": "u", "priority": 3,
            "metadata": {"a": 1}}),
        ),
    ];
    let made = post(&account, &json!({ "requests": requests }));
    assert_eq!(wait(&account, &made)["counts"]["succeeded"], 3);
    let said = |job: &Value| job["messages"][0]["content"].clone();
    // Newest first.
    let jobs = account.list("/v1/jobs");
    assert_eq!(jobs.iter().map(said).collect::<Vec<_>>(), ["Hello Bob", "hi", "Goodbye Ann"]);
    assert_eq!(jobs[0]["agent"], json!({"name": "greeter", "version": 1}));
    assert_eq!((&jobs[0]["user"], &jobs[0]["metadata"]), (&json!("u"), &json!({"a": 1})));
    assert_eq!((&jobs[1]["agent"], &jobs[2]["agent"]["version"]), (&Value::Null, &json!(2)));
}

#[test]
fn what_is_wrong_with_a_run_is_named() {
    let server = TestServer::start();
    let account = server.account();
    make_agent(&account);
    let good = || run(0, &json!({"input": {"name": "Ann"}}));
    for (bad, status, code, param) in [
        (json!({"input": {}}), 422, "INPUT_SCHEMA_MISMATCH", "requests/1/input"),
        (
            json!({"input": {"name": "Ann"}, "version": 9}),
            400,
            "INVALID_REQUEST",
            "requests/1/agent",
        ),
        (json!({"agent": "nobody"}), 400, "INVALID_REQUEST", "requests/1/agent"),
        (json!({"agent": 7}), 400, "INVALID_REQUEST", "requests/1/agent"),
        (json!({"model": "m"}), 400, "INVALID_REQUEST", "requests/1/model"),
        (json!({"priority": 101}), 400, "INVALID_REQUEST", "requests/1/priority"),
    ] {
        let body = json!({"requests": [good(), run(1, &bad)]});
        let error = refused(&account.client.post(BATCHES, &body), status, code);
        assert_eq!(error["param"], param, "{error}");
    }
    let body = json!({"requests": [good()]});
    let first = account.client.post_once(BATCHES, "k", &body).expect(202);
    account.client.delete("/v1/agents/greeter").expect(204);
    let error = refused(&account.client.post(BATCHES, &body), 409, "CONFLICT");
    assert_eq!(error["param"], "requests/0/agent");
    let again = account.client.post_once(BATCHES, "k", &body).expect(202);
    assert_eq!(again.body, first.body, "what was accepted before is answered as before");
    assert_eq!(account.list("/v1/jobs").len(), 1);
}

/// A short run of an agent is a long prompt, and thousands of them would fill the memory.
#[test]
fn the_prompts_of_a_batch_are_bounded_together() {
    let server =
        TestServer::builder().config(|config| config.batches.body_limit = 256 << 10).start();
    let account = server.account();
    let long = json!({"role": "system", "content": "x".repeat(60 << 10)});
    let agent = json!({"name": "wordy", "model": "m", "messages": [long]});
    account.client.post("/v1/agents", &agent).expect(201);
    let runs = |count: usize| {
        let run = |n| json!({"custom_id": format!("run {n}"), "agent": "wordy"});
        json!({"requests": (0..count).map(run).collect::<Vec<_>>()})
    };
    let error = refused(&account.client.post(BATCHES, &runs(5)), 400, "INVALID_REQUEST");
    assert_eq!(error["param"], "requests/4", "{error}");
    post(&account, &runs(4));
    let case = |_| json!({"input": {}, "expect": {"status": "succeeded"}});
    let eval = json!({"name": "e", "cases": (0..5).map(case).collect::<Vec<_>>()});
    let made = account.client.post("/v1/agents/wordy/evals", &eval).expect(201).json();
    let runs = format!("/v1/agents/wordy/evals/{}/runs", made["id"].as_str().unwrap());
    refused(&account.client.post(&runs, &json!({})), 400, "INVALID_REQUEST");
}
