//! The one thread that writes. It runs all deeds that wait, commits once, and then answers them all:
//! with many callers the cost of a commit is shared, with one caller nobody waits for company.
//!
//! Deeds run without savepoints, for speed. When one fails after it has written, or panics, the whole
//! batch is rolled back and run again with a savepoint each, so that it fails alone.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{checkpoint::Checkpointer, connection::Confined, origins};
use crate::{
    ambient::Ambient,
    domain::{Error, ErrorKind, Result, Timestamp},
    observe::origin::Origin,
    store::{
        Shared, fault,
        scope::Scope,
        signal::{Signal, Told},
        tx::{Snapshot, Tx},
    },
};

/// How often to look whether another process wrote.
const LOOK_ELSEWHERE: Duration = Duration::from_millis(500);

/// How long the commit of patient deeds waits for others.
const PATIENCE: Duration = Duration::from_millis(1);

/// A deed on its way through the writer.
pub(in crate::store) trait Deed: Send {
    /// Whether its commit may wait a little for another deed to share it with.
    fn is_patient(&self) -> bool;
    /// Runs (again), keeping the result; false where it failed.
    fn run(&mut self, connection: &Confined, now: Timestamp, told: &RefCell<Told>) -> bool;
    /// Why it failed, for whoever reads.
    fn failure(&self) -> Option<&Error>;
    /// Replaces whatever the result was.
    fn fail(&mut self, error: Error);
    /// Gives the result to whoever waits.
    fn answer(self: Box<Self>);
}

/// A deed, its scope and its result.
pub(in crate::store) struct Entry<S, F, T> {
    pub(in crate::store) scope: S,
    pub(in crate::store) deed: F,
    pub(in crate::store) result: Option<Result<T>>,
    pub(in crate::store) reply: oneshot::Sender<Result<T>>,
    pub(in crate::store) is_patient: bool,
    /// Who is behind it, for the audit log.
    pub(in crate::store) origin: Option<Arc<Origin>>,
}

impl<S, F, T> Deed for Entry<S, F, T>
where
    S: Scope,
    T: Send,
    F: FnMut(&Tx<'_, S>) -> Result<T> + Send,
{
    fn is_patient(&self) -> bool {
        self.is_patient
    }

    fn run(&mut self, connection: &Confined, now: Timestamp, told: &RefCell<Told>) -> bool {
        connection.tenancy.enter(&self.scope);
        let tx = Tx::new(Snapshot::new(connection, self.scope, now), told);
        let result = origins::lend(self.origin.as_ref(), now, || (self.deed)(&tx));
        connection.tenancy.leave();
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn failure(&self) -> Option<&Error> {
        self.result.as_ref()?.as_ref().err()
    }

    fn fail(&mut self, error: Error) {
        self.result = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        if let Some(result) = self.result {
            // Who stopped waiting does not want to know.
            drop(self.reply.send(result));
        }
    }
}

/// What the thread works with.
pub(in crate::store) struct Writer {
    pub(in crate::store) connection: Confined,
    pub(in crate::store) deeds: Receiver<Box<dyn Deed>>,
    pub(in crate::store) checkpointer: Checkpointer,
    pub(in crate::store) shared: Arc<Shared>,
    pub(in crate::store) ambient: Ambient,
    pub(in crate::store) batch: usize,
    /// How long this commit waited for company.
    pub(in crate::store) idle: Duration,
    /// A commit could not be synced: nothing is written any more.
    pub(in crate::store) dead: bool,
    pub(in crate::store) announce: bool,
}

/// How a deed went within its batch.
#[derive(Clone, Copy, PartialEq)]
enum Ran {
    Clean,
    /// It failed after it wrote, so the batch holds writes that must not be committed.
    Dirty,
    Panicked,
}

impl Writer {
    /// Runs until nobody can send deeds any more.
    pub(in crate::store) fn run(mut self) {
        let mut version = self.data_version();
        let mut queue_changes = self.queue_changes();
        loop {
            match self.deeds.recv_timeout(LOOK_ELSEWHERE) {
                Ok(first) => self.serve(first),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let seen = self.data_version();
            if seen != version {
                version = seen;
                let before = std::mem::replace(&mut queue_changes, self.queue_changes());
                let signals = [Signal::Elsewhere, Signal::QueuesElsewhere];
                let told = if queue_changes == before { 1 } else { 2 };
                self.shared.publish(&signals[..told]);
            }
        }
        if self.dead {
            return;
        }
        // Leaves a small log behind; whatever cannot be copied now is copied at the next start.
        drop(self.connection.sql.execute_batch("pragma wal_checkpoint(passive)"));
    }

    /// Changes when another connection committed, not by our own commits.
    fn data_version(&self) -> i64 {
        let read = |sql: &Connection| {
            sql.prepare_cached("pragma data_version")?.query_row([], |row| row.get(0))
        };
        read(&self.connection.sql).unwrap_or(0)
    }

    /// How often commands changed queues in this file. To read them anew takes long where they are long,
    /// and most of what other processes commit does not touch them.
    fn queue_changes(&self) -> i64 {
        let sql = "select value from main.meta where name = 'queue_changes'";
        let read = self.connection.sql.prepare_cached(sql);
        // No row yet: none did.
        read.and_then(|mut read| read.query_row([], |row| row.get(0))).unwrap_or(0)
    }

    /// Counts the commit where it changes queues that a server may be running.
    fn announce(&self, told: &RefCell<Told>) -> std::result::Result<(), Failure> {
        if !self.announce || !told.borrow().signals.iter().any(Signal::is_of_queue) {
            return Ok(());
        }
        self.statement(
            "insert into main.meta (name, value) values ('queue_changes', 1)
             on conflict (name) do update set value = value + 1",
        )
    }

    fn serve(&mut self, first: Box<dyn Deed>) {
        let mut deeds = vec![first];
        self.take_waiting(&mut deeds);
        if self.dead {
            return refuse(deeds);
        }
        let started = self.ambient.monotonic();
        self.idle = Duration::ZERO;
        let changes = self.connection.sql.total_changes();
        let told = RefCell::new(Told::default());
        match self.commit(&mut deeds, &told) {
            Ok(()) => {
                // A commit of nothing says nothing about the disk.
                if self.connection.sql.total_changes() != changes {
                    self.shared.recovered();
                }
                let taken = self.ambient.monotonic().saturating_sub(started);
                self.shared.committed(deeds.len(), taken.saturating_sub(self.idle));
                self.shared.tell(told.into_inner());
            }
            Err(error) => self.fail(&mut deeds, error),
        }
        for deed in deeds {
            deed.answer();
        }
        self.checkpointer.committed(&self.connection.sql);
    }

    /// The database refused: nobody's deed was done.
    fn fail(&mut self, deeds: &mut [Box<dyn Deed>], failure: Failure) {
        if !self.connection.sql.is_autocommit() {
            drop(self.connection.sql.execute_batch("rollback"));
        }
        let Failure { error, fatal } = failure;
        tracing::error!(error = &error as &dyn std::error::Error, fatal, "commit failed");
        self.shared.degraded(error.message());
        for deed in deeds {
            let told = Error::unavailable(error.message(), fault::RETRY_AFTER);
            deed.fail(told);
        }
        if fatal {
            self.dead = true;
            self.shared.publish(&[Signal::Fatal]);
        }
    }

    fn commit(
        &mut self,
        deeds: &mut Vec<Box<dyn Deed>>,
        told: &RefCell<Told>,
    ) -> std::result::Result<(), Failure> {
        let now = self.ambient.now();
        self.statement("begin immediate")?;
        let spoiler = self.run_together(deeds, 0, now, told);
        let Some(spoiler) = spoiler.or_else(|| self.linger(deeds, now, told)) else {
            self.announce(told)?;
            return self.statement("commit");
        };
        if !self.connection.sql.is_autocommit() {
            self.statement("rollback")?;
        }
        *told.borrow_mut() = Told::default();
        self.statement("begin immediate")?;
        self.run_apart(deeds, spoiler, now, told)?;
        self.announce(told)?;
        self.statement("commit")
    }

    /// While all deeds are patient, waits for more until their patience is over, and runs them in the same
    /// transaction.
    fn linger(
        &mut self,
        deeds: &mut Vec<Box<dyn Deed>>,
        now: Timestamp,
        told: &RefCell<Told>,
    ) -> Option<(usize, Ran)> {
        let until = self.ambient.monotonic().saturating_add(PATIENCE);
        while deeds.len() < self.batch && deeds.iter().all(|deed| deed.is_patient()) {
            let (ran, from) = (deeds.len(), self.ambient.monotonic());
            let next = self.deeds.recv_timeout(until.checked_sub(from)?);
            self.idle += self.ambient.monotonic().saturating_sub(from);
            deeds.push(next.ok()?);
            self.take_waiting(deeds);
            let spoiler = self.run_together(deeds, ran, now, told);
            if spoiler.is_some() {
                return spoiler;
            }
        }
        None
    }

    /// Takes the deeds that wait, as many as one commit may have.
    fn take_waiting(&self, deeds: &mut Vec<Box<dyn Deed>>) {
        while deeds.len() < self.batch
            && let Ok(next) = self.deeds.try_recv()
        {
            deeds.push(next);
        }
    }

    /// Runs all deeds from number `from` on; stops at the first that leaves something behind that must not
    /// be committed. Gives its place and whether it panicked.
    fn run_together(
        &self,
        deeds: &mut [Box<dyn Deed>],
        from: usize,
        now: Timestamp,
        told: &RefCell<Told>,
    ) -> Option<(usize, Ran)> {
        deeds.iter_mut().enumerate().skip(from).find_map(|(at, deed)| {
            let ran = self.run_one(deed.as_mut(), now, told);
            (ran != Ran::Clean).then_some((at, ran))
        })
    }

    fn run_one(&self, deed: &mut dyn Deed, now: Timestamp, told: &RefCell<Told>) -> Ran {
        let changes = self.connection.sql.total_changes();
        let before = told.borrow_mut().begin_deed();
        let run = AssertUnwindSafe(|| deed.run(&self.connection, now, told));
        match catch_unwind(run) {
            // SQLite may have rolled back by itself, though the deed passed that error over.
            Ok(true) if self.connection.sql.is_autocommit() => Ran::Dirty,
            Ok(true) => Ran::Clean,
            Ok(false) => {
                told.borrow_mut().truncate(before);
                let untouched = self.connection.sql.total_changes() == changes
                    && !self.connection.sql.is_autocommit();
                if untouched { Ran::Clean } else { Ran::Dirty }
            }
            Err(_) => {
                told.borrow_mut().truncate(before);
                self.connection.tenancy.leave();
                deed.fail(Error::internal("a deed panicked inside its transaction"));
                Ran::Panicked
            }
        }
    }

    /// Runs each deed within a savepoint. One that panicked before is not tried again.
    fn run_apart(
        &self,
        deeds: &mut [Box<dyn Deed>],
        spoiler: (usize, Ran),
        now: Timestamp,
        told: &RefCell<Told>,
    ) -> std::result::Result<(), Failure> {
        for (at, deed) in deeds.iter_mut().enumerate() {
            if (at, Ran::Panicked) == spoiler {
                continue;
            }
            self.statement("savepoint deed")?;
            if self.run_one(deed.as_mut(), now, told) != Ran::Clean {
                if self.connection.sql.is_autocommit() {
                    return Err(Failure::ended(deed.failure()));
                }
                self.statement("rollback to deed")?;
            }
            self.statement("release deed")?;
        }
        Ok(())
    }

    fn statement(&self, sql: &str) -> std::result::Result<(), Failure> {
        let run = self.connection.sql.prepare_cached(sql);
        run.and_then(|mut it| it.execute([])).map(drop).map_err(Failure::of)
    }
}

/// Why nothing of a batch was committed.
struct Failure {
    error: Error,
    /// Memory and file may differ now.
    fatal: bool,
}

impl Failure {
    fn of(error: rusqlite::Error) -> Self {
        Self { fatal: fault::is_fatal(&error), error: fault::of(error) }
    }

    /// The engine ended the transaction by itself, as it does where the disk is full: what the deeds
    /// before did is undone too.
    fn ended(cause: Option<&Error>) -> Self {
        let told = cause.filter(|cause| cause.kind() == ErrorKind::Unavailable);
        let message = told.map_or("the transaction ended early; retry", Error::message);
        Self { error: Error::unavailable(message, fault::RETRY_AFTER), fatal: false }
    }
}

/// What is told to deeds that come after a commit that could not be synced.
fn refuse(deeds: Vec<Box<dyn Deed>>) {
    for mut deed in deeds {
        let message = "the disk failed; the server stops and starts again from what the disk has";
        deed.fail(Error::unavailable(message, fault::RETRY_AFTER));
        deed.answer();
    }
}
