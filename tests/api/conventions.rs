//! What every answer has in common, whatever the resource.

use serde_json::{Value, json};

use crate::support::{
    Client,
    client::Reply,
    server::{CREDITS, TestServer, job},
};

/// The type that goes with each code.
const TYPES: [(&str, &str); 18] = [
    ("UNAUTHENTICATED", "authentication_error"),
    ("INSUFFICIENT_CREDITS", "insufficient_credits"),
    ("BUDGET_EXCEEDED", "insufficient_credits"),
    ("INSUFFICIENT_SCOPE", "permission_error"),
    ("ACCOUNT_SUSPENDED", "permission_error"),
    ("NOT_FOUND", "not_found_error"),
    ("RATE_LIMIT", "rate_limit_error"),
    ("QUEUE_FULL", "rate_limit_error"),
    ("UNAVAILABLE", "api_error"),
    // In the words of OpenAI's API.
    ("invalid_api_key", "authentication_error"),
    ("insufficient_quota", "insufficient_quota"),
    ("insufficient_scope", "permission_error"),
    ("account_suspended", "permission_error"),
    ("rate_limit_exceeded", "rate_limit_error"),
    ("queue_full", "rate_limit_error"),
    ("server_error", "api_error"),
    ("timeout", "api_error"),
    ("output_schema_mismatch", "api_error"),
];

/// Checks everything that every error has, and gives the error.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) -> Value {
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.status, status, "{text}");
    let body = reply.json();
    let error = body["error"].as_object().expect("there is an error");
    let fields: Vec<_> = error.keys().map(String::as_str).filter(|key| *key != "details").collect();
    assert_eq!(fields, ["type", "code", "message", "param", "request_id"], "{text}");
    assert_eq!(body.as_object().unwrap().len(), 1, "{text}");
    assert_eq!(error["code"], code, "{text}");
    let known = TYPES.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind);
    let of_code = known.unwrap_or(match status {
        409 => "conflict_error",
        _ => "invalid_request_error",
    });
    assert_eq!(error["type"], of_code, "{text}");
    assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{text}");
    assert!(error["param"].is_null() || error["param"].is_string(), "{text}");
    assert_eq!(error["request_id"].as_str(), reply.header("x-request-id"), "{text}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("www-authenticate"), (status == 401).then_some("Bearer"));
    safe(reply);
    body["error"].clone()
}

/// Checks the headers that every answer has.
#[track_caller]
fn safe(reply: &Reply) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    assert!(reply.header("x-request-id").is_some());
    assert!(reply.header("strict-transport-security").is_none(), "it came by plain HTTP");
    assert!(reply.header("access-control-allow-origin").is_none(), "no origin is configured");
}

#[test]
fn a_request_has_a_name() {
    let server = TestServer::start();
    let account = server.account();
    let named = |name: &str| account.client.with_header("X-Request-Id", name);
    for name in ["r", "order 7/~", &"x".repeat(128)] {
        let reply = named(name).get("/v1/jobs").expect(200);
        assert_eq!(reply.header("x-request-id"), Some(name));
        safe(&reply);
    }
    for bad in [&*"x".repeat(129), "täg", ""] {
        let reply = named(bad).get("/v1/jobs").expect(200);
        let made = reply.header("x-request-id").unwrap();
        assert_ne!(made, bad);
        assert!(made.parse::<skai_server::domain::JobId>().is_ok(), "{made}");
    }
    let reply = named("of-a-job").post("/v1/jobs/generations", &job(&json!({"model": "sandbox"})));
    let job = reply.expect(202).json();
    assert_eq!(job["request_id"], "of-a-job");
    account.wait_job(&job);
    let events = account.list(&format!("/v1/jobs/{}/events", job["id"].as_str().unwrap()));
    assert!(events.iter().all(|event| event["request_id"] == "of-a-job"), "{events:?}");
    let error = refused(&named("of-an-error").get("/v1/nothing"), 404, "NOT_FOUND");
    assert_eq!(error["request_id"], "of-an-error");
}

#[test]
fn https_is_believed_from_trusted_proxies() {
    let builder = TestServer::builder();
    let network = "127.0.0.0/8".parse().unwrap();
    let server = builder.config(|config| config.http.trusted_proxies = vec![network]).start();
    let client = server.client();
    let reply = client.with_header("X-Forwarded-Proto", "https").get("/healthz").expect(200);
    let expected = "max-age=63072000; includeSubDomains; preload";
    assert_eq!(reply.header("strict-transport-security"), Some(expected));
    assert!(client.get("/healthz").expect(200).header("strict-transport-security").is_none());
}

#[test]
fn open_routes_answer_everyone() {
    let server = TestServer::start();
    let client = server.client();
    assert_eq!(client.get("/healthz").expect(200).json(), json!({"status": "ok"}));
    assert_eq!(client.get("/readyz").expect(200).json()["status"], "ready");
    let metrics = client.get("/metrics").expect(200);
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(metrics.header("content-type"), Some(open_metrics));
    assert!(metrics.text().ends_with("# EOF\n"));
    assert!(metrics.text().contains("# TYPE "), "{}", metrics.text());
    assert_eq!(client.get("/openapi.json").expect(200).json()["openapi"], "3.1.0");
    let page = client.get("/docs").expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    for outside in ["src=\"http", "href=\"http", "url(http", "//cdn"] {
        assert!(!page.text().contains(outside), "the page asks the network for {outside}");
    }
}

#[test]
fn head_answers_as_get_without_a_body() {
    let server = TestServer::start();
    let account = server.account();
    for path in ["/healthz", "/v1/jobs", "/v1/credits/balance"] {
        let get = account.client.get(path).expect(200);
        let head = account.client.send("HEAD", path, &[], None).expect(200);
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(head.body.is_empty());
    }
    assert_eq!(server.client().send("HEAD", "/v1/jobs", &[], None).status, 401);
}

#[test]
fn other_methods_are_named() {
    let server = TestServer::start();
    let account = server.account();
    for (method, path, allowed) in [
        ("DELETE", "/v1/jobs", "GET, HEAD"),
        ("PUT", "/v1/jobs/generations", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("PATCH", "/v1/webhooks/endpoints", "GET, HEAD, POST"),
    ] {
        let reply = account.client.send(method, path, &[], None);
        refused(&reply, 405, "METHOD_NOT_ALLOWED");
        let mut found: Vec<_> = reply.header("allow").unwrap().split(", ").collect();
        found.sort_unstable();
        assert_eq!(found.join(", "), allowed, "{method} {path}");
    }
}

#[test]
fn paths_that_name_nothing_are_404() {
    let server = TestServer::start();
    let account = server.account();
    let id = "01939b2a-7c1e-7000-8000-000000000000";
    let malformed = [
        "x",
        "01939b2a7c1e70008000000000000000",
        "01939B2A-7C1E-7000-8000-000000000000",
        "01939b2a-7c1e-7000-8000-00000000000",
        "%ff",
        "..%2F..",
        "%00",
    ];
    for base in ["/v1/jobs", "/v1/webhooks/endpoints", "/v1/webhooks/deliveries", "/v1/api-keys"] {
        for id in malformed.into_iter().chain([id]) {
            refused(&account.client.get(&format!("{base}/{id}")), 404, "NOT_FOUND");
        }
    }
    for path in ["/v1", "/v1/", "/v2/jobs", "/v1/jobs/", "//v1/jobs", "/v1/jobs/x/y/z"] {
        refused(&account.client.get(path), 404, "NOT_FOUND");
    }
}

#[test]
fn times_ids_and_credits_have_one_form() {
    let server = TestServer::start();
    let account = server.account_with(&json!("10.000001"));
    let grant = &account.list("/v1/credits/grants")[0];
    let has = |path: &str, text: &str| {
        let reply = account.client.get(path).expect(200);
        assert!(reply.text().contains(text), "no {text} in {}", reply.text());
    };
    has("/v1/credits/grants", "\"amount\":10.000001,");
    let time = grant["created_at"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.', "{time}");
    let id = grant["id"].as_str().unwrap();
    assert_eq!((id.len(), &id[14..15], id.to_lowercase()), (36, "7", id.to_owned()));
    let adjust = |amount: Value| {
        let path = format!("/admin/v1/accounts/{}/credits/adjust", account.id);
        server.operator().post(&path, &json!({"amount": amount}))
    };
    for (amount, available) in
        [(json!(0.1), "10.100001"), (json!("0.2"), "10.300001"), (json!("-10.3"), "0.000001")]
    {
        adjust(amount).expect(201);
        has("/v1/credits/balance", &format!("\"available\":{available},"));
    }
    for bad in [
        json!("0.0000001"),
        json!(0.000_000_1),
        json!("1e-7"),
        json!("1.0000000"),
        json!("x"),
        json!(""),
    ] {
        let error = refused(&adjust(bad.clone()), 400, "INVALID_REQUEST");
        assert_eq!(error["param"], "amount", "{bad}");
    }
    has("/v1/credits/balance", "\"available\":0.000001,");
    // More digits than a float has.
    adjust(json!("999999999.123455")).expect(201);
    has("/v1/credits/balance", "\"available\":999999999.123456,");
    has("/v1/credits/ledger", "\"delta\":999999999.123455,");
}

#[test]
fn rate_limits_are_shown_and_kept() {
    let server = TestServer::start();
    let account = server.account();
    let key = server.key(&account.id, &json!(["jobs:read"]), &json!({"rate_limit": "2,1m"}));
    let client = server.client().with_key(&key);
    let number = |reply: &Reply, name: &str| -> u64 {
        reply.header(name).unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    };
    for remaining in [1, 0] {
        let reply = client.get("/v1/jobs").expect(200);
        assert_eq!(number(&reply, "ratelimit-limit"), 2);
        assert_eq!(number(&reply, "ratelimit-remaining"), remaining);
        assert!((1..=60).contains(&number(&reply, "ratelimit-reset")));
        assert_eq!(reply.header("ratelimit-policy"), Some("\"read\";q=2;w=60"));
        let state = format!("\"read\";r={remaining};t=");
        assert!(reply.header("ratelimit").unwrap().starts_with(&state));
    }
    let reply = client.get("/v1/jobs");
    refused(&reply, 429, "RATE_LIMIT");
    assert!((1..=60).contains(&number(&reply, "retry-after")));
    assert_eq!(number(&reply, "ratelimit-remaining"), 0);
    assert!(reply.header("ratelimit").is_some() && reply.header("ratelimit-policy").is_some());
    // Another class, and another key, have budgets of their own.
    let reply = client.post("/v1/jobs/generations", &job(&json!({})));
    refused(&reply, 403, "INSUFFICIENT_SCOPE");
    assert_eq!(number(&reply, "ratelimit-remaining"), 1);
    account.client.get("/v1/jobs").expect(200);
}

#[test]
fn wrong_keys_are_refused_and_limited_by_address() {
    let limit = "3,1h".parse().unwrap();
    let server = TestServer::builder().config(|c| c.auth.failed_attempts = limit).start();
    let with = |header: &str| server.client().with_header("Authorization", header).get("/v1/jobs");
    refused(&server.client().get("/v1/jobs"), 401, "UNAUTHENTICATED");
    for bad in ["Bearer", "Bearer x", "Basic eDp5", "sk_live_x", "Bearer sk_live_aaaa_bbbb"] {
        refused(&with(bad), 401, "UNAUTHENTICATED");
    }
    // Keys that could be right cost a look each, so they count.
    let elsewhere = TestServer::start();
    for _ in 0..3 {
        let foreign = elsewhere.key(&elsewhere.account().id, &json!(["*"]), &json!({}));
        refused(&with(&format!("Bearer {foreign}")), 401, "UNAUTHENTICATED");
    }
    let foreign = elsewhere.key(&elsewhere.account().id, &json!(["*"]), &json!({}));
    let reply = with(&format!("Bearer {foreign}"));
    refused(&reply, 429, "RATE_LIMIT");
    assert!(reply.header("retry-after").is_some());
}

#[test]
fn a_client_that_its_proxy_does_not_name_is_neither_local_nor_the_proxy() {
    let (network, limit) = ("127.0.0.0/8".parse().unwrap(), "2,1h".parse().unwrap());
    let builder = TestServer::builder().config(|config| {
        config.http.trusted_proxies = vec![network];
        config.auth.failed_attempts = limit;
    });
    let server = builder.start();
    let of = |hop: &str| server.client().with_header("X-Forwarded-For", hop);
    for hop in ["unknown", "junk", "", "8.8.8.8:80", "[2001:db8::1]:80"] {
        refused(&of(hop).get("/metrics"), 401, "UNAUTHENTICATED");
        let token = of(hop).with_key(crate::support::server::OPERATOR);
        token.get("/metrics").expect(200);
    }
    let guess = |client: &Client| client.with_key("guess").get("/admin/v1/accounts");
    for hop in ["unknown", "junk"] {
        refused(&guess(&of(hop)), 401, "UNAUTHENTICATED");
    }
    refused(&guess(&of("_other")), 429, "RATE_LIMIT");
    // They used up what they share among themselves, and nobody else's.
    for other in [of("8.8.8.8:80"), of("127.0.0.1"), server.client()] {
        refused(&guess(&other), 401, "UNAUTHENTICATED");
    }
    server.client().get("/metrics").expect(200);
}

#[test]
fn keys_end_at_once() {
    let server = TestServer::start();
    let account = server.account();
    let made = account.client.post("/v1/api-keys", &json!({"name": "k", "scopes": ["jobs:read"]}));
    let made = made.expect(201).json();
    let client = server.client().with_key(made["key"].as_str().unwrap());
    client.get("/v1/jobs").expect(200);
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    assert!(account.client.get(&path).expect(200).json().get("key").is_none());
    account.client.delete(&path).expect(204);
    // It is still there to be seen, so to revoke it again is no mistake and changes nothing.
    let revoked = account.client.get(&path).expect(200).json();
    account.client.delete(&path).expect(204);
    let admin = format!("/admin{path}").replace("api-keys", "keys");
    server.operator().delete(&admin).expect(204);
    assert_eq!(account.client.get(&path).expect(200).json(), revoked);
    refused(&client.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    // Nor does a rotated one outlive its overlap.
    let old = server.key(&account.id, &json!(["keys:write", "jobs:read"]), &json!({}));
    let old = server.client().with_key(&old);
    let keys = account.list("/v1/api-keys");
    let path = format!("/v1/api-keys/{}/rotate", keys[0]["id"].as_str().unwrap());
    let new = old.post(&path, &json!({"overlap_seconds": 0})).expect(201).json();
    refused(&old.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    server.client().with_key(new["key"].as_str().unwrap()).get("/v1/jobs").expect(200);
}

#[test]
fn a_suspended_account_is_refused_at_once() {
    let server = TestServer::start();
    let account = server.account();
    let path = format!("/admin/v1/accounts/{}", account.id);
    let suspend = |suspended: bool| {
        server.operator().patch(&path, &json!({"suspended": suspended})).expect(200);
    };
    account.client.get("/v1/jobs").expect(200);
    suspend(true);
    for path in ["/v1/jobs", "/v1/me", "/v1/credits/balance"] {
        refused(&account.client.get(path), 403, "ACCOUNT_SUSPENDED");
    }
    refused(
        &account.client.post("/v1/jobs/generations", &job(&json!({}))),
        403,
        "ACCOUNT_SUSPENDED",
    );
    suspend(false);
    assert!(account.list("/v1/jobs").is_empty());
    assert_eq!(account.balance(), (json!(CREDITS), json!(0)));
}

#[test]
fn no_key_gives_what_it_has_not() {
    let server = TestServer::start();
    let account = server.account();
    let narrow = server.key(&account.id, &json!(["keys:write", "jobs:read"]), &json!({}));
    let narrow = server.client().with_key(&narrow);
    let ask = |client: &crate::support::Client, scopes: Value| {
        client.post("/v1/api-keys", &json!({"name": "k", "scopes": scopes}))
    };
    ask(&narrow, json!(["jobs:read"])).expect(201);
    for scopes in [json!(["*"]), json!(["jobs:write"]), json!(["jobs:read", "credits:read"])] {
        refused(&ask(&narrow, scopes), 403, "INSUFFICIENT_SCOPE");
    }
    refused(&ask(&account.client, json!(["credits:write"])), 403, "INSUFFICIENT_SCOPE");
    for scopes in [json!([]), json!(["nothing"]), json!("*"), json!([1])] {
        let error = refused(&ask(&account.client, scopes), 400, "INVALID_REQUEST");
        assert!(error["param"].as_str().unwrap().starts_with("scopes"), "{error}");
    }
}
