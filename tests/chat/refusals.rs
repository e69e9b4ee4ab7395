//! Requests that are refused and calls that fail, in the words that clients of OpenAI's API know.

use std::time::Duration;

use serde_json::{Value, json};

use super::rig::{CHAT, Rig, error_of};
use crate::support::{
    Answer, Provider,
    client::Reply,
    provider::{TEXT, error},
    server::{TestServer, job},
};

fn is_futile(reply: &Reply) -> bool {
    reply.header("x-should-retry") == Some("false")
}

#[test]
fn what_is_wrong_in_a_request_is_named() {
    let rig = Rig::start();
    let user = json!({"role": "user", "content": "hi"});
    for (more, param) in [
        (json!({"mood": 1}), "mood"),
        (json!({"temperature": 3}), "temperature"),
        (json!({"temperature": "warm"}), "temperature"),
        (json!({"n": 2}), "n"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop"),
        (json!({"stop": 7}), "stop"),
        (json!({"stream_options": {"include_usage": true}}), "stream_options"),
        (json!({"stream": true, "stream_options": {"usage": true}}), "stream_options/usage"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "hi"}), "messages"),
        (json!({"messages": [user, {"role": "bot", "content": "x"}]}), "messages/1/role"),
        (json!({"messages": [{"role": "user"}]}), "messages/0/content"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages/0/tool_call_id"),
        (json!({"messages": [{"role": "user", "content": "x", "mood": 1}]}), "messages/0/mood"),
        (json!({"fallback_models": ["nothing"]}), "fallback_models/0"),
        (json!({"timeout_ms": 0}), "timeout_ms"),
        (json!({"metadata": [1]}), "metadata"),
        (json!({"model": ""}), "model"),
    ] {
        let reply = rig.ask(&more);
        let body = reply.json();
        assert!(matches!(reply.status, 400 | 404), "{more}: {body}");
        assert_eq!(body["error"]["param"], param, "{more}: {body}");
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert!(is_futile(&reply), "{more}");
    }
    let missing = rig.account.client.post(CHAT, &json!({"model": "m"})).expect(400).json();
    assert_eq!(error_of(&missing, "invalid_request")["param"], "messages");
    assert!(rig.provider.received().is_empty() && rig.account.list("/v1/jobs").is_empty());
}

#[test]
fn refusals_before_the_handler_have_the_same_form() {
    let rig = Rig::with(|config| config.http.body_limit = 4096);
    let client = &rig.account.client;
    let send = |headers: &[(&str, &str)], body: &str| {
        client.send("POST", CHAT, headers, Some(body.as_bytes()))
    };
    let json = [("Content-Type", "application/json")];
    for (reply, status, code) in [
        (send(&[("Content-Type", "text/plain")], "{}"), 415, "unsupported_media_type"),
        (send(&json, "{"), 400, "invalid_json"),
        (send(&json, "{\"model\":\"m\",\"model\":\"m\"}"), 400, "invalid_json"),
        (send(&json, &"x".repeat(5000)), 413, "body_too_large"),
        (client.get(CHAT), 405, "method_not_allowed"),
    ] {
        assert_eq!(reply.status, status, "{:?}", reply.text());
        if status != 405 {
            assert!(is_futile(&reply), "{code}");
            error_of(&reply.json(), code);
        }
    }
    let reply = rig.server.client().post(CHAT, &job(&json!({}))).expect(401);
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    assert_eq!(error_of(&reply.json(), "invalid_api_key")["type"], "authentication_error");
    let key = rig.server.key(&rig.account.id, &json!(["usage:read"]), &json!({}));
    let reply = rig.server.client().with_key(&key).post(CHAT, &job(&json!({}))).expect(403);
    assert_eq!(error_of(&reply.json(), "insufficient_scope")["type"], "permission_error");
    assert!(is_futile(&reply));
}

#[test]
fn models_that_cannot_be_asked_are_refused() {
    let rig = Rig::start();
    let reply = rig.ask(&json!({"model": "nothing"})).expect(404);
    assert!(is_futile(&reply));
    assert_eq!(error_of(&reply.json(), "model_not_found")["param"], "model");
    let reply = rig.ask(&json!({"model": "unpriced"})).expect(400);
    assert_eq!(error_of(&reply.json(), "model_not_priced")["param"], "model");
}

#[test]
fn too_few_credits_are_insufficient_quota() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account_with(&json!(1));
    for stream in [false, true] {
        let reply = account.client.post(CHAT, &job(&json!({ "stream": stream }))).expect(429);
        assert!(is_futile(&reply));
        assert_eq!(reply.header("retry-after"), Some("60"));
        let error = error_of(&reply.json(), "insufficient_quota");
        assert_eq!(error["type"], "insufficient_quota");
        assert_eq!(error["details"]["available"], 1);
    }
    assert!(provider.received().is_empty() && account.list("/v1/jobs").is_empty());
}

/// How the provider fails, and what the client is told: status, code, whether a retry may help.
fn failures() -> Vec<(Answer, u16, &'static str, bool)> {
    vec![
        (error(429, "slow down").header("retry-after", "7"), 429, "rate_limit_exceeded", true),
        (error(500, "oops"), 502, "server_error", true),
        (error(503, "down"), 502, "server_error", true),
        (Answer::close(), 502, "server_error", true),
        (Answer::new(200, "no json"), 502, "server_error", true),
        (error(200, "x").delay(Duration::from_secs(5)), 504, "timeout", true),
        (error(400, "bad temperature"), 400, "invalid_request", false),
        (error(422, "bad field"), 400, "invalid_request", false),
        (error(401, "bad key"), 502, "server_error", false),
        (error(403, "not allowed"), 502, "server_error", false),
        (error(404, "no such model"), 502, "server_error", false),
    ]
}

#[test]
fn failures_of_the_provider_have_their_statuses_and_cost_nothing() {
    for stream in [false, true] {
        for (answer, status, code, may_retry) in failures() {
            let rig = Rig::start();
            rig.provider.always(answer);
            let reply = rig.ask(&json!({"timeout_ms": 200, "stream": stream}));
            assert_eq!(reply.status, status, "{code}: {}", reply.text());
            let error = error_of(&reply.json(), code);
            assert_eq!(is_futile(&reply), !may_retry, "{error}");
            let retry_after = (status == 429).then_some("7");
            assert_eq!(reply.header("retry-after"), retry_after);
            let job = rig.job();
            assert_eq!(job["status"], "failed");
            assert_eq!(job["error"]["message"], error["message"]);
            rig.assert_charged(&job, 0);
            assert_eq!(rig.account.story(&job), ["started", "failed"]);
            let tried = &rig.end_of(&job)["data"]["tried"][0];
            assert_eq!((&tried["model"], &tried["provider"]), (&json!("m"), &json!("test")));
        }
    }
}

#[test]
fn what_the_provider_refused_has_its_own_code() {
    let rig = Rig::start();
    for (status, told, code) in [
        (400, 400, "context_length_exceeded"),
        (429, 429, "rate_limit_exceeded"),
        (500, 502, "server_error"),
    ] {
        let error = json!({"message": "No.", "code": "context_length_exceeded"});
        rig.provider.always(Answer::json(status, &json!({ "error": error })));
        for stream in [false, true] {
            let reply = rig.ask(&json!({ "stream": stream })).expect(told);
            error_of(&reply.json(), code);
        }
    }
}

#[test]
fn nothing_of_the_operators_key_is_told() {
    let rig = Rig::start();
    rig.provider.always(error(401, "Incorrect API key provided: sk-of-test"));
    let reply = rig.ask(&json!({})).expect(502);
    assert!(!reply.text().contains("sk-of-test"), "{}", reply.text());
}

#[test]
fn the_headers_by_which_clients_pace_themselves_are_there() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider);
    let server =
        server.config(|config| config.rate_limit.default = "2,1m".parse().unwrap()).start();
    let account = server.account();
    let ask = || account.client.post(CHAT, &job(&json!({})));
    for left in ["1", "0"] {
        let reply = ask().expect(200);
        assert_eq!(reply.header("x-ratelimit-limit-requests"), Some("2"));
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some(left));
        let reset = reply.header("x-ratelimit-reset-requests").unwrap().strip_suffix('s');
        assert!(reset.unwrap().parse::<u64>().unwrap() <= 60);
        assert_eq!(reply.header("ratelimit-remaining"), Some(left));
        assert_eq!(reply.json()["choices"][0]["message"]["content"], TEXT);
    }
    let refused = ask().expect(429);
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(!is_futile(&refused), "a retry can help");
    let error = error_of(&refused.json(), "rate_limit_exceeded");
    assert_eq!((&error["type"], &error["param"]), (&json!("rate_limit_error"), &Value::Null));
}
