//! The database. All SQL lives here: a file per family of tables, whose functions work on the
//! [`Snapshot`] or [`Tx`] that [`Store::read`] and [`Store::write`] lend.

mod books;
mod commit;
mod copies;
mod engine;
mod fault;
mod row;
mod scope;
mod signal;
mod tenancy;
#[cfg(test)]
mod tests;
mod totals;
mod tx;

pub mod account_settings;
pub mod accounts;
pub mod agent_hours;
pub mod agents;
pub mod api_keys;
pub mod audit;
pub mod audit_log;
pub mod batches;
pub mod canceled_jobs;
pub mod dashboard_sessions;
pub mod dead_letters;
pub mod deliveries;
pub mod duties;
pub mod end_user_days;
pub mod end_users;
pub mod evals;
pub mod forward;
pub mod functions;
pub mod grants;
pub mod idempotency;
pub mod job_events;
pub mod job_list;
pub mod jobs;
pub mod ledger;
pub mod ledger_entries;
pub mod listing;
pub mod members;
pub mod new_jobs;
pub mod open_jobs;
pub mod persons;
pub mod prices;
pub mod projects;
pub mod prune;
pub mod queue;
pub mod scheduled_tasks;
pub mod schedules;
pub mod sign_in_links;
pub mod space;
pub mod spending;
pub mod streaks;
pub mod stripe;
pub mod telemetry;
pub mod usage_days;
pub mod usage_tail;
pub mod webhooks;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, RwLock,
        mpsc::{self, SyncSender, TrySendError},
    },
    thread::JoinHandle,
    time::Duration,
};

pub use commit::Commit;
pub use copies::{Stopped, copy, is_whole};
pub use engine::{
    connection::EngineSettings,
    migrate::{MigrateError, newest as newest_schema},
};
pub use fault::OpenError;
pub use scope::{AccountScope, AccountSeq, Scope, SystemScope};
pub use signal::{Change, Signal, Telling};
pub use totals::CommitTotals;
pub use tx::{Snapshot, Tx};

use crate::{
    ambient::{self, Ambient, lock},
    domain::{Error, Result},
    observe::origin,
};
use engine::{
    checkpoint::{self, Checkpointer},
    connection::{Confined, open_to_look, open_writer, prepare_writer},
    migrate, origins,
    readers::{self, Readers},
    writer::{Deed, Entry, Writer},
};
use signal::{Askers, Told};
use telemetry::Telemetry;
use tenancy::Tenancy;

/// The database file of one server. Clones share it; the writer ends with the last clone.
#[derive(Clone)]
pub struct Store {
    /// Before `deeds`, and so dropped before: two connections that close at once each find the other still
    /// there, and neither folds the log.
    readers: Readers,
    deeds: SyncSender<Box<dyn Deed>>,
    shared: Arc<Shared>,
    ambient: Ambient,
    path: Arc<PathBuf>,
    log_limit: u64,
}

/// Told after each commit, on the writer's thread: listeners must be quick and must not write.
type Listener = Box<dyn Fn(&[Signal]) + Send + Sync>;

/// What the writer and the handles to it both see.
#[derive(Default)]
pub(in crate::store) struct Shared {
    listeners: RwLock<Vec<Listener>>,
    trouble: Mutex<Option<String>>,
    commits: Mutex<CommitTotals>,
    telemetry: OnceLock<Telemetry>,
    askers: Askers,
}

impl Store {
    /// Opens the file, migrating it where needed, and starts the writer. The thread that is given
    /// back ends when all clones of the store are dropped.
    pub fn open(
        path: &Path,
        settings: &EngineSettings,
        ambient: &Ambient,
    ) -> std::result::Result<(Self, JoinHandle<()>), OpenError> {
        let mut sql = open_writer(path, settings)?;
        migrate::refuse_newer(&sql)?;
        prepare_writer(&sql, settings)?;
        migrate::run(&sql, path, ambient.now())?;
        let checkpointer = Checkpointer::start(&mut sql, path, settings)?;
        let tenancy = Tenancy::install(&mut sql, &tenancy::TENANT_TABLES)?;
        origins::watch(&sql)?;
        let readers = readers::open(path.to_owned(), settings)?;
        let (sender, deeds) = mpsc::sync_channel(settings.waiting);
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            connection: Confined { sql, tenancy },
            deeds,
            checkpointer,
            shared: Arc::clone(&shared),
            ambient: ambient.clone(),
            batch: settings.batch,
            idle: Duration::ZERO,
            dead: false,
            announce: settings.announce,
        };
        let thread = ambient::thread("writer", move || writer.run())?;
        let (ambient, path) = (ambient.clone(), Arc::new(path.to_owned()));
        let log_limit = checkpoint::long_log(settings);
        Ok((Self { deeds: sender, readers, shared, ambient, path, log_limit }, thread))
    }

    /// Runs `deed` in a transaction of its own, as far as it can tell, and commits it. It may be
    /// run twice, so it must not consume what it captured, nor do anything outside the transaction. The audit log
    /// will name whom this thread works for ([`origin::current`]).
    pub fn write<S, T, F>(&self, scope: S, deed: F) -> Commit<T>
    where
        S: Scope,
        T: Send + 'static,
        F: FnMut(&Tx<'_, S>) -> Result<T> + Send + 'static,
    {
        self.send(scope, deed, false)
    }

    /// The same for what somebody will soon write more about: its commit waits a millisecond for the next
    /// writes, so that one wait for the disk is enough for all.
    pub fn write_patiently<S, T, F>(&self, scope: S, deed: F) -> Commit<T>
    where
        S: Scope,
        T: Send + 'static,
        F: FnMut(&Tx<'_, S>) -> Result<T> + Send + 'static,
    {
        self.send(scope, deed, true)
    }

    fn send<S, T, F>(&self, scope: S, deed: F, is_patient: bool) -> Commit<T>
    where
        S: Scope,
        T: Send + 'static,
        F: FnMut(&Tx<'_, S>) -> Result<T> + Send + 'static,
    {
        let (reply, receiver) = tokio::sync::oneshot::channel();
        let entry =
            Entry { scope, deed, result: None, reply, is_patient, origin: origin::current() };
        match self.deeds.try_send(Box::new(entry)) {
            Ok(()) => Commit::of(receiver),
            Err(TrySendError::Full(_)) => {
                Commit::refused(unavailable("too many writes are waiting; retry"))
            }
            Err(TrySendError::Disconnected(_)) => {
                Commit::refused(unavailable("the server is stopping; retry"))
            }
        }
    }

    /// Runs `look` on a consistent view of the last commit. Blocks while it does.
    pub fn read<S: Scope, T>(
        &self,
        scope: S,
        look: impl FnOnce(&Snapshot<'_, S>) -> Result<T>,
    ) -> Result<T> {
        let confined = self.reader()?;
        self.look(&confined, scope, look)
    }

    /// The same for what takes long: also within a statement it gives up once it is `stopped`, with
    /// [`ErrorKind::Unavailable`](crate::domain::ErrorKind::Unavailable).
    pub fn read_until<S: Scope, T>(
        &self,
        stopped: impl Fn() -> bool + Clone + Send + 'static,
        scope: S,
        look: impl FnOnce(&Snapshot<'_, S>) -> Result<T>,
    ) -> Result<T> {
        let mut confined = self.reader()?;
        let asked = stopped.clone();
        confined.sql.progress_handler(copies::STEPS, Some(asked)).map_err(fault::of)?;
        let result = self.look(&confined, scope, look);
        // Others read with it after this.
        confined.sql.progress_handler(0, None::<fn() -> bool>).map_err(fault::of)?;
        if result.is_err() && stopped() {
            return Err(unavailable("the server is stopping"));
        }
        result
    }

    fn reader(&self) -> Result<r2d2::PooledConnection<readers::ReaderManager>> {
        self.readers.get().map_err(|error| {
            unavailable("all readers of the database are busy; retry").with_source(error)
        })
    }

    fn look<S: Scope, T>(
        &self,
        confined: &Confined,
        scope: S,
        look: impl FnOnce(&Snapshot<'_, S>) -> Result<T>,
    ) -> Result<T> {
        let transaction = confined.sql.unchecked_transaction().map_err(fault::of)?;
        confined.tenancy.enter(&scope);
        let result = look(&Snapshot::new(confined, scope, self.ambient.now()));
        confined.tenancy.leave();
        transaction.finish().map_err(fault::of)?;
        result
    }

    /// Lets `listener` hear of every commit from now on.
    pub fn listen(&self, listener: impl Fn(&[Signal]) + Send + Sync + 'static) {
        let mut listeners =
            self.shared.listeners.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        listeners.push(Box::new(listener));
    }

    /// Lets listeners hear which kinds of rows each commit changed, as long as what is given back lives.
    pub fn tell_changes(&self) -> Telling {
        self.shared.askers.ask()
    }

    /// Gives the reports of deeds to this telemetry from now on; until then, and where commands write, they are lost.
    pub fn report_to(&self, telemetry: &Telemetry) {
        // The first one stays.
        let _set = self.shared.telemetry.set(telemetry.clone());
    }

    /// Writes a row of no meaning, to see whether the disk takes it.
    pub fn probe(&self) -> Commit<()> {
        self.write(SystemScope::new(), |tx| {
            tx.execute(
                "insert into main.meta (name, value) values ('probes', 1)
                 on conflict (name) do update set value = value + 1",
                [],
            )?;
            Ok(())
        })
    }

    /// Why the last commit failed, where it did.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.shared.trouble).clone()
    }

    /// What the writer has done since the start.
    pub fn totals(&self) -> CommitTotals {
        *lock(&self.shared.commits)
    }

    /// Bytes of the database file and of its write-ahead log.
    pub fn size(&self) -> u64 {
        self.file_size() + self.log_size()
    }

    /// Bytes of the database file alone.
    pub fn file_size(&self) -> u64 {
        length(&self.path)
    }

    /// Bytes of the write-ahead log.
    pub fn log_size(&self) -> u64 {
        let mut log = self.path.as_os_str().to_owned();
        log.push("-wal");
        length(Path::new(&log))
    }

    /// Whether the write-ahead log is so long that [`Store::shorten_log`] does anything.
    pub fn has_long_log(&self) -> bool {
        self.log_size() > self.log_limit
    }

    /// Copies all of the write-ahead log into the database and cuts it to nothing, where it became much longer than
    /// wished for. Gives how many bytes it is shorter by: none where somebody still reads what is only there. The
    /// writer waits for some dozen milliseconds at most. Blocks.
    pub fn shorten_log(&self) -> Result<u64> {
        let before = self.log_size();
        if self.has_long_log() {
            checkpoint::cut(&self.path).map_err(fault::of)?;
        }
        Ok(before.saturating_sub(self.log_size()))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The schema version of the file, which stays as it is; 0 where it is missing or empty.
pub fn schema_version(path: &Path) -> std::result::Result<u32, OpenError> {
    if !path.exists() {
        return Ok(0);
    }
    Ok(migrate::version(&open_to_look(path)?)?)
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// The tables whose rows belong to tenants.
pub const fn tenant_tables() -> &'static [&'static str] {
    &tenancy::TENANT_TABLES
}

fn unavailable(message: &str) -> Error {
    Error::unavailable(message, fault::RETRY_AFTER)
}

impl Shared {
    /// Tells of what was committed. Whoever hears of it finds the reports already there.
    pub(in crate::store) fn tell(&self, mut told: Told) {
        if let Some(telemetry) = self.telemetry.get() {
            told.reports.drain(..).for_each(|report| telemetry.report(report));
        }
        self.publish(&told.signals(&self.askers));
    }

    pub(in crate::store) fn publish(&self, signals: &[Signal]) {
        if signals.is_empty() {
            return;
        }
        let listeners = self.listeners.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        for listener in listeners.iter() {
            // What was committed is still to be answered, whatever becomes of who listens.
            if catch_unwind(AssertUnwindSafe(|| listener(signals))).is_err() {
                tracing::error!("a listener panicked after a commit");
            }
        }
    }

    pub(in crate::store) fn committed(&self, deeds: usize, taken: Duration) {
        lock(&self.commits).add(deeds, taken);
    }

    pub(in crate::store) fn degraded(&self, reason: &str) {
        *lock(&self.trouble) = Some(reason.to_owned());
    }

    pub(in crate::store) fn recovered(&self) {
        lock(&self.trouble).take();
    }
}
