//! Runs that break off, fail or are stopped.

use std::fs;

use serde_json::json;
use skai_server::{
    app::duties::{self, Ended},
    domain::{
        DutyName::{LedgerVerify, Prune, Vacuum},
        ErrorKind,
    },
    workers::Duties,
};

use super::{duty, ended, friday, run, runs};
use crate::support::{
    deeds::{Deeds, model},
    eventually,
    program::{Program, Running},
    server::TestServer,
};

/// Writes down that a run of the duty began so often and never ended.
fn break_off(server: &TestServer, name: &str, begun: u32) {
    let sql = "update duty set due_at = 1, started_at = 1, finished_at = null, duration_ms = null, begun = ?2
         where name = ?1";
    assert_eq!(server.outside().execute(sql, (name, begun)).unwrap(), 1);
}

#[test]
fn what_a_crash_broke_off_is_begun_again() {
    let clock = friday();
    let server = TestServer::builder().clock(&clock).start();
    let server = server.restart_after(|server| break_off(server, "ledger.verify", 1));
    let verified = ended(&server, LedgerVerify, 1);
    assert_eq!(verified["started_at"], "2026-11-20T09:00:00.000Z");
    assert_eq!(verified["due_at"], "2026-11-21T03:00:00.000Z");
    run(&server, Vacuum);
    assert_eq!(runs(&server, LedgerVerify), (1, 0));
}

#[test]
fn what_ends_the_server_again_and_again_is_left_alone() {
    let clock = friday();
    let server = TestServer::builder().clock(&clock).start();
    let server = server.restart_after(|server| break_off(server, "prune", 3));
    let pruned = ended(&server, Prune, 1);
    assert_eq!(runs(&server, Prune), (0, 1));
    assert!(pruned["error"].as_str().unwrap().contains("3 times"), "{pruned}");
    assert_eq!(
        (&pruned["result"], &pruned["due_at"]),
        (&json!(null), &json!("2026-11-21T03:30:00.000Z"))
    );
    assert_eq!(run(&server, Prune)["error"], json!(null));
}

#[test]
fn another_schedule_forgets_what_broke_off() {
    let clock = friday();
    let server = TestServer::builder().clock(&clock).start();
    let server = server.restart_after(|server| break_off(server, "prune", 1));
    ended(&server, Prune, 1);
    let server = server.restart_after(|server| {
        break_off(server, "prune", 1);
        server
            .outside()
            .execute("update duty set cron = '@daily' where name = 'prune'", [])
            .unwrap();
    });
    run(&server, Vacuum);
    assert_eq!(runs(&server, Prune), (0, 0));
    assert_eq!(duty(&server, Prune)["started_at"], json!(null));
}

#[test]
fn nobody_asks_for_what_runs_already() {
    let deeds = Deeds::new([model("m", 0)]);
    duties::plan(&deeds.app).unwrap();
    assert!(duties::begin(&deeds.app, Prune).unwrap());
    let refused = duties::ask(&deeds.app, Prune).wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let ended = Ended { outcome: Ok("{}".to_owned()), duration: std::time::Duration::ZERO };
    duties::end(&deeds.app, Prune, ended).unwrap();
    duties::ask(&deeds.app, Prune).wait().unwrap();
    // Twice is once.
    duties::ask(&deeds.app, Prune).wait().unwrap();
    assert_eq!(duties::next(&deeds.app).unwrap(), Some(Prune));
}

#[test]
fn a_run_that_is_stopped_with_the_server_is_to_be_done_again() {
    let deeds = Deeds::new([model("m", 0)]);
    let worker = Duties::new(deeds.app.clone()).unwrap();
    duties::ask(&deeds.app, LedgerVerify).wait().unwrap();
    deeds.app.watches.close();
    // It is stopped before it begins; a run that has begun is told so between two steps.
    worker.tick();
    let refused = duties::run(&deeds.app, LedgerVerify).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(duties::begin(&deeds.app, LedgerVerify).unwrap());
    duties::put_back(&deeds.app, LedgerVerify).unwrap();
    let known = duties::list(&deeds.app).unwrap();
    let verify = known.iter().find(|duty| duty.name == LedgerVerify).unwrap();
    assert!(verify.is_begun() && verify.begun == 0, "{verify:?}");
    assert_eq!(duties::next(&deeds.app).unwrap(), Some(LedgerVerify));
}

#[test]
fn problems_in_the_books_are_counted_and_no_failure_of_the_duty() {
    let server = TestServer::start();
    let account = server.account();
    server.outside().execute("update balance set low_mark = 1, paid = paid - 1", []).unwrap();
    let verified = run(&server, LedgerVerify);
    assert_eq!((&verified["error"], &verified["result"]["accounts"]), (&json!(null), &json!(1)));
    assert!(verified["result"]["problems"].as_u64().unwrap() > 0, "{verified}");
    let stats = server.operator().get("/admin/v1/stats").expect(200).json();
    assert_eq!(stats["ledger"]["problems"], verified["result"]["problems"]);
    server.outside().execute("update balance set low_mark = null, paid = paid + 1", []).unwrap();
    assert_eq!(run(&server, LedgerVerify)["result"]["problems"], 0);
    drop(account);
}

#[test]
fn a_backup_that_a_kill_breaks_off_is_made_by_the_next_start() {
    let program = Program::new();
    let start = || {
        let mut command = program.command(&[]);
        command.env("SKAI_BACKUP__FOLDER", "backups");
        Running::start(command.env("SKAI_RATE_LIMIT__OPERATOR", "1000000,1m"))
    };
    let server = start();
    let token = fs::read_to_string(program.data_dir().join("operator.token")).unwrap();
    let filler = "create table filler (data blob) strict;
         with recursive n (i) as (select 1 union all select i + 1 from n where i < 10000)
         insert into filler select randomblob(4000) from n;";
    let outside = rusqlite::Connection::open(program.data_dir().join("skai.db")).unwrap();
    outside.execute_batch(filler).unwrap();
    drop(outside);
    let path = "/admin/v1/duties/backup/run";
    server.client(token.trim()).post(path, &json!({})).expect(202);
    let backups = program.path().join("backups");
    let names = || -> Vec<String> {
        let entries = fs::read_dir(&backups).into_iter().flatten();
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
    };
    eventually("the copy has begun", || names().pop());
    server.kill();
    let server = start();
    let made = eventually("the backup is made", || {
        let list = server.client(token.trim()).get("/admin/v1/duties").expect(200).json();
        let backup = list["data"][0].clone();
        (backup["finished_at"] != json!(null)).then_some(backup)
    });
    assert_eq!(made["error"], json!(null), "{made}");
    let found = names();
    assert!(found.len() == 1 && found[0].ends_with('Z'), "{found:?}");
    drop(server);
    program.verify();
}
