//! Copies: whole, private, restorable, and only so many of them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use skai_server::{
    ambient::Ambient,
    app::backup::{self, BackupError, Limits},
    config::Config,
    domain::DutyName::Backup,
    server::{Server, StartError},
};

use super::{duty, ended, friday, run, runs, with_backups};
use crate::support::{program::Program, server::TestServer};

/// Seconds since 1970.
const SATURDAY_AT_TWO: u32 = 1_795_226_400;

/// The names in a folder, in their order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries.map(|it| name(it).into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A folder for a test, and the folder for backups in it.
fn folders() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("backups");
    (folder, backups)
}

#[test]
fn a_backup_comes_at_its_time_and_can_be_restored() {
    let (folder, backups) = folders();
    let clock = friday();
    let server = with_backups(folder.path())
        .config(|config| config.backup.schedule = Some("0 2 * * *".parse().unwrap()))
        .clock(&clock)
        .start();
    let account = server.account();
    let job = account.run_job(&json!({"model": "sandbox"}));
    clock.advance(Duration::from_hours(17));
    let made = ended(&server, Backup, 1);
    let copy = backups.join("skai-20261121T020000Z");
    assert_eq!(made["result"]["path"], json!(copy), "{made}");
    assert_eq!(
        (&made["error"], &made["due_at"]),
        (&json!(null), &json!("2026-11-22T02:00:00.000Z"))
    );
    assert_eq!(names(&backups), ["skai-20261121T020000Z"]);
    assert_eq!(names(&copy), ["secret.key", "skai.db"]);
    let length: u64 =
        ["secret.key", "skai.db"].map(|it| fs::metadata(copy.join(it)).unwrap().len()).iter().sum();
    assert_eq!(made["result"]["bytes"], length);
    assert_eq!([&*backups, &*copy].map(mode), [0o700; 2]);
    assert_eq!(["secret.key", "skai.db"].map(|it| mode(&copy.join(it))), [0o600; 2]);

    let program = Program::new();
    program.json(&["restore", "--from", copy.to_str().unwrap(), "--json"]);
    assert_eq!(program.verify()["jobs"], 1);
    let restored = rusqlite::Connection::open(program.data_dir().join("skai.db")).unwrap();
    // Who changed what is the same: nobody made the copy forget when it is due.
    let log = "select count(*), group_concat(concat_ws('|', seq, actor, action, name, created_at)) from audit_entry";
    let log = |file: &rusqlite::Connection| -> (i64, String) {
        file.query_row(log, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let original = log(&server.outside());
    assert!(original.0 > 0);
    assert_eq!(log(&restored), original);
    let vacuums: i64 = restored.query_row("pragma auto_vacuum", [], |row| row.get(0)).unwrap();
    assert_eq!(vacuums, 2);
    assert_eq!(account.look(&job)["status"], "succeeded");
}

#[test]
fn only_so_many_are_kept_and_nothing_else_is_touched() {
    let (folder, backups) = folders();
    let clock = friday();
    let server =
        with_backups(folder.path()).config(|config| config.backup.keep = 2).clock(&clock).start();
    let foreign = ["notes", "skai-20200101T000000Z.old", "skai-2020", "skai-20200101T0000000Z"];
    for name in foreign {
        fs::create_dir_all(backups.join(name)).unwrap();
        fs::write(backups.join(name).join("skai.db"), b"mine").unwrap();
    }
    fs::write(backups.join("skai-20200101T000001Z"), b"a file").unwrap();
    std::os::unix::fs::symlink(folder.path(), backups.join("skai-20200101T000002Z")).unwrap();
    // One that is ours, but somebody put a file of his into it.
    let shared = backups.join("skai-20200101T000003Z");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("skai.db"), b"old").unwrap();
    fs::write(shared.join("mine"), b"mine").unwrap();
    for _ in 0..4 {
        let made = run(&server, Backup);
        assert_eq!(made["error"], json!(null), "{made}");
        clock.advance(Duration::from_hours(1));
    }
    // Two within a second have names of their own.
    for _ in 0..2 {
        run(&server, Backup);
    }
    let mut expected: Vec<String> = foreign.map(str::to_owned).to_vec();
    expected.extend(["skai-20200101T000001Z", "skai-20200101T000002Z"].map(str::to_owned));
    expected.push("skai-20200101T000003Z.part".to_owned());
    expected.extend(["skai-20261120T130000Z", "skai-20261120T130001Z"].map(str::to_owned));
    expected.sort();
    assert_eq!(names(&backups), expected);
    assert_eq!(names(&backups.join("skai-20200101T000003Z.part")), ["mine"]);
    assert_eq!(fs::read(backups.join("notes/skai.db")).unwrap(), b"mine");
    assert!(folder.path().join("backups").exists());
}

#[test]
fn a_clock_that_was_ahead_does_not_cost_the_newest_backup() {
    let (folder, backups) = folders();
    let clock = friday();
    let server =
        with_backups(folder.path()).config(|config| config.backup.keep = 2).clock(&clock).start();
    clock.jump("2038-01-01T00:00:00Z".parse().unwrap());
    run(&server, Backup);
    run(&server, Backup);
    clock.jump("2026-11-20T09:00:00Z".parse().unwrap());
    run(&server, Backup);
    assert_eq!(names(&backups), ["skai-20261120T090000Z", "skai-20380101T000001Z"]);
    // What is dated later than now goes before what is real.
    clock.advance(Duration::from_hours(1));
    run(&server, Backup);
    assert_eq!(names(&backups), ["skai-20261120T090000Z", "skai-20261120T100000Z"]);
}

#[test]
fn a_backup_whose_predecessors_cannot_be_removed_is_made() {
    let (folder, backups) = folders();
    let server = with_backups(folder.path())
        .config(|config| config.backup.keep = 1)
        .clock(&friday())
        .start();
    // A folder where a file should be cannot be removed as one.
    fs::create_dir_all(backups.join("skai-20200101T000000Z/skai.db")).unwrap();
    let made = run(&server, Backup);
    assert_eq!((&made["error"], &made["result"]["removed"]), (&json!(null), &json!(0)), "{made}");
    assert!(made["result"]["rotation_error"].as_str().is_some_and(|told| !told.is_empty()));
    assert!(backups.join("skai-20261120T090000Z/skai.db").exists());
}

#[test]
fn what_a_crash_left_is_cleaned_at_the_next_run() {
    let (folder, backups) = folders();
    let server = with_backups(folder.path()).clock(&friday()).start();
    let left = backups.join("skai-20261119T020000Z.part");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("skai.db"), b"half").unwrap();
    fs::write(left.join("skai.db-journal"), b"half").unwrap();
    // The very copy that a crash broke off, at the same time of the clock.
    fs::create_dir_all(backups.join("skai-20261120T090000Z.part")).unwrap();
    let made = run(&server, Backup);
    assert_eq!((&made["error"], &made["result"]["leftovers"]), (&json!(null), &json!(2)), "{made}");
    assert_eq!(names(&backups), ["skai-20261120T090000Z"]);
}

#[test]
fn a_folder_that_cannot_be_used_is_told_and_does_no_harm() {
    let (folder, backups) = folders();
    let server = with_backups(folder.path()).clock(&friday()).start();
    fs::write(&backups, b"no folder").unwrap();
    let failed = run(&server, Backup);
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("cannot be used") && error.contains("exists"), "{error}");
    assert_eq!((&failed["result"], &failed["succeeded_at"]), (&json!(null), &json!(null)));
    assert_eq!(runs(&server, Backup), (0, 1));
    let account = server.account();
    account.run_job(&json!({"model": "sandbox"}));
    fs::remove_file(&backups).unwrap();
    assert_eq!(run(&server, Backup)["error"], json!(null));
    assert_eq!(duty(&server, Backup)["succeeded_at"], "2026-11-20T09:00:00.000Z");
    assert_eq!(runs(&server, Backup), (1, 1));
}

#[test]
fn a_backup_that_fails_stays_due_for_who_watches() {
    let (folder, backups) = folders();
    let clock = friday();
    let server = with_backups(folder.path())
        .config(|config| config.backup.schedule = Some("0 2 * * *".parse().unwrap()))
        .clock(&clock)
        .start();
    fs::remove_dir(&backups).unwrap();
    fs::write(&backups, b"no folder").unwrap();
    let due = |server: &TestServer| {
        let at = server.metric("skai_duty_due_timestamp_seconds{duty=\"backup\"}").unwrap();
        (at - f64::from(SATURDAY_AT_TWO)) / 86_400.0
    };
    assert!(due(&server).abs() < 1e-9);
    for failures in 1..=2 {
        clock.advance(Duration::from_hours(24));
        ended(&server, Backup, failures);
        assert_eq!(runs(&server, Backup), (0, failures));
        assert!(due(&server).abs() < 1e-9);
    }
    // The next start knows it too.
    let server = server.restart_after(|_| fs::remove_file(&backups).unwrap());
    assert!(due(&server).abs() < 1e-9);
    assert_eq!(run(&server, Backup)["error"], json!(null));
    assert!((due(&server) - 2.0).abs() < 1e-9, "{}", due(&server));
}

#[test]
fn a_key_that_is_gone_leaves_no_half_backup() {
    let (folder, backups) = folders();
    let server = with_backups(folder.path()).start();
    fs::rename(server.folder().join("data/secret.key"), server.folder().join("away")).unwrap();
    let failed = run(&server, Backup);
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("cannot copy") && error.contains("secret.key"), "{error}");
    assert_eq!(names(&backups), [""; 0]);
}

/// A server whose file takes some time to copy, and its folder.
fn filled() -> (TestServer, PathBuf) {
    let server = TestServer::start();
    let filler = "create table filler (n integer) strict;
         with recursive n (i) as (select 1 union all select i + 1 from n where i < 200000)
         insert into filler select i from n;";
    server.outside().execute_batch(filler).unwrap();
    let data = server.folder().join("data");
    (server, data)
}

#[test]
fn a_copy_is_given_up_before_a_disk_is_full() {
    let (folder, backups) = folders();
    let (_server, data) = filled();
    for full in [&data, folder.path()] {
        let (asked, full) = (AtomicU32::new(0), full.to_owned());
        let room = move |disk: &Path| {
            // There is room at first, and others take it.
            let is_taken = *disk == full && asked.fetch_add(1, Ordering::Relaxed) > 1;
            Some(if is_taken { 1 << 20 } else { 1 << 40 })
        };
        let limits = Limits { room: Arc::new(room), ..Limits::until(|| false) };
        let refused = backup::make_whole(&data, &backups, &limits).unwrap_err();
        assert!(matches!(refused, BackupError::Full { free: 0x10_0000, .. }), "{refused}");
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn a_server_on_a_copy_makes_no_backup_at_once() {
    let (folder, backups) = folders();
    let clock = friday();
    let server = with_backups(folder.path())
        .config(|config| {
            config.backup.schedule = Some("0 2 * * *".parse().unwrap());
            config.backup.keep = 1;
        })
        .clock(&clock)
        .start();
    clock.advance(Duration::from_hours(17));
    ended(&server, Backup, 1);
    let copy = backups.join("skai-20261121T020000Z");
    clock.advance(Duration::from_hours(20));
    // Whatever else is due that was missed is done; the copy stays.
    let server = server.restart_after(|server| {
        for name in ["skai.db-wal", "skai.db-shm"] {
            drop(fs::remove_file(server.folder().join("data").join(name)));
        }
        fs::copy(copy.join("skai.db"), server.folder().join("data/skai.db")).unwrap();
    });
    run(&server, super::DutyName::Vacuum);
    assert_eq!((runs(&server, Backup), names(&backups).len()), ((0, 0), 1));
    let planned = duty(&server, Backup);
    let due = "2026-11-22T02:00:00.000Z";
    assert_eq!((&planned["due_at"], &planned["started_at"]), (&json!(due), &json!(null)));
    clock.advance(Duration::from_hours(7));
    ended(&server, Backup, 1);
    assert_eq!(names(&backups), ["skai-20261122T050000Z"]);
}

#[test]
fn a_copy_is_given_up_with_the_server() {
    let (_folder, backups) = folders();
    let (_server, data) = filled();
    let stopped = backup::make_whole(&data, &backups, &Limits::until(|| true)).unwrap_err();
    assert!(matches!(stopped, BackupError::Stopped), "{stopped}");
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let go_on = move || counted.fetch_add(1, Ordering::Relaxed) == u32::MAX;
    let whole = backups.with_extension("whole");
    let bytes = backup::make_whole(&data, &whole, &Limits::until(go_on)).unwrap();
    assert!(bytes > 1 << 20, "{bytes}");
    assert!(asked.load(Ordering::Relaxed) > 4, "it is asked while it copies");
    backup::check(&whole, Box::new(|| false)).unwrap();
    // A copy that lost a part of itself is none.
    let database = whole.join("skai.db");
    let length = fs::metadata(&database).unwrap().len();
    fs::File::options().write(true).open(&database).unwrap().set_len(length / 2).unwrap();
    backup::check(&whole, Box::new(|| false)).unwrap_err();
}

#[test]
fn a_server_says_at_its_start_that_it_could_make_none_at_night() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::embedded().unwrap();
    config.data_dir = folder.path().join("data");
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    config.backup.schedule = Some("@daily".parse().unwrap());
    config.backup.folder = folder.path().join("file/backups");
    fs::write(folder.path().join("file"), b"no folder").unwrap();
    let refused = Server::start(config, Ambient::system()).err().unwrap();
    assert!(matches!(refused, StartError::Backup { .. }), "{refused}");
    assert!(refused.to_string().contains("set backup.folder"), "{refused}");
}
