//! Opening telemetry.db. It is no part of the books: what is wrong with it is its own trouble.

#![expect(clippy::disallowed_methods, reason = "this is the place that the ban points to")]

use std::{fs::Metadata, os::unix::fs::MetadataExt as _, path::Path, sync::Mutex, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::{
    ambient::lock,
    store::{
        engine::connection::{Confined, harden, make_private},
        tenancy::Tenancy,
    },
};

/// The tables of the file with rows of tenants: all but its own notes.
pub(in crate::store) const TABLES: [&str; 3] = ["request", "usage_event", "invocation"];

const SCHEMA: &str = include_str!("schema.sql");
/// Counts changes of the schema.
const VERSION: u32 = 1;
/// Pages in the write-ahead log before it is copied into the file: 16 MiB.
const CHECKPOINT_PAGES: u32 = 4_096;
/// How long to wait for a lock that another process holds. What comes in meanwhile waits in the buffer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The connection that writes, and which file it has open.
pub(super) struct Writing {
    pub(super) sql: Connection,
    file: Option<(u64, u64)>,
}

impl Writing {
    /// Opens the file, and makes it where it is missing.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        make_private(path);
        let sql = Connection::open(path)?;
        sql.busy_timeout(PATIENCE)?;
        sql.pragma_update(None, "auto_vacuum", "incremental")?;
        sql.pragma_update(None, "journal_mode", "wal")?;
        sql.pragma_update(None, "synchronous", "normal")?;
        sql.pragma_update(None, "cache_size", -2_048)?;
        // Seldom, as it waits for the disk that the books wait for too.
        sql.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        sql.pragma_update(None, "journal_size_limit", 32 << 20)?;
        harden(&sql)?;
        prepare(&sql)?;
        Ok(Self { sql, file: number(path) })
    }

    /// Whether it still writes to what the path names: somebody may have moved or deleted the file.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        self.file.is_some() && self.file == number(path)
    }
}

/// Which file is known to be damaged. Nothing is written to it any more, whatever part of it may still be whole: else it
/// would be in trouble and out of it by turns, and nobody would look.
#[derive(Default)]
pub(super) struct Damaged(Mutex<Option<(u64, u64)>>);

impl Damaged {
    /// Remembers the file where the error says that it is damaged.
    pub(super) fn judge(&self, error: &rusqlite::Error, path: &Path) {
        let code = error.sqlite_error_code();
        if matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) {
            *lock(&self.0) = number(path);
        }
    }

    /// Whether it still is what the path names.
    pub(super) fn is_now_at(&self, path: &Path) -> bool {
        let mut damaged = lock(&self.0);
        if *damaged != number(path) {
            *damaged = None;
        }
        damaged.is_some()
    }
}

/// Makes the tables of an empty file.
fn prepare(sql: &Connection) -> rusqlite::Result<()> {
    match version(sql)? {
        0 => {
            sql.execute_batch(&format!("begin; {SCHEMA}; pragma user_version = {VERSION}; commit"))
        }
        VERSION => Ok(()),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(0, i64::from(other))),
    }
}

fn version(sql: &Connection) -> rusqlite::Result<u32> {
    sql.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether the file was not opened because another version of this program made it.
pub(super) fn is_of_another_version(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::IntegralValueOutOfRange(..))
}

/// Opens the file for a look at it; where it is missing, there is nothing in it.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Confined> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut sql = if path.exists() {
        Connection::open_with_flags(path, flags)?
    } else {
        Connection::open_in_memory()?
    };
    sql.busy_timeout(PATIENCE)?;
    if version(&sql)? == 0 {
        // Empty, and for the thread that writes to fill.
        sql = Connection::open_in_memory()?;
    }
    harden(&sql)?;
    prepare(&sql)?;
    let tenancy = Tenancy::install(&mut sql, &TABLES)?;
    sql.pragma_update(None, "query_only", true)?;
    Ok(Confined { sql, tenancy })
}

/// Device and number of a file.
fn number(path: &Path) -> Option<(u64, u64)> {
    let of = |file: Metadata| (file.dev(), file.ino());
    std::fs::metadata(path).ok().map(of)
}
