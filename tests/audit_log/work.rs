//! What is told of endpoints, functions and schedules.

use serde_json::{Value, json};

use super::{By, World, change, changes::CANARY, text};

pub(super) fn endpoints(world: &mut World, secrets: &mut Vec<String>) {
    let all = "/v1/webhooks/endpoints";
    let body = json!({"url": "https://example.com/hook", "events": ["ping", "job.failed"]});
    let (made, told) = world.step(
        By::Key,
        "createWebhookEndpoint",
        ("POST", all),
        Some(body),
        &["webhook_endpoint.created"],
    );
    secrets.push(text(&made["secret"]));
    assert_eq!(told[0]["after"]["events"], made["events"]);
    assert_eq!(told[0]["after"]["active"], true);
    let path = format!("{all}/{}", text(&made["id"]));
    let (_, told) = world.step(
        By::Key,
        "updateWebhookEndpoint",
        ("PATCH", &path),
        Some(json!({"active": false})),
        &["webhook_endpoint.updated"],
    );
    assert_eq!(change(&told[0]), (&json!({"active": true}), &json!({"active": false})));
    let rotate = format!("{path}/rotate-secret");
    let (new, told) = world.step(
        By::Key,
        "rotateWebhookSecret",
        ("POST", &rotate),
        Some(json!({})),
        &["webhook_endpoint.secret_rotated"],
    );
    secrets.push(text(&new["secret"]));
    assert_eq!(change(&told[0]), (&Value::Null, &Value::Null));
    let (_, told) = world.step(
        By::Key,
        "deleteWebhookEndpoint",
        ("DELETE", &path),
        None,
        &["webhook_endpoint.deleted"],
    );
    assert_eq!((&told[0]["before"]["active"], &told[0]["after"]), (&json!(false), &Value::Null));
}

pub(super) fn functions_and_schedules(world: &mut World, secrets: &mut Vec<String>) {
    let path = "/v1/functions/report";
    let body =
        json!({"kind": "http", "url": "https://example.com/run", "headers": {"X-Token": CANARY}});
    let (made, told) = world.step(
        By::Key,
        "putFunction",
        ("PUT", path),
        Some(body.clone()),
        &["function.created"],
    );
    secrets.push(text(&made["secret"]));
    assert_eq!(
        (&told[0]["after"]["kind"], &told[0]["after"]["method"]),
        (&json!("http"), &json!("POST"))
    );
    world.step(By::Key, "putFunction", ("PUT", path), Some(body.clone()), &[]);
    let mut other = body;
    for (name, value, shown) in [
        ("timeout_ms", json!(1_500), json!(1_500)),
        ("headers", json!({"X-Token": format!("{CANARY} too")}), json!("changed")),
    ] {
        other[name] = value;
        let put = ("PUT", path);
        let (_, told) =
            world.step(By::Key, "putFunction", put, Some(other.clone()), &["function.updated"]);
        assert_eq!(told[0]["after"], json!({name: shown}));
    }
    let rotate = format!("{path}/rotate-secret");
    let (new, told) = world.step(
        By::Key,
        "rotateFunctionSecret",
        ("POST", &rotate),
        Some(json!({})),
        &["function.secret_rotated"],
    );
    secrets.push(text(&new["secret"]));
    assert_eq!(change(&told[0]), (&Value::Null, &Value::Null));

    let body =
        json!({"name": "s", "cron": "@daily", "function_name": "report", "payload": {"a": 1}});
    let (made, told) = world.step(
        By::Key,
        "createSchedule",
        ("POST", "/v1/schedules"),
        Some(body),
        &["schedule.created"],
    );
    assert_eq!(
        (&told[0]["after"]["payload"], &told[0]["after"]["paused"]),
        (&json!({"a": 1}), &json!(false))
    );
    let path_of = format!("/v1/schedules/{}", text(&made["id"]));
    for (body, action, told_as) in [
        (json!({"paused": true}), "schedule.paused", json!({"paused": true})),
        (json!({"paused": false}), "schedule.resumed", json!({"paused": false})),
        (json!({"jitter_seconds": 3}), "schedule.updated", json!({"jitter_seconds": 3})),
    ] {
        let (_, told) =
            world.step(By::Key, "updateSchedule", ("PATCH", &path_of), Some(body), &[action]);
        assert_eq!(told[0]["after"], told_as);
    }
    let (_, told) =
        world.step(By::Key, "deleteSchedule", ("DELETE", &path_of), None, &["schedule.deleted"]);
    assert_eq!(told[0]["before"]["payload"], json!({"a": 1}));
    world.step(By::Key, "deleteFunction", ("DELETE", path), None, &["function.deleted"]);
}
