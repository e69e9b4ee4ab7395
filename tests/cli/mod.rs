//! The program as people and scripts use it: child processes, signals, exit codes.

mod commands;
mod configuration;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::program::{Program, Running};

fn generation(content: &str) -> Value {
    json!({"model": "sandbox", "messages": [{"role": "user", "content": content}]})
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Submits a job that takes a while and waits until it runs; gives its path.
fn start_job(server: &Running, key: &str, delay: &str) -> String {
    let client = server.client(key);
    let body = generation(&format!("[sandbox:delay={delay}] Hello"));
    let job = client.post("/v1/jobs/generations", &body).expect(202).json();
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let events = format!("{path}/events");
    client.stream(&events, &[("Accept", "text/event-stream")]).read_until("started");
    path
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let program = Program::new();
    let _server = program.serve();
    let second = program.run(&[]);
    assert_eq!(second.status.code(), Some(1));
    let message = String::from_utf8(second.stderr).unwrap();
    assert!(message.contains("another skai-server uses the data folder"), "{message}");
}

#[test]
fn a_signal_lets_the_job_end_and_the_next_start_knows_it() {
    let program = Program::new();
    let server = program.serve();
    let account = program.account("1");
    let path = start_job(&server, &account.key, "500ms");
    server.signal("TERM");
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(!program.data_dir().join("skai.db-wal").exists(), "the log was not folded");

    let again = program.serve();
    let job = again.client(&account.key).get(&path).expect(200).json();
    assert_eq!((&job["status"], &job["attempts"]), (&"succeeded".into(), &1.into()));
    drop(again);
    program.verify();
}

#[test]
fn a_second_signal_ends_the_process_at_once_and_the_job_runs_again() {
    let program = Program::new();
    let server = program.serve();
    let account = program.account("1");
    let path = start_job(&server, &account.key, "25s");
    server.signal("INT");
    server.wait_for_log("stopping");
    server.signal("INT");
    let (status, _) = server.wait();
    assert_eq!(status.code(), Some(1));

    let again = program.serve();
    let job = again.client(&account.key).get(&path).expect(200).json();
    assert!(["queued", "running"].contains(&job["status"].as_str().unwrap()), "{job}");
}

#[test]
fn every_event_of_the_log_is_one_object() {
    let program = Program::new();
    let mut command = program.command(&[]);
    let server = Running::start(command.env("SKAI_LOG__LEVEL", "debug"));
    let account = program.account("1");
    let client = server.client(&account.key).with_header("X-Request-Id", "mine \"quoted\" {}");
    client.post("/v1/jobs/generations", &generation("Hello")).expect(202);
    server.signal("TERM");
    let (status, log) = server.wait();
    assert!(status.success());
    let events: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().any(|event| event["request_id"] == "mine \"quoted\" {}"));
    let log = log.concat();
    assert!(!log.contains(&account.key[21..]), "the key is in the log");
    assert!(log.contains("made the operator's token, the key to /admin/v1"), "{log}");
    assert!(!log.contains("[redacted]"), "words of the server's own are lost: {log}");
}

#[test]
fn init_writes_what_config_check_accepts_and_never_overwrites() {
    let program = Program::new();
    assert!(program.run(&["init", "--config", "mine.toml"]).status.success());
    let data = program.data_dir();
    assert_eq!(mode(&program.path().join("mine.toml")), 0o600);
    assert_eq!(mode(&data), 0o700);
    for file in ["skai.db", "secret.key", "operator.token"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    assert_eq!(program.run(&["init", "--config", "mine.toml"]).status.code(), Some(1));
    let check = program.run(&["config", "check", "--config", "mine.toml"]);
    assert!(check.status.success());
    assert!(String::from_utf8(check.stdout).unwrap().contains("data_dir = \"data\""));
}

#[test]
fn exit_codes_tell_a_failure_from_a_mistake() {
    let program = Program::new();
    fs::write(program.path().join("bad.toml"), "[http]\nbody_limit = \"lots\"\n").unwrap();
    let unknown = "0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";
    for (arguments, code, message) in [
        (&["--config", "bad.toml"][..], 2, "bad.toml, line 2"),
        (&["--config", "missing.toml"], 2, "cannot be read"),
        (&["jump"], 2, "unrecognized subcommand"),
        (&["account", "create", "--name", "", "--json"], 2, "name"),
        (&["account", "create", "--name", "A", "--scopes", "credits:write"], 2, "operator"),
        (&["account", "create", "--name", "A", "--credits=-1"], 2, "above zero"),
        (&["credits", "grant", "--account", unknown, "--amount", "0"], 2, "above zero"),
        (&["credits", "grant", "--account", unknown, "--amount", "1"], 1, "no such account"),
        (&["credits", "grant", "--account", unknown, "--amount", "0.0000001"], 2, "amount"),
        (&["dlq", "list", "--account", unknown], 1, "no such account"),
        (&["backup", "--to", "/nowhere/at/all"], 1, "cannot make"),
        (&["restore", "--from", "."], 1, "no backup"),
    ] {
        let output = program.run(arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(message), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let accounts = program.json(&["account", "list", "--json"]);
    assert_eq!(accounts["accounts"], json!([]), "a refused command left an account behind");
}

#[test]
fn a_backup_of_a_running_server_comes_back_elsewhere() {
    let program = Program::new();
    let server = program.serve();
    let account = program.account("7");
    program.json(&["backup", "--to", "copy", "--json"]);
    assert_eq!(mode(&program.path().join("copy")), 0o700);
    assert_eq!(mode(&program.path().join("copy/skai.db")), 0o600);

    let elsewhere = |arguments: &[&str]| {
        program.command(arguments).env("SKAI_DATA_DIR", "elsewhere").output().unwrap()
    };
    assert!(elsewhere(&["restore", "--from", "copy"]).status.success());
    assert_eq!(elsewhere(&["restore", "--from", "copy"]).status.code(), Some(1));
    assert_eq!(program.run(&["restore", "--from", "copy"]).status.code(), Some(1));
    drop(server);

    let mut command = program.command(&[]);
    let restored = Running::start(command.env("SKAI_DATA_DIR", "elsewhere"));
    restored.client(&account.key).get("/v1/jobs").expect(200);
}

#[test]
fn migrate_says_what_there_is_to_do() {
    let program = Program::new();
    let check = ["migrate", "--check", "--json"];
    assert_eq!(program.run(&check).status.code(), Some(1));
    assert_eq!(program.json(&["migrate", "--json"])["ok"], true);
    assert_eq!(program.json(&check)["ok"], true);
}

#[test]
fn the_demo_holds_and_leaves_nothing_behind() {
    let program = Program::new();
    let temporary = program.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let demo = program.command(&["demo", "--exit"]).env("TMPDIR", &temporary).output().unwrap();
    let told = String::from_utf8(demo.stdout).unwrap();
    assert_eq!(demo.status.code(), Some(0), "{told}");
    assert!(told.contains("Everything held.") && !told.contains("FAILED"), "{told}");
    assert_eq!(told.matches("  ok ").count(), 15, "{told}");
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}

#[test]
fn the_demo_ends_with_its_terminal_and_leaves_nothing_behind() {
    let program = Program::new();
    let temporary = program.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut command = program.command(&["demo"]);
    command.env("TMPDIR", &temporary).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut demo = command.spawn().unwrap();
    let mut told = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(told.any(|line| line.starts_with("  key ")), "it does not stay up");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 1);
    let pid = demo.id().to_string();
    assert!(Command::new("kill").args(["-s", "HUP", &pid]).status().unwrap().success());
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}
