//! Opening the database file, with the settings that the rest relies on.

#![expect(clippy::disallowed_methods, reason = "this is the place that the ban points to")]

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::store::tenancy::{TENANT_TABLES, Tenancy};

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Connections that read at the same time.
    pub readers: u32,
    /// Deeds that share one commit at most.
    pub batch: usize,
    /// Deeds that may wait for the writer; more are refused.
    pub waiting: usize,
    /// Pages in the write-ahead log before it is copied into the database.
    pub checkpoint_pages: u32,
    /// Whether a commit waits for the disk. Without, a power failure may take the last commits.
    pub durable: bool,
    /// How long to wait for a lock that another process holds.
    pub busy_timeout: Duration,
    /// Whether changes of queues are counted in the file, for the server that runs them. Commands do;
    /// the server itself saves the write.
    pub announce: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            readers: 4,
            batch: 256,
            waiting: 8192,
            checkpoint_pages: 12_000,
            durable: true,
            busy_timeout: Duration::from_secs(30),
            announce: false,
        }
    }
}

/// A connection on which tenancy is enforced.
pub(in crate::store) struct Confined {
    pub(in crate::store) sql: Connection,
    pub(in crate::store) tenancy: Tenancy,
}

/// Statements kept ready per connection; more than this program has.
const STATEMENTS: usize = 256;

/// Opens the file for writing, creating it where it is missing; changes nothing in it yet.
pub(in crate::store) fn open_writer(
    path: &Path,
    settings: &EngineSettings,
) -> rusqlite::Result<Connection> {
    make_private(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(settings.busy_timeout)?;
    Ok(connection)
}

/// Sets what the writer relies on.
pub(in crate::store) fn prepare_writer(
    connection: &Connection,
    settings: &EngineSettings,
) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(
        None,
        "synchronous",
        if settings.durable { "full" } else { "normal" },
    )?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // Nothing that it does sorts much. A reader may: to prove a large ledger it uses a file.
    connection.pragma_update(None, "temp_store", "memory")?;
    harden(connection)
}

/// Makes the file, where it is missing, as its owner's alone; SQLite gives its other files the same
/// mode. What fails here fails again, with a better message, when SQLite opens the file.
pub(in crate::store) fn make_private(path: &Path) {
    let mut options = OpenOptions::new();
    drop(options.write(true).create(true).truncate(false).mode(0o600).open(path));
}

/// Opens the file to copy the write-ahead log into it, and for nothing else.
pub(in crate::store) fn open_checkpointer(
    path: &Path,
    settings: &EngineSettings,
) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(settings.busy_timeout)?;
    connection.pragma_update(None, "cache_size", -64)?;
    harden(&connection)?;
    Ok(connection)
}

/// Opens the file for reading alone.
pub(in crate::store) fn open_reader(
    path: &Path,
    settings: &EngineSettings,
) -> rusqlite::Result<Confined> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(settings.busy_timeout)?;
    connection.pragma_update(None, "cache_size", -2_048)?;
    harden(&connection)?;
    let tenancy = Tenancy::install(&mut connection, &TENANT_TABLES)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(Confined { sql: connection, tenancy })
}

/// Opens a file that may have any schema, to look at it or copy it.
pub(in crate::store) fn open_to_look(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    Ok(connection)
}

/// What all kinds share. `recursive_triggers` lets `insert or replace` come to the ledger's triggers.
pub(in crate::store) fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "recursive_triggers", true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Else a statement is prepared anew whenever a bound value could change its plan.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}
