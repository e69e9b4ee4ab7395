//! Bringing a database file to the schema of this program.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::domain::Timestamp;

/// One script per version, oldest first. Scripts that a release
/// contained are never edited.
const MIGRATIONS: &[(u32, &str)] = &[(1, include_str!("../migrations/0001_initial.sql"))];

/// Why a database file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The file was written by a newer program.
    #[error(
        "the database has schema version {found}, this program knows {known}: use a newer skai-server, nothing was changed"
    )]
    Newer {
        /// The version in the file.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// A script failed; nothing of it remains.
    #[error("migration {version} failed and was undone; the copy from before is {snapshot:?}")]
    Failed {
        /// The version that the script leads to.
        version: u32,
        /// The copy made before, where there was something to copy.
        snapshot: Option<PathBuf>,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file cannot be read or copied.
    #[error("the database cannot be used")]
    Sqlite(#[from] rusqlite::Error),
    /// The library has a known defect that loses commits.
    #[error("SQLite {0} can lose commits (fixed in 3.51.3); build with the bundled library")]
    DefectiveSqlite(&'static str),
}

/// The newest schema version that this program knows.
pub const fn newest() -> u32 {
    MIGRATIONS[MIGRATIONS.len() - 1].0
}

/// The schema version of the file; 0 for an empty one.
pub(in crate::store) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Runs the missing scripts in one transaction, after a copy of what is there. Gives the versions
/// before and after.
pub(in crate::store) fn run(
    connection: &Connection,
    path: &Path,
    now: Timestamp,
) -> Result<(u32, u32), MigrateError> {
    refuse_defective_library()?;
    let found = version(connection)?;
    let known = newest();
    if found > known {
        return Err(MigrateError::Newer { found, known });
    }
    if found < known {
        let snapshot = if found > 0 { Some(copy(connection, path, found, now)?) } else { None };
        apply(connection, found).map_err(|(version, source)| MigrateError::Failed {
            version,
            snapshot,
            source,
        })?;
    }
    Ok((found, known))
}

/// SQLite before 3.51.3 can lose committed pages when two connections checkpoint at once.
fn refuse_defective_library() -> Result<(), MigrateError> {
    if rusqlite::version_number() < 3_051_003 {
        return Err(MigrateError::DefectiveSqlite(rusqlite::version()));
    }
    Ok(())
}

fn copy(
    connection: &Connection,
    path: &Path,
    version: u32,
    now: Timestamp,
) -> rusqlite::Result<PathBuf> {
    let snapshot = path.with_extension(format!("before-v{}-{}.db", version + 1, now.seconds()));
    connection.execute("vacuum into ?1", [snapshot.to_string_lossy()])?;
    Ok(snapshot)
}

fn apply(connection: &Connection, found: u32) -> Result<(), (u32, rusqlite::Error)> {
    let failed = |version| move |error| (version, error);
    connection.execute_batch("begin immediate").map_err(failed(found + 1))?;
    for &(version, script) in MIGRATIONS.iter().filter(|(version, _)| *version > found) {
        let step = connection
            .execute_batch(script)
            .and_then(|()| connection.pragma_update(None, "user_version", version));
        if let Err(error) = step {
            // The transaction may be gone already; what failed is reported either way.
            drop(connection.execute_batch("rollback"));
            return Err((version, error));
        }
    }
    connection.execute_batch("commit").map_err(failed(newest()))
}
