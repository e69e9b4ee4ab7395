//! Bad requests of every kind: each gets its code, nothing of it is stored, and it is never our fault.

use serde_json::{Value, json};

use super::conventions::refused;
use crate::support::{
    client::Reply,
    server::{Account, TestServer, job},
};

const JOBS: &str = "/v1/jobs/generations";

/// What an account has: everything that a bad request must leave as it is.
fn rows(account: &Account) -> [Vec<Value>; 5] {
    [
        "/v1/jobs?limit=100",
        "/v1/credits/ledger?limit=100",
        "/v1/webhooks/endpoints",
        "/v1/api-keys",
        "/v1/credits/grants",
    ]
    .map(|path| {
        let mut rows = account.list(path);
        // That a key was used is no effect of what it was used for.
        for row in &mut rows {
            row.as_object_mut().unwrap().remove("last_used_at");
        }
        rows
    })
}

/// Sends a body as JSON with an Idempotency-Key, which must be free for use after the refusal.
fn send(account: &Account, method: &str, path: &str, body: &[u8]) -> Reply {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "refused")];
    account.client.send(method, path, &headers, Some(body))
}

#[test]
fn what_is_not_strict_json() {
    let server = TestServer::start();
    let account = server.account();
    let before = rows(&account);
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!("{{\"model\":{open}{close}}}")
    };
    let duplicate = r#"{"model":"m","model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let escaped = r#"{"model":"m","mod\u0065l":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let latin = b"{\"model\":\"m\xe4\"}";
    for bad in [
        &b""[..],
        b"{",
        b"nothing",
        b"{\"model\":\"m\",}",
        b"{'model':'m'}",
        b"{\"model\":\"m\"} {}",
        b"{\"model\":NaN}",
        b"{\"model\":01}",
        b"{\"model\":\"\\ud800\"}",
        b"{\"model\":\"a\nb\"}",
        b"\xef\xbb\xbf{}",
        latin,
        duplicate.as_bytes(),
        escaped.as_bytes(),
        nested(65).as_bytes(),
        "[".repeat(100_000).as_bytes(),
    ] {
        refused(&send(&account, "POST", JOBS, bad), 400, "INVALID_JSON");
    }
    // At the limit it is JSON, if not a job.
    refused(&send(&account, "POST", JOBS, nested(64).as_bytes()), 400, "INVALID_REQUEST");
    assert_eq!(rows(&account), before);
    assert!(send(&account, "POST", JOBS, job(&json!({})).to_string().as_bytes()).status == 202);
}

#[test]
fn an_array_is_no_object() {
    let server = TestServer::start();
    let account = server.account();
    let before = rows(&account);
    let arrays: [(&str, &str); 4] = [
        (JOBS, r#"["free",[{"role":"user","content":"hi"}]]"#),
        ("/v1/api-keys", r#"["name",null,["jobs:read"]]"#),
        ("/v1/webhooks/endpoints", r#"["https://example.com/",["*"],null,true,"standard"]"#),
        ("/v1/webhooks/endpoints", " [] "),
    ];
    for (path, body) in arrays {
        let error = refused(&send(&account, "POST", path, body.as_bytes()), 400, "INVALID_REQUEST");
        assert!(error["message"].as_str().unwrap().contains("object"), "{path}: {error}");
    }
    let made = server.operator().post("/admin/v1/accounts", &json!(["name"]));
    refused(&made, 400, "INVALID_REQUEST");
    assert_eq!(rows(&account), before);
}

#[test]
fn bodies_of_the_wrong_type_or_size() {
    let server = TestServer::builder().config(|config| config.http.body_limit = 2048).start();
    let account = server.account();
    let before = rows(&account);
    let body = job(&json!({})).to_string();
    let typed = |media_type: &str| {
        account.client.send("POST", JOBS, &[("Content-Type", media_type)], Some(body.as_bytes()))
    };
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "json", "application/xml"]
    {
        refused(&typed(media_type), 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let untyped = account.client.send("POST", JOBS, &[], Some(body.as_bytes()));
    refused(&untyped, 415, "UNSUPPORTED_MEDIA_TYPE");
    let packed = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    let packed = account.client.send("POST", JOBS, &packed, Some(body.as_bytes()));
    refused(&packed, 415, "UNSUPPORTED_MEDIA_TYPE");
    let long = job(&json!({"user": "u".repeat(2048)})).to_string();
    refused(&send(&account, "POST", JOBS, long.as_bytes()), 413, "BODY_TOO_LARGE");
    let mut connection = account.client.connect();
    let key = account.client.authorization();
    let head = format!("POST {JOBS} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n");
    let fields = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    connection.write(format!("{head}{fields}\r\n{chunk}").as_bytes()).unwrap();
    refused(&connection.read_reply(true).unwrap(), 413, "BODY_TOO_LARGE");
    assert_eq!(rows(&account), before);
    typed("application/json; charset=utf-8").expect(202);
}

/// A change to the smallest job, the code and the parameter that it is refused for.
fn bad_jobs() -> Vec<(Value, &'static str, &'static str)> {
    let many = |count: usize, value: &Value| Value::Array(vec![value.clone(); count]);
    let message = json!({"role": "user", "content": "x"});
    let keys: serde_json::Map<_, _> = (0..65).map(|n| (format!("k{n}"), json!(n))).collect();
    let invalid = [
        (json!({"extra": 1}), "extra"),
        (json!({"model": 7}), "model"),
        (json!({"model": null}), "model"),
        (json!({"model": ""}), "model"),
        (json!({"model": "x".repeat(201)}), "model"),
        (json!({"messages": "hi"}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": many(1001, &message)}), "messages"),
        (json!({"messages": [{"role": "robot", "content": "x"}]}), "messages/0/role"),
        (json!({"messages": [{"role": null, "content": "x"}]}), "messages/0/role"),
        (json!({"messages": [{"role": {"user": null}, "content": "x"}]}), "messages/0/role"),
        (json!({"messages": [{"role": "user", "content": 1}]}), "messages/0/content"),
        (json!({"messages": [{"role": "user"}]}), "messages/0/content"),
        (json!({"messages": [message, ["user", "x"]]}), "messages/1"),
        (json!({"messages": [message, {"role": "user", "content": "x", "n": 1}]}), "messages/1/n"),
        (json!({"temperature": 2.1}), "temperature"),
        (json!({"temperature": -0.1}), "temperature"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"top_p": 1.1}), "top_p"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": 1_000_001}), "max_tokens"),
        (json!({"max_tokens": 1.5}), "max_tokens"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"max_tokens": 4_294_967_296_i64}), "max_tokens"),
        (json!({"stop": many(5, &json!("x"))}), "stop"),
        (json!({"stop": ["a", ""]}), "stop/1"),
        (json!({"seed": "x"}), "seed"),
        (json!({"fallback_models": many(9, &json!("m"))}), "fallback_models"),
        (json!({"priority": 101}), "priority"),
        (json!({"priority": "high"}), "priority"),
        (json!({"run_at": "tomorrow"}), "run_at"),
        (json!({"run_at": 5}), "run_at"),
        (json!({"run_at": "2026-12-01"}), "run_at"),
        (json!({"run_at": "2026-12-01T09:00:00"}), "run_at"),
        (json!({"run_at": "20261201T090000Z"}), "run_at"),
        (json!({"run_at": "2026-12-01T09:00:00+25:00"}), "run_at"),
        (json!({"run_at": "2999-01-01T00:00:00Z"}), "run_at"),
        (json!({"timeout_ms": 0}), "timeout_ms"),
        (json!({"timeout_ms": 600_001}), "timeout_ms"),
        (json!({"user": ""}), "user"),
        (json!({"user": "x".repeat(257)}), "user"),
        (json!({"metadata": [1]}), "metadata"),
        (json!({"metadata": keys}), "metadata"),
        (json!({"metadata": {"a": "x".repeat(17_000)}}), "metadata"),
    ];
    let invalid = invalid.into_iter().map(|(change, param)| (change, "INVALID_REQUEST", param));
    invalid.chain(bad_schemas_and_models()).collect()
}

fn bad_schemas_and_models() -> impl Iterator<Item = (Value, &'static str, &'static str)> {
    let changes = [
        (json!({"output_schema": 7}), "INVALID_SCHEMA", "output_schema"),
        (json!({"output_schema": true}), "INVALID_SCHEMA", "output_schema"),
        (json!({"output_schema": false}), "INVALID_SCHEMA", "output_schema"),
        (json!({"output_schema": "object"}), "INVALID_SCHEMA", "output_schema"),
        (json!({"output_schema": {"type": "thing"}}), "INVALID_SCHEMA", "output_schema"),
        (
            json!({"output_schema": {"$ref": "http://127.0.0.1/s"}}),
            "INVALID_SCHEMA",
            "output_schema",
        ),
        (
            json!({"output_schema": {"$ref": "file:///etc/passwd"}}),
            "INVALID_SCHEMA",
            "output_schema",
        ),
        (json!({"output_schema": {"pattern": "(("}}), "INVALID_SCHEMA", "output_schema"),
        (json!({"model": "nothing"}), "UNKNOWN_MODEL", "model"),
        (json!({"fallback_models": ["m", "nothing"]}), "UNKNOWN_MODEL", "fallback_models/1"),
        (json!({"model": "unpriced"}), "MODEL_NOT_PRICED", "model"),
        (json!({"fallback_models": ["m", "unpriced"]}), "MODEL_NOT_PRICED", "fallback_models/1"),
    ];
    changes.into_iter()
}

#[test]
fn jobs_that_are_not_allowed() {
    let server = TestServer::start();
    let account = server.account();
    let before = rows(&account);
    for (change, code, param) in bad_jobs() {
        let body = job(&change).to_string();
        let error = refused(&send(&account, "POST", JOBS, body.as_bytes()), 400, code);
        assert_eq!(error["param"], param, "{error}");
    }
    for not_an_object in ["[]", "3", "null", "\"x\""] {
        let reply = send(&account, "POST", JOBS, not_an_object.as_bytes());
        refused(&reply, 400, "INVALID_REQUEST");
    }
    let error = refused(&send(&account, "POST", JOBS, b"{}"), 400, "INVALID_REQUEST");
    assert_eq!(error["param"], "model");
    assert_eq!(rows(&account), before);
    // None of these refusals was saved for the key that all of them had.
    let body = job(&json!({})).to_string();
    let reply = send(&account, "POST", JOBS, body.as_bytes()).expect(202);
    assert!(reply.header("idempotent-replayed").is_none());
}

#[test]
fn endpoints_and_keys_that_are_not_allowed() {
    let server = TestServer::builder().config(|c| c.webhooks.allow_networks.clear()).start();
    let account = server.account();
    let before = rows(&account);
    let url = "https://example.com/hook";
    for (body, param) in [
        (json!({}), "url"),
        (json!({"url": "x"}), "url"),
        (json!({"url": "ftp://example.com"}), "url"),
        (json!({"url": "https://user:pw@example.com"}), "url"),
        (json!({"url": "http://127.0.0.1/"}), "url"),
        (json!({"url": "http://[::1]/"}), "url"),
        (json!({"url": "http://169.254.169.254/latest"}), "url"),
        (json!({"url": "http://10.1.2.3:80/"}), "url"),
        (json!({"url": "http://2130706433/"}), "url"),
        (json!({"url": format!("https://example.com/{}", "x".repeat(2048))}), "url"),
        (json!({"url": url, "events": []}), "events"),
        (json!({"url": url, "events": ["job.exploded"]}), "events"),
        (json!({"url": url, "events": ["*", "ping"]}), "events"),
        (json!({"url": url, "description": "x".repeat(501)}), "description"),
        (json!({"url": url, "retry_policy": "forever"}), "retry_policy"),
        (json!({"url": url, "retry_policy": {"extended": null}}), "retry_policy"),
        (json!({"url": url, "active": "yes"}), "active"),
        (json!({"url": url, "secret": "whsec_mine"}), "secret"),
    ] {
        let text = body.to_string();
        let reply = send(&account, "POST", "/v1/webhooks/endpoints", text.as_bytes());
        assert_eq!(refused(&reply, 400, "INVALID_REQUEST")["param"], param, "{text}");
    }
    for (more, param) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"rate_limit": "fast"}), "rate_limit"),
        (json!({"project_id": "01939b2a-7c1e-7000-8000-000000000000"}), "project_id"),
        (json!({"project_id": "01939B2A-7C1E-7000-8000-000000000000"}), "project_id"),
        (json!({"project_id": "x"}), "project_id"),
        (json!({"extra": true}), "extra"),
    ] {
        let mut body = json!({"name": "k", "scopes": ["jobs:read"]});
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        let reply = send(&account, "POST", "/v1/api-keys", body.to_string().as_bytes());
        assert_eq!(refused(&reply, 400, "INVALID_REQUEST")["param"], param, "{body}");
    }
    assert_eq!(rows(&account), before);
}

#[test]
fn queries_that_are_not_allowed() {
    let server = TestServer::start();
    let account = server.account();
    let before = rows(&account);
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("status=done", "status"),
        ("created_after=yesterday", "created_after"),
        ("extra=1", "extra"),
    ] {
        let error =
            refused(&account.client.get(&format!("/v1/jobs?{query}")), 400, "INVALID_REQUEST");
        assert_eq!(error["param"], param, "{query}");
    }
    for (path, param) in [
        ("/v1/credits/ledger?kind=gift", "kind"),
        ("/v1/credits/ledger?job_id=x", "job_id"),
        ("/v1/webhooks/deliveries?status=lost", "status"),
        ("/v1/webhooks/deliveries?endpoint_id=x", "endpoint_id"),
        ("/v1/dlq?queue=generation.create", "queue"),
    ] {
        let error = refused(&account.client.get(path), 400, "INVALID_REQUEST");
        assert_eq!(error["param"], param, "{path}");
    }
    assert_eq!(rows(&account), before);
}

#[test]
fn too_few_credits() {
    let server = TestServer::start();
    let account = server.account_with(&json!("81.5"));
    let before = rows(&account);
    // The prompt is held to have 82 tokens at most, which is a credit each.
    let body = job(&json!({"max_tokens": 10})).to_string();
    let error =
        refused(&send(&account, "POST", JOBS, body.as_bytes()), 402, "INSUFFICIENT_CREDITS");
    assert_eq!(error["details"], json!({"required": 102, "available": 81.5}));
    assert_eq!(rows(&account), before);
    let poor = server.account_with(&json!("0.000001"));
    let reply = send(&poor, "POST", JOBS, body.as_bytes()).expect(402);
    assert!(reply.text().contains(r#"{"required":102,"available":0.000001}"#), "{}", reply.text());
    let path = format!("/admin/v1/accounts/{}/credits/grants", account.id);
    server.operator().post(&path, &json!({"amount": "20.5", "bucket": "free"})).expect(201);
    let job = send(&account, "POST", JOBS, body.as_bytes()).expect(202).json();
    assert_eq!(job["credits"], json!({"reserved": 102, "charged": 0}));
    account.wait_job(&job);
    assert_eq!(account.balance(), (json!(102), json!(0)));
}

#[test]
fn operators_are_held_to_the_same_rules() {
    let server = TestServer::start();
    let account = server.account();
    let before = rows(&account);
    let operator = server.operator();
    let one = format!("/admin/v1/accounts/{}", account.id);
    let grants = format!("{one}/credits/grants");
    for (method, path, body, param) in [
        ("POST", "/admin/v1/accounts", json!({"name": ""}), "name"),
        ("POST", "/admin/v1/accounts", json!({}), "name"),
        ("POST", "/admin/v1/accounts", json!({"name": "n", "credits": 5}), "credits"),
        ("PATCH", &*one, json!({"name": "x".repeat(201)}), "name"),
        ("PATCH", &*one, json!({"suspended": "yes"}), "suspended"),
        ("POST", &*grants, json!({"amount": 0}), "amount"),
        ("POST", &*grants, json!({"amount": -1}), "amount"),
        ("POST", &*grants, json!({"amount": "1e9999"}), "amount"),
        ("POST", &*grants, json!({"amount": 1, "bucket": "gold"}), "bucket"),
        ("POST", &*grants, json!({"amount": 1, "bucket": {"paid": null}}), "bucket"),
        (
            "POST",
            &*grants,
            json!({"amount": 1, "expires_at": "2020-01-01T00:00:00Z"}),
            "expires_at",
        ),
        ("POST", &*grants, json!({"amount": 1, "reason": ""}), "reason"),
        (
            "POST",
            "/admin/v1/keys",
            json!({"account_id": "x", "name": "n", "scopes": []}),
            "account_id",
        ),
    ] {
        let error = refused(&operator.send_json(method, path, &[], &body), 400, "INVALID_REQUEST");
        assert_eq!(error["param"], param, "{body}");
    }
    let nobody = "01939b2a-7c1e-7000-8000-000000000000";
    let path = format!("/admin/v1/accounts/{nobody}/credits/grants");
    refused(&operator.post(&path, &json!({"amount": 1})), 404, "NOT_FOUND");
    let key = json!({"account_id": nobody, "name": "n", "scopes": ["*"]});
    refused(&operator.post("/admin/v1/keys", &key), 404, "NOT_FOUND");
    let pause = operator.send("POST", "/admin/v1/queues/nothing/pause", &[], None);
    refused(&pause, 404, "NOT_FOUND");
    assert_eq!(rows(&account), before);
    assert_eq!(server.account_count(), 1);
}
