use serde_json::{Value, json};

use super::{World, refused_for};
use crate::{api::conventions::refused, support::client::Reply};

#[test]
fn a_function_is_made_shown_replaced_and_deleted() {
    let world = World::new();
    let (account, url) = (&world.account, world.receiver.url("/f"));
    let body = json!({
        "kind": "http", "url": url, "method": "PUT", "timeout_ms": 5000,
        "headers": {"X-Shop": "one", "Authorization": "Bearer abc"},
    });
    let made = account.put("report", &body).expect(200).json();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    let expected = json!({
        "id": made["id"], "object": "function", "name": "report", "kind": "http", "url": url,
        "method": "PUT", "headers": {"authorization": null, "x-shop": null}, "timeout_ms": 5000,
        "agent": null, "input": null, "secret": made["secret"],
        "created_at": made["created_at"], "updated_at": made["updated_at"],
    });
    assert_eq!(made, expected);
    let show = || account.client.get("/v1/functions/report").expect(200).json();
    let mut shown = expected;
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(show(), shown);

    let plain = json!({"kind": "http", "url": url});
    let replaced = account.put("report", &plain).expect(200).json();
    assert_eq!(replaced["secret"], Value::Null, "it is shown once");
    assert_eq!((&replaced["id"], &replaced["created_at"]), (&made["id"], &made["created_at"]));
    assert_eq!((&replaced["method"], &replaced["headers"]), (&json!("POST"), &json!({})));
    assert_eq!(replaced["timeout_ms"], 30_000);

    let run = json!({"kind": "agent", "agent": "writer", "input": {"a": 1}});
    let run = account.put("report", &run).expect(200).json();
    assert_eq!((&run["kind"], &run["agent"]), (&json!("agent"), &json!("writer")));
    assert_eq!((&run["input"], &run["url"]), (&json!({"a": 1}), &Value::Null));
    assert_eq!((&run["headers"], &run["secret"]), (&Value::Null, &Value::Null));
    assert!(account.put("report", &plain).expect(200).json()["secret"].is_string());

    account.client.delete("/v1/functions/report").expect(204);
    refused(&account.client.get("/v1/functions/report"), 404, "NOT_FOUND");
    refused(&account.client.delete("/v1/functions/report"), 404, "NOT_FOUND");
}

#[test]
fn what_is_shown_can_be_put_again() {
    let world = World::new();
    world.function_with(&json!({"headers": {"X-Token": "kept"}, "method": "PATCH"}));
    let shown = world.account.client.get("/v1/functions/f").expect(200).json();
    let mut body = json!({});
    for member in ["kind", "url", "method", "headers", "timeout_ms", "agent", "input"] {
        body[member] = shown[member].clone();
    }
    body["headers"]["x-new"] = json!("new");
    world.account.put("f", &body).expect(200);
    world.account.task(&json!({}));
    let request = &world.receiver.wait_for_deliveries(1)[0];
    assert_eq!(request.method, "PATCH");
    assert_eq!((request.header("x-token"), request.header("x-new")), (Some("kept"), Some("new")));
    let run = json!({"kind": "agent", "agent": "a", "url": null, "headers": null, "input": null});
    world.account.put("g", &run).expect(200);
}

#[test]
fn each_refusal_names_its_member() {
    let world = World::new();
    let put = |name: &str, more: &Value| -> Reply {
        let mut body = json!({"kind": "http", "url": "https://example.com/"});
        super::add(&mut body, more);
        world.account.put(name, &body)
    };
    for (more, param) in [
        (json!({"kind": "shell"}), "kind"),
        (json!({"kind": null}), "kind"),
        (json!({"url": null}), "url"),
        (json!({"url": 1}), "url"),
        (json!({"url": "ftp://example.com"}), "url"),
        (json!({"url": "https://user:password@example.com"}), "url"),
        (json!({"url": format!("https://example.com/{}", "x".repeat(2048))}), "url"),
        (json!({"url": "http://10.0.0.1/"}), "url"),
        (json!({"url": "http://169.254.169.254/latest"}), "url"),
        (json!({"url": "http://[::ffff:10.0.0.1]/"}), "url"),
        (json!({"method": "TRACE"}), "method"),
        (json!({"timeout_ms": 0}), "timeout_ms"),
        (json!({"timeout_ms": 600_001}), "timeout_ms"),
        (json!({"timeout_ms": "1s"}), "timeout_ms"),
        (json!({"headers": {"Content-Length": "1"}}), "headers/Content-Length"),
        (json!({"headers": {"webhook-signature": "1"}}), "headers/webhook-signature"),
        (json!({"headers": {"a b": "1"}}), "headers/a b"),
        (json!({"headers": {"x": "a\r\nb: c"}}), "headers/x"),
        (json!({"headers": {"x": null}}), "headers/x"),
        (json!({"headers": {"x": "1", "X": "2"}}), "headers/x"),
        (json!({"agent": "a"}), "agent"),
        (json!({"input": {}}), "input"),
        (json!({"extra": 1}), "extra"),
    ] {
        let reply = put("f", &more);
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["param"]), (400, &json!(param)), "{more}: {error}");
    }
    let many: serde_json::Map<_, _> = (0..33).map(|n| (format!("x-{n}"), json!("1"))).collect();
    refused_for(&put("f", &json!({"headers": many})), "headers");
    refused_for(&put("streak-updater", &json!({})), "name");
    refused_for(&put(&"x".repeat(65), &json!({})), "name");
    refused_for(&put("Not-A-Slug", &json!({})), "name");
    refused_for(&world.account.put("other", &json!({"kind": "builtin"})), "name");
    let run = |more: Value| {
        let mut body = json!({"kind": "agent", "agent": "a"});
        super::add(&mut body, &more);
        world.account.put("f", &body)
    };
    refused_for(&run(json!({"agent": null})), "agent");
    refused_for(&run(json!({"input": "x".repeat(64 * 1024)})), "input");
    refused_for(&run(json!({"method": "GET"})), "method");
    run(json!({"input": "x".repeat(64 * 1024 - 2)})).expect(200);
}

#[test]
fn an_account_has_only_so_many() {
    let world = World::with(|config| {
        config.tasks.max_functions = 6;
        config.tasks.max_schedules = 3;
    });
    let body = json!({"kind": "agent", "agent": "a"});
    for name in ["f", "g"] {
        world.account.put(name, &body).expect(200);
    }
    refused(&world.account.put("h", &body), 409, "CONFLICT");
    world.account.put("g", &body).expect(200);
    world.account.client.delete("/v1/functions/g").expect(204);
    world.account.put("h", &body).expect(200);
    world.account.schedule(&json!({}));
    refused(&world.account.try_schedule(&json!({})), 409, "CONFLICT");
}

#[test]
fn a_function_that_a_schedule_runs_stays() {
    let world = World::new();
    world.function();
    let account = &world.account;
    let schedule = account.schedule(&json!({"paused": true}));
    refused(&account.client.delete("/v1/functions/f"), 409, "CONFLICT");
    refused(&account.client.delete("/v1/functions/daily-token-reset"), 409, "CONFLICT");
    account.client.delete(&super::schedule_path(&schedule, "")).expect(204);
    account.client.delete("/v1/functions/f").expect(204);
    // One of the server's own can be removed, and comes back.
    account.client.delete("/v1/functions/streak-updater").expect(204);
    account.put("streak-updater", &json!({"kind": "builtin"})).expect(200);
}

#[test]
fn tasks_of_a_deleted_function_fail_and_can_be_retried() {
    let world = World::new();
    let secret = world.function();
    let account = &world.account;
    world.server.set_paused("task.run", true);
    let task = account.task(&json!({"payload": 7}));
    account.client.delete("/v1/functions/f").expect(204);
    world.server.set_paused("task.run", false);
    let failed = account.wait_task(&task, "failed");
    assert_eq!(failed["error"]["code"], "NOT_FOUND");
    let message = "the function was deleted; make it again by PUT, and retry the task";
    assert_eq!(failed["error"]["message"], message);
    assert_eq!((&failed["attempts"], &failed["result"]), (&json!(0), &Value::Null));
    let letter = account.dead_tasks().remove(0);
    assert_eq!((&letter["task_id"], &letter["attempts"]), (&task["id"], &json!(0)));
    let again = world.function();
    assert_ne!(again, secret);
    account.do_with_task(&task, "retry").expect(202);
    assert_eq!(account.wait_task(&task, "completed")["attempts"], 1);
    assert!(account.dead_tasks().is_empty());
    let request = &world.receiver.received()[0];
    assert_eq!(request.json()["payload"], 7);
    crate::support::receiver::verify(request, &again).unwrap();
}
