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

/// So often the thread may have copied all that it found, and the writer have written more than is wished for meanwhile:
/// then the writer copies it, so that the log does not grow for ever.
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
/// where a reader needs it or the writer is busy for longer than a moment: what a reader leaves in the log may be much.
pub(in crate::store) fn cut(path: &Path) -> rusqlite::Result<()> {
    let settings = EngineSettings { busy_timeout: CUT, ..EngineSettings::default() };
    let connection = open_checkpointer(path, &settings)?;
    let copied = passive(&connection);
    if copied.left() > settings.checkpoint_pages {
        return Ok(());
    }
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
    /// How many of them the thread found copied when it ended.
    up_to: AtomicU32,
    /// How many it left, since readers were in the way.
    left: AtomicU32,
    /// The thread has copied what it saw since the writer last asked; the rest may be for the writer.
    copied: AtomicBool,
    /// The thread was told to copy and has not ended: two cannot copy at once.
    works: AtomicBool,
    /// How often the writer was faster than the thread, since it last copied by itself.
    outrun: AtomicU32,
}

/// What the writer does after a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Nothing,
    Wake,
    Fold,
}

impl State {
    /// Where much is left to copy, that is for the thread, however long the log is: it may have been a reader that was in
    /// the way for long, and while the writer copies everybody waits.
    fn next(&self, limit: u32) -> Next {
        if self.works.load(Ordering::Acquire) {
            return Next::Nothing;
        }
        let pages = self.pages.load(Ordering::Relaxed);
        if self.copied.swap(false, Ordering::Relaxed) {
            let rest = pages.saturating_sub(self.up_to.load(Ordering::Relaxed));
            if rest <= limit || self.outrun.load(Ordering::Relaxed) >= PATIENCE {
                self.outrun.store(0, Ordering::Relaxed);
                return Next::Fold;
            }
            // A reader that came a moment before leaves little.
            if self.left.load(Ordering::Relaxed) <= limit {
                self.outrun.fetch_add(1, Ordering::Relaxed);
            }
        }
        let wakes = pages > limit;
        self.works.store(wakes, Ordering::Relaxed);
        if wakes { Next::Wake } else { Next::Nothing }
    }

    /// The thread copied that.
    fn done(&self, copied: Copied) {
        self.up_to.store(copied.copied, Ordering::Relaxed);
        self.left.store(copied.left(), Ordering::Relaxed);
        self.copied.store(true, Ordering::Relaxed);
        self.works.store(false, Ordering::Release);
    }
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
        match self.state.next(self.limit) {
            Next::Nothing => {}
            Next::Wake => {
                // It is never refused while the thread lives: it waits.
                if let Some(wake) = &self.wake {
                    wake.try_send(()).unwrap_or_default();
                }
            }
            Next::Fold => drop(passive(writer)),
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
        state.done(passive(connection));
    }
}

/// Pages of the log, and how many of them are in the database.
#[derive(Clone, Copy, Default, Debug)]
struct Copied {
    pages: u32,
    copied: u32,
}

impl Copied {
    /// Pages that readers still need; all that there can be where nothing was copied.
    const fn left(self) -> u32 {
        if self.copied == 0 { u32::MAX } else { self.pages.saturating_sub(self.copied) }
    }
}

/// Copies what no reader still needs and never waits for one.
fn passive(connection: &Connection) -> Copied {
    // Both are -1 where another connection copies.
    let count = |count: i32| u32::try_from(count).unwrap_or_default();
    let copied =
        connection.prepare_cached("pragma wal_checkpoint(passive)").and_then(|mut statement| {
            statement.query_row([], |row| {
                Ok(Copied { pages: count(row.get(1)?), copied: count(row.get(2)?) })
            })
        });
    copied.unwrap_or_else(|error| {
        tracing::warn!(%error, "the log could not be copied into the database");
        Copied::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ambient::Ambient,
        store::{Store, SystemScope, engine::connection::open_to_look},
    };

    const LIMIT: u32 = 100;

    fn state(pages: u32, copied: Option<Copied>) -> State {
        let state = State::default();
        state.pages.store(pages, Ordering::Relaxed);
        if let Some(copied) = copied {
            state.done(copied);
        }
        state
    }

    #[test]
    fn the_writer_copies_only_what_is_little() {
        assert_eq!(state(100, None).next(LIMIT), Next::Nothing);
        assert_eq!(state(101, None).next(LIMIT), Next::Wake);
        assert_eq!(state(1_000_000, None).next(LIMIT), Next::Wake);
        let all = Copied { pages: 200, copied: 200 };
        assert_eq!(state(250, Some(all)).next(LIMIT), Next::Fold);
        // The log began anew meanwhile.
        assert_eq!(state(3, Some(all)).next(LIMIT), Next::Fold);
        let held = Copied { pages: 90_000, copied: 50 };
        let state = state(90_001, Some(held));
        for _ in 0..20 {
            assert_eq!(state.next(LIMIT), Next::Wake);
            state.done(held);
        }
    }

    #[test]
    fn a_writer_that_outruns_the_thread_waits_for_itself() {
        let state = state(0, None);
        for round in 1..=PATIENCE {
            state.pages.store(round * 1_000, Ordering::Relaxed);
            let pages = round * 1_000 - 500;
            state.done(Copied { pages, copied: pages });
            assert_eq!(state.next(LIMIT), Next::Wake);
        }
        state.done(Copied { pages: 3_800, copied: 3_800 });
        assert_eq!(state.next(LIMIT), Next::Fold);
        state.done(Copied { pages: 3_800, copied: 3_800 });
        assert_eq!(state.next(LIMIT), Next::Wake);
    }

    #[test]
    fn readers_that_come_and_go_let_no_log_grow_for_ever() {
        let state = state(0, None);
        for round in 1..=PATIENCE {
            state.pages.store(round * 1_000, Ordering::Relaxed);
            state.done(Copied { pages: round * 1_000 - 500, copied: round * 1_000 - 520 });
            assert_eq!(state.next(LIMIT), Next::Wake);
        }
        state.done(Copied { pages: 3_800, copied: 3_790 });
        assert_eq!(state.next(LIMIT), Next::Fold);
        // One that could not copy at all says nothing of readers.
        for _ in 0..20 {
            state.done(Copied::default());
            assert_eq!(state.next(LIMIT), Next::Wake);
        }
    }

    #[test]
    fn a_reader_that_held_its_view_for_long_holds_up_no_writer_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("skai.db");
        let settings =
            EngineSettings { checkpoint_pages: LIMIT, durable: false, ..EngineSettings::default() };
        let ambient = Ambient::system();
        let (store, _writer) = Store::open(&path, &settings, &ambient).unwrap();
        open_checkpointer(&path, &settings)
            .unwrap()
            .execute_batch("create table filler (data blob) strict")
            .unwrap();
        let write = |bytes: u32| {
            let began = ambient.monotonic();
            let sql = "insert into main.filler values (zeroblob(?1))";
            let written = store.write(SystemScope::new(), move |tx| tx.execute(sql, [bytes]));
            written.wait().unwrap();
            ambient.monotonic().saturating_sub(began)
        };
        write(1);
        let reader = open_to_look(&path).unwrap();
        reader.execute_batch("begin; select count(*) from meta;").unwrap();
        let held = (0..100).map(|_| write(1_000_000)).max().unwrap();
        let log = || std::fs::metadata(folder.path().join("skai.db-wal")).unwrap().len();
        let grown = log();
        assert!(grown > 80 << 20, "{grown}");
        drop(reader);
        let mut longest = Duration::ZERO;
        // The file is cut to 64 MB when the log begins anew. How soon the thread is done is for the disk to say.
        let shrank = (0..200_000).any(|_| {
            longest = longest.max(write(10_000));
            log() < grown
        });
        assert!(shrank, "the log never shrank");
        let second = Duration::from_secs(1);
        assert!(held < second && longest < second, "{held:?}, afterwards {longest:?}");
    }
}
