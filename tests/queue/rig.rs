//! A queue with a kind of work that does what the test says, on a clock that the test sets.

use std::{
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use skai_server::{
    ambient::Ambient,
    domain::{AccountId, ProjectId, QueueName, Result, Timestamp},
    queue::{GiveUp, Kind, QueueSettings, Runner, Stop, boot},
    store::{
        AccountScope, EngineSettings, Store, SystemScope, Tx, accounts,
        queue::{self as table, Claimed, Lease, Waiting, WorkId},
    },
};

use crate::support::LIMIT;

pub(super) const QUEUE: QueueName = QueueName::TaskRun;
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Work of this subject cannot begin.
pub(super) const POISON: i64 = 666;

/// What an attempt is to do.
pub(super) enum Act {
    /// End the work, and tell whether the lease was still valid.
    Finish(Sender<bool>),
    /// Try again at that time.
    Release(Timestamp),
    /// Tell whether it was told to stop, and wait for the next act.
    Look(Sender<bool>),
    Panic,
}

/// An attempt that waits for what it is to do.
pub(super) struct Attempt {
    pub(super) claimed: Claimed,
    act: Sender<Act>,
}

impl Attempt {
    pub(super) fn subject(&self) -> i64 {
        self.claimed.lease.id.subject
    }

    /// Ends the work; false where the lease is not valid any more.
    pub(super) fn finish(self) -> bool {
        self.ask(Act::Finish)
    }

    pub(super) fn release(self, at: Timestamp) {
        self.act.send(Act::Release(at)).unwrap();
    }

    pub(super) fn panic(self) {
        self.act.send(Act::Panic).unwrap();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.ask(Act::Look)
    }

    fn ask(&self, act: impl FnOnce(Sender<bool>) -> Act) -> bool {
        let (answer, answered) = channel();
        self.act.send(act(answer)).unwrap();
        answered.recv_timeout(LIMIT).unwrap()
    }
}

/// What a test hears of.
pub(super) enum Event {
    Began(Attempt),
    GaveUp(Claimed, GiveUp),
}

pub(super) struct Toy {
    store: Store,
    events: Mutex<Sender<Event>>,
}

impl Toy {
    fn tell(&self, event: Event) {
        // The test may be over.
        drop(self.events.lock().unwrap().send(event));
    }

    fn finish(&self, lease: Lease) -> Result<bool> {
        self.store.write(SystemScope::new(), move |tx| table::finish(tx, lease)).wait()
    }
}

impl Kind for Toy {
    type Task = ();

    const QUEUE: QueueName = QUEUE;

    fn begin(&self, _: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<()>> {
        assert!(claimed.lease.id.subject != POISON, "it cannot begin");
        Ok(Some(()))
    }

    fn run(&self, claimed: &Claimed, (): (), stop: &Stop) -> Result<()> {
        let (act, acts) = channel();
        self.tell(Event::Began(Attempt { claimed: claimed.clone(), act }));
        for act in acts {
            match act {
                Act::Look(answer) => answer.send(stop.is_set()).unwrap(),
                Act::Panic => panic!("an attempt breaks off"),
                Act::Finish(answer) => {
                    let valid = self.finish(claimed.lease);
                    answer.send(matches!(valid, Ok(true))).unwrap_or_default();
                    return valid.map(drop);
                }
                Act::Release(at) => {
                    let lease = claimed.lease;
                    let released = self
                        .store
                        .write(SystemScope::new(), move |tx| table::release(tx, lease, at, true));
                    return released.wait().map(drop);
                }
            }
        }
        Ok(())
    }

    fn give_up(&self, claimed: &Claimed, why: GiveUp) -> Result<()> {
        if self.finish(claimed.lease)? {
            self.tell(Event::GaveUp(claimed.clone(), why));
        }
        Ok(())
    }
}

/// A store with one account, and what its runners tell.
pub(super) struct Rig {
    pub(super) store: Store,
    pub(super) ambient: Ambient,
    scope: AccountScope,
    events: Receiver<Event>,
    told: Sender<Event>,
    folder: tempfile::TempDir,
}

impl Rig {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ambient = Ambient::manual("2026-11-20T09:00:00Z".parse().unwrap(), 1);
        let engine = EngineSettings {
            durable: false,
            readers: 2,
            busy_timeout: Duration::from_millis(20),
            ..EngineSettings::default()
        };
        let (store, _writer) =
            Store::open(&folder.path().join("skai.db"), &engine, &ambient).unwrap();
        let id = AccountId::from_uuid(ambient.uuid());
        let project = ProjectId::from_uuid(ambient.uuid());
        let account =
            store.write(SystemScope::new(), move |tx| accounts::insert(tx, id, project, "a"));
        let scope = account.wait().unwrap();
        let (told, events) = channel();
        Self { store, ambient, scope, events, told, folder }
    }

    /// A start of the server on this store.
    pub(super) fn start(&self, settings: QueueSettings) -> Runner<Toy> {
        self.start_as(boot(&self.store).unwrap(), settings)
    }

    /// A start of that number.
    pub(super) fn start_as(&self, boot: i64, settings: QueueSettings) -> Runner<Toy> {
        let toy = Toy { store: self.store.clone(), events: Mutex::new(self.told.clone()) };
        Runner::start(toy, &self.store, &self.ambient, settings, boot).unwrap()
    }

    /// Adds work that is due now and given up in an hour.
    pub(super) fn push(&self, lane: i64, subjects: impl IntoIterator<Item = i64>) {
        self.push_until(lane, subjects, self.ambient.now().plus(3_600 * SECOND));
    }

    pub(super) fn push_until(
        &self,
        lane: i64,
        subjects: impl IntoIterator<Item = i64>,
        expires_at: Timestamp,
    ) {
        self.push_at(lane, subjects, self.ambient.now(), expires_at);
    }

    pub(super) fn push_at(
        &self,
        lane: i64,
        subjects: impl IntoIterator<Item = i64>,
        run_at: Timestamp,
        expires_at: Timestamp,
    ) {
        let subjects: Vec<i64> = subjects.into_iter().collect();
        let pushed = self.store.write(self.scope, move |tx| {
            for &subject in &subjects {
                let id = WorkId { queue: QUEUE, subject };
                table::push(tx, Waiting { id, lane, priority: 0, run_at }, expires_at)?;
            }
            Ok(())
        });
        pushed.wait().unwrap();
    }

    /// Adds a row like that of `subject` that only a scan of the table finds.
    pub(super) fn push_unheard(&self, subject: i64, like: i64) {
        let columns = "queue, account, lane, priority, run_at, expires_at, attempts, crashes";
        let insert = format!(
            "insert into queue (subject, {columns}) select ?1, {columns} from queue where subject = ?2"
        );
        let outside = rusqlite::Connection::open(self.folder.path().join("skai.db")).unwrap();
        outside.busy_timeout(LIMIT).unwrap();
        assert_eq!(outside.execute(&insert, (subject, like)).unwrap(), 1);
    }

    pub(super) fn withdraw(&self, subject: i64) -> bool {
        let id = WorkId { queue: QUEUE, subject };
        self.store.write(self.scope, move |tx| table::withdraw(tx, id)).wait().unwrap()
    }

    /// Leases a row by hand.
    pub(super) fn claim(&self, subject: i64, token: i64) -> Option<Claimed> {
        let lease = Lease { id: WorkId { queue: QUEUE, subject }, token };
        let claimed = self.store.write(SystemScope::new(), move |tx| table::claim(tx, lease));
        claimed.wait().unwrap()
    }

    pub(super) fn finish(&self, lease: Lease) -> bool {
        self.store.write(SystemScope::new(), move |tx| table::finish(tx, lease)).wait().unwrap()
    }

    pub(super) fn pause(&self, paused: bool) {
        let set =
            self.store.write(SystemScope::new(), move |tx| table::set_paused(tx, QUEUE, paused));
        set.wait().unwrap();
    }

    /// Rows that wait; those that are leased do not count.
    pub(super) fn waiting(&self) -> Vec<i64> {
        let rows = self.store.read(SystemScope::new(), |it| table::scan(it, QUEUE, 0, 100_000));
        rows.unwrap().into_iter().map(|row| row.id.subject).collect()
    }

    /// When a waiting row is due.
    pub(super) fn run_at(&self, subject: i64) -> Option<Timestamp> {
        let id = WorkId { queue: QUEUE, subject };
        let row = self.store.read(SystemScope::new(), |it| table::find_waiting(it, id));
        row.unwrap().map(|row| row.run_at)
    }

    /// What happens next.
    pub(super) fn next(&self) -> Event {
        self.events.recv_timeout(LIMIT).expect("something happens")
    }

    /// What has happened by now.
    pub(super) fn already(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// What happens within a moment.
    pub(super) fn soon(&self) -> Option<Event> {
        self.events.recv_timeout(Duration::from_millis(20)).ok()
    }

    /// The next thing to happen is the beginning of an attempt.
    pub(super) fn begun(&self) -> Attempt {
        match self.next() {
            Event::Began(attempt) => attempt,
            Event::GaveUp(claimed, why) => panic!("{claimed:?} was given up: {why:?}"),
        }
    }

    /// The next thing to happen is that work is given up.
    pub(super) fn given_up(&self) -> (i64, GiveUp) {
        let (claimed, why) = self.gave_up();
        (claimed.lease.id.subject, why)
    }

    /// The same, with all that is known of the work.
    pub(super) fn gave_up(&self) -> (Claimed, GiveUp) {
        match self.next() {
            Event::GaveUp(claimed, why) => (claimed, why),
            Event::Began(attempt) => panic!("{:?} began", attempt.claimed),
        }
    }

    /// The process that was start number `boot` dies during an attempt, and the next one takes note.
    pub(super) fn die(&self, subject: i64, boot: i64) {
        self.claim(subject, boot << 32).expect("it waits");
        let next = (boot + 1) << 32;
        let reclaimed =
            self.store.write(SystemScope::new(), move |tx| table::reclaim(tx, QUEUE, next, 10));
        assert_eq!(reclaimed.wait().unwrap(), 1);
    }

    /// Lets no one write until the connection is dropped.
    pub(super) fn lock(&self) -> rusqlite::Connection {
        let outside = rusqlite::Connection::open(self.folder.path().join("skai.db")).unwrap();
        outside.busy_timeout(LIMIT).unwrap();
        outside.execute_batch("begin immediate").unwrap();
        outside
    }
}

pub(super) fn settings(concurrency: usize) -> QueueSettings {
    QueueSettings {
        concurrency,
        lane_limit: 0,
        slow_after: None,
        max_runtime: 600 * SECOND,
        max_crashes: 3,
        paused: false,
    }
}

/// Waits for what no event tells of.
pub(super) fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "not in time: {what}");
        thread::yield_now();
    }
}
