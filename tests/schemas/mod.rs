//! `POST /v1/schemas/validate`, and that no schema and no instance can hurt the server.

mod safety;
mod suite;

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::{
    api::conventions::refused,
    support::{client::Reply, server::TestServer},
};

const PATH: &str = "/v1/schemas/validate";

#[test]
fn a_value_is_checked_and_what_is_wrong_is_told() {
    let server = TestServer::start();
    let client = server.account().client;
    let check = |schema: Value, instance: Value| {
        client.post(PATH, &json!({"schema": schema, "instance": instance})).expect(200).json()
    };
    let passed = json!({"valid": true, "errors": []});
    let schema = json!({"type": "object", "properties": {"n": {"minimum": 3}}});
    assert_eq!(check(schema.clone(), json!({"n": 3})), passed);
    assert_eq!(
        check(schema, json!({"n": 1})),
        json!({"valid": false, "errors": [{
            "path": "/n", "schema_path": "/properties/n/minimum", "message": "must be at least 3",
        }]})
    );
    assert_eq!(check(json!(true), json!(null)), passed);
    assert_eq!(check(json!({"type": "null"}), json!(null)), passed);
    assert_eq!(check(json!(false), json!(0))["valid"], false);
    // The instance is what was sent, not what a double makes of it.
    assert_eq!(
        check(json!({"const": 9_007_199_254_740_993_u64}), json!(9_007_199_254_740_992_u64))["valid"],
        false
    );
}

#[test]
fn what_is_no_request_is_refused() {
    let server = TestServer::start();
    let client = server.account().client;
    for (body, code, param) in [
        (json!({"instance": 1}), "INVALID_REQUEST", "schema"),
        (json!({"schema": true}), "INVALID_REQUEST", "instance"),
        (json!({"schema": true, "instance": 1, "draft": 7}), "INVALID_REQUEST", "draft"),
        (json!({"schema": null, "instance": 1}), "INVALID_SCHEMA", "schema"),
        (json!({"schema": [], "instance": 1}), "INVALID_SCHEMA", "schema"),
        (json!({"schema": {"type": "thing"}, "instance": 1}), "INVALID_SCHEMA", "schema"),
    ] {
        let reply = client.post(PATH, &body);
        refused(&reply, 400, code);
        assert_eq!(reply.json()["error"]["param"], param, "{body}");
    }
    let reply = client.post(PATH, &json!({"schema": {"properties": {"a/b": 1}}, "instance": 1}));
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("schema at /properties/a~1b: "), "{message}");
}

#[test]
fn the_idempotency_key_stands_for_one_request() {
    let server = TestServer::start();
    let client = server.account().client;
    let replayed = |reply: &Reply| reply.header("idempotent-replayed") == Some("true");
    let body = json!({"schema": {"type": "string"}, "instance": 1});
    let first = client.post_once(PATH, "k", &body).expect(200);
    let again = client.post_once(PATH, "k", &body).expect(200);
    assert_eq!((replayed(&first), replayed(&again)), (false, true));
    assert_eq!(again.body, first.body);
    let other = client.post_once(PATH, "k", &json!({"schema": true, "instance": 1}));
    refused(&other, 409, "IDEMPOTENCY_KEY_CONFLICT");
}

#[test]
fn a_check_draws_on_the_budget_of_reads() {
    let server = TestServer::start();
    let account = server.account();
    let limit = json!({"rate_limit": "2,24h"});
    let key = server.key(&account.id, &json!(["agents:read"]), &limit);
    let client = server.client().with_key(&key);
    let body = json!({"schema": true, "instance": 1});
    let policy = client.post(PATH, &body).expect(200);
    assert!(policy.header("ratelimit-policy").unwrap().contains("read"), "{policy:?}");
}

#[test]
fn nothing_is_fetched() {
    let server = TestServer::start();
    let client = server.account().client;
    let bait = TcpListener::bind("127.0.0.1:0").unwrap();
    bait.set_nonblocking(true).unwrap();
    let remote = format!("http://{}/schema.json", bait.local_addr().unwrap());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "true").unwrap();
    let local = format!("file://{}", file.path().display());
    for reference in [&*remote, &local, "other.json", "//host/x"] {
        for schema in [
            json!({"$ref": reference}),
            json!({"$dynamicRef": reference}),
            json!({"properties": {"a": {"items": {"$ref": format!("{reference}#/$defs/a")}}}}),
            json!({"$id": &remote, "$defs": {"a": {"$id": "b", "$ref": "c"}}, "$ref": reference}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": reference}),
            json!({"$schema": reference}),
            json!({"$vocabulary": {reference: true}, "$schema": reference}),
        ] {
            if schema["$id"] == reference {
                continue;
            }
            let reply = client.post(PATH, &json!({"schema": schema, "instance": {"a": [1]}}));
            refused(&reply, 400, "INVALID_SCHEMA");
            assert_eq!(reply.json()["error"]["param"], "schema", "{schema}");
        }
    }
    assert_eq!(bait.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_schema_is_compiled_once() {
    let server = TestServer::start();
    let account = server.account();
    let counted = || server.cache_uses("schemas");
    let schema = json!({"type": "object", "required": ["a"]});
    let check = |instance: Value| {
        account.client.post(PATH, &json!({"schema": schema, "instance": instance})).expect(200);
    };
    check(json!({}));
    assert_eq!(counted(), (0, 1));
    check(json!({"a": 1}));
    // A job with the same schema: when it is accepted, and when its output is checked.
    let job = account.run_job(&json!({"model": "sandbox", "output_schema": schema}));
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(counted(), (3, 1));
    for _ in 0..2 {
        let bad = json!({"schema": {"type": "thing"}, "instance": 1});
        refused(&account.client.post(PATH, &bad), 400, "INVALID_SCHEMA");
    }
    assert_eq!(counted(), (3, 3));
}
