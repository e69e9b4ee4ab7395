use std::path::Path;

use serde_json::{Value, json};

use super::{World, refused_for};
use crate::{
    api::conventions::refused,
    support::{
        Receiver,
        program::{Program, Running},
        receiver::{verify, verify_standard},
        server::TestServer,
    },
};

const CANARY: &str = "canary-4f1c9b";

/// Asks for a new secret of the function `f`.
fn rotate(world: &World, body: &Value) -> String {
    let reply = world.account.client.post("/v1/functions/f/rotate-secret", body);
    reply.expect(200).json()["secret"].as_str().unwrap().to_owned()
}

#[test]
fn requests_are_signed_and_say_what_they_are_for() {
    let world = World::new();
    let secret = world.function_with(&json!({"headers": {"X-Shop": "one"}}));
    let secret = secret["secret"].as_str().unwrap();
    let client = world.account.client.with_header("X-Request-Id", "of-the-test");
    let body = json!({"function_name": "f", "payload": {"a": [1, null]}});
    let task = client.post(super::TASKS, &body).expect(201).json();
    let request = &world.receiver.wait_for_deliveries(1)[0];
    verify(request, secret).unwrap();
    assert_eq!((&*request.method, &*request.path), ("POST", "/f"));
    assert_eq!(request.header("webhook-id"), task["id"].as_str());
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("x-shop"), Some("one"));
    let expected = json!({
        "id": task["id"], "object": "scheduled_task", "function_name": "f", "schedule_id": null,
        "scheduled_time": task["scheduled_time"], "attempt": 1, "payload": {"a": [1, null]},
        "request_id": "of-the-test",
    });
    assert_eq!(request.json(), expected);
}

#[test]
fn both_secrets_sign_while_a_rotation_overlaps() {
    let world = World::new();
    let first = world.function();
    let second = rotate(&world, &json!({}));
    assert_ne!(first, second);
    world.account.task(&json!({}));
    let request = &world.receiver.wait_for_deliveries(1)[0];
    verify(request, &second).unwrap();
    verify_standard(request, &first).unwrap();
    // A change of something else leaves both as they are.
    let changed = world.function_with(&json!({"timeout_ms": 900}));
    assert_eq!(changed["secret"], Value::Null);
    world.account.task(&json!({}));
    let request = &world.receiver.wait_for_deliveries(2)[1];
    verify(request, &second).unwrap();
    verify_standard(request, &first).unwrap();
    let third = rotate(&world, &json!({"overlap_seconds": 0}));
    world.account.task(&json!({}));
    let request = &world.receiver.wait_for_deliveries(3)[2];
    verify(request, &third).unwrap();
    for old in [first, second] {
        verify_standard(request, &old).unwrap_err();
    }
}

#[test]
fn a_rotation_is_done_once_and_for_requests_alone() {
    let world = World::new();
    let first = world.function();
    let path = "/v1/functions/f/rotate-secret";
    let client = &world.account.client;
    let one = client.post_once(path, "k", &json!({"overlap_seconds": 5})).expect(200);
    let again = client.post_once(path, "k", &json!({"overlap_seconds": 5})).expect(200);
    assert_eq!((one.json(), again.header("idempotent-replayed")), (again.json(), Some("true")));
    assert_ne!(one.json()["secret"], json!(first));
    client.send("POST", path, &[], None).expect(200);
    refused_for(&client.post(path, &json!({"overlap_seconds": 604_801})), "overlap_seconds");
    refused(&client.post("/v1/functions/none/rotate-secret", &json!({})), 404, "NOT_FOUND");
    let builtin = "/v1/functions/streak-updater/rotate-secret";
    refused(&client.post(builtin, &json!({})), 409, "CONFLICT");
}

#[test]
fn a_header_that_is_null_keeps_its_value() {
    let world = World::new();
    let ask = |headers: Value| {
        let count = world.receiver.received().len();
        world.function_with(&json!({ "headers": headers }));
        world.account.task(&json!({}));
        world.receiver.wait_for_deliveries(count + 1).remove(count)
    };
    let request = ask(json!({"X-A": "one", "X-B": "two"}));
    assert_eq!((request.header("x-a"), request.header("x-b")), (Some("one"), Some("two")));
    let request = ask(json!({"x-a": null, "x-b": "changed"}));
    assert_eq!((request.header("x-a"), request.header("x-b")), (Some("one"), Some("changed")));
    let request = ask(json!({"X-B": null}));
    assert_eq!((request.header("x-a"), request.header("x-b")), (None, Some("changed")));
    // Another path is the same server; another port is not, and is not told what was kept.
    let at = |url: &str| json!({"kind": "http", "url": url, "headers": {"x-b": null}});
    world.account.put("f", &at(&world.receiver.url("/other"))).expect(200);
    refused_for(&world.account.put("f", &at("http://127.0.0.1:9/f")), "headers/x-b");
    refused_for(&world.account.put("f", &at("https://example.com/f")), "headers/x-b");
    // What was left out is gone.
    let body = json!({"kind": "http", "url": world.receiver.url("/f"), "headers": {"x-a": null}});
    refused_for(&world.account.put("f", &body), "headers/x-a");
}

/// Every file of the folder, whatever is below it, without `needle` in it.
fn assert_nowhere(folder: &Path, needle: &str) {
    let mut looked_at = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nowhere(&path, needle);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(needle.len()).any(|part| part == needle.as_bytes());
        assert!(!found, "{needle} is in {}", path.display());
        looked_at += 1;
    }
    assert!(looked_at > 0, "{} is empty", folder.display());
}

#[test]
fn secrets_are_shown_once_and_written_nowhere_in_plain() {
    let world = World::new();
    let made = world.function_with(&json!({"headers": {"Authorization": CANARY}}));
    assert!(!made.to_string().contains(CANARY));
    let first = made["secret"].as_str().unwrap().to_owned();
    let second = rotate(&world, &json!({}));
    // Kept for whoever sends the request again, but sealed.
    let path = "/v1/functions/f/rotate-secret";
    let third = world.account.client.post_once(path, "k", &json!({})).expect(200).json();
    let third = third["secret"].as_str().unwrap().to_owned();
    let task = world.account.task(&json!({}));
    world.account.wait_task(&task, "completed");
    let request = world.receiver.received().remove(0);
    assert_eq!(request.header("authorization"), Some(CANARY));
    let client = &world.account.client;
    let answers = [
        "/v1/functions/f",
        "/v1/functions",
        super::TASKS,
        &super::task_path(&task, ""),
        "/openapi.json",
    ]
    .map(|path| client.get(path).expect(200).text().to_owned());
    let metrics = world.server.client().get("/metrics").expect(200).text().to_owned();
    let database = world.server.outside();
    let folder = Path::new(database.path().unwrap()).parent().unwrap();
    for secret in [CANARY, &first, &second, &third] {
        assert_nowhere(folder, secret);
        let shown = answers.iter().chain([&metrics]).any(|answer| answer.contains(secret));
        assert!(!shown, "{secret} is shown");
    }
}

#[test]
fn no_log_tells_a_secret() {
    let (program, receiver) = (Program::new(), Receiver::start());
    let mut command = program.command(&[]);
    command.env("SKAI_LOG__LEVEL", "trace").env("SKAI_WEBHOOKS__ALLOW_NETWORKS", "127.0.0.0/8");
    let server = Running::start(&mut command);
    let account = program.account("1");
    let client = server.client(&account.key);
    let body = json!({
        "kind": "http", "url": receiver.url("/f"),
        "headers": {"X-Api-Key": CANARY, "Cookie": format!("a={CANARY}")},
    });
    let made = client.send_json("PUT", "/v1/functions/f", &[], &body).expect(200).json();
    let mut broken = body.clone();
    broken["headers"]["bad name"] = json!(CANARY);
    client.send_json("PUT", "/v1/functions/f", &[], &broken).expect(400);
    let payload = json!({"function_name": "f", "payload": format!("{CANARY}-payload")});
    client.post(super::TASKS, &payload).expect(201);
    receiver.wait_for_deliveries(1);
    server.signal("TERM");
    let (status, log) = server.wait();
    assert!(status.success());
    let log = log.concat();
    for secret in [CANARY, made["secret"].as_str().unwrap()] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert_nowhere(&program.data_dir(), made["secret"].as_str().unwrap());
}

#[test]
fn what_was_sealed_is_there_after_a_restart() {
    let mut world = World::new();
    let first = world.function_with(&json!({"headers": {"x-a": "kept"}}));
    let second = rotate(&world, &json!({}));
    world.server = TestServer::restart(world.server);
    world.account = world.account.at(&world.server);
    world.account.task(&json!({}));
    let request = &world.receiver.wait_for_deliveries(1)[0];
    assert_eq!(request.header("x-a"), Some("kept"));
    verify(request, &second).unwrap();
    verify_standard(request, first["secret"].as_str().unwrap()).unwrap();
}
