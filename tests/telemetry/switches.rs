//! What is recorded of invocations: whose, how much and what not.

use serde_json::{Value, json};
use skai_server::{config::Config, domain::json::Places};

use crate::support::{
    client::Client,
    server::{Account, TestServer},
};

/// The id of a job that succeeded.
fn ended(client: &Client, body: &Value) -> Value {
    let job = client.post("/v1/jobs/generations", body).expect(202).json();
    let path = format!("/v1/jobs/{}?wait=20", job["id"].as_str().unwrap());
    assert_eq!(client.get(&path).expect(200).json()["status"], "succeeded");
    job["id"].clone()
}

fn run(client: &Client, text: &str) -> Value {
    let body = json!({"model": "sandbox", "messages": [{"role": "user", "content": text}]});
    ended(client, &body)
}

fn recorded(client: &Client, job: &Value) -> Option<Value> {
    let events = client.get(&format!("/v1/usage/events?job_id={}", job.as_str().unwrap()));
    assert_eq!(events.expect(200).json()["data"].as_array().unwrap().len(), 1);
    let path = format!("/v1/invocations?job_id={}", job.as_str().unwrap());
    client.get(&path).expect(200).json()["data"].get(0).cloned()
}

#[test]
fn a_project_says_so_before_its_account_and_that_before_the_server() {
    for by_default in [true, false] {
        let server = TestServer::builder()
            .config(|config: &mut Config| config.telemetry.invocations.enabled = by_default)
            .start();
        let Account { id, client } = server.account();
        let is_recorded = || recorded(&client, &run(&client, "Hello")).is_some();
        assert_eq!(is_recorded(), by_default);
        let account = format!("/admin/v1/accounts/{id}");
        let operator = server.operator();
        let set = |on: Value| {
            operator.patch(&account, &json!({"record_invocations": on})).expect(200).json()
        };
        assert_eq!(set(json!(!by_default))["record_invocations"], !by_default);
        assert_eq!(is_recorded(), !by_default);
        let project = client.get("/v1/projects").expect(200).json()["data"][0]["id"].clone();
        let project = format!("/v1/projects/{}", project.as_str().unwrap());
        let changed =
            client.patch(&project, &json!({"record_invocations": by_default})).expect(200).json();
        assert_eq!(changed["record_invocations"], by_default);
        assert_eq!(is_recorded(), by_default);
        client.patch(&project, &json!({"record_invocations": null})).expect(200);
        assert_eq!(is_recorded(), !by_default);
        set(Value::Null);
        assert_eq!(is_recorded(), by_default);
    }
}

#[test]
fn a_project_that_is_made_later_follows_its_account_too() {
    let server = TestServer::start();
    let account = server.account();
    let path = format!("/admin/v1/accounts/{}", account.id);
    server.operator().patch(&path, &json!({"record_invocations": false})).expect(200);
    assert_eq!(recorded(&account.client, &run(&account.client, "Hello")), None);
    let later = account.client.post("/v1/projects", &json!({"name": "later"})).expect(201).json();
    let later = account.in_project(&server, &later);
    assert_eq!(recorded(&later.client, &run(&later.client, "Hello")), None);
}

#[test]
fn a_test_project_has_its_own_switch() {
    let server = TestServer::start();
    let account = server.account();
    let project = json!({"name": "try", "environment": "test", "record_invocations": false});
    let project = account.client.post("/v1/projects", &project).expect(201).json();
    let key = server.key(&account.id, &json!(["*"]), &json!({"project_id": project["id"]}));
    let tester = server.client().with_key(&key);
    assert_eq!(recorded(&tester, &run(&tester, "Hello")), None);
    assert!(recorded(&account.client, &run(&account.client, "Hello")).is_some());
}

#[test]
fn what_is_to_be_left_out_is_and_a_long_payload_is_cut() {
    let server = TestServer::builder()
        .config(|config: &mut Config| {
            let invocations = &mut config.telemetry.invocations;
            invocations.redact = vec![Places::parse("$.messages[*].content").unwrap()];
            invocations.max_payload = 1_024;
        })
        .start();
    let account = server.account();
    let job = run(&account.client, "between us");
    let invocation = recorded(&account.client, &job).unwrap();
    assert_eq!(invocation["input_payload"]["messages"][0]["content"], "[redacted]");
    let metadata = json!({"long": "x".repeat(2_000)});
    let body = json!({"model": "sandbox", "messages": [{"role": "user", "content": "between us"}], "metadata": metadata});
    let job = ended(&account.client, &body);
    let invocation = recorded(&account.client, &job).unwrap();
    let cut = &invocation["input_payload"]["_truncated"];
    assert!(cut["bytes"].as_u64().unwrap() > 2_000, "{invocation}");
    assert_eq!(cut["beginning"].as_str().unwrap().len(), 1_024);
    assert!(!invocation["input_payload"].to_string().contains("between us"));
}
