use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{
    app::tasks::{self, Processed, Retry},
    config::Config,
};

use super::{TASKS, World, ahead, rig::Rig};
use crate::{
    api::conventions::refused,
    support::{Answer, Client, client::Reply, eventually},
};

const PROCESS: &str = "/v1/scheduled-tasks/process";

fn paused(config: &mut Config) {
    config.queues.task_run.paused = true;
    config.queues.task_run.concurrency = 2;
}

fn process(client: &Client) -> Value {
    client.send("POST", PROCESS, &[], None).expect(200).json()
}

fn report(completed: u32, failed: u32) -> Value {
    json!({
        "object": "scheduled_tasks_processed", "processed": completed + failed,
        "completed": completed, "failed": failed, "running": 0,
    })
}

#[test]
fn what_is_due_runs_when_somebody_asks() {
    let world = World::with(paused);
    world.function();
    let client = &world.account.client;
    assert_eq!(process(client), report(0, 0));
    let due: Vec<_> = (0..5).map(|n| world.account.task(&json!({ "payload": n }))).collect();
    let later = world.account.task(&json!({"scheduled_time": ahead(Duration::from_hours(1))}));
    let stranger = world.server.account();
    let url = world.receiver.url("/stranger");
    stranger.put("f", &json!({"kind": "http", "url": url})).expect(200);
    let foreign = stranger.task(&json!({}));
    for task in &due {
        assert_eq!(&world.account.look_at_task(task), task, "the queue is paused");
    }
    assert!(world.receiver.received().is_empty());
    assert_eq!(process(client), report(5, 0));
    for task in &due {
        assert_eq!(world.account.look_at_task(task)["status"], "completed");
    }
    assert_eq!(world.account.look_at_task(&later), later);
    assert_eq!(stranger.look_at_task(&foreign), foreign);
    assert_eq!(world.receiver.received().len(), 5);
    assert_eq!(process(client), report(0, 0));
}

#[test]
fn failures_are_counted_whether_they_are_tried_again_or_not() {
    let world = World::with(|config| {
        paused(config);
        config.queues.task_run.backoff = vec![Duration::from_millis(1)];
    });
    world.function();
    world.receiver.queue(Answer::new(500, ""));
    let task = world.account.task(&json!({}));
    assert_eq!(process(&world.account.client), report(0, 1));
    let waits = world.account.look_at_task(&task);
    assert_eq!((&waits["status"], &waits["attempts"]), (&json!("pending"), &json!(1)));
    world.receiver.always(Answer::new(500, ""));
    let second = eventually("the second attempt is due", || {
        Some(process(&world.account.client)).filter(|report| report["processed"] == 1)
    });
    assert_eq!(second, report(0, 1));
    assert_eq!(world.account.look_at_task(&task)["status"], "failed");
    assert_eq!(process(&world.account.client), report(0, 0));
}

#[test]
fn no_more_run_at_a_time_than_the_queue_allows() {
    let world = World::with(paused);
    world.function();
    world.hold();
    for _ in 0..6 {
        world.account.task(&json!({}));
    }
    let asking = world.account.client.clone();
    let asked = std::thread::spawn(move || process(&asking));
    world.receiver.wait_for_in_flight(2);
    world.let_go();
    assert_eq!(asked.join().unwrap(), report(6, 0));
    assert_eq!(world.receiver.peak_in_flight(), 2);
}

#[test]
fn what_is_canceled_meanwhile_is_neither_completed_nor_failed() {
    let world = World::with(paused);
    world.function();
    world.hold();
    let task = world.account.task(&json!({}));
    let asking = world.account.client.clone();
    let asked = std::thread::spawn(move || process(&asking));
    world.receiver.wait_for_in_flight(1);
    world.account.do_with_task(&task, "cancel").expect(200);
    let mut expected = report(0, 0);
    expected["processed"] = json!(1);
    assert_eq!(asked.join().unwrap(), expected);
    world.let_go();
}

#[test]
fn two_who_ask_at_once_let_each_task_run_once() {
    let world = World::with(paused);
    world.function();
    world.hold();
    let task = world.account.task(&json!({}));
    let ask = || {
        let client = world.account.client.clone();
        std::thread::spawn(move || process(&client))
    };
    let first = ask();
    world.receiver.wait_for_in_flight(1);
    // It is at work: who asks now waits for it too.
    let second = ask();
    world.let_go();
    assert_eq!(first.join().unwrap(), report(1, 0));
    let second = second.join().unwrap();
    assert!(second == report(1, 0) || second == report(0, 0), "{second}");
    assert_eq!(world.account.look_at_task(&task)["attempts"], 1);
    assert_eq!(world.receiver.received().len(), 1);
}

#[test]
fn a_request_that_is_sent_twice_is_answered_alike() {
    let world = World::with(paused);
    world.function();
    world.account.task(&json!({}));
    let send = |key: &str| -> Reply {
        world.account.client.send("POST", PROCESS, &[("Idempotency-Key", key)], None)
    };
    let first = send("k").expect(200);
    assert_eq!((first.json(), first.header("idempotent-replayed")), (report(1, 0), None));
    let waits = world.account.task(&json!({}));
    let again = send("k").expect(200);
    assert_eq!((again.text(), again.header("idempotent-replayed")), (first.text(), Some("true")));
    assert_eq!(world.account.look_at_task(&waits), waits, "nothing is run for it");
    assert_eq!(send("another").expect(200).json(), report(1, 0));
}

#[test]
fn a_queue_that_is_not_paused_is_no_obstacle() {
    let world = World::new();
    world.function();
    for _ in 0..3 {
        world.account.task(&json!({}));
    }
    process(&world.account.client);
    let open = format!("{TASKS}?status=completed");
    assert_eq!(world.account.list(&open).len(), 3, "they are over by now");
    assert_eq!(world.receiver.received().len(), 3);
}

#[test]
fn running_what_is_due_needs_the_right_to_write() {
    let world = World::with(paused);
    let key = world.server.key(&world.account.id, &json!(["schedules:read"]), &json!({}));
    let client = world.server.client().with_key(&key);
    refused(&client.send("POST", PROCESS, &[], None), 403, "INSUFFICIENT_SCOPE");
    client.get(TASKS).expect(200);
    refused(&world.account.client.post(PROCESS, &json!({"extra": 1})), 400, "INVALID_REQUEST");
}

#[test]
fn an_attempt_that_failed_counts_although_the_next_is_at_work() {
    let rig = Rig::new();
    let (app, caller) = (&rig.deeds.app, rig.caller());
    let id = rig.schedule(&json!({}));
    rig.run_now(id);
    let asked = tasks::demand(app, &caller).unwrap().wait().unwrap();
    let report = || tasks::report(app, rig.scope, &asked).unwrap();
    let failed = Processed { processed: 1, failed: 1, ..Processed::default() };
    let running = Processed { running: 1, ..Processed::default() };
    assert_eq!(report(), running);
    let (claimed, attempt) = rig.begin();
    assert_eq!(report(), running);
    assert!(!tasks::has_ended(app, rig.scope, asked[0]).unwrap());
    let outcome = Rig::failure(Retry::After(None));
    assert!(tasks::finish(app, &claimed, attempt.task, outcome).wait().unwrap());
    assert!(tasks::has_ended(app, rig.scope, asked[0]).unwrap());
    assert_eq!(report(), failed);
    rig.deeds.ambient.advance(Duration::from_secs(10));
    rig.begin();
    assert_eq!(report(), failed);
    // Whoever asks now asks for the second attempt.
    let again = tasks::demand(app, &caller).unwrap().wait().unwrap();
    assert_eq!(tasks::report(app, rig.scope, &again).unwrap(), running);
}
