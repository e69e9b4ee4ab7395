use serde_json::{Value, json};

use super::{SCHEDULES, TASKS, World, refused_for, schedule_path};
use crate::{
    api::conventions::refused,
    support::{Answer, receiver::verify},
};

#[test]
fn a_schedule_is_made_changed_paused_and_deleted() {
    let world = World::new();
    world.function();
    let (account, client) = (&world.account, &world.account.client);
    let made = account.schedule(&json!({"cron": "0  0 1 jan *", "payload": {"a": 1}}));
    let year: i32 = made["created_at"].as_str().unwrap()[..4].parse().unwrap();
    let runs: Vec<_> = (1..=5).map(|n| format!("{}-01-01T00:00:00.000Z", year + n)).collect();
    let expected = json!({
        "id": made["id"], "object": "schedule", "name": "yearly", "cron": "0 0 1 jan *",
        "timezone": "UTC", "function_name": "f", "payload": {"a": 1}, "catch_up": "one",
        "overlap": "skip", "jitter_seconds": 0, "paused": false, "next_runs": runs,
        "last_run": null, "skipped": {"count": 0, "last": null, "reason": null},
        "created_at": made["created_at"], "updated_at": made["created_at"],
    });
    assert_eq!(made, expected);
    assert_eq!(account.look_at_schedule(&made), made);

    let patch = |change: &Value| client.patch(&schedule_path(&made, ""), change).expect(200).json();
    let changed = patch(&json!({
        "name": "new year", "timezone": "Asia/Tokyo", "payload": null, "catch_up": "all",
        "overlap": "queue", "jitter_seconds": 60, "function_name": "streak-updater",
    }));
    let mut expected = expected;
    let runs: Vec<_> = (0..5).map(|n| format!("{}-12-31T15:00:00.000Z", year + n)).collect();
    super::add(
        &mut expected,
        &json!({
            "name": "new year", "timezone": "Asia/Tokyo", "payload": null, "catch_up": "all",
            "overlap": "queue", "jitter_seconds": 60, "function_name": "streak-updater",
            "next_runs": runs, "updated_at": changed["updated_at"],
        }),
    );
    assert_eq!(changed, expected);
    let paused = patch(&json!({"paused": true}));
    assert_eq!((&paused["paused"], &paused["next_runs"]), (&json!(true), &json!([])));
    let moved = patch(&json!({"cron": "@monthly"}));
    assert_eq!((&moved["paused"], &moved["next_runs"]), (&json!(true), &json!([])));
    let resumed = patch(&json!({"paused": false}));
    assert_eq!((&resumed["paused"], &resumed["cron"]), (&json!(false), &json!("@monthly")));
    assert_eq!(resumed["next_runs"].as_array().unwrap().len(), 5);
    assert_eq!(patch(&json!({}))["next_runs"], resumed["next_runs"]);

    client.delete(&schedule_path(&made, "")).expect(204);
    refused(&client.get(&schedule_path(&made, "")), 404, "NOT_FOUND");
    refused(&client.delete(&schedule_path(&made, "")), 404, "NOT_FOUND");
    refused(&client.patch(&schedule_path(&made, ""), &json!({})), 404, "NOT_FOUND");
    let run = client.send("POST", &schedule_path(&made, "/run"), &[], None);
    refused(&run, 404, "NOT_FOUND");
    assert_eq!(account.list(SCHEDULES).len(), 2, "those of every night");
}

#[test]
fn each_refusal_names_the_part() {
    let world = World::new();
    world.function();
    let schedule = world.account.schedule(&json!({}));
    for (more, param, words) in [
        (json!({"name": ""}), "name", "name"),
        (json!({"name": "x".repeat(201)}), "name", "200"),
        (json!({"cron": "* * * *"}), "cron", "this has 4"),
        (json!({"cron": "60 * * * *"}), "cron", "minute"),
        (json!({"cron": "0 24 * * *"}), "cron", "hour"),
        (json!({"cron": "0 0 31 4 *"}), "cron", "31"),
        (json!({"cron": "0 0 30 2 *"}), "cron", "30"),
        (json!({"cron": "0 0 1 13 *"}), "cron", "month"),
        (json!({"cron": "0 0 * * 8"}), "cron", "day of week"),
        (json!({"cron": "@reboot"}), "cron", "@reboot"),
        (json!({"cron": "every 9s"}), "cron", "10s"),
        (json!({"cron": "every blue moon"}), "cron", "every 15m"),
        (json!({"cron": 5}), "cron", "string"),
        (json!({"timezone": "Mars/Olympus"}), "timezone", "Mars/Olympus"),
        (json!({"function_name": "none"}), "function_name", "`none`"),
        (json!({"payload": "x".repeat(64 * 1024)}), "payload", "65536"),
        (json!({"function_name": "streak-updater", "payload": {"a": 1}}), "payload/a", "none"),
        (json!({"jitter_seconds": 61}), "jitter_seconds", "60"),
        (json!({"jitter_seconds": -1}), "jitter_seconds", ""),
        (json!({"catch_up": "some"}), "catch_up", "`skip`, `one`, `all`"),
        (json!({"overlap": "wait"}), "overlap", "`skip`, `queue`, `allow`"),
        (json!({"paused": "no"}), "paused", ""),
        (json!({"next_at": "now"}), "next_at", ""),
    ] {
        let patch = world.account.client.patch(&schedule_path(&schedule, ""), &more);
        for reply in [world.account.try_schedule(&more), patch] {
            refused_for(&reply, param);
            let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(words), "{more}: {message}");
        }
    }
    assert_eq!(world.account.look_at_schedule(&schedule), schedule);
    for missing in ["name", "cron", "function_name"] {
        let mut body = json!({"name": "n", "cron": "@daily", "function_name": "f"});
        body.as_object_mut().unwrap().remove(missing);
        refused_for(&world.account.client.post(SCHEDULES, &body), missing);
    }
}

#[test]
fn a_schedule_runs_now_whatever_is_due_and_also_while_paused() {
    let world = World::new();
    let secret = world.function();
    let schedule = world.account.schedule(&json!({"paused": true, "payload": "mine"}));
    let task = world.account.run_now(&schedule);
    assert_eq!((&task["schedule_id"], &task["status"]), (&schedule["id"], &json!("pending")));
    assert_eq!((&task["payload"], &task["function_name"]), (&json!("mine"), &json!("f")));
    world.account.wait_task(&task, "completed");
    let request = &world.receiver.wait_for_deliveries(1)[0];
    verify(request, &secret).unwrap();
    assert_eq!(request.json()["schedule_id"], schedule["id"]);
    // It is no occurrence.
    assert_eq!(world.account.look_at_schedule(&schedule), schedule);
    assert_eq!(world.account.list(&format!("{TASKS}?schedule_id={}", id(&schedule))).len(), 1);
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

#[test]
fn tasks_that_queue_run_one_after_the_other() {
    let world = World::new();
    world.function();
    world.hold();
    let schedule = world.account.schedule(&json!({"overlap": "queue"}));
    let tasks: Vec<_> = (0..4).map(|_| world.account.run_now(&schedule)).collect();
    let runs = |n: usize| {
        world.receiver.wait_for_deliveries(n);
        let request = world.receiver.received().remove(n - 1);
        assert_eq!(request.json()["id"], tasks[n - 1]["id"]);
        world.receiver.wait_for_in_flight(1);
    };
    runs(1);
    assert_eq!(world.account.look_at_task(&tasks[1])["status"], "pending");
    world.receiver.release();
    runs(2);
    // A failure, after its retries, lets the next begin too; so does a cancellation.
    world.account.do_with_task(&tasks[1], "cancel").expect(200);
    runs(3);
    world.receiver.queue(Answer::new(200, ""));
    world.receiver.release();
    for (task, status) in tasks.iter().zip(["completed", "canceled", "completed", "completed"]) {
        world.account.wait_task(task, status);
    }
    assert_eq!(world.receiver.peak_in_flight(), 1);
    world.let_go();
}

#[test]
fn a_task_that_is_held_can_be_canceled_and_one_that_fails_lets_the_next_begin() {
    let world = World::new();
    world.function();
    world.hold();
    let schedule = world.account.schedule(&json!({"overlap": "queue"}));
    let tasks: Vec<_> = (0..3).map(|_| world.account.run_now(&schedule)).collect();
    world.receiver.wait_for_in_flight(1);
    world.account.do_with_task(&tasks[1], "cancel").expect(200);
    world.receiver.always(Answer::new(500, ""));
    world
        .account
        .put("f", &json!({"kind": "http", "url": world.receiver.url("/gone")}))
        .expect(200);
    world.receiver.release();
    world.account.wait_task(&tasks[0], "completed");
    world.account.wait_task(&tasks[2], "failed");
    assert_eq!(world.account.look_at_task(&tasks[1])["attempts"], 0);
}

#[test]
fn a_task_that_is_retried_waits_for_others_of_its_schedule() {
    let world = World::new();
    world.function();
    world.hold();
    let schedule = world.account.schedule(&json!({"overlap": "queue"}));
    let first = world.account.run_now(&schedule);
    world.receiver.wait_for_in_flight(1);
    world.account.do_with_task(&first, "cancel").expect(200);
    let second = world.account.run_now(&schedule);
    world.receiver.wait_for_deliveries(2);
    let retried = world.account.do_with_task(&first, "retry").expect(202).json();
    assert_eq!((&retried["status"], &retried["attempts"]), (&json!("pending"), &json!(1)));
    world.let_go();
    let done = world.account.wait_task(&second, "completed");
    let again = world.account.wait_task(&first, "completed");
    assert!(done["finished_at"].as_str() <= again["started_at"].as_str());
    let asked: Vec<_> =
        world.receiver.received().iter().map(|it| it.json()["id"].clone()).collect();
    assert_eq!(asked, [&first["id"], &second["id"], &first["id"]].map(Clone::clone));
}

#[test]
fn only_so_many_tasks_of_a_schedule_are_held() {
    let world = World::with(|config| config.queues.task_run.paused = true);
    world.function();
    let schedule = world.account.schedule(&json!({"overlap": "queue"}));
    for _ in 0..=100 {
        world.account.run_now(&schedule);
    }
    let run = world.account.client.send("POST", &schedule_path(&schedule, "/run"), &[], None);
    refused(&run, 429, "QUEUE_FULL");
    world.account.client.delete(&schedule_path(&schedule, "")).expect(204);
    assert!(world.account.list(&format!("{TASKS}?status=pending")).is_empty());
}

#[test]
fn what_may_overlap_runs_at_the_same_time() {
    let world = World::with(|config| config.queues.task_run.concurrency = 3);
    world.function();
    world.hold();
    for overlap in ["allow", "skip"] {
        let schedule = world.account.schedule(&json!({ "overlap": overlap }));
        let tasks: Vec<_> = (0..3).map(|_| world.account.run_now(&schedule)).collect();
        // Somebody who runs it now means it, also where occurrences would be left out.
        world.receiver.wait_for_in_flight(3);
        world.receiver.release();
        for task in &tasks {
            world.account.wait_task(task, "completed");
        }
    }
    world.let_go();
}

#[test]
fn a_deleted_schedule_takes_what_waits_along_and_leaves_what_runs() {
    let world = World::new();
    world.function();
    world.hold();
    let schedule = world.account.schedule(&json!({"overlap": "queue"}));
    let tasks: Vec<_> = (0..3).map(|_| world.account.run_now(&schedule)).collect();
    world.receiver.wait_for_in_flight(1);
    world.account.client.delete(&schedule_path(&schedule, "")).expect(204);
    for task in &tasks[1..] {
        let canceled = world.account.look_at_task(task);
        let error = json!({"code": "CANCELED", "message": "its schedule was deleted"});
        assert_eq!((&canceled["status"], &canceled["error"]), (&json!("canceled"), &error));
    }
    assert_eq!(world.account.look_at_task(&tasks[0])["status"], "running");
    world.let_go();
    let done = world.account.wait_task(&tasks[0], "completed");
    assert_eq!(done["schedule_id"], schedule["id"], "it is known where it came from");
    assert_eq!(world.receiver.received().len(), 1);
    world.account.client.delete("/v1/functions/f").expect(204);
}

#[test]
fn tasks_that_queue_all_end_whoever_cancels_some() {
    let world = World::with(|config| config.queues.task_run.concurrency = 4);
    world.function();
    let schedule = world.account.schedule(&json!({"overlap": "queue"}));
    let tasks: Vec<_> = (0..30).map(|_| world.account.run_now(&schedule)).collect();
    for task in tasks.iter().rev().step_by(3) {
        let status = world.account.do_with_task(task, "cancel").status;
        assert!([200, 409].contains(&status), "{status}");
    }
    for task in &tasks {
        crate::support::eventually("the task is over", || {
            world.account.look_at_task(task)["finished_at"].is_string().then_some(())
        });
    }
    // An attempt that was canceled may still be on its way when the next begins.
    assert!(world.receiver.peak_in_flight() <= 2);
}
