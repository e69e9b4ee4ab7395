use std::time::Duration;

use serde_json::{Value, json};

use super::World;
use crate::support::{Answer, receiver::verify};

/// Runs a task of the function `f` to its end.
fn run(world: &World, status: &str) -> Value {
    world.account.wait_task(&world.account.task(&json!({})), status)
}

#[test]
fn an_answer_is_kept_as_json_or_as_text() {
    let world = World::new();
    world.function();
    for (answer, body) in [
        (Answer::json(200, &json!({"done": [1, 2]})), json!({"done": [1, 2]})),
        (Answer::new(201, "12345678901234567890123"), Value::Null),
        (Answer::new(204, ""), json!("")),
        (Answer::new(202, "thanks"), json!("thanks")),
        (Answer::new(200, "{\"cut"), json!("{\"cut")),
    ] {
        world.receiver.queue(answer);
        let task = run(&world, "completed");
        assert_eq!((&task["error"], &task["attempts"]), (&Value::Null, &json!(1)));
        assert!(task["duration_ms"].is_u64() && task["finished_at"].is_string(), "{task}");
        if !body.is_null() {
            assert_eq!(task["result"]["body"], body);
            continue;
        }
        // Numbers keep all their digits.
        let reply = world.account.client.get(&super::task_path(&task, "")).expect(200);
        let result = r#""result":{"status_code":201,"body":12345678901234567890123}"#;
        assert!(reply.text().contains(result), "{}", reply.text());
    }
}

#[test]
fn methods_without_a_body_are_signed_too() {
    let world = World::new();
    let secret = world.function();
    for method in ["GET", "DELETE", "PUT", "PATCH", "POST"] {
        world.function_with(&json!({ "method": method }));
        let task = run(&world, "completed");
        let request = world.receiver.received().pop().unwrap();
        assert_eq!(request.method, method);
        let has_body = !["GET", "DELETE"].contains(&method);
        assert_eq!(!request.body.is_empty(), has_body, "{method}");
        assert_eq!(request.header("content-type").is_some(), has_body, "{method}");
        assert_eq!(request.header("webhook-id"), task["id"].as_str());
        verify(&request, &secret).unwrap();
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let world = World::with(|config| config.queues.task_run.backoff.clear());
    world.function();
    let elsewhere = world.receiver.url("/elsewhere");
    world.receiver.queue(Answer::new(307, "").header("location", &elsewhere));
    let task = run(&world, "failed");
    assert_eq!(task["error"]["code"], "BAD_REQUEST");
    assert_eq!(task["error"]["message"], "the function answered 307");
    assert_eq!(task["result"], json!({"status_code": 307, "body": ""}));
    assert_eq!(world.receiver.received().len(), 1);
}

#[test]
fn failures_are_told_apart() {
    let world = World::with(|config| config.queues.task_run.backoff.clear());
    world.function();
    for (answer, code, status) in [
        (Answer::new(400, "no"), "BAD_REQUEST", json!(400)),
        (Answer::new(408, ""), "TIMEOUT", json!(408)),
        (Answer::new(429, ""), "RATE_LIMIT", json!(429)),
        (Answer::new(503, ""), "SERVER_ERROR", json!(503)),
        (Answer::close(), "SERVER_ERROR", Value::Null),
    ] {
        world.receiver.queue(answer);
        let task = run(&world, "failed");
        assert_eq!(
            (&task["error"]["code"], &task["result"]["status_code"]),
            (&json!(code), &status)
        );
        assert!(!task["error"]["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn a_large_answer_is_cut_and_an_endless_one_ends() {
    let world = World::new();
    world.function_with(&json!({"timeout_ms": 10_000}));
    world.receiver.queue(Answer::new(200, "x".repeat(1 << 20)));
    assert_eq!(run(&world, "completed")["result"]["body"].as_str().unwrap().len(), 16 * 1024);
    world.receiver.queue(Answer::endless("y".repeat(4096), Duration::ZERO));
    assert_eq!(run(&world, "completed")["result"]["body"].as_str().unwrap().len(), 16 * 1024);
}

#[test]
fn an_attempt_takes_no_longer_than_its_function_may() {
    let world = World::with(|config| config.queues.task_run.backoff.clear());
    world.function_with(&json!({"timeout_ms": 50}));
    for answer in [Answer::new(200, "").held(), Answer::endless("slow", Duration::from_millis(20))]
    {
        world.receiver.queue(answer);
        let task = run(&world, "failed");
        assert_eq!(task["error"]["code"], "TIMEOUT");
        assert_eq!(task["error"]["message"], "the function did not answer in time");
        assert!(task["duration_ms"].as_u64().unwrap() >= 50, "{task}");
    }
}

#[test]
fn a_hanging_function_does_not_hold_up_anothers() {
    let world = World::with(|config| config.queues.task_run.concurrency = 2);
    world.function();
    world.hold();
    for _ in 0..6 {
        world.account.task(&json!({}));
    }
    world.receiver.wait_for_in_flight(2);
    let other = world.server.account();
    other.put("f", &json!({"kind": "agent", "agent": "none"})).expect(200);
    let task = other.task(&json!({}));
    // Its turn comes as soon as one place is free, before four that are older.
    world.receiver.release();
    other.wait_task(&task, "failed");
    world.let_go();
}

#[test]
fn a_network_that_is_not_allowed_any_more_is_not_asked() {
    let mut world = World::new();
    let port = world.receiver.address().port();
    let urls = [world.receiver.url("/f"), format!("http://localhost:{port}/f")];
    for (name, url) in ["literal", "name"].iter().zip(&urls) {
        world.account.put(name, &json!({"kind": "http", "url": url})).expect(200);
    }
    world.server = world.server.restart_with(|config| config.webhooks.allow_networks.clear());
    world.account = world.account.at(&world.server);
    for (name, url) in ["literal", "name"].iter().zip(&urls) {
        // It cannot be put any more, and what was put is judged anew at each attempt.
        let body = json!({"kind": "http", "url": url});
        super::refused_for(&world.account.put(name, &body), "url");
        let task = world.account.task(&json!({ "function_name": name }));
        let task = world.account.wait_task(&task, "failed");
        assert_eq!((&task["error"]["code"], &task["attempts"]), (&json!("BAD_REQUEST"), &json!(1)));
        let message = task["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("not sent: the URL leads to an address"), "{message}");
        assert_eq!(task["result"], Value::Null);
    }
    assert_eq!(world.receiver.connections(), 0);
    assert_eq!(world.account.dead_tasks().len(), 2);
}
