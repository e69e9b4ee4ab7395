//! The pool of connections that read.

use std::{path::PathBuf, sync::Arc, time::Duration};

use scheduled_thread_pool::ScheduledThreadPool;

use super::connection::{Confined, EngineSettings, open_reader};

/// A pool of reading connections.
pub(in crate::store) type Readers = r2d2::Pool<ReaderManager>;

/// How long a request waits for a free connection before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the pool with all its connections. They stay as long as it does: one that is opened on the pool's
/// own thread later, as now only one that replaces a broken one is, could outlive the writer, who is to close the
/// file last and fold its log. One thread opens them all, as each has an arena of memory of its own.
pub(in crate::store) fn open(
    path: PathBuf,
    settings: &EngineSettings,
) -> Result<Readers, r2d2::Error> {
    let opener =
        ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("readers").build();
    r2d2::Pool::builder()
        .thread_pool(Arc::new(opener))
        .max_size(settings.readers)
        .idle_timeout(None)
        .max_lifetime(None)
        .connection_timeout(PATIENCE)
        .test_on_check_out(false)
        .build(ReaderManager { path, settings: settings.clone() })
}

/// Tells the pool how to open and judge connections.
#[derive(Debug)]
pub(in crate::store) struct ReaderManager {
    path: PathBuf,
    settings: EngineSettings,
}

impl r2d2::ManageConnection for ReaderManager {
    type Connection = Confined;
    type Error = rusqlite::Error;

    fn connect(&self) -> Result<Confined, rusqlite::Error> {
        open_reader(&self.path, &self.settings)
    }

    fn is_valid(&self, connection: &mut Confined) -> Result<(), rusqlite::Error> {
        connection.sql.execute_batch("select 1")
    }

    /// A connection that was left inside a transaction is not worth repairing.
    fn has_broken(&self, connection: &mut Confined) -> bool {
        !connection.sql.is_autocommit()
    }
}
