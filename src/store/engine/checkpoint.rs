//! Copying the write-ahead log into the database beside the writer, so that no deed waits for it.
//!
//! A second connection copies what is in the log; commits go on meanwhile. What they added is little,
//! and the writer copies it between two batches: then all is copied, and the log starts again from its
//! beginning instead of growing.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;

use super::connection::{EngineSettings, open_checkpointer};
use crate::ambient;

/// A log this many times longer than wished for is copied by the writer itself: readers that look
/// at an old state for long, or a slow disk, may keep the thread from catching up.
const PATIENCE: u32 = 4;

/// How long who cuts the log waits for the writer, and the writer for him.
const CUT: Duration = Duration::from_millis(20);
/// A log this many times longer than wished for is cut, where somebody asks for it.
const LONG: u64 = 2;
/// Bytes of a page and its header in the log.
const PAGE: u64 = 4096 + 24;

/// From how many bytes on a log is long.
pub(in crate::store) fn long_log(settings: &EngineSettings) -> u64 {
    u64::from(settings.checkpoint_pages) * PAGE * LONG
}

/// Copies what is in the log, and then what came meanwhile while the writer waits, and cuts the file to nothing. Does not
/// where a reader needs it or the writer is busy for longer than a moment.
pub(in crate::store) fn cut(path: &Path) -> rusqlite::Result<()> {
    let settings = EngineSettings { busy_timeout: CUT, ..EngineSettings::default() };
    let connection = open_checkpointer(path, &settings)?;
    passive(&connection);
    connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))
}

/// Tells the thread when to copy.
pub(in crate::store) struct Checkpointer {
    limit: u32,
    state: Arc<State>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    /// Pages in the log after the last commit.
    pages: AtomicU32,
    /// The thread has copied what it saw; the rest is for the writer.
    copied: AtomicBool,
}

impl Checkpointer {
    /// Starts the thread; it ends with the checkpointer.
    pub(in crate::store) fn start(
        writer: &mut Connection,
        path: &Path,
        settings: &EngineSettings,
    ) -> Result<Self, super::super::OpenError> {
        let state = Arc::new(State::default());
        let pages = Arc::clone(&state);
        writer.wal_hook(Some(move |_: &mut _, in_log: i32| {
            pages.pages.store(in_log.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        let (wake, waits) = sync_channel(1);
        let (connection, copied) = (open_checkpointer(path, settings)?, Arc::clone(&state));
        let copy = move || copy_when_told(&connection, &waits, &copied);
        let thread = Some(ambient::thread("checkpoint", copy)?);
        Ok(Self { limit: settings.checkpoint_pages, state, wake: Some(wake), thread })
    }

    /// Called by the writer after each commit.
    pub(in crate::store) fn committed(&self, writer: &Connection) {
        if self.state.copied.swap(false, Ordering::Acquire) {
            return passive(writer);
        }
        let pages = self.state.pages.load(Ordering::Relaxed);
        if pages > self.limit.saturating_mul(PATIENCE) {
            passive(writer);
        } else if pages > self.limit {
            // Where this is refused, the thread was told already.
            if let Some(wake) = &self.wake {
                wake.try_send(()).unwrap_or_default();
            }
        }
    }
}

impl Drop for Checkpointer {
    /// Waits for the thread to close its connection: the last one to close removes the log.
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn copy_when_told(connection: &Connection, waits: &Receiver<()>, state: &State) {
    while waits.recv().is_ok() {
        passive(connection);
        state.copied.store(true, Ordering::Release);
    }
}

/// Copies what no reader still needs and never waits for one.
fn passive(connection: &Connection) {
    let copied = connection
        .prepare_cached("pragma wal_checkpoint(passive)")
        .and_then(|mut statement| statement.query_row([], |_| Ok(())));
    if let Err(error) = copied {
        tracing::warn!(%error, "the log could not be copied into the database");
    }
}
