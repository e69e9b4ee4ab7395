//! What is recorded beside the books: the log of requests, a record of each execution, and what it was asked and
//! answered. It is kept in a file of its own, which a thread of its own writes in batches, from a bounded buffer. So
//! it can never block, slow or fail what it tells of: what has no place, or cannot be written, is lost and counted.

mod buffer;
mod file;
mod list;
mod prune;
mod recorder;
pub(in crate::store) mod rows;
#[cfg(test)]
mod tests;

pub mod invocations;
pub mod requests;
pub mod usage_events;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

pub use buffer::PerKind;
pub use list::Window;
pub use rows::{Report, Row};

use super::{
    fault,
    scope::{AccountScope, Scope},
    tx::Snapshot,
};
use crate::{
    ambient::{self, Ambient, lock},
    domain::{Error, RecordKind, Result, Timestamp},
};
use buffer::{Bounds, Buffer};
use file::{Damaged, Writing, open_to_read};
use recorder::Recorder;

/// How long a look waits for what came in before it.
const SETTLING: Duration = Duration::from_secs(2);

const UNREADABLE: &str = "telemetry cannot be read at the moment; /readyz says why";

/// How much is kept, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TelemetrySettings {
    /// Whether anything is recorded.
    pub enabled: bool,
    /// Reports that may wait to be written.
    pub waiting: usize,
    /// What they may hold together, in bytes.
    pub waiting_bytes: usize,
    /// How long the first of a batch waits for others.
    pub patience: Duration,
    /// Bytes of the file at most; then the oldest records go.
    pub max_size: u64,
    /// How long requests are kept.
    pub requests: Duration,
    /// How long executions are kept.
    pub usage_events: Duration,
    /// How long invocations are kept.
    pub invocations: Duration,
}

impl TelemetrySettings {
    pub(super) const fn kept(&self, kind: RecordKind) -> Duration {
        match kind {
            RecordKind::Request => self.requests,
            RecordKind::UsageEvent => self.usage_events,
            RecordKind::Invocation => self.invocations,
        }
    }
}

/// The telemetry of one server. Clones share it.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

/// Hears of rows that were written.
type Listener = Box<dyn Fn(&[Row]) + Send + Sync>;

pub(super) struct Inner {
    path: PathBuf,
    settings: TelemetrySettings,
    ambient: Ambient,
    buffer: Buffer,
    /// Whether there is a thread that writes.
    is_running: AtomicBool,
    damaged: Damaged,
    /// Why the last batch could not be written.
    trouble: Mutex<Option<String>>,
    written: Mutex<PerKind>,
    /// Who hears of what was written.
    listener: OnceLock<Listener>,
}

/// Numbers since the start, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct TelemetryTotals {
    /// Records that were lost: they had no place, or could not be written.
    pub dropped: PerKind,
    /// Records that were written.
    pub written: PerKind,
    /// Reports that wait.
    pub pending: usize,
}

impl Telemetry {
    /// Telemetry at this path. Until it is started, what is reported is not recorded.
    pub fn new(path: &Path, settings: TelemetrySettings, ambient: &Ambient) -> Self {
        let bounds = Bounds {
            reports: settings.waiting,
            bytes: settings.waiting_bytes,
            batch: settings.waiting / 8,
            patience: settings.patience,
        };
        Self(Arc::new(Inner {
            path: path.to_owned(),
            settings,
            ambient: ambient.clone(),
            buffer: Buffer::new(bounds),
            is_running: AtomicBool::new(false),
            damaged: Damaged::default(),
            trouble: Mutex::default(),
            written: Mutex::default(),
            listener: OnceLock::new(),
        }))
    }

    /// Starts the thread that writes it, where it is enabled. The thread ends after [`Telemetry::close`].
    pub fn start(&self) -> io::Result<Option<JoinHandle<()>>> {
        if !self.0.settings.enabled {
            return Ok(None);
        }
        let recorder = Recorder::new(Arc::clone(&self.0));
        let thread = ambient::thread_in_background("telemetry", move || recorder.run())?;
        self.0.is_running.store(true, Ordering::Release);
        Ok(Some(thread))
    }

    /// Lets `listener` hear of every batch that is written from now on; only the first that is given.
    pub fn listen(&self, listener: impl Fn(&[Row]) + Send + Sync + 'static) {
        let _first = self.0.listener.set(Box::new(listener)).is_ok();
    }

    /// Whether anything is recorded.
    pub fn is_running(&self) -> bool {
        self.0.is_running.load(Ordering::Acquire)
    }

    /// Hands over what is to be recorded. Never waits.
    pub fn report(&self, report: Report) {
        if self.is_running() {
            self.0.buffer.push(report);
        }
    }

    /// Runs `look` on what is recorded, with what was reported before. Blocks.
    pub fn read<S: Scope, T>(
        &self,
        scope: S,
        look: impl FnOnce(&Snapshot<'_, S>) -> Result<T>,
    ) -> Result<T> {
        // In trouble, what came in before is lost, or will be: nobody waits for that.
        if self.trouble().is_none() {
            self.0.buffer.settle(SETTLING);
        }
        let confined = open_to_read(&self.0.path).map_err(|error| self.unreadable(error))?;
        let transaction =
            confined.sql.unchecked_transaction().map_err(|error| self.unreadable(error))?;
        confined.tenancy.enter(&scope);
        let result = look(&Snapshot::new(&confined, scope, self.0.ambient.now()));
        confined.tenancy.leave();
        transaction.finish().map_err(|error| self.unreadable(error))?;
        result.map_err(|error| self.about(error))
    }

    /// Speaks of telemetry's file where a look failed because of it: what the store says of such an error is meant of
    /// the database.
    fn about(&self, error: Error) -> Error {
        match std::error::Error::source(&error).and_then(|source| source.downcast_ref()) {
            Some(cause) => {
                self.0.damaged.judge(cause, &self.0.path);
                Error::unavailable(UNREADABLE, fault::RETRY_AFTER).with_source(error)
            }
            None => error,
        }
    }

    fn unreadable(&self, error: rusqlite::Error) -> Error {
        self.0.damaged.judge(&error, &self.0.path);
        Error::unavailable(UNREADABLE, fault::RETRY_AFTER).with_source(error)
    }

    /// Takes away some hundred of the account's records that are from before that time; gives how many. Blocks.
    pub fn forget(&self, scope: AccountScope, before: Timestamp) -> Result<usize> {
        if !self.0.path.exists() || self.0.damaged.is_now_at(&self.0.path) {
            return Ok(0);
        }
        let writing = Writing::open(&self.0.path).map_err(|error| self.unreadable(error))?;
        prune::forget_account(&writing.sql, scope.seq(), before)
            .map_err(|error| self.unreadable(error))
    }

    /// Why nothing is recorded at the moment, where that is so.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.0.trouble).clone()
    }

    /// Numbers since the start.
    pub fn totals(&self) -> TelemetryTotals {
        let (dropped, pending) = self.0.buffer.totals();
        TelemetryTotals { dropped, written: *lock(&self.0.written), pending }
    }

    /// Bytes of the file and its write-ahead log.
    pub fn size(&self) -> u64 {
        let mut log = self.0.path.as_os_str().to_owned();
        log.push("-wal");
        super::length(&self.0.path) + super::length(Path::new(&log))
    }

    /// Takes nothing more; what waits is still written.
    pub fn close(&self) {
        self.0.buffer.close();
    }
}
