use std::time::Duration;

use serde_json::{Value, json};

use super::{SCHEDULES, TASKS, World, ahead, schedule_path, task_path};
use crate::{
    api::conventions::refused,
    support::{Receiver, server::CREDITS},
};

#[test]
fn tasks_of_test_keys_live_apart() {
    let world = World::new();
    let twin = world.account.twin(&world.server);
    world.function();
    let task = world.account.task(&json!({"scheduled_time": ahead(Duration::from_hours(1))}));
    let schedule = world.account.schedule(&json!({}));
    assert!(twin.list(TASKS).is_empty());
    assert_eq!(twin.list(SCHEDULES).len(), 2);
    for path in ["/v1/functions/f", &task_path(&task, ""), &schedule_path(&schedule, "")] {
        refused(&twin.client.get(path), 404, "NOT_FOUND");
    }
    // The same name is another function, with another secret, and its failures are told as a test's.
    let receiver = Receiver::start();
    let made = twin.put("f", &json!({"kind": "http", "url": receiver.url("/test")})).expect(200);
    assert!(made.json()["secret"].is_string());
    let hook = twin.endpoint(&receiver, "/hook", &json!({"events": ["task.failed"]}));
    receiver.queue(crate::support::Answer::new(200, ""));
    let done = twin.task(&json!({}));
    twin.wait_task(&done, "completed");
    twin.put("f", &json!({"kind": "agent", "agent": "none"})).expect(200);
    let failed = twin.task(&json!({}));
    twin.wait_task(&failed, "failed");
    let told = receiver.wait_for_one(|it| it.path == "/hook");
    crate::support::receiver::verify(&told, &hook.secret).unwrap();
    let data = &told.json()["data"];
    assert_eq!((&data["environment"], &data["task_id"]), (&json!("test"), &failed["id"]));
    assert_eq!(data["account_id"], world.account.id);
    assert!(world.receiver.received().is_empty());
    assert_eq!(world.account.list(TASKS).len(), 1);
}

#[test]
fn a_run_of_a_test_key_is_paid_with_test_credits() {
    let world = World::with(|config| config.credits.test_credits = "5000".parse().unwrap());
    let twin = world.account.twin(&world.server);
    let messages = json!([{"role": "user", "content": "hi"}]);
    let agent = json!({"name": "greeter", "model": "m", "messages": messages});
    twin.client.post("/v1/agents", &agent).expect(201);
    twin.put("f", &json!({"kind": "agent", "agent": "greeter", "input": {}})).expect(200);
    let done = twin.wait_task(&twin.task(&json!({})), "completed");
    assert_eq!(done["result"]["status"], "succeeded");
    assert_ne!(twin.balance().0, json!(5_000));
    assert_eq!(world.account.balance(), (json!(CREDITS), json!(0)));
    assert!(world.provider.received().is_empty(), "the sandbox alone answers test keys");
}

#[test]
fn a_suspended_account_is_refused_at_every_door() {
    let world = World::new();
    world.function();
    let suspend = |suspended: bool| {
        let path = format!("/admin/v1/accounts/{}", world.account.id);
        world.server.operator().patch(&path, &json!({ "suspended": suspended })).expect(200);
    };
    let schedule = world.account.schedule(&json!({}));
    world.server.set_paused("task.run", true);
    let task = world.account.task(&json!({}));
    suspend(true);
    world.server.set_paused("task.run", false);
    let client = &world.account.client;
    for reply in [
        world.account.put("f", &json!({"kind": "builtin"})),
        client.post(TASKS, &json!({"function_name": "f"})),
        client.send("POST", &schedule_path(&schedule, "/run"), &[], None),
        client.send("POST", "/v1/scheduled-tasks/process", &[], None),
        client.get(SCHEDULES),
    ] {
        refused(&reply, 403, "ACCOUNT_SUSPENDED");
    }
    let ended = || {
        world
            .server
            .client()
            .get("/metrics")
            .text()
            .contains("skai_tasks_ended_total{status=\"failed\"} 1")
    };
    crate::support::eventually("the task is over", || ended().then_some(()));
    suspend(false);
    assert_eq!(world.account.look_at_schedule(&schedule), schedule);
    // What was due meanwhile did not run; it can be asked for again.
    let failed = world.account.look_at_task(&task);
    assert_eq!(
        (&failed["error"]["code"], &failed["attempts"]),
        (&json!("ACCOUNT_SUSPENDED"), &json!(0))
    );
    assert!(world.receiver.received().is_empty());
    world.account.do_with_task(&task, "retry").expect(202);
    world.account.wait_task(&task, "completed");
}

#[test]
fn reading_and_writing_are_rights_of_their_own() {
    let world = World::new();
    world.function();
    let key = |scope: &str| {
        let key = world.server.key(&world.account.id, &json!([scope]), &json!({}));
        world.server.client().with_key(&key)
    };
    let (reads, writes) = (key("schedules:read"), key("schedules:write"));
    let body = json!({"function_name": "f"});
    refused(&reads.post(TASKS, &body), 403, "INSUFFICIENT_SCOPE");
    let task: Value = writes.post(TASKS, &body).expect(201).json();
    reads.get(&task_path(&task, "")).expect(200);
    refused(&writes.get(&task_path(&task, "")), 403, "INSUFFICIENT_SCOPE");
    refused(&key("jobs:write").post(TASKS, &body), 403, "INSUFFICIENT_SCOPE");
    // Whoever lets an agent run makes jobs.
    let run = json!({"kind": "agent", "agent": "a"});
    refused(&writes.put("/v1/functions/g", &run), 403, "INSUFFICIENT_SCOPE");
    let both =
        world.server.key(&world.account.id, &json!(["schedules:write", "jobs:write"]), &json!({}));
    world.server.client().with_key(&both).put("/v1/functions/g", &run).expect(200);
}
