//! telemetry.db locked, damaged, full or gone: requests go on, what is lost is counted, and it ends by itself.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{file, of_requests, state};
use crate::support::{
    eventually,
    program::{Program, Running},
    server::{Account, TestServer},
};

/// What the writer waits for a lock, and whoever looks for the writer.
const PATIENCE: Duration = Duration::from_secs(2);

/// With short batches.
fn start(pending: usize) -> TestServer {
    let quick = |config: &mut skai_server::config::Config| {
        config.telemetry.flush_every = Duration::from_millis(1);
        config.telemetry.max_pending = pending;
    };
    TestServer::builder().config(quick).start()
}

/// Lets nobody else write until it is dropped.
fn lock(path: &Path) -> Connection {
    let outside = Connection::open(path).unwrap();
    outside.busy_timeout(crate::support::LIMIT).unwrap();
    outside.execute_batch("begin exclusive").unwrap();
    outside
}

/// Asks so often, in reads and writes; the longest that one took.
fn ask(account: &Account, times: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for n in 0..times {
        let began = Instant::now();
        if n % 10 == 0 {
            let end_user = format!("/v1/end-users/u{n}");
            account.client.patch(&end_user, &json!({"daily_token_cap": n})).expect(200);
        } else {
            account.client.get("/v1/me").expect(200);
        }
        longest = longest.max(began.elapsed());
    }
    longest
}

/// Asks until telemetry is in trouble; gives what is said of it.
#[track_caller]
fn degraded(server: &TestServer, account: &Account) -> String {
    eventually("telemetry is degraded", || {
        ask(account, 1);
        let state = state(server);
        let is_degraded = state["status"] == "degraded";
        is_degraded.then(|| state["trouble"].as_str().unwrap().to_owned())
    })
}

/// Waits until telemetry is well, and sees that it records.
#[track_caller]
fn recovered(server: &TestServer, account: &Account) {
    let ok = json!({"status": "ok"});
    eventually("telemetry is well again", || (state(server) == ok).then_some(()));
    let reply = account.client.get("/v1/me").expect(200);
    let list = format!("/v1/logs?request_id={}", super::name(&reply));
    assert_eq!(account.list(&list).len(), 1);
}

#[test]
fn a_locked_file_loses_what_comes_and_slows_nobody() {
    let server = start(16);
    let account = server.account();
    recovered(&server, &account);
    let (dropped, written) = (of_requests(&server, "dropped"), of_requests(&server, "written"));
    assert_eq!(dropped, 0);
    let locked = lock(&file(&server));
    let longest = ask(&account, 200);
    assert!(longest < PATIENCE, "a request waited for telemetry: {longest:?}");
    let trouble = degraded(&server, &account);
    assert!(
        trouble.contains("locked by another program") && trouble.contains(": end that program"),
        "{trouble}"
    );
    let dropped = of_requests(&server, "dropped");
    assert!(dropped >= 200 - 16 - 2, "{dropped}");
    assert!(of_requests(&server, "written") <= written + 2);
    // What is recorded can still be seen, at once.
    let began = Instant::now();
    assert!(!account.list("/v1/logs").is_empty());
    assert!(began.elapsed() < PATIENCE);
    drop(locked);
    recovered(&server, &account);
}

#[test]
fn a_file_that_is_locked_at_the_start_is_waited_for() {
    let server = start(1_000);
    let mut held = None;
    let server = server.restart_after(|server| {
        let outside = Connection::open(file(server)).unwrap();
        outside
            .execute_batch("pragma locking_mode = exclusive; begin exclusive; create table x (x)")
            .unwrap();
        held = Some(outside);
    });
    let account = server.account();
    let trouble = degraded(&server, &account);
    assert!(trouble.contains("locked"), "{trouble}");
    account.client.get("/v1/logs").expect(503);
    drop(held);
    recovered(&server, &account);
}

#[test]
fn a_file_that_is_none_is_left_alone_until_it_is_moved_away() {
    let server = start(1_000);
    let garbage = vec![b'g'; 100_000];
    let server = server.restart_after(|server| fs::write(file(server), &garbage).unwrap());
    let account = server.account();
    let trouble = degraded(&server, &account);
    assert!(trouble.contains("damaged: move it away"), "{trouble}");
    let refused = account.client.get("/v1/logs").expect(503).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("/readyz"), "{refused}");
    assert_eq!(fs::read(file(&server)).unwrap(), garbage);
    fs::rename(file(&server), server.folder().join("garbage")).unwrap();
    recovered(&server, &account);
}

#[test]
fn a_file_that_is_damaged_while_it_is_used_is_found_out() {
    let server = start(1_000);
    let account = server.account();
    recovered(&server, &account);
    let server = server.restart();
    let account = account.at(&server);
    recovered(&server, &account);
    for end in ["", "-wal"] {
        let path = file(&server).with_file_name(format!("telemetry.db{end}"));
        let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        let mut garbage = OpenOptions::new().write(true).open(&path).unwrap();
        garbage.write_all(&vec![b'g'; length]).unwrap();
    }
    let trouble = eventually("somebody notices", || {
        account.client.get("/v1/logs");
        state(&server)["trouble"].as_str().map(str::to_owned)
    });
    assert!(trouble.contains("damaged: move it away"), "{trouble}");
    assert!(ask(&account, 50) < PATIENCE);
    fs::rename(file(&server), server.folder().join("garbage")).unwrap();
    recovered(&server, &account);
}

#[test]
fn a_file_that_cannot_be_opened_is_tried_again() {
    let server = start(1_000);
    let account = server.account();
    let server = server.restart_after(|server| {
        fs::remove_file(file(server)).unwrap();
        fs::create_dir(file(server)).unwrap();
    });
    let account = account.at(&server);
    let trouble = degraded(&server, &account);
    assert!(trouble.contains("let the server's user write"), "{trouble}");
    fs::remove_dir(file(&server)).unwrap();
    recovered(&server, &account);
}

#[test]
fn a_file_that_is_gone_is_begun_anew_and_nothing_else_is_lost() {
    let server = start(1_000);
    let account = server.account();
    recovered(&server, &account);
    let balance = account.balance();
    fs::remove_file(file(&server)).unwrap();
    recovered(&server, &account);
    assert_eq!(of_requests(&server, "dropped"), 0);
    let server = server.restart_after(|server| fs::remove_file(file(server)).unwrap());
    let account = account.at(&server);
    assert!(file(&server).exists() || !account.list("/v1/logs").is_empty());
    recovered(&server, &account);
    assert_eq!(account.balance(), balance);
    assert_eq!(of_requests(&server, "dropped"), 0);
}

/// No file of the process may grow beyond 6 MiB: to SQLite, that is a disk that takes no more. A reader keeps the log
/// from being used again, until it is full.
#[test]
fn a_file_that_cannot_grow_loses_what_comes_until_it_can() {
    let program = Program::new();
    let account = program.account("1");
    let command = program.command(&[]);
    let limited = ["trap '' XFSZ; ulimit -f 12288; exec \"$0\"", env!("CARGO_BIN_EXE_skai-server")];
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").args(limited).current_dir(program.path()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("SKAI_RATE_LIMIT__DEFAULT", "1000000,1m").env("SKAI_TELEMETRY__FLUSH_EVERY", "1ms");
    let server = Running::start(&mut shell);
    let client = server.client(&account.key).with_header("User-Agent", &"long ".repeat(50));
    let reader = eventually("the file is there", || {
        let reader = Connection::open(program.data_dir().join("telemetry.db")).ok()?;
        reader.execute_batch("begin; select count(*) from request").ok()?;
        Some(reader)
    });
    let status = |wanted: &str| {
        let ready: Value = client.get("/readyz").expect(200).json();
        assert_eq!(ready["status"], "ready");
        (ready["telemetry"]["status"] == wanted).then(|| ready["telemetry"].clone())
    };
    let long = format!("/v1/agents/{}", "long-".repeat(100));
    let trouble = eventually("it is full", || {
        for _ in 0..50 {
            client.get(&long).expect(404);
        }
        status("degraded")
    });
    let trouble = trouble["trouble"].as_str().unwrap().to_owned();
    assert!(trouble.contains("space"), "{trouble}");
    client.get("/v1/credits/balance").expect(200);
    let metrics = client.get("/metrics").expect(200);
    assert!(!metrics.text().contains("skai_telemetry_dropped_total{kind=\"request\"} 0"));
    drop(reader);
    eventually("it is well again", || status("ok"));
    assert!(!client.get("/v1/logs").expect(200).json()["data"].as_array().unwrap().is_empty());
}
