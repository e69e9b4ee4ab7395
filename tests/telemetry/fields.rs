//! Secrets in bodies: as texts, as names, and where the JSON is broken.

use serde_json::{Map, Value, json};

use super::canary::{NAMED, SHAPED, World};

/// The properties of a body by the document, and those of what is within them.
fn properties(document: &Value, schema: &Value, depth: usize) -> Vec<String> {
    let schema = match schema["$ref"].as_str() {
        Some(place) => document.pointer(&place[1..]).unwrap(),
        None => schema,
    };
    let none = Map::new();
    let own = schema["properties"].as_object().unwrap_or(&none);
    let mut found: Vec<String> = own.keys().cloned().collect();
    if depth > 0 {
        let inner = own
            .values()
            .chain([&schema["items"]])
            .chain(schema["anyOf"].as_array().into_iter().flatten());
        found.extend(inner.flat_map(|inner| properties(document, inner, depth - 1)));
    }
    found
}

/// Bodies with secrets as texts, as names, and where the JSON is broken.
fn bodies(world: &World, fields: &[String]) -> Vec<String> {
    let shaped = || world.shaped();
    let mut bodies = vec![
        format!("{{\"model\": \"{}\", {}", shaped(), shaped()),
        format!("{{\"a\": \"{}\" \"password\": \"{NAMED}\"}}", shaped()),
        format!("\"{}\"", shaped()),
        format!("[\"{}\"]", shaped()),
        format!("{{\"{0}\": 1, \"{0}\": 2}}", shaped()),
        json!({shaped(): shaped()}).to_string(),
        json!({"password": NAMED}).to_string(),
        json!({"api_key": NAMED, "token": NAMED, "card_number": NAMED}).to_string(),
        json!({"client_secret": {"token": [NAMED]}}).to_string(),
    ];
    for field in fields {
        for value in [
            json!(shaped()),
            json!([shaped(), {"password": NAMED, shaped(): shaped()}]),
            json!({shaped(): shaped(), "password": NAMED}),
        ] {
            bodies.push(json!({ field: value }).to_string());
        }
    }
    bodies
}

#[test]
fn no_field_is_told() {
    let world = World::new();
    let [account, operator, ..] = world.clients();
    let document = account.get("/openapi.json").expect(200).json();
    let mut sent = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_null() {
                continue;
            }
            let client = if path.starts_with("/admin") { &operator } else { &account };
            let path: String = path
                .split('/')
                .map(|part| match part {
                    part if part.starts_with('{') => format!("/sk-{SHAPED}"),
                    part => format!("/{part}"),
                })
                .collect();
            for body in bodies(&world, &properties(&document, schema, 1)) {
                let headers = [("Content-Type", "application/json")];
                world.send(client, &method.to_uppercase(), &path[1..], &headers, Some(&body));
                sent += 1;
            }
        }
    }
    assert!(sent > 500, "{sent}");
    for (method, path, body) in jobs(&world).into_iter().chain(others(&world)) {
        let headers = [("Content-Type", "application/json")];
        world.send(&account, method, path, &headers, Some(&body.to_string()));
    }
    world.search();
}

type Case = (&'static str, &'static str, Value);

/// Bodies of jobs and agents that get far enough to be judged by their contents.
fn jobs(world: &World) -> Vec<Case> {
    let job = |more: Value| {
        let mut body = json!({"model": "sandbox", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let shaped = || world.shaped();
    vec![
        ("POST", "/v1/jobs/generations", job(json!({"model": shaped()}))),
        ("POST", "/v1/jobs/generations", job(json!({"metadata": {"password": [NAMED]}}))),
        ("POST", "/v1/jobs/generations", job(json!({"metadata": {shaped(): shaped()}}))),
        ("POST", "/v1/jobs/generations", job(json!({"user": shaped()}))),
        (
            "POST",
            "/v1/jobs/generations",
            job(json!({"messages": [{"role": shaped(), "content": shaped()}]})),
        ),
        ("POST", "/v1/jobs/generations", job(json!({"output_schema": {"type": shaped()}}))),
        ("POST", "/v1/jobs/generations", job(json!({"output_schema": {"$ref": shaped()}}))),
        (
            "POST",
            "/v1/jobs/generations",
            job(json!({"output_schema": {"pattern": format!("({}", shaped())}})),
        ),
        ("POST", "/v1/chat/completions", job(json!({"model": shaped()}))),
        (
            "POST",
            "/v1/chat/completions",
            job(json!({"messages": [{"role": shaped(), "content": 1}]})),
        ),
        (
            "POST",
            "/v1/schemas/validate",
            json!({"schema": {"$ref": shaped()}, "instance": shaped()}),
        ),
        ("POST", "/v1/schemas/validate", json!({"schema": {"type": [shaped()]}, "instance": 1})),
        ("POST", "/v1/agents", json!({"name": shaped(), "model": "sandbox", "messages": []})),
        (
            "POST",
            "/v1/agents",
            json!({"name": "a", "model": "sandbox",
            "messages": [{"role": "user", "content": format!("{{{{ '{}' | nothing }}}}", shaped())}]}),
        ),
    ]
}

/// The same of what asks servers, and runs at times.
fn others(world: &World) -> Vec<Case> {
    let shaped = || world.shaped();
    let url = format!("https://user:{NAMED}@127.0.0.1/hook");
    vec![
        ("POST", "/v1/webhooks/endpoints", json!({"url": url})),
        ("POST", "/v1/webhooks/endpoints", json!({"url": format!("ftp://user:{NAMED}@host/")})),
        ("POST", "/v1/webhooks/endpoints", json!({"url": format!("https://user:{NAMED}@[::1/")})),
        (
            "POST",
            "/v1/webhooks/endpoints",
            json!({"url": "https://example.com", "events": [shaped()]}),
        ),
        ("PUT", "/v1/functions/f", json!({"kind": "http", "url": url})),
        (
            "PUT",
            "/v1/functions/f",
            json!({"kind": "http", "url": "https://example.com",
            "headers": {"Authorization": NAMED, "X-Api-Key": [NAMED], "bad name": NAMED}}),
        ),
        (
            "PUT",
            "/v1/functions/f",
            json!({"kind": "http", "url": "https://example.com",
            "headers": {"X-Api-Key": format!("{NAMED}\u{1}")}}),
        ),
        (
            "POST",
            "/v1/scheduled-tasks",
            json!({"function_name": shaped(), "payload": {"token": NAMED}}),
        ),
        (
            "POST",
            "/v1/schedules",
            json!({"name": shaped(), "cron": shaped(), "function_name": "x"}),
        ),
        (
            "POST",
            "/v1/schedules",
            json!({"name": "s", "cron": "@daily", "timezone": shaped(), "function_name": "x"}),
        ),
        ("POST", "/v1/api-keys", json!({"name": shaped(), "scopes": [shaped()]})),
        (
            "POST",
            "/v1/api-keys",
            json!({"name": "k", "scopes": ["*"], "allowed_cidrs": [shaped()]}),
        ),
    ]
}
