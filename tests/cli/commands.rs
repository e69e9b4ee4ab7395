//! Each command: what it prints for machines and for people, and what a running server makes of it.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::generation;
use crate::support::{
    Client, eventually,
    program::{Program, Running},
};

/// Until then a running server must know what a command did.
const SOON: Duration = Duration::from_secs(1);

fn fields(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn set<const N: usize>(names: [&'static str; N]) -> BTreeSet<&'static str> {
    names.into()
}

/// A server whose clients may ask as often as they like.
fn serve(program: &Program) -> Running {
    let mut command = program.command(&[]);
    Running::start(command.env("SKAI_RATE_LIMIT__DEFAULT", "1000000,1s"))
}

/// Asks until the answer is as wanted. Each question waits for its answer, so this is no busy loop.
#[track_caller]
fn soon(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < SOON, "the server does not see it");
    }
}

fn available(client: &Client) -> Option<f64> {
    client.get("/v1/credits/balance").expect(200).json()["available"].as_f64()
}

#[test]
fn every_object_has_the_promised_fields_with_and_without_a_server() {
    let program = Program::new();
    let server = program.serve();
    shapes(&program);
    drop(server);
    shapes(&program);
}

fn shapes(program: &Program) {
    let made = program.json(&["account", "create", "--name", "Ünï", "--credits", "1.5", "--json"]);
    assert_eq!(fields(&made), set(["account_id", "project_id", "key_id", "key"]));
    let account = made["account_id"].as_str().unwrap();
    let id = uuid::Uuid::parse_str(account).unwrap();
    assert_eq!((id.get_version_num(), id.to_string()), (7, account.to_owned()));
    assert!(made["key"].as_str().unwrap().starts_with("sk_live_"));

    let accounts = program.json(&["account", "list", "--json"]);
    assert_eq!(accounts["accounts"][0]["account_id"], account);
    assert_eq!(accounts["accounts"][0]["name"], "Ünï");

    let of = |command: &[&str], more: &[&str]| {
        program.json(&[command, &["--account", account], more, &["--json"]].concat())
    };
    let key = of(&["key", "create"], &["--name", "second", "--scopes", "jobs:read, jobs:write"]);
    assert_eq!(fields(&key), set(["key_id", "key"]));
    let revoked = of(&["key", "revoke"], &[key["key_id"].as_str().unwrap()]);
    assert_eq!(revoked["key_id"], key["key_id"]);
    assert!(revoked["revoked_at"].as_str().unwrap().ends_with('Z'), "{revoked}");
    let keys = of(&["key", "list"], &[]);
    assert_eq!(keys["keys"][0]["scopes"], json!(["jobs:read", "jobs:write"]));
    let states = [&keys["keys"][0]["state"], &keys["keys"][1]["state"]];
    assert_eq!(states, ["revoked", "active"], "{keys}");

    let grant = of(&["credits", "grant"], &["--amount", "0.000001", "--bucket", "free"]);
    assert_eq!(fields(&grant), set(["grant_id", "account_id", "amount", "bucket", "available"]));
    assert_eq!(
        (grant["bucket"].as_str(), grant["available"].as_f64()),
        (Some("free"), Some(1.500_001))
    );
    assert_eq!(of(&["dlq", "list"], &[]), json!({"dead_letters": []}));

    let report = program.json(&["ledger", "verify", "--json"]);
    assert_eq!(fields(&report), set(["ok", "accounts", "entries", "jobs", "problems"]));
    assert_eq!((&report["ok"], &report["problems"]), (&json!(true), &json!([])));
}

#[test]
fn a_running_server_sees_within_a_second_what_commands_do() {
    let program = Program::new();
    let server = serve(&program);
    let account = program.account("2");
    let client = server.client(&account.key);
    assert_eq!(available(&client), Some(2.0), "the account was not there at once");

    program.json(&["credits", "grant", "--account", &account.id, "--amount", "0.5", "--json"]);
    soon(|| available(&client) == Some(2.5));

    let id =
        &program.json(&["key", "list", "--account", &account.id, "--json"])["keys"][0]["key_id"];
    let id = id.as_str().unwrap();
    client.get("/v1/jobs").expect(200);
    program.json(&["key", "revoke", "--account", &account.id, id, "--json"]);
    // Only reads, which write nothing: the idle writer has to look by itself.
    soon(|| client.get("/v1/jobs?limit=1").status == 401);
}

#[test]
fn keys_of_test_projects_and_test_credits_are_given_by_commands() {
    let program = Program::new();
    let server = program.serve();
    let account = program.account("2");
    let client = server.client(&account.key);
    let body = json!({"name": "tests", "environment": "test"});
    let project = client.post("/v1/projects", &body).expect(201).json();
    let of = |command: &[&str], more: &[&str]| {
        program.json(&[command, &["--account", &account.id], more, &["--json"]].concat())
    };
    let networks = ["--allowed-cidr", "127.0.0.1", "--allowed-cidr", "10.0.0.0/8"];
    let limit = ["--monthly-credit-limit", "2.5"];
    let project = ["--project", project["id"].as_str().unwrap()];
    let made = of(&["key", "create"], &[&networks[..], &limit, &project].concat());
    let test = server.client(made["key"].as_str().unwrap());
    let me = test.get("/v1/me").expect(200).json();
    assert_eq!(me["key"]["allowed_cidrs"], json!(["127.0.0.1/32", "10.0.0.0/8"]));
    assert_eq!(me["key"]["monthly_credit_limit"], 2.5);
    assert_eq!(me["balance"]["available"], 1_000_000);
    let grant = of(&["credits", "grant"], &["--amount", "1", "--environment", "test"]);
    assert_eq!(grant["available"], 1_000_001.0);
    let granted = Some(1_000_001.0);
    eventually("the credits are there", || (available(&test) == granted).then_some(()));
    assert_eq!(available(&client), Some(2.0));
    assert_eq!(program.verify()["accounts"], 1);
}

#[test]
fn dead_letters_of_test_keys_are_reached_by_commands() {
    let program = Program::new();
    let settings = "[queues.\"generation.create\"]\nbackoff = []\n";
    fs::write(program.path().join("once.toml"), settings).unwrap();
    let server = Running::start(&mut program.command(&["--config", "once.toml"]));
    let account = program.account("2");
    let client = server.client(&account.key);
    let body = json!({"name": "tests", "environment": "test"});
    let project = client.post("/v1/projects", &body).expect(201).json();
    let of = |command: &[&str], more: &[&str]| {
        program.json(&[command, &["--account", &account.id], more, &["--json"]].concat())
    };
    let made = of(&["key", "create"], &["--project", project["id"].as_str().unwrap()]);
    let test = server.client(made["key"].as_str().unwrap());
    let messages = json!([{"role": "user", "content": "[sandbox:fail=SERVER_ERROR]"}]);
    let body = json!({"model": "sandbox", "messages": messages});
    let job = test.post("/v1/jobs/generations", &body).expect(202).json();
    let job = job["id"].as_str().unwrap();
    let ended = test.get(&format!("/v1/jobs/{job}?wait=15")).expect(200).json();
    assert_eq!(ended["status"], "failed", "{ended}");

    let testing = ["--environment", "test"];
    assert_eq!(of(&["dlq", "list"], &[])["dead_letters"], json!([]));
    let letters = of(&["dlq", "list"], &testing)["dead_letters"].clone();
    let [letter] = &letters.as_array().unwrap()[..] else { panic!("{letters}") };
    assert_eq!(letter["job_id"], job);
    let id = letter["id"].as_str().unwrap();
    let wrong = program.run(&["dlq", "redrive", "--account", &account.id, id]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(of(&["dlq", "redrive"], &[&testing[..], &[id]].concat())["id"], id);
    let none = program.account("2");
    let wrong = program.run(&["dlq", "list", "--account", &none.id, "--environment", "test"]);
    assert_eq!(wrong.status.code(), Some(1), "it has no test project");
}

#[test]
fn an_account_may_begin_with_no_credits() {
    let program = Program::new();
    for zero in ["0", "0.0"] {
        let account = program.account(zero);
        assert!(account.key.starts_with("sk_live_"));
    }
    let server = program.serve();
    let client = server.client(&program.account("0").key);
    assert_eq!(available(&client), Some(0.0));
    let grants = client.get("/v1/credits/grants").expect(200).json();
    assert_eq!(grants["data"], json!([]), "nothing was given");
}

#[test]
fn people_get_text_without_colour_and_errors_apart_from_results() {
    let program = Program::new();
    let plain = |arguments: &[&str]| {
        let mut command = program.command(arguments);
        // As a terminal's environment would have it; the output goes to no terminal.
        command.env("SKAI_LOG__FORMAT", "pretty").env("TERM", "xterm-256color");
        let output = command.env("COLORTERM", "truecolor").output().unwrap();
        for stream in [&output.stdout, &output.stderr] {
            assert!(!stream.contains(&0x1b), "{arguments:?}: {output:?}");
        }
        output
    };
    let made = plain(&["account", "create", "--name", "A"]);
    let text = String::from_utf8(made.stdout).unwrap();
    assert!(made.status.success() && made.stderr.is_empty());
    assert!(text.contains("sk_live_") && text.contains("shown this once"), "{text}");
    for (arguments, code) in [
        (&["account", "list"][..], 0),
        (&["ledger", "verify"], 0),
        (&["config", "check"], 0),
        (&["migrate"], 0),
        (&["--help"], 0),
        (&["account", "create"], 2),
        (&["restore", "--from", "nothing"], 1),
    ] {
        let output = plain(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(output.stdout.is_empty(), code != 0, "{arguments:?}");
        assert_eq!(output.stderr.is_empty(), code == 0, "{arguments:?}");
    }
    let mut command = program.command(&[]);
    let server = Running::start(command.env("SKAI_LOG__FORMAT", "pretty"));
    server.signal("TERM");
    let (_, log) = server.wait();
    assert!(!log.is_empty() && !log.concat().contains('\x1b'), "{log:?}");
}

#[test]
fn wrong_usage_is_told_with_help() {
    let program = Program::new();
    for (arguments, message) in [
        (&["jump"][..], "unrecognized subcommand 'jump'"),
        (&["--nonsense"], "unexpected argument '--nonsense'"),
        (&["--config"], "a value is required"),
        (&["account"], "Usage: skai-server account"),
        (&["account", "create", "--json"], "--name <NAME>"),
        (&["account", "create", "--name", "A", "--credits", "many"], "'many'"),
        (&["credits", "grant", "--account", "x", "--amount", "1"], "UUID"),
        (&["key", "revoke"], "<KEY_ID>"),
        (&["ledger"], "Usage: skai-server ledger"),
        (&["backup"], "--to <PATH>"),
        (&["config"], "Usage: skai-server config"),
    ] {
        let output = program.run(arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(message) && told.contains("--help"), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert!(!program.data_dir().exists(), "wrong usage made the data folder");
}

#[test]
fn help_names_every_command_and_version_the_program() {
    let program = Program::new();
    let help = program.run(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    for command in [
        "serve", "init", "demo", "account", "key", "credits", "dlq", "ledger", "backup", "restore",
        "migrate", "config", "openapi",
    ] {
        assert!(
            text.lines().any(|line| line.trim_start().starts_with(command)),
            "{command}: {text}"
        );
        assert!(program.run(&[command, "--help"]).status.success(), "{command}");
    }
    let version = program.run(&["--version"]);
    let expected = format!("skai-server {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(version.stdout).unwrap(), expected);
}

#[test]
fn the_reference_needs_neither_configuration_nor_data() {
    let program = Program::new();
    let document = program.json(&["openapi", "--config", "missing.toml"]);
    assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    assert!(document["paths"]["/v1/jobs/generations"]["post"].is_object());
    assert!(!program.data_dir().exists());
}

/// A database with a job that was paid, and the account.
fn paid_job(program: &Program) -> String {
    fs::write(
        program.path().join("priced.toml"),
        "[models.priced]\nprovider = \"sandbox\"\ninput_per_million = 10\noutput_per_million = 10\n",
    )
    .unwrap();
    let account = program.account("5");
    let server = Running::start(&mut program.command(&["--config", "priced.toml"]));
    let client = server.client(&account.key);
    let request =
        json!({"model": "priced", "max_tokens": 9, "messages": generation("x")["messages"]});
    let job = client.post("/v1/jobs/generations", &request).expect(202).json();
    let path = format!("/v1/jobs/{}?wait=20", job["id"].as_str().unwrap());
    assert_eq!(client.get(&path).expect(200).json()["status"], "succeeded");
    account.id
}

#[test]
fn books_that_somebody_cooked_are_found_out() {
    let program = Program::new();
    let account = paid_job(&program);
    let database = program.data_dir().join("skai.db");
    let verify = || {
        let output = program.run(&["ledger", "verify", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["ok"] == true, output.status.code() == Some(0), "{output:?}");
        report
    };
    assert_eq!(verify()["ok"], true);
    let refused = |sql: &str| Connection::open(&database).unwrap().execute_batch(sql).unwrap_err();
    for sql in ["delete from ledger", "update ledger set delta = delta + 1 where n = 1"] {
        assert!(refused(sql).to_string().contains("append-only"), "{sql}");
    }

    for (cook, undo) in [
        ("update balance set paid = paid + 1", "update balance set paid = paid - 1"),
        ("update balance set reserved_paid = 1", "update balance set reserved_paid = 0"),
        (
            "update job_result set charged = charged + 1",
            "update job_result set charged = charged - 1",
        ),
        (
            "update credit_grant set amount = amount + 1",
            "update credit_grant set amount = amount - 1",
        ),
        ("update job set status = 2", "update job set status = 4"),
    ] {
        Connection::open(&database).unwrap().execute_batch(cook).unwrap();
        let report = verify();
        assert_eq!(report["ok"], false, "{cook}");
        assert!(report["problems"][0].as_str().unwrap().contains(&account), "{cook}: {report}");
        Connection::open(&database).unwrap().execute_batch(undo).unwrap();
        assert_eq!(verify()["ok"], true, "{undo}");
    }

    let without_guard = "drop trigger ledger_keeps_entries;
         update ledger set delta = delta - 1 where kind = 'charge'";
    Connection::open(&database).unwrap().execute_batch(without_guard).unwrap();
    assert_eq!(verify()["ok"], false);
    let text = program.run(&["ledger", "verify"]);
    assert_eq!(text.status.code(), Some(1));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("WRONG") && !text.contains("would mend it"));
    let planned = program.run(&["ledger", "verify", "--repair-plan"]);
    assert_eq!(planned.status.code(), Some(1));
    let planned = String::from_utf8(planned.stdout).unwrap();
    let repairs = planned.matches("\n  would mend it: ").count();
    assert_eq!(repairs, text.lines().count() - 1);
    assert_eq!(verify()["ok"], false);
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_is() {
    let program = Program::new();
    program.account("1");
    let database = program.data_dir().join("skai.db");
    let newer = "pragma user_version = 1000; pragma wal_checkpoint(truncate)";
    Connection::open(&database).unwrap().execute_batch(newer).unwrap();
    let before = fs::read(&database).unwrap();
    for arguments in [
        &[][..],
        &["migrate", "--check"],
        &["migrate"],
        &["account", "list"],
        &["ledger", "verify"],
        &["demo", "--exit", "--data-dir", "data"],
    ] {
        let output = program.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(told.contains("newer"), "{arguments:?}: {told}");
        assert_eq!(fs::read(&database).unwrap(), before, "{arguments:?} changed it");
    }
}

#[test]
fn the_demo_can_keep_its_data_and_its_books_are_right() {
    let program = Program::new();
    let demo = program.run(&["demo", "--exit", "--data-dir", "kept"]);
    assert_eq!(demo.status.code(), Some(0), "{demo:?}");
    let mut verify = program.command(&["ledger", "verify", "--json"]);
    let output = verify.env("SKAI_DATA_DIR", "kept").output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ok"], &report["jobs"]), (&json!(true), &json!(1)), "{report}");
}

#[test]
fn a_backup_holds_jobs_and_books_and_can_be_served() {
    let program = Program::new();
    paid_job(&program);
    let jobs = |arguments: &[&str], folder: &str| {
        let mut command = program.command(arguments);
        let output = command.env("SKAI_DATA_DIR", folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let verify = ["ledger", "verify", "--json"];
    let before = jobs(&verify, "data");
    let made = program.json(&["backup", "--to", "copy", "--json"]);
    assert_eq!(made, json!({"ok": true, "path": "copy"}));
    assert_eq!(program.run(&["backup", "--to", "copy"]).status.code(), Some(1), "it overwrites");
    let restored = jobs(&["restore", "--from", "copy", "--json"], "elsewhere");
    assert_eq!(restored, json!({"ok": true, "data_dir": "elsewhere"}));
    assert_eq!(jobs(&verify, "elsewhere"), before);
    assert_eq!(before["jobs"], 1);
}
