use std::time::Duration;

use serde_json::{Value, json};

use super::{SCHEDULES, TASKS, World, ahead, refused_for, schedule_path, task_path};
use crate::{
    api::conventions::refused,
    support::{Answer, eventually, receiver::verify},
};

#[test]
fn a_task_runs_now_and_shows_all_of_its_life() {
    let world = World::new();
    world.function();
    world.receiver.queue(Answer::json(200, &json!({"sent": 3})));
    let client = world.account.client.with_header("X-Request-Id", "of-the-test");
    let body = json!({"function_name": "f", "payload": {"to": "all"}});
    let made = client.post(TASKS, &body).expect(201).json();
    let expected = json!({
        "id": made["id"], "object": "scheduled_task", "function_name": "f", "schedule_id": null,
        "status": "pending", "scheduled_time": made["created_at"], "payload": {"to": "all"},
        "attempts": 0, "error": null, "result": null, "job_id": null, "duration_ms": null,
        "request_id": "of-the-test", "created_at": made["created_at"], "started_at": null,
        "finished_at": null,
    });
    assert_eq!(made, expected);
    let done = world.account.wait_task(&made, "completed");
    let mut expected = expected;
    super::add(
        &mut expected,
        &json!({
            "status": "completed", "attempts": 1, "result": {"status_code": 200, "body": {"sent": 3}},
            "started_at": done["started_at"], "finished_at": done["finished_at"],
            "duration_ms": done["duration_ms"],
        }),
    );
    assert_eq!(done, expected);
    assert!(done["finished_at"].as_str().unwrap() >= done["started_at"].as_str().unwrap());
    assert_eq!(world.account.list(TASKS), [done]);
}

#[test]
fn a_task_for_later_waits_and_one_for_the_past_does_not() {
    let world = World::new();
    world.function();
    let later = world.account.task(&json!({"scheduled_time": ahead(Duration::from_hours(1))}));
    let past = world.account.task(&json!({"scheduled_time": "2020-02-29T12:00:00+01:00"}));
    assert_eq!(past["scheduled_time"], "2020-02-29T11:00:00.000Z");
    world.account.wait_task(&past, "completed");
    let long_past = world.account.task(&json!({"scheduled_time": "1970-01-01T00:00:00Z"}));
    world.account.wait_task(&long_past, "completed");
    let soon = ahead(Duration::from_millis(300));
    let soon = world.account.task(&json!({ "scheduled_time": soon }));
    let done = world.account.wait_task(&soon, "completed");
    assert!(done["started_at"].as_str().unwrap() >= soon["scheduled_time"].as_str().unwrap());
    assert_eq!(world.account.look_at_task(&later), later);
    assert_eq!(world.receiver.received().len(), 3);
}

#[test]
fn each_refusal_names_its_member() {
    let world = World::new();
    world.function();
    let post = |more: &Value| {
        let mut body = json!({"function_name": "f"});
        super::add(&mut body, more);
        world.account.client.post(TASKS, &body)
    };
    let (year, too_far) = (Duration::from_hours(365 * 24), Duration::from_hours(367 * 24));
    for (more, param) in [
        (json!({"function_name": "none"}), "function_name"),
        (json!({"function_name": null}), "function_name"),
        (json!({"function_name": ""}), "function_name"),
        (json!({"scheduled_time": "tomorrow"}), "scheduled_time"),
        (json!({"scheduled_time": 1}), "scheduled_time"),
        (json!({"scheduled_time": ahead(too_far)}), "scheduled_time"),
        (json!({"payload": "x".repeat(64 * 1024 - 1)}), "payload"),
        (json!({"function_name": "streak-updater", "payload": {"a": 1}}), "payload/a"),
        (json!({"status": "running"}), "status"),
    ] {
        refused_for(&post(&more), param);
    }
    post(&json!({"scheduled_time": ahead(year), "payload": "x".repeat(64 * 1024 - 2)})).expect(201);
    assert_eq!(world.account.list(TASKS).len(), 1);
    refused(&world.account.client.get(&format!("{TASKS}/x")), 404, "NOT_FOUND");
    let nobody = json!({"id": "01939b2a-7c1e-7000-8000-000000000000"});
    refused(&world.account.client.get(&task_path(&nobody, "")), 404, "NOT_FOUND");
    refused(&world.account.do_with_task(&nobody, "cancel"), 404, "NOT_FOUND");
    refused(&world.account.do_with_task(&nobody, "retry"), 404, "NOT_FOUND");
}

#[test]
fn a_failure_is_tried_again_and_shown_meanwhile() {
    let pause = Duration::from_hours(1);
    let world = World::with(|config| {
        config.queues.task_run.backoff = vec![Duration::from_millis(1), pause];
    });
    world.function();
    world.receiver.queue(Answer::new(500, "first"));
    world.receiver.queue(Answer::new(429, "second"));
    let task = world.account.task(&json!({}));
    let waits = eventually("two attempts failed", || {
        let task = world.account.look_at_task(&task);
        (task["status"] == "pending" && task["attempts"] == 2).then_some(task)
    });
    assert_eq!(
        waits["error"],
        json!({"code": "RATE_LIMIT", "message": "the function answered 429"})
    );
    assert_eq!(waits["result"], json!({"status_code": 429, "body": "second"}));
    assert_eq!((&waits["finished_at"], &waits["duration_ms"]), (&Value::Null, &Value::Null));
    let requests = world.receiver.received();
    let attempts: Vec<_> = requests.iter().map(|it| it.json()["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 2]);
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    refused(&world.account.do_with_task(&task, "retry"), 409, "CONFLICT");
    world.account.do_with_task(&task, "cancel").expect(200);
}

#[test]
fn a_task_that_succeeds_at_last_shows_no_error() {
    let world = World::new();
    world.function();
    world.receiver.queue(Answer::new(500, ""));
    world.receiver.queue(Answer::close());
    let task = world.account.task(&json!({}));
    let done = world.account.wait_task(&task, "completed");
    assert_eq!((&done["attempts"], &done["error"]), (&json!(3), &Value::Null));
    assert!(world.account.dead_tasks().is_empty());
}

#[test]
fn a_task_that_fails_for_good_is_told_and_can_be_put_back() {
    let world = World::new();
    let hook =
        world.account.endpoint(&world.receiver, "/hook", &json!({"events": ["task.failed"]}));
    world.function();
    let broken =
        |it: &crate::support::Received| Answer::new(if it.path == "/f" { 500 } else { 200 }, "");
    world.receiver.answer_with(broken);
    let client = world.account.client.with_header("X-Request-Id", "of-the-test");
    let task = client.post(TASKS, &json!({"function_name": "f", "payload": 1})).expect(201).json();
    let failed = world.account.wait_task(&task, "failed");
    assert_eq!(failed["attempts"], 6, "one and five retries");
    let error = json!({"code": "SERVER_ERROR", "message": "the function answered 500"});
    assert_eq!(failed["error"], error);
    let told = world.receiver.wait_for_one(|it| it.path == "/hook");
    verify(&told, &hook.secret).unwrap();
    let event = told.json();
    let expected = json!({
        "id": event["id"], "type": "task.failed", "created_at": failed["finished_at"],
        "data": {
            "task_id": task["id"], "account_id": world.account.id, "function_name": "f",
            "schedule_id": null, "scheduled_time": task["scheduled_time"], "error": error,
            "request_id": "of-the-test",
        },
    });
    assert_eq!(event, expected);
    let letter = world.account.dead_tasks().remove(0);
    let expected = json!({
        "id": letter["id"], "object": "dead_letter", "queue": "task.run.dlq", "job_id": null,
        "delivery_id": null, "task_id": task["id"], "reason": "SERVER_ERROR",
        "message": "the function answered 500", "attempts": 6,
        "created_at": failed["finished_at"], "redriven_at": null,
    });
    assert_eq!(letter, expected);
    world.receiver.always(Answer::new(200, ""));
    let redrive = format!("/v1/dlq/{}/redrive", letter["id"].as_str().unwrap());
    let redriven = client.send("POST", &redrive, &[], None).expect(202).json();
    assert!(redriven["redriven_at"].is_string());
    assert_eq!(world.account.wait_task(&task, "completed")["attempts"], 7);
    refused(&client.send("POST", &redrive, &[], None), 409, "CONFLICT");
    refused(&world.account.do_with_task(&task, "retry"), 409, "CONFLICT");
    assert!(world.account.dead_tasks().is_empty());
}

#[test]
fn a_retry_has_all_attempts_again_and_takes_the_dead_letter_away() {
    let world = World::with(|config| {
        config.queues.task_run.backoff = vec![Duration::from_millis(1)];
    });
    world.function();
    world.receiver.always(Answer::new(500, ""));
    let task = world.account.task(&json!({}));
    assert_eq!(world.account.wait_task(&task, "failed")["attempts"], 2);
    let again = world.account.do_with_task(&task, "retry").expect(202).json();
    assert_eq!((&again["status"], &again["finished_at"]), (&json!("pending"), &Value::Null));
    assert_eq!(world.account.wait_task(&task, "failed")["attempts"], 4);
    assert_eq!(world.account.dead_tasks().len(), 1, "the first was put back");
}

#[test]
fn a_pending_task_is_canceled() {
    let world = World::new();
    world.function();
    let task = world.account.task(&json!({"scheduled_time": ahead(Duration::from_hours(1))}));
    let canceled = world.account.do_with_task(&task, "cancel").expect(200).json();
    assert_eq!(canceled["status"], "canceled");
    let error = json!({"code": "CANCELED", "message": "canceled by request"});
    assert_eq!((&canceled["error"], &canceled["attempts"]), (&error, &json!(0)));
    assert_eq!(
        (canceled["finished_at"].is_string(), &canceled["duration_ms"]),
        (true, &Value::Null)
    );
    refused(&world.account.do_with_task(&task, "cancel"), 409, "CONFLICT");
    assert!(world.account.dead_tasks().is_empty());
    world.account.do_with_task(&task, "retry").expect(202);
    let done = world.account.wait_task(&task, "completed");
    assert_eq!((&done["error"], &done["attempts"]), (&Value::Null, &json!(1)));
    refused(&world.account.do_with_task(&task, "cancel"), 409, "CONFLICT");
}

#[test]
fn a_running_task_is_canceled_and_its_late_answer_discarded() {
    let world = World::with(|config| config.queues.task_run.concurrency = 1);
    world.function();
    world.hold();
    let task = world.account.task(&json!({}));
    world.receiver.wait_for_in_flight(1);
    assert_eq!(world.account.look_at_task(&task)["status"], "running");
    let canceled = world.account.do_with_task(&task, "cancel").expect(200).json();
    assert_eq!((&canceled["status"], &canceled["attempts"]), (&json!("canceled"), &json!(1)));
    world.let_go();
    // What comes after it shows that its attempt is over.
    let next = world.account.task(&json!({}));
    world.account.wait_task(&next, "completed");
    world.receiver.wait_for_in_flight(0);
    assert_eq!(world.account.look_at_task(&task), canceled);
}

#[test]
fn a_post_that_is_sent_twice_is_done_once() {
    let world = World::new();
    world.function();
    let (account, client) = (&world.account, &world.account.client);
    let schedule = account.schedule(&json!({}));
    let failed = {
        world.receiver.always(Answer::new(500, ""));
        account.wait_task(&account.task(&json!({})), "failed")
    };
    let waiting = account.task(&json!({"scheduled_time": ahead(Duration::from_hours(1))}));
    world.receiver.always(Answer::new(200, ""));
    let new_schedule = json!({"name": "s", "cron": "@yearly", "function_name": "f"});
    for (path, body) in [
        (TASKS.to_owned(), Some(json!({"function_name": "f"}))),
        (task_path(&failed, "/retry"), None),
        (task_path(&waiting, "/cancel"), None),
        (SCHEDULES.to_owned(), Some(new_schedule)),
        (schedule_path(&schedule, "/run"), None),
    ] {
        let send = |key: &str| {
            let headers = [("Idempotency-Key", key), ("Content-Type", "application/json")];
            let body = body.as_ref().map(Value::to_string);
            client.send("POST", &path, &headers, body.as_deref().map(str::as_bytes))
        };
        let (one, two) = (send("k1"), send("k1"));
        assert_eq!((one.status, one.text()), (two.status, two.text()), "{path}");
        assert_eq!(one.header("idempotent-replayed"), None, "{path}");
        assert_eq!(two.header("idempotent-replayed"), Some("true"), "{path}");
    }
    let other = client.post_once(TASKS, "k1", &json!({"function_name": "f", "payload": 1}));
    refused(&other, 409, "IDEMPOTENCY_KEY_CONFLICT");
    assert_eq!(account.list(TASKS).len(), 4);
    assert_eq!(account.list(SCHEDULES).len(), 4);
}

#[test]
fn a_task_that_waited_too_long_is_not_run() {
    let world = World::with(|config| {
        config.queues.task_run.paused = true;
        config.queues.task_run.ttl = Duration::from_millis(100);
    });
    world.function();
    let task = world.account.task(&json!({}));
    let failed = world.account.wait_task(&task, "failed");
    let message = "the task waited longer than its time to live and was not run";
    assert_eq!(failed["error"], json!({"code": "EXPIRED", "message": message}));
    assert_eq!((&failed["attempts"], &failed["duration_ms"]), (&json!(0), &Value::Null));
    let letter = world.account.dead_tasks().remove(0);
    assert_eq!((&letter["reason"], &letter["attempts"]), (&json!("EXPIRED"), &json!(0)));
    assert!(world.receiver.received().is_empty());
}

#[test]
fn an_account_has_only_so_many_tasks_that_are_not_over() {
    let world = World::with(|config| {
        config.queues.task_run.paused = true;
        config.tasks.max_open = 2;
    });
    world.function();
    let (first, _) = (world.account.task(&json!({})), world.account.task(&json!({})));
    let body = json!({"function_name": "f"});
    let full = world.account.client.post(TASKS, &body);
    refused(&full, 429, "QUEUE_FULL");
    let schedule = world.account.schedule(&json!({}));
    let run = schedule_path(&schedule, "/run");
    refused(&world.account.client.send("POST", &run, &[], None), 429, "QUEUE_FULL");
    world.account.do_with_task(&first, "cancel").expect(200);
    world.account.task(&json!({}));
}

#[test]
fn what_tasks_do_is_counted() {
    let world = World::new();
    world.function();
    let done = world.account.task(&json!({}));
    world.account.wait_task(&done, "completed");
    world.receiver.queue(Answer::new(500, ""));
    world.account.wait_task(&world.account.task(&json!({})), "completed");
    let later = json!({"scheduled_time": ahead(Duration::from_hours(1))});
    world.account.do_with_task(&world.account.task(&later), "cancel").expect(200);
    let lines = [
        r#"skai_tasks_ended_total{status="completed"} 2"#,
        r#"skai_tasks_ended_total{status="canceled"} 1"#,
        r#"skai_task_attempts_total{kind="http",outcome="completed"} 2"#,
        r#"skai_task_attempts_total{kind="http",outcome="failed"} 1"#,
        r#"skai_task_attempt_duration_seconds_count{kind="http"} 3"#,
        "skai_task_lag_seconds_count 3",
        r#"skai_queue_depth{queue="task.run",state="ready"} 0.0"#,
    ];
    let missing = || {
        let metrics = world.server.client().get("/metrics").expect(200).text().to_owned();
        lines.iter().find(|line| !metrics.contains(**line)).map(|line| format!("{line}\n{metrics}"))
    };
    let mut last = String::new();
    for _ in 0..200 {
        let Some(line) = missing() else { return };
        last = line;
    }
    panic!("missing {last}");
}

#[test]
fn a_task_that_a_stop_broke_off_runs_again_after_it() {
    let mut world = World::with(|config| config.http.drain_timeout = Duration::from_millis(50));
    world.function();
    world.hold();
    let task = world.account.task(&json!({}));
    world.receiver.wait_for_in_flight(1);
    world.server = world.server.restart();
    world.account = world.account.at(&world.server);
    world.receiver.wait_for_deliveries(2);
    world.let_go();
    let done = world.account.wait_task(&task, "completed");
    assert_eq!(done["error"], Value::Null);
    let ids: Vec<_> = world.receiver.received().iter().map(|it| it.json()["id"].clone()).collect();
    assert_eq!(ids, [task["id"].clone(), task["id"].clone()]);
}

#[test]
fn a_task_ends_once_however_many_want_to_end_it() {
    let world = World::with(|config| config.queues.task_run.concurrency = 4);
    world.function();
    let tasks: Vec<_> = (0..40).map(|_| world.account.task(&json!({}))).collect();
    let cancel = |tasks: Vec<Value>| {
        let account = world.account.at(&world.server);
        std::thread::spawn(move || {
            let status = |task: &Value| account.do_with_task(task, "cancel").status;
            tasks.iter().map(status).collect::<Vec<_>>()
        })
    };
    let reversed: Vec<_> = tasks.iter().rev().cloned().collect();
    let (one, two) = (cancel(tasks.clone()), cancel(reversed));
    let (one, mut two) = (one.join().unwrap(), two.join().unwrap());
    two.reverse();
    for (task, statuses) in tasks.iter().zip(one.into_iter().zip(two)) {
        let task = eventually("the task is over", || {
            let task = world.account.look_at_task(task);
            task["finished_at"].is_string().then_some(task)
        });
        let canceled = [(200, 409), (409, 200)].contains(&statuses);
        assert!(canceled || statuses == (409, 409), "{statuses:?}");
        assert_eq!(task["status"], if canceled { "canceled" } else { "completed" });
    }
    world.receiver.wait_for_in_flight(0);
}
