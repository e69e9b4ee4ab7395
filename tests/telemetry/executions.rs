//! A record of each execution, and of what it was asked and answered.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Provider,
    provider::{completion_with_usage, error},
    server::{Account, TestServer},
};

const JOBS: &str = "/v1/jobs/generations";
const OFFICIAL: &str = "00000000-0000-0000-0000-000000000001";
const ADA: &str = "0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";

fn body(more: &Value) -> Value {
    let mut body =
        json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Runs a job to its end; gives its id.
fn run(account: &Account, more: &Value) -> Value {
    ended(account, &account.client.post(JOBS, &body(more)).expect(202).json())["id"].clone()
}

/// The job when it is over.
fn ended(account: &Account, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}?wait=20", job["id"].as_str().unwrap());
    let job = account.client.get(&path).expect(200).json();
    assert!(job["finished_at"].is_string(), "{job}");
    job
}

fn events(account: &Account, query: &str) -> Vec<Value> {
    let page = account.client.get(&format!("/v1/usage/events{query}")).expect(200).json();
    page["data"].as_array().unwrap().clone()
}

fn invocations(account: &Account, query: &str) -> Vec<Value> {
    let page = account.client.get(&format!("/v1/invocations{query}")).expect(200).json();
    page["data"].as_array().unwrap().clone()
}

#[test]
fn a_success_is_recorded_with_what_it_was_asked_and_answered() {
    let provider = Provider::start();
    provider.say("{\"n\": 7}");
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let job = run(
        &account,
        &json!({"user": ADA, "output_schema": schema, "metadata": {"token": "t", "n": 1}}),
    );
    let [event] = &events(&account, "")[..] else { panic!() };
    for (name, expected) in [
        ("object", json!("usage_event")),
        ("job_id", job.clone()),
        ("user_uid", json!(ADA)),
        ("skill_name", json!("m")),
        ("display_name", json!("m")),
        ("source_skill_uid", json!(OFFICIAL)),
        ("status_code", json!(200)),
        ("execution_status", json!("SUCCESS")),
        ("error_code", Value::Null),
        ("tags", json!([])),
    ] {
        assert_eq!(event[name], expected, "{name}");
    }
    assert!(event["cost"].as_f64().unwrap() > 0.0, "{event}");
    let metadata = &event["metadata"];
    assert_eq!(metadata["original_skill"], "m");
    assert_eq!(metadata.get("original_user"), None);
    assert_eq!(
        (&metadata["attempts"], &metadata["retries"], &metadata["repairs"]),
        (&json!(1), &json!(0), &json!(0))
    );
    assert_eq!(
        (&metadata["prompt_tokens"], &metadata["completion_tokens"]),
        (&json!(10), &json!(5))
    );
    assert_eq!((&metadata["provider"], &metadata["answered_by"]), (&json!("test"), &json!("m")));
    assert!(metadata["queue_wait_ms"].is_u64() && metadata["provider_ms"].is_u64(), "{metadata}");

    let [invocation] = &invocations(&account, "")[..] else { panic!() };
    assert_eq!((&invocation["id"], &invocation["job_id"]), (&event["id"], &job));
    assert_eq!(
        (&invocation["status"], &invocation["skill_uid"]),
        (&json!("success"), &json!(OFFICIAL))
    );
    let input = &invocation["input_payload"];
    assert_eq!(input["messages"], json!([{"role": "user", "content": "Hello"}]));
    assert_eq!(input["parameters"]["max_tokens"], 50);
    assert_eq!(input["metadata"], json!({"token": "[redacted]", "n": 1}));
    assert_eq!(input["_meta"], json!({"original_skill": "m"}));
    assert_eq!(invocation["output_payload"]["output"], json!({"n": 7}));
    let path = format!("/v1/invocations/{}", invocation["id"].as_str().unwrap());
    assert_eq!(account.client.get(&path).expect(200).json(), *invocation);
}

#[test]
fn an_agent_is_the_skill_and_another_name_of_a_user_is_kept() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let agent = json!({"name": "greeter", "model": "m", "tags": ["a", "b"],
        "messages": [{"role": "user", "content": "Greet {{ input.name }}"}]});
    let agent = account.client.post("/v1/agents", &agent).expect(201).json();
    let input = json!({"input": {"name": "Ada"}, "user": "ada"});
    ended(&account, &account.client.post("/v1/agents/greeter/runs", &input).expect(202).json());
    let [event] = &events(&account, "?skill_name=greeter")[..] else { panic!() };
    assert_eq!((&event["source_skill_uid"], &event["tags"]), (&agent["id"], &json!(["a", "b"])));
    assert_eq!(
        (&event["user_uid"], &event["metadata"]["original_user"]),
        (&json!(OFFICIAL), &json!("ada"))
    );
    assert_eq!(
        (event["metadata"].get("original_skill"), &event["metadata"]["agent_version"]),
        (None, &json!(1))
    );
    let [invocation] = &invocations(&account, "")[..] else { panic!() };
    assert_eq!(invocation["input_payload"]["_meta"], json!({"original_user": "ada"}));
    assert_eq!(invocation["input_payload"]["messages"][0]["content"], "Greet Ada");
}

#[test]
fn a_failure_is_recorded_with_its_way() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    provider.always(error(400, "no such thing"));
    let job = run(&account, &json!({}));
    let [event] = &events(&account, "?execution_status=FAILED")[..] else { panic!() };
    assert_eq!(
        (&event["job_id"], &event["error_code"], &event["status_code"]),
        (&job, &json!("BAD_REQUEST"), &json!(400))
    );
    assert_eq!((&event["cost"], &event["user_uid"]), (&json!(0), &json!(account.id)));
    assert_eq!(event["metadata"]["tried"][0]["code"], "BAD_REQUEST");
    let [invocation] = &invocations(&account, "?status=error")[..] else { panic!() };
    assert_eq!(invocation["output_payload"]["error"]["code"], "BAD_REQUEST");
    assert!(invocations(&account, "?status=success").is_empty());

    provider.always(error(500, "broken"));
    let after = event["created_at"].as_str().unwrap().to_owned();
    run(&account, &json!({}));
    let latest = &events(&account, &format!("?created_after={after}"))[0];
    assert_eq!(
        (&latest["error_code"], &latest["status_code"]),
        (&json!("SERVER_ERROR"), &json!(502))
    );
    assert!(latest["metadata"]["retries"].as_u64().unwrap() > 0, "{latest}");
}

#[test]
fn what_was_canceled_or_expired_before_a_call_was_skipped() {
    let server = TestServer::builder()
        .config(|config| config.queues.generation_create.ttl = Duration::from_secs(1))
        .start();
    let account = server.account();
    server.set_paused("generation.create", true);
    let job = account.client.post(JOBS, &body(&json!({}))).expect(202).json();
    let path = format!("/v1/jobs/{}/cancel", job["id"].as_str().unwrap());
    account.client.send("POST", &path, &[], None).expect(200);
    let expired = account.client.post(JOBS, &body(&json!({}))).expect(202).json();
    assert_eq!(ended(&account, &expired)["status"], "expired");
    let told = events(&account, "?execution_status=SKIPPED");
    let told: Vec<_> =
        told.iter().map(|it| (&it["error_code"], &it["status_code"], &it["latency_ms"])).collect();
    assert_eq!(
        told,
        [(&json!("EXPIRED"), &json!(504), &json!(0)), (&json!("CANCELED"), &json!(499), &json!(0))]
    );
    // Nothing was asked.
    assert!(invocations(&account, "").is_empty());
}

#[test]
fn a_call_that_its_client_waits_for_is_an_execution_too() {
    let provider = Provider::start();
    provider.always(completion_with_usage("Hi", 100, 2));
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    account.client.post("/v1/chat/completions", &body(&json!({"user": "ada"}))).expect(200);
    let [event] = &events(&account, "")[..] else { panic!() };
    assert_eq!(
        (&event["execution_status"], &event["metadata"]["prompt_tokens"]),
        (&json!("SUCCESS"), &json!(100))
    );
    assert_eq!(invocations(&account, "")[0]["output_payload"]["output_text"], "Hi");
}

#[test]
fn what_a_limit_was_in_the_way_of_was_skipped() {
    let server = TestServer::start();
    let poor = server.account_with(&json!(0));
    poor.client.post(JOBS, &body(&json!({"user": "ada"}))).expect(402);
    poor.client.post("/v1/chat/completions", &body(&json!({}))).expect(429);
    poor.client.post(JOBS, &json!({"model": "m"})).expect(400);
    let key = server.key(&poor.id, &json!(["*"]), &json!({"rate_limit": "1,1h"}));
    let limited = server.client().with_key(&key);
    limited.post("/v1/agents/greeter/runs", &json!({"input": {}})).expect(404);
    limited.post("/v1/agents/greeter/runs", &json!({"input": {}})).expect(429);
    let told = events(&poor, "?execution_status=SKIPPED");
    let told: Vec<_> = told
        .iter()
        .map(|it| (&it["error_code"], &it["status_code"], &it["skill_name"], &it["job_id"]))
        .collect();
    let (limit, credits) = (json!("RATE_LIMIT"), json!("INSUFFICIENT_CREDITS"));
    assert_eq!(
        told,
        [
            (&limit, &json!(429), &json!("greeter"), &Value::Null),
            (&credits, &json!(402), &json!("m"), &Value::Null),
            (&credits, &json!(402), &json!("m"), &Value::Null),
        ]
    );
    let first = events(&poor, "?skill_name=m").pop().unwrap();
    assert_eq!(first["metadata"]["original_user"], "ada");
    assert_eq!(first["metadata"]["original_skill"], "m");
    assert_eq!(events(&poor, "").len(), 3);
}

#[test]
fn records_are_listed_in_pages_and_are_nobody_elses() {
    let server = TestServer::start();
    let (account, other) = (server.account(), server.account());
    let sandbox = json!({"model": "sandbox"});
    let jobs: Vec<Value> = (0..5).map(|_| run(&account, &sandbox)).collect();
    run(&other, &sandbox);
    for list in ["/v1/usage/events", "/v1/invocations"] {
        let (mut seen, mut path) = (Vec::new(), format!("{list}?limit=2"));
        loop {
            let page = account.client.get(&path).expect(200).json();
            seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["job_id"].clone()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            path = format!("{list}?limit=2&cursor={next}");
        }
        assert_eq!(seen, jobs.iter().rev().cloned().collect::<Vec<_>>(), "{list}");
    }
    let mine = invocations(&account, "?limit=1")[0]["id"].as_str().unwrap().to_owned();
    other.client.get(&format!("/v1/invocations/{mine}")).expect(404);
    assert_eq!(events(&other, "").len(), 1);
    for (path, param) in [
        ("/v1/usage/events?execution_status=success", "execution_status"),
        ("/v1/usage/events?job_id=7", "job_id"),
        ("/v1/usage/events?created_after=yesterday", "created_after"),
        ("/v1/invocations?status=ok", "status"),
        ("/v1/invocations?cursor=7", "cursor"),
    ] {
        let refused = account.client.get(path).expect(400).json();
        assert_eq!(refused["error"]["param"], param);
    }
}
