//! When duties run: at their times, once, whatever the clock and the server do.

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{
    ambient::Ambient,
    domain::DutyName::{self, Backup, LedgerVerify, Prune, Vacuum},
};

use super::{duty, ended, friday, run, runs};
use crate::support::server::TestServer;

const HOUR: Duration = Duration::from_hours(1);

/// Vacuuming is not due by itself: see [`settle`].
fn started(clock: &Ambient) -> TestServer {
    TestServer::builder().clock(clock).config(|config| config.maintenance.vacuum = None).start()
}

fn due(server: &TestServer, name: DutyName) -> Value {
    duty(server, name)["due_at"].clone()
}

/// Lets the thread of duties look at the clock as it is now: what was due before is done.
fn settle(server: &TestServer) {
    run(server, Vacuum);
}

#[test]
fn each_night_the_books_are_verified_and_what_is_old_goes() {
    let clock = friday();
    let server = TestServer::builder().clock(&clock).start();
    let expected = [
        (Backup, json!(null)),
        (LedgerVerify, json!("2026-11-21T03:00:00.000Z")),
        (Prune, json!("2026-11-21T03:30:00.000Z")),
        (Vacuum, json!("2026-11-22T04:00:00.000Z")),
    ];
    for (name, due_at) in expected {
        let duty = duty(&server, name);
        assert_eq!((&duty["due_at"], &duty["started_at"]), (&due_at, &json!(null)), "{duty}");
    }
    clock.advance(18 * HOUR);
    let verified = ended(&server, LedgerVerify, 1);
    assert_eq!(verified["started_at"], "2026-11-21T03:00:00.000Z");
    assert_eq!(verified["finished_at"], "2026-11-21T03:00:00.000Z");
    assert_eq!(verified["succeeded_at"], verified["finished_at"]);
    assert_eq!(verified["due_at"], "2026-11-22T03:00:00.000Z");
    let did = json!({"accounts": 0, "entries": 0, "jobs": 0, "problems": 0});
    assert_eq!((&verified["result"], &verified["error"]), (&did, &json!(null)));
    assert_eq!(verified["cron"], "0 3 * * *");
    clock.advance(HOUR / 2);
    let pruned = ended(&server, Prune, 1);
    assert_eq!(pruned["result"]["deliveries"], 0);
    assert_eq!(runs(&server, LedgerVerify), (1, 0));
    assert_eq!(runs(&server, Vacuum), (0, 0));
    let metrics = server.operator().get("/metrics").expect(200).text().to_owned();
    let at = "skai_duty_last_success_timestamp_seconds{duty=\"ledger.verify\"} 1795230000";
    assert!(metrics.contains(at), "{metrics}");
    assert!(metrics.contains("skai_duty_duration_seconds_count{duty=\"prune\"} 1"));
    assert!(metrics.contains("skai_duty_due_timestamp_seconds{duty=\"ledger.verify\"} 1795316400"));
    assert!(!metrics.contains("skai_duty_due_timestamp_seconds{duty=\"backup\"}"));
    assert!(metrics.contains("skai_ledger_problems 0"));
}

#[test]
fn what_was_missed_is_done_once_after_the_next_start() {
    let clock = friday();
    let server = started(&clock);
    let server = server.restart_after(|_| clock.advance(80 * HOUR));
    // It is Monday, five in the afternoon: three nights were missed.
    let verified = ended(&server, LedgerVerify, 1);
    assert_eq!(verified["started_at"], "2026-11-23T17:00:00.000Z");
    assert_eq!(verified["due_at"], "2026-11-24T03:00:00.000Z");
    settle(&server);
    assert_eq!((runs(&server, LedgerVerify), runs(&server, Prune)), ((1, 0), (1, 0)));
    assert_eq!(verified["created_at"], "2026-11-20T09:00:00.000Z");
    let server = server.restart();
    settle(&server);
    assert_eq!((runs(&server, LedgerVerify), runs(&server, Prune)), ((0, 0), (0, 0)));
    // The last success is known from before.
    let metrics = server.operator().get("/metrics").expect(200).text().to_owned();
    let at = "skai_duty_last_success_timestamp_seconds{duty=\"ledger.verify\"} 1795453200";
    assert!(metrics.contains(at), "{metrics}");
}

#[test]
fn a_clock_that_is_set_back_an_hour_repeats_nothing() {
    let clock = friday();
    let server = started(&clock);
    clock.advance(18 * HOUR);
    ended(&server, LedgerVerify, 1);
    clock.jump("2026-11-21T02:00:00Z".parse().unwrap());
    settle(&server);
    clock.advance(HOUR);
    settle(&server);
    assert_eq!(runs(&server, LedgerVerify), (1, 0));
    assert_eq!(due(&server, LedgerVerify), "2026-11-22T03:00:00.000Z");
    clock.advance(24 * HOUR);
    ended(&server, LedgerVerify, 2);
}

#[test]
fn a_clock_that_is_set_back_a_week_goes_on_from_there() {
    let clock = friday();
    let server = started(&clock);
    clock.jump("2026-11-13T09:00:00Z".parse().unwrap());
    settle(&server);
    assert_eq!(due(&server, LedgerVerify), "2026-11-14T03:00:00.000Z");
    clock.advance(18 * HOUR);
    ended(&server, LedgerVerify, 1);
}

#[test]
fn another_schedule_counts_from_the_start_that_brings_it() {
    let clock = friday();
    let server = started(&clock);
    let server = server.restart_with(|config| {
        config.maintenance.verify = Some("30 9 * * *".parse().unwrap());
        config.maintenance.prune = None;
        config.maintenance.timezone = "Europe/Berlin".parse().unwrap();
    });
    assert_eq!(due(&server, LedgerVerify), "2026-11-21T08:30:00.000Z");
    let pruning = duty(&server, Prune);
    assert_eq!((&pruning["due_at"], &pruning["cron"]), (&json!(null), &json!(null)));
    assert_eq!(pruning["timezone"], "Europe/Berlin");
    clock.advance(48 * HOUR);
    ended(&server, LedgerVerify, 1);
    settle(&server);
    assert_eq!(runs(&server, Prune), (0, 0));
    // Who asks for it gets it all the same.
    assert_eq!(run(&server, Prune)["due_at"], json!(null));
}

#[test]
fn a_duty_that_nobody_knows_is_not_found() {
    let server = TestServer::start();
    let path = "/admin/v1/duties/sweep/run";
    let refused = server.operator().post(path, &json!({})).expect(404).json();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("backup, ledger.verify, prune, vacuum"), "{message}");
    let refused = server.operator().post("/admin/v1/duties/backup/run", &json!({})).expect(409);
    assert!(refused.text().contains("set backup.folder"), "{}", refused.text());
}
