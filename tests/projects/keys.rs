//! What a key is limited to: networks, and credits of a month.

use serde_json::{Value, json};

use super::{KEYS, PROJECTS, Rig, id};
use crate::{
    api::conventions::refused,
    support::{
        Client,
        client::Reply,
        server::{Account, TestServer},
    },
};

/// A server that believes its clients where they come from.
fn behind_a_proxy() -> TestServer {
    let trusted = "127.0.0.0/8".parse().unwrap();
    TestServer::builder().config(|config| config.http.trusted_proxies = vec![trusted]).start()
}

fn make(account: &Account, more: &Value) -> Value {
    let mut body = json!({"name": "k", "scopes": ["*"]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    account.client.post(KEYS, &body).expect(201).json()
}

fn client(server: &TestServer, made: &Value) -> Client {
    server.client().with_key(made["key"].as_str().unwrap())
}

fn from(client: &Client, address: &str) -> Reply {
    client.with_header("X-Forwarded-For", address).get("/v1/me")
}

#[test]
fn a_key_is_refused_from_outside_its_networks() {
    let server = behind_a_proxy();
    let account = server.account();
    let networks = json!(["192.0.2.0/24", "2001:db8::7", "::ffff:198.51.100.9"]);
    let made = make(&account, &json!({"allowed_cidrs": networks}));
    let shown = json!(["192.0.2.0/24", "2001:db8::7/128", "198.51.100.9/32"]);
    assert_eq!(made["allowed_cidrs"], shown);
    let key = client(&server, &made);
    for inside in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::7", "198.51.100.9"] {
        assert_eq!(from(&key, inside).expect(200).json()["key"]["allowed_cidrs"], shown);
    }
    for outside in ["192.0.3.1", "2001:db8::8", "198.51.100.8", "unknown"] {
        let error = refused(&from(&key, outside), 403, "INSUFFICIENT_SCOPE");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("allowed_cidrs"), "{message}");
        assert!(outside == "unknown" || message.contains(outside), "{message}");
    }
    // The address of the connection itself, which no proxy names.
    refused(&key.get("/v1/me"), 403, "INSUFFICIENT_SCOPE");
    // Keys without networks come from anywhere.
    from(&account.client, "192.0.3.1").expect(200);
}

#[test]
fn a_key_within_its_networks_works_without_a_proxy() {
    let server = TestServer::start();
    let account = server.account();
    let made = make(&account, &json!({"allowed_cidrs": ["127.0.0.1"]}));
    let key = client(&server, &made);
    // Nobody is believed who says that he is a proxy.
    from(&key, "192.0.2.1").expect(200);
    let elsewhere = make(&account, &json!({"allowed_cidrs": ["192.0.2.1"]}));
    refused(&from(&client(&server, &elsewhere), "192.0.2.1"), 403, "INSUFFICIENT_SCOPE");
}

#[test]
fn a_thief_elsewhere_does_not_use_up_the_keys_rate_limit() {
    let server = behind_a_proxy();
    let account = server.account();
    let made = make(&account, &json!({"allowed_cidrs": ["192.0.2.1"], "rate_limit": "3,1h"}));
    let key = client(&server, &made);
    for _ in 0..10 {
        refused(&from(&key, "192.0.2.2"), 403, "INSUFFICIENT_SCOPE");
    }
    from(&key, "192.0.2.1").expect(200);
}

#[test]
fn bad_settings_of_keys_are_refused_with_the_field_at_fault() {
    let server = TestServer::start();
    let account = server.account();
    let many: Vec<_> = (0..51).map(|n| format!("10.0.0.{n}")).collect();
    for (more, param) in [
        (json!({"allowed_cidrs": []}), "allowed_cidrs"),
        (json!({"allowed_cidrs": many}), "allowed_cidrs"),
        (json!({"allowed_cidrs": "10.0.0.0/8"}), "allowed_cidrs"),
        (json!({"allowed_cidrs": ["10.0.0.0/8", "example.com"]}), "allowed_cidrs/1"),
        (json!({"allowed_cidrs": ["10.0.0.0/33"]}), "allowed_cidrs/0"),
        (json!({"monthly_credit_limit": 0}), "monthly_credit_limit"),
        (json!({"monthly_credit_limit": "-0.5"}), "monthly_credit_limit"),
    ] {
        let mut body = json!({"name": "k", "scopes": ["jobs:read"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let own = account.client.post(KEYS, &body);
        body["account_id"] = json!(account.id);
        let operators = server.operator().post("/admin/v1/keys", &body);
        for reply in [own, operators] {
            let error = refused(&reply, 400, "INVALID_REQUEST");
            assert_eq!(error["param"], param, "{body}: {error}");
        }
    }
}

#[test]
fn a_rotated_key_keeps_its_settings() {
    let rig = Rig::start();
    let settings = json!({
        "allowed_cidrs": ["127.0.0.0/8"], "monthly_credit_limit": 2.5, "project_id": rig.project["id"],
    });
    let made = make(&rig.live, &settings);
    assert_eq!((&made["monthly_credit_limit"], &made["expires_at"]), (&json!(2.5), &Value::Null));
    let mut last = made.clone();
    for _ in 0..2 {
        let path = format!("{KEYS}/{}/rotate", id(&last));
        last = rig.live.client.post(&path, &json!({})).expect(201).json();
        for field in ["monthly_credit_limit", "allowed_cidrs", "project_id", "name", "scopes"] {
            assert_eq!(last[field], made[field], "{field}");
        }
        assert!(last["key"].as_str().unwrap().starts_with("sk_test_"));
        client(&rig.server, &last).get("/v1/me").expect(200);
    }
}

#[test]
fn a_changed_limit_of_a_project_holds_from_the_next_request() {
    let rig = Rig::start();
    let project = format!("{PROJECTS}/{}", id(&rig.project));
    let limit = |limit: Value| {
        let body = json!({ "monthly_credit_limit": limit });
        rig.live.client.patch(&project, &body).expect(200);
    };
    let post = || rig.test.client.post("/v1/jobs/generations", &super::work::job("m"));
    post().expect(202);
    limit(json!(1));
    refused(&post(), 402, "BUDGET_EXCEEDED");
    limit(Value::Null);
    let job = post().expect(202).json();
    assert_eq!(rig.test.wait_job(&job)["status"], "succeeded");
    rig.live.run_job(&json!({}));
}

#[test]
fn the_operator_gives_keys_the_same_settings() {
    let rig = Rig::start();
    let more = json!({
        "allowed_cidrs": ["127.0.0.1"], "monthly_credit_limit": "7", "project_id": rig.project["id"],
    });
    let key = rig.server.key(&rig.live.id, &json!(["jobs:read"]), &more);
    assert!(key.starts_with("sk_test_"));
    let me = rig.server.client().with_key(&key).get("/v1/me").expect(200).json();
    assert_eq!(me["key"]["monthly_credit_limit"], 7);
    assert_eq!(me["key"]["allowed_cidrs"], json!(["127.0.0.1/32"]));
    let plain = rig.server.key(&rig.live.id, &json!(["jobs:read"]), &json!({}));
    let me = rig.server.client().with_key(&plain).get("/v1/me").expect(200).json();
    let shown = (&me["key"]["monthly_credit_limit"], &me["key"]["allowed_cidrs"]);
    assert_eq!(shown, (&Value::Null, &Value::Null));
}
