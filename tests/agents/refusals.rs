//! What agents refuse, each with the field that is wrong.

use serde_json::{Value, json};

use super::{agent, set_up, version};
use crate::support::client::Reply;

#[track_caller]
fn refused(reply: Reply, status: u16, code: &str, param: Option<&str>) -> Value {
    let error = reply.expect(status).json()["error"].clone();
    assert_eq!(error["code"], code, "{error}");
    assert_eq!(error["param"].as_str(), param, "{error}");
    error
}

#[test]
fn a_definition_that_cannot_work_is_refused() {
    let (_server, account, _provider) = set_up();
    let says = |content: &str| json!([{"role": "user", "content": content}]);
    let far = json!({"$ref": "https://example.com/schema.json"});
    let refusals = [
        (json!({"model": "none"}), "UNKNOWN_MODEL", "model"),
        (json!({"model": "unpriced"}), "MODEL_NOT_PRICED", "model"),
        (json!({"fallback_models": ["m", "none"]}), "UNKNOWN_MODEL", "fallback_models/1"),
        (json!({"fallback_models": ["unpriced"]}), "MODEL_NOT_PRICED", "fallback_models/0"),
        (json!({"input_schema": {"type": "text"}}), "INVALID_SCHEMA", "input_schema"),
        (json!({"output_schema": far}), "INVALID_SCHEMA", "output_schema"),
        (json!({"output_schema": true}), "INVALID_SCHEMA", "output_schema"),
        (json!({"messages": []}), "INVALID_REQUEST", "messages"),
        (json!({"messages": says("{{ input.name")}), "INVALID_REQUEST", "messages/0/content"),
        (json!({"messages": says("{{ other }}")}), "INVALID_REQUEST", "messages/0/content"),
        (
            json!({"messages": says("{{ input.nam.e }}"), "input_schema": {"properties": {}}}),
            "INVALID_REQUEST",
            "messages/0/content",
        ),
        (json!({"messages": says(&"x".repeat(65_537))}), "INVALID_REQUEST", "messages/0/content"),
        (
            json!({"messages": [{"role": "bot", "content": ""}]}),
            "INVALID_REQUEST",
            "messages/0/role",
        ),
        (json!({"temperature": -1}), "INVALID_REQUEST", "temperature"),
        (json!({"max_tokens": 0}), "INVALID_REQUEST", "max_tokens"),
        (json!({"timeout_ms": 600_001}), "INVALID_REQUEST", "timeout_ms"),
        (json!({"max_repairs": 11}), "INVALID_REQUEST", "max_repairs"),
        (json!({"tags": vec!["t"; 33]}), "INVALID_REQUEST", "tags"),
        (json!({"description": "x".repeat(2_001)}), "INVALID_REQUEST", "description"),
        (json!({"extra": 1}), "INVALID_REQUEST", "extra"),
    ];
    account.client.post("/v1/agents", &agent(&json!({}))).expect(201);
    for (change, code, param) in &refusals {
        let mut new = agent(change);
        new["name"] = json!("other");
        refused(account.client.post("/v1/agents", &new), 400, code, Some(param));
        let reply = account.client.post("/v1/agents/greeter/versions", &version(change));
        refused(reply, 400, code, Some(param));
    }
    for name in ["", "A", "a.b", "-a", &"a".repeat(65)] {
        let new = agent(&json!({"name": name}));
        refused(account.client.post("/v1/agents", &new), 400, "INVALID_REQUEST", Some("name"));
    }
    assert_eq!(account.list("/v1/agents").len(), 1);
    assert_eq!(account.list("/v1/agents/greeter/versions").len(), 1);
}

#[test]
fn the_line_of_a_bad_template_is_named() {
    let (_server, account, _provider) = set_up();
    let messages = json!([{"role": "user", "content": "one\ntwo {{ input.name | shout }}"}]);
    let reply = account.client.post("/v1/agents", &agent(&json!({"messages": messages})));
    let error = refused(reply, 400, "INVALID_REQUEST", Some("messages/0/content"));
    assert!(error["message"].as_str().unwrap().contains("line 2: there is no filter `shout`"));
}

#[test]
fn a_name_is_taken_for_ever() {
    let (_server, account, _provider) = set_up();
    account.client.post("/v1/agents", &agent(&json!({}))).expect(201);
    let again = || account.client.post("/v1/agents", &agent(&json!({})));
    let error = refused(again(), 409, "CONFLICT", Some("name"));
    assert!(error["message"].as_str().unwrap().contains("exists"));
    account.client.delete("/v1/agents/greeter").expect(204);
    let error = refused(again(), 409, "CONFLICT", Some("name"));
    assert!(error["message"].as_str().unwrap().contains("archived"));
}

#[test]
fn an_archived_agent_takes_nothing_new() {
    let (_server, account, _provider) = set_up();
    account.client.post("/v1/agents", &agent(&json!({}))).expect(201);
    account.client.delete("/v1/agents/greeter").expect(204);
    for (path, body) in [
        ("runs", json!({"input": {"name": "ada"}})),
        ("versions", version(&json!({}))),
        ("activate", json!({"version": 1})),
    ] {
        let reply = account.client.post(&format!("/v1/agents/greeter/{path}"), &body);
        refused(reply, 409, "CONFLICT", None);
    }
}

#[test]
fn an_input_that_does_not_match_makes_no_job() {
    let (_server, account, provider) = set_up();
    account.client.post("/v1/agents", &agent(&json!({}))).expect(201);
    let run = |body: &Value| account.client.post("/v1/agents/greeter/runs", body);
    for (body, path, schema_path) in [
        (json!({"input": {"name": 7}}), "/name", "/properties/name/type"),
        (json!({"input": {}}), "", "/required"),
        (json!({"input": null}), "", "/type"),
        (json!({}), "", "/required"),
    ] {
        let error = refused(run(&body), 422, "INPUT_SCHEMA_MISMATCH", Some("input"));
        assert_eq!(error["details"][0]["path"], path, "{error}");
        assert_eq!(error["details"][0]["schema_path"], schema_path, "{error}");
        assert!(error["details"][0]["message"].is_string());
    }
    for (body, param) in [
        (json!({"input": {"name": "a"}, "user": ""}), "user"),
        (json!({"input": {"name": "a"}, "priority": 101}), "priority"),
        (json!({"input": {"name": "a"}, "metadata": []}), "metadata"),
        (json!({"input": {"name": "a"}, "run_at": "2199-01-01T00:00:00Z"}), "run_at"),
        (json!({"input": {"name": "a"}, "model": "m"}), "model"),
    ] {
        refused(run(&body), 400, "INVALID_REQUEST", Some(param));
    }
    let wait = "/v1/agents/greeter/runs?wait=61";
    let reply = account.client.post(wait, &json!({"input": {"name": "a"}}));
    refused(reply, 400, "INVALID_REQUEST", Some("wait"));
    assert!(account.list("/v1/jobs").is_empty());
    assert!(provider.received().is_empty());
}

#[test]
fn what_a_template_misses_is_named() {
    let (_server, account, _provider) = set_up();
    let messages = json!([{"role": "user", "content": "{{ input.rows[1].id }}"}]);
    let new = agent(&json!({"messages": messages, "input_schema": null}));
    account.client.post("/v1/agents", &new).expect(201);
    let body = json!({"input": {"rows": [{"id": 1}, {}]}});
    let reply = account.client.post("/v1/agents/greeter/runs", &body);
    let error = refused(reply, 422, "INPUT_SCHEMA_MISMATCH", Some("input"));
    assert_eq!(error["details"][0]["path"], "/rows/1/id");
    assert!(account.list("/v1/jobs").is_empty());
}

#[test]
fn what_is_not_there_is_not_found() {
    let (server, account, _provider) = set_up();
    account.client.post("/v1/agents", &agent(&json!({}))).expect(201);
    let stranger = server.account();
    let input = json!({"input": {"name": "a"}});
    for (client, name) in
        [(&account, "other"), (&account, "Not%20a%20name"), (&stranger, "greeter")]
    {
        let client = &client.client;
        let one = format!("/v1/agents/{name}");
        refused(client.get(&one), 404, "NOT_FOUND", None);
        refused(client.get(&format!("{one}/versions")), 404, "NOT_FOUND", None);
        refused(client.get(&format!("{one}/versions/1")), 404, "NOT_FOUND", None);
        refused(client.post(&format!("{one}/runs"), &input), 404, "NOT_FOUND", None);
        let reply = client.post(&format!("{one}/activate"), &json!({"version": 1}));
        refused(reply, 404, "NOT_FOUND", None);
        let reply = client.post(&format!("{one}/versions"), &version(&json!({})));
        refused(reply, 404, "NOT_FOUND", None);
        refused(client.delete(&one), 404, "NOT_FOUND", None);
    }
    for n in ["0", "2", "x", "-1", "4294967296"] {
        let path = format!("/v1/agents/greeter/versions/{n}");
        refused(account.client.get(&path), 404, "NOT_FOUND", None);
    }
    let run = json!({"input": {"name": "a"}, "version": 2});
    let reply = account.client.post("/v1/agents/greeter/runs", &run);
    refused(reply, 404, "NOT_FOUND", None);
    for n in [0, 2] {
        let reply = account.client.post("/v1/agents/greeter/activate", &json!({"version": n}));
        refused(reply, 400, "INVALID_REQUEST", Some("version"));
    }
    assert!(stranger.list("/v1/agents").is_empty());
    stranger.client.post("/v1/agents", &agent(&json!({}))).expect(201);
}
