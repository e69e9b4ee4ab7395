use std::time::Duration;

use serde_json::{Value, json};

use super::World;
use crate::{
    api::conventions::refused,
    support::{
        eventually,
        provider::{completion, error},
        server::{COST, CREDITS},
    },
};

/// A world with the agent `greeter` and the function `f` that runs it with the input `{"name": "ada"}`.
fn world(backoff: &[Duration]) -> World {
    let backoff = backoff.to_vec();
    let world = World::with(|config| {
        config.queues.generation_create.backoff.clear();
        config.queues.task_run.backoff = backoff;
    });
    let agent = json!({
        "name": "greeter", "model": "m", "max_tokens": 20,
        "messages": [{"role": "user", "content": "Greet {{ input.name }}"}],
        "input_schema": {
            "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}},
        },
    });
    world.account.client.post("/v1/agents", &agent).expect(201);
    let function = json!({"kind": "agent", "agent": "greeter", "input": {"name": "ada"}});
    world.account.put("f", &function).expect(200);
    world
}

/// What the model was asked last.
fn asked(world: &World) -> String {
    let call = world.provider.received().pop().unwrap().json();
    call["messages"][0]["content"].as_str().unwrap().to_owned()
}

fn job(task: &Value) -> Value {
    json!({"id": task["job_id"]})
}

#[test]
fn a_run_becomes_a_job_which_ends_the_task() {
    let world = world(&[]);
    world.provider.queue(completion("Hello Ada"));
    let client = world.account.client.with_header("X-Request-Id", "of-the-test");
    let task = client.post(super::TASKS, &json!({"function_name": "f"})).expect(201).json();
    let done = world.account.wait_task(&task, "completed");
    assert_eq!(done["result"], json!({"job_id": done["job_id"], "status": "succeeded"}));
    assert_eq!((&done["error"], &done["attempts"]), (&Value::Null, &json!(1)));
    assert_eq!(asked(&world), "Greet ada");
    let job = world.account.look(&job(&done));
    assert_eq!((&job["output_text"], &job["status"]), (&json!("Hello Ada"), &json!("succeeded")));
    assert_eq!(job["agent"], json!({"name": "greeter", "version": 1}));
    assert_eq!(job["request_id"], "of-the-test");
    assert_eq!(world.account.balance(), (json!(CREDITS - i64::try_from(COST).unwrap()), json!(0)));
}

#[test]
fn a_payload_takes_the_place_of_the_input() {
    let world = world(&[]);
    let task = world.account.task(&json!({"payload": {"name": "bob"}}));
    world.account.wait_task(&task, "completed");
    assert_eq!(asked(&world), "Greet bob");
    let schedule = world.account.schedule(&json!({"payload": {"name": "eve"}, "paused": true}));
    world.account.wait_task(&world.account.run_now(&schedule), "completed");
    assert_eq!(asked(&world), "Greet eve");
}

#[test]
fn what_would_never_be_accepted_is_not_tried_again() {
    let world = world(&[Duration::ZERO; 5]);
    let put = |agent: &str| world.account.put("f", &json!({"kind": "agent", "agent": agent}));
    let run = |payload: &Value| {
        let task = world.account.task(&json!({ "payload": payload }));
        let failed = world.account.wait_task(&task, "failed");
        assert_eq!((&failed["attempts"], &failed["job_id"]), (&json!(1), &Value::Null));
        (failed["error"]["code"].clone(), failed["error"]["message"].as_str().unwrap().to_owned())
    };
    let (code, message) = run(&json!({"name": 7}));
    assert_eq!(code, "INPUT_SCHEMA_MISMATCH");
    assert!(message.contains("/name"), "{message}");
    put("nobody").expect(200);
    let (code, message) = run(&json!({"name": "ada"}));
    assert_eq!(code, "NOT_FOUND");
    assert!(message.contains("agent"), "{message}");
    put("greeter").expect(200);
    world.account.client.delete("/v1/agents/greeter").expect(204);
    let (code, message) = run(&json!({"name": "ada"}));
    assert!(["CONFLICT", "NOT_FOUND"].contains(&code.as_str().unwrap()), "{code}");
    assert!(message.contains("agent"), "{message}");
    assert_eq!(world.account.dead_tasks().len(), 3);
    assert!(world.account.list("/v1/jobs").is_empty());
}

#[test]
fn a_run_without_credits_waits_for_some() {
    let mut world = world(&[Duration::from_millis(20); 5]);
    let poor = world.server.account_with(&json!(0));
    for name in ["greeter", "f"] {
        let path = if name == "f" { "/v1/functions/f" } else { "/v1/agents/greeter" };
        let shown = world.account.client.get(path).expect(200).json();
        let mut body = json!({});
        let members: &[&str] = match name {
            "f" => &["kind", "agent", "input"],
            _ => &["name", "model", "messages"],
        };
        for member in members {
            body[*member] = shown[*member].clone();
        }
        match name {
            "f" => poor.put("f", &body).expect(200),
            _ => poor.client.post("/v1/agents", &body).expect(201),
        };
    }
    world = world.of(poor);
    let task = world.account.task(&json!({}));
    let waits = eventually("an attempt failed", || {
        let task = world.account.look_at_task(&task);
        (task["error"]["code"] == "INSUFFICIENT_CREDITS").then_some(task)
    });
    assert_eq!(waits["job_id"], Value::Null);
    let grant = format!("/admin/v1/accounts/{}/credits/grants", world.account.id);
    world.server.operator().post(&grant, &json!({"amount": CREDITS})).expect(201);
    let over = eventually("the task is over", || {
        let task = world.account.look_at_task(&task);
        ["completed", "failed"].contains(&task["status"].as_str().unwrap()).then_some(task)
    });
    if over["status"] == "failed" {
        // The grant was slower than six attempts: then it is somebody's turn to retry.
        world.account.do_with_task(&task, "retry").expect(202);
    }
    let done = world.account.wait_task(&task, "completed");
    assert!(done["attempts"].as_u64().unwrap() >= 2, "{done}");
    assert!(world.provider.received().len() == 1);
}

#[test]
fn a_job_that_is_canceled_cancels_its_task() {
    let world = world(&[]);
    world.provider.always(completion("late").held());
    let task = world.account.task(&json!({}));
    world.provider.wait_for_in_flight(1);
    let running = world.account.look_at_task(&task);
    assert_eq!((&running["status"], running["job_id"].is_string()), (&json!("running"), true));
    world.account.deed(&job(&running), "cancel").expect(200);
    let canceled = world.account.look_at_task(&task);
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(canceled["result"], json!({"job_id": running["job_id"], "status": "canceled"}));
    assert_eq!(canceled["error"]["code"], "CANCELED");
    world.provider.say("again");
    world.provider.release();
    world.account.do_with_task(&task, "retry").expect(202);
    let done = world.account.wait_task(&task, "completed");
    assert_ne!(done["job_id"], running["job_id"], "a retry is a job of its own");
}

#[test]
fn a_task_that_is_canceled_cancels_its_job() {
    let world = world(&[]);
    world.provider.always(completion("late").held());
    let task = world.account.task(&json!({}));
    world.provider.wait_for_in_flight(1);
    assert_ne!(world.account.balance().1, json!(0));
    let canceled = world.account.do_with_task(&task, "cancel").expect(200).json();
    assert_eq!(canceled["status"], "canceled");
    let job = world.account.look(&job(&canceled));
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("canceled"), &json!("CANCELED")));
    assert_eq!(world.account.balance(), (json!(CREDITS), json!(0)));
    world.provider.release();
    world.provider.wait_for_in_flight(0);
    assert_eq!(world.account.look_at_task(&task), canceled);
}

#[test]
fn a_job_that_fails_fails_its_task_with_one_dead_letter() {
    let world = world(&[Duration::ZERO; 5]);
    let hook = json!({"events": ["task.failed"]});
    world.account.endpoint(&world.receiver, "/hook", &hook);
    world.provider.always(error(500, "broken"));
    let task = world.account.task(&json!({}));
    let failed = world.account.wait_task(&task, "failed");
    assert_eq!(failed["attempts"], 1, "a job has retries of its own");
    assert_eq!(failed["result"], json!({"job_id": failed["job_id"], "status": "failed"}));
    let job = world.account.look(&job(&failed));
    assert_eq!(failed["error"]["code"], job["error"]["code"]);
    assert_eq!(failed["error"]["message"], job["error"]["message"]);
    let letters = world.account.list("/v1/dlq");
    assert_eq!((letters.len(), &letters[0]["queue"]), (1, &json!("generation.create.dlq")));
    let told = world.receiver.wait_for_deliveries(1).remove(0).json();
    assert_eq!((&told["type"], &told["data"]["task_id"]), (&json!("task.failed"), &task["id"]));
    assert_eq!(told["data"]["error"], failed["error"]);
    world.provider.say("well");
    world.account.do_with_task(&task, "retry").expect(202);
    world.account.wait_task(&task, "completed");
}

/// What each key spent.
fn spending(world: &World) -> Vec<(String, Value)> {
    let rows = world.account.list("/v1/usage/spending");
    let charged = |row: &Value| {
        (row["api_key"]["name"].as_str().unwrap_or_default().to_owned(), row["charged"].clone())
    };
    rows.iter().map(charged).collect()
}

#[test]
fn whoever_asks_pays_and_nobody_once_the_key_is_revoked() {
    let world = world(&[]);
    world.server.set_paused("task.run", true);
    let body = json!({"name": "night shift", "scopes": ["*"]});
    let made = world.account.client.post("/v1/api-keys", &body).expect(201).json();
    let other = world.server.client().with_key(made["key"].as_str().unwrap());
    let task = other.post(super::TASKS, &json!({"function_name": "f"})).expect(201).json();
    let schedule = json!({"name": "s", "cron": "@yearly", "function_name": "f"});
    let schedule = other.post(super::SCHEDULES, &schedule).expect(201).json();
    let revoke = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    world.account.client.delete(&revoke).expect(204);
    refused(&other.get(super::TASKS), 401, "UNAUTHENTICATED");
    world.server.set_paused("task.run", false);
    let failed = world.account.wait_task(&task, "failed");
    assert_eq!(failed["error"]["code"], "CONFLICT", "{failed}");
    assert!(failed["error"]["message"].as_str().unwrap().contains("was revoked"));
    assert_eq!(spending(&world).len(), 0);
    // Running it now, or again, is asked for by somebody else, who pays.
    world.account.wait_task(&world.account.run_now(&schedule), "completed");
    world.account.do_with_task(&task, "retry").expect(202);
    world.account.wait_task(&task, "completed");
    assert_eq!(spending(&world).len(), 1);
    let cost = i64::try_from(COST).unwrap();
    assert_eq!(world.account.balance(), (json!(CREDITS - 2 * cost), json!(0)));
}

#[test]
fn a_key_that_was_replaced_pays_as_long_as_the_one_that_replaced_it() {
    let world = world(&[]);
    world.server.set_paused("task.run", true);
    let body = json!({"name": "night shift", "scopes": ["*"]});
    let first = world.account.client.post("/v1/api-keys", &body).expect(201).json();
    let path = |key: &Value| format!("/v1/api-keys/{}", key["id"].as_str().unwrap());
    let other = world.server.client().with_key(first["key"].as_str().unwrap());
    let ask = || other.post(super::TASKS, &json!({"function_name": "f"})).expect(201).json();
    let (early, late) = (ask(), ask());
    let rotate = format!("{}/rotate", path(&first));
    let second = world.account.client.post(&rotate, &json!({})).expect(201).json();
    world.account.client.delete(&path(&first)).expect(204);
    world.account.do_with_task(&late, "cancel").expect(200);
    world.server.set_paused("task.run", false);
    world.account.wait_task(&early, "completed");
    assert_eq!(spending(&world).len(), 1);

    world.server.set_paused("task.run", true);
    let replacing = world.server.client().with_key(second["key"].as_str().unwrap());
    let retry = super::task_path(&late, "/retry");
    replacing.post(&retry, &json!({})).expect(202);
    world.account.client.delete(&path(&second)).expect(204);
    world.server.set_paused("task.run", false);
    let failed = world.account.wait_task(&late, "failed");
    assert!(failed["error"]["message"].as_str().unwrap().contains("was revoked"), "{failed}");
}

#[test]
fn a_budget_that_is_used_up_lets_a_run_wait() {
    let world = world(&[Duration::from_hours(1)]);
    let limit = json!({"monthly_credit_limit": 1});
    let key = world.server.key(&world.account.id, &json!(["*"]), &limit);
    let client = world.server.client().with_key(&key);
    let task = client.post(super::TASKS, &json!({"function_name": "f"})).expect(201).json();
    let waits = eventually("an attempt failed", || {
        let task = world.account.look_at_task(&task);
        (task["error"]["code"] == "BUDGET_EXCEEDED").then_some(task)
    });
    assert_eq!((&waits["status"], &waits["job_id"]), (&json!("pending"), &Value::Null));
    world.account.do_with_task(&task, "cancel").expect(200);
    assert!(world.provider.received().is_empty());
}

#[test]
fn a_cancellation_at_any_moment_leaves_no_job_behind() {
    let world = world(&[]);
    let tasks: Vec<_> = (0..40).map(|_| world.account.task(&json!({}))).collect();
    let canceling = world.account.at(&world.server);
    let to_cancel: Vec<_> = tasks.iter().step_by(2).cloned().collect();
    let canceled = std::thread::spawn(move || {
        for task in &to_cancel {
            let status = canceling.do_with_task(task, "cancel").status;
            assert!([200, 409].contains(&status), "{status}");
        }
    });
    canceled.join().unwrap();
    for (n, task) in tasks.iter().enumerate() {
        let over = eventually("the task is over", || {
            let task = world.account.look_at_task(task);
            task["finished_at"].is_string().then_some(task)
        });
        let status = over["status"].as_str().unwrap();
        assert!(status == "completed" || status == "canceled" && n % 2 == 0, "{over}");
        if over["job_id"].is_string() {
            let of_job = if status == "completed" { "succeeded" } else { status };
            assert_eq!(world.account.look(&job(&over))["status"], of_job);
        }
    }
    assert_eq!(world.account.balance().1, json!(0), "nothing is set aside any more");
}
