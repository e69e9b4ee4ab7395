//! What SQLite's errors mean to a caller.

use std::time::Duration;

use rusqlite::{Error as SqlError, ErrorCode, ffi};

use super::engine::migrate::MigrateError;
use crate::domain::Error;

/// How long clients are asked to wait when the database cannot be used.
pub(in crate::store) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be brought to this program's schema.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// SQLite cannot open it.
    #[error("the database file cannot be opened")]
    Sqlite(#[from] rusqlite::Error),
    /// No reading connection could be made.
    #[error("the database file cannot be read")]
    Readers(#[from] r2d2::Error),
    /// The writer's thread could not be started.
    #[error("no thread for the database")]
    Thread(#[from] std::io::Error),
}

/// A full disk, a lock held by another process and a failing disk are the server's condition, not the
/// request's: 503. The rest is a defect of this program.
pub(in crate::store) fn of(error: SqlError) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            unavailable("the disk is full: nothing was stored; free space and retry", error)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            unavailable("the database is locked by another process; retry", error)
        }
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase,
        ) => unavailable("the database cannot be used at the moment; retry", error),
        _ => Error::internal(error),
    }
}

fn unavailable(message: &str, source: SqlError) -> Error {
    Error::unavailable(message, RETRY_AFTER).with_source(source)
}

/// After a failed fsync the operating system may have dropped what it could not write while memory
/// still holds it (Rebello et al., ATC 2020). Only a restart from the file tells the truth.
pub(in crate::store) fn is_fatal(error: &SqlError) -> bool {
    matches!(
        error.sqlite_error().map(|error| error.extended_code),
        Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    )
}
