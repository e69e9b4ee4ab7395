//! The one writer: who shares a commit, who fails alone, and what happens when the file cannot be written.

use std::{
    process::Command,
    sync::{Arc, Barrier, Mutex, mpsc},
    thread,
    time::Duration,
};

use skai_server::{
    ambient::Ambient,
    domain::{Environment, Error, ErrorKind, ProjectId, QueueName, Timestamp},
    store::{
        Commit, EngineSettings, Signal, Store, SystemScope, Tx, accounts,
        queue::{self, Waiting, WorkId},
    },
};

use super::{Rig, file, id};
use crate::support::LIMIT;

/// Holds the writer inside a deed until the sender is used or dropped, so that deeds pile up behind it.
fn hold(rig: &Rig) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel();
    let (entered, waiting) = mpsc::channel();
    let held = Mutex::new(held);
    let commit = rig.store.write(SystemScope::new(), move |_| {
        entered.send(()).unwrap();
        let _released_or_dropped = held.lock().unwrap().recv();
        Ok(())
    });
    drop(commit);
    waiting.recv_timeout(LIMIT).unwrap();
    release
}

#[test]
fn deeds_that_wait_share_a_commit() {
    let rig = Rig::new();
    let before = rig.store.totals();
    let hold = hold(&rig);
    let commits: Vec<_> = (0..100).map(|n| rig.account(&format!("{n:03}"))).collect();
    hold.send(()).unwrap();
    for commit in commits {
        commit.wait().unwrap();
    }
    let after = rig.store.totals();
    assert_eq!(after.deeds - before.deeds, 101);
    assert_eq!(after.commits - before.commits, 2, "one for the first, one for all that waited");
    assert_eq!(rig.names().len(), 100);
}

#[test]
fn a_patient_deed_shares_the_commit_of_the_next_or_has_its_own() {
    let rig = Rig::new();
    let patient = |name: &'static str| {
        let (id, project) = (id(&rig.ambient), ProjectId::from_uuid(rig.ambient.uuid()));
        let deed = move |tx: &Tx<'_, SystemScope>| accounts::insert(tx, id, project, name);
        rig.store.write_patiently(SystemScope::new(), deed)
    };
    let commits = || rig.store.totals().commits;
    let before = commits();
    patient("alone").wait().unwrap();
    assert_eq!(commits(), before + 1);
    let shared = (0..100).any(|_| {
        let before = commits();
        let one = patient("one");
        rig.account("other").wait().and(one.wait()).unwrap();
        commits() == before + 1
    });
    assert!(shared, "in a hundred tries the second came in time");
    // One that fails after it wrote takes nobody with it.
    let kept = patient("kept");
    let (id, project) = (id(&rig.ambient), ProjectId::from_uuid(rig.ambient.uuid()));
    let failed = rig.store.write(SystemScope::new(), move |tx| {
        accounts::insert(tx, id, project, "undone")?;
        Err::<(), _>(Error::not_found("anything"))
    });
    assert!(failed.wait().is_err());
    kept.wait().unwrap();
    let has = |name: &str| rig.names().contains(&name.to_owned());
    assert!(has("kept") && !has("undone"));
}

#[test]
fn no_deed_of_many_threads_is_lost() {
    let rig = Arc::new(Rig::new());
    let start = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (rig, start) = (Arc::clone(&rig), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                for n in 0..50 {
                    rig.account(&format!("{thread}-{n}")).wait().unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(rig.names().len(), 400);
    assert_eq!(rig.store.totals().deeds, 400);
}

/// In every place of a batch: a deed that fails after it wrote, one that is refused before it wrote,
/// one that panics, and one whose second run fails too. Each fails alone.
#[test]
fn a_deed_fails_alone() {
    let rig = Rig::new();
    let hold = hold(&rig);
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for n in 0..5 {
        good.push(rig.account(&format!("good {n}")));
        let (key, project) = (id(&rig.ambient), ProjectId::from_uuid(rig.ambient.uuid()));
        bad.push(rig.store.write(SystemScope::new(), move |tx| {
            accounts::insert(tx, key, project, "bad")?;
            match n {
                0 => Err(Error::invalid("x", "refused after a write")),
                1 => panic!("after a write"),
                // The same id again: refused by the engine.
                _ => accounts::insert(tx, key, project, "bad"),
            }
        }));
        bad.push(rig.store.write(SystemScope::new(), move |_| match n {
            0 => panic!("before a write"),
            _ => Err(Error::invalid("x", "refused before a write")),
        }));
    }
    hold.send(()).unwrap();
    let kinds: Vec<_> = bad.into_iter().map(|commit| commit.wait().unwrap_err().kind()).collect();
    for commit in good {
        commit.wait().unwrap();
    }
    let (refused, failed) = (ErrorKind::InvalidRequest, ErrorKind::ServerError);
    assert_eq!(
        kinds,
        [refused, failed, failed, refused, failed, refused, failed, refused, failed, refused]
    );
    assert_eq!(rig.names(), ["good 0", "good 1", "good 2", "good 3", "good 4"]);
    rig.account("the writer goes on").wait().unwrap();
}

fn queued(rig: &Rig, subject: i64, succeed: bool) -> skai_server::store::Commit<()> {
    let (key, project) = (id(&rig.ambient), ProjectId::from_uuid(rig.ambient.uuid()));
    rig.store.write(SystemScope::new(), move |tx| {
        let scope = accounts::insert(tx, key, project, "a")?;
        let run_at = Timestamp::default();
        let id = WorkId { queue: QueueName::TaskRun, subject };
        let work = Waiting { id, lane: 1, priority: 0, run_at };
        tx.within(scope, |tx| queue::push(tx, work.clone(), run_at))?;
        if succeed { Ok(()) } else { Err(Error::invalid("x", "no")) }
    })
}

/// The subjects of the queue's rows that listeners are told of.
fn listen(store: &Store) -> mpsc::Receiver<i64> {
    let (told, signals) = mpsc::channel();
    let told = Mutex::new(told);
    let looked = store.clone();
    store.listen(move |signals| {
        for signal in signals {
            if let Signal::Queued(work) = signal {
                // What a listener hears of can be read: it was committed before.
                let found = looked.read(SystemScope::new(), |snapshot| {
                    queue::scan(snapshot, QueueName::TaskRun, work.id.subject - 1, 1)
                });
                assert_eq!(found.unwrap()[0].id, work.id);
                told.lock().unwrap().send(work.id.subject).unwrap_or_default();
            }
        }
    });
    signals
}

#[test]
fn listeners_hear_of_what_was_committed_and_of_nothing_else() {
    let rig = Rig::new();
    let signals = listen(&rig.store);
    let hold = hold(&rig);
    let commits: Vec<_> = (1..=6).map(|n| (n, queued(&rig, n, n % 3 != 0))).collect();
    hold.send(()).unwrap();
    for (n, commit) in commits {
        assert_eq!(commit.wait().is_ok(), n % 3 != 0);
    }
    assert_eq!(signals.try_iter().collect::<Vec<_>>(), [1, 2, 4, 5]);
}

/// A patient deed that takes two milliseconds, in which the next of so many comes.
fn chained(store: &Store, ambient: &Ambient, more: u32, commits: &mpsc::Sender<Commit<()>>) {
    let (next, clock, told) = (store.clone(), ambient.clone(), commits.clone());
    let deed = move |_: &Tx<'_, SystemScope>| {
        clock.advance(Duration::from_millis(2));
        if more > 0 {
            chained(&next, &clock, more - 1, &told);
        }
        Ok(())
    };
    commits.send(store.write_patiently(SystemScope::new(), deed)).unwrap();
}

#[test]
fn a_commit_waits_a_millisecond_in_all_however_many_patient_deeds_come() {
    let folder = tempfile::tempdir().unwrap();
    let ambient = Ambient::manual(Timestamp::from_millis(1_000), 7);
    let engine = EngineSettings { durable: false, ..EngineSettings::default() };
    let (store, _writer) = Store::open(&file(folder.path()), &engine, &ambient).unwrap();
    let (sender, commits) = mpsc::channel();
    chained(&store, &ambient, 5, &sender);
    for _ in 0..6 {
        commits.recv_timeout(LIMIT).unwrap().wait().unwrap();
    }
    let totals = store.totals();
    // The second of each two ends when the patience of the first is over.
    assert_eq!((totals.deeds, totals.commits), (6, 3));
    assert_eq!(totals.busy, Duration::from_millis(12));
}

#[test]
fn a_listener_that_panics_stops_nobody() {
    let rig = Rig::new();
    rig.store.listen(|_| panic!("a listener"));
    let signals = listen(&rig.store);
    queued(&rig, 1, true).wait().unwrap();
    queued(&rig, 2, true).wait().unwrap();
    assert_eq!(signals.try_iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn who_stops_waiting_still_gets_the_deed_done() {
    let rig = Rig::new();
    let hold = hold(&rig);
    drop(rig.account("nobody waits"));
    let last = rig.account("last");
    hold.send(()).unwrap();
    last.wait().unwrap();
    assert_eq!(rig.names(), ["last", "nobody waits"]);
}

#[test]
fn too_many_waiting_deeds_are_refused() {
    let rig =
        Rig::with(&EngineSettings { waiting: 3, durable: false, ..EngineSettings::default() });
    let hold = hold(&rig);
    let commits: Vec<_> = (0..5).map(|n| rig.account(&n.to_string())).collect();
    hold.send(()).unwrap();
    let kinds: Vec<_> =
        commits.into_iter().map(|it| it.wait().map_err(|e| e.kind()).err()).collect();
    let full = Some(ErrorKind::Unavailable);
    assert_eq!(kinds, [None, None, None, full, full]);
    assert_eq!(rig.names(), ["0", "1", "2"]);
}

#[test]
fn the_writer_ends_with_the_last_store_and_after_the_last_deed() {
    let folder = tempfile::tempdir().unwrap();
    let ambient = Ambient::system();
    let open = || Store::open(&file(folder.path()), &EngineSettings::default(), &ambient).unwrap();
    let (store, writer) = open();
    let (key, project) = (id(&ambient), ProjectId::from_uuid(ambient.uuid()));
    let commit =
        store.write(SystemScope::new(), move |tx| accounts::insert(tx, key, project, "last"));
    drop(store);
    writer.join().unwrap();
    commit.wait().unwrap();
    let (store, _writer) = open();
    let found =
        store.read(SystemScope::new(), |snapshot| accounts::find(snapshot, key, Environment::Live));
    assert_eq!(found.unwrap().unwrap().name, "last");
}

#[test]
fn another_programs_lock_is_waited_for_and_then_refused() {
    let engine = EngineSettings {
        busy_timeout: Duration::from_millis(50),
        durable: false,
        ..EngineSettings::default()
    };
    let rig = Rig::with(&engine);
    rig.account("before").wait().unwrap();
    let outside = rig.outside();
    outside.execute_batch("begin immediate").unwrap();
    let refused = rig.account("refused").wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(refused.message().contains("locked"), "{}", refused.message());
    assert!(rig.store.trouble().is_some());
    assert_eq!(rig.names(), ["before"], "reads go on");
    outside.execute_batch("rollback").unwrap();
    rig.account("later").wait().unwrap();
    assert_eq!(rig.store.trouble(), None);
    assert_eq!(rig.names(), ["before", "later"]);
}

#[test]
fn another_programs_commit_is_noticed() {
    let rig = Rig::new();
    let (told, elsewhere) = mpsc::channel();
    let told = Mutex::new(told);
    rig.store.listen(move |signals| {
        if signals.contains(&Signal::Elsewhere) {
            told.lock().unwrap().send(()).unwrap_or_default();
        }
    });
    rig.account("ours").wait().unwrap();
    let sql = "insert into meta (name, value) values ('outside', 1)";
    rig.outside().execute_batch(sql).unwrap();
    elsewhere.recv_timeout(Duration::from_secs(2)).expect("within a second, give or take");
    rig.account("ours again").wait().unwrap();
    rig.store.probe().wait().unwrap();
    assert!(elsewhere.try_recv().is_err(), "our own commits are not elsewhere");
}

/// A server need not read its queues anew because somebody made an account.
#[test]
fn a_commands_commit_tells_of_queues_only_where_it_changed_one() {
    let rig = Rig::new();
    rig.account("ours").wait().unwrap();
    let (told, elsewhere) = mpsc::channel();
    let told = Mutex::new(told);
    rig.store
        .listen(move |signals| told.lock().unwrap().send(signals.to_vec()).unwrap_or_default());
    let engine = EngineSettings { announce: true, durable: false, ..EngineSettings::default() };
    let command = Store::open(&file(rig.folder.path()), &engine, &rig.ambient).unwrap().0;
    let account = (id(&rig.ambient), ProjectId::from_uuid(rig.ambient.uuid()));
    let made = command
        .write(SystemScope::new(), move |tx| accounts::insert(tx, account.0, account.1, "theirs"));
    let scope = made.wait().unwrap();
    assert_eq!(elsewhere.recv_timeout(LIMIT).unwrap(), [Signal::Elsewhere]);
    let id = WorkId { queue: QueueName::GenerationCreate, subject: 1 };
    let push = command.write(scope, move |tx| {
        let work = Waiting { id, lane: 1, priority: 0, run_at: tx.now() };
        queue::push(tx, work, tx.now())
    });
    push.wait().unwrap();
    let both = [Signal::Elsewhere, Signal::QueuesElsewhere];
    assert_eq!(elsewhere.recv_timeout(LIMIT).unwrap(), both);
}

/// A file system of a few megabytes, if this user may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }

    /// Takes all the space there is, but for some bytes.
    fn fill(&self) {
        let ballast = self.0.path().join("ballast");
        let mut file = std::fs::File::create(ballast).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || thread::panicking());
    }
}

/// Fifty times over, since a full disk shows where the log cannot grow; the unit tests of the store reach
/// the same without a mount.
#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("no right to mount a small disk: only a file that may not grow was tested");
        return;
    };
    let path = file(disk.0.path());
    let ambient = Ambient::system();
    let (store, writer) = Store::open(&path, &EngineSettings::default(), &ambient).unwrap();
    let account = |name: String| {
        let (key, project) = (id(&ambient), ProjectId::from_uuid(ambient.uuid()));
        store.write(SystemScope::new(), move |tx| accounts::insert(tx, key, project, &name)).wait()
    };
    let mut kept = 0;
    for round in 0..50 {
        account(format!("{round}")).unwrap();
        kept += 1;
        disk.fill();
        let refused = loop {
            match account("x".repeat(2_000)) {
                Ok(_) => kept += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused:?}");
        let listed = store.read(SystemScope::new(), |it| accounts::list(it, None, 10_000)).unwrap();
        assert_eq!(listed.len(), kept, "reads go on, and nothing refused was kept");
        disk.free();
    }
    account("after".to_owned()).unwrap();
    assert_eq!(store.trouble(), None);
    drop(store);
    writer.join().unwrap();
    let outside = rusqlite::Connection::open(&path).unwrap();
    let check: String = outside.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
