//! Bringing a database file to the schema of this program.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::domain::Timestamp;

/// A version, and the script that leads to it from the one before.
type Script = (u32, &'static str);

/// One script per version, oldest first. Scripts that a release
/// contained are never edited.
const MIGRATIONS: &[Script] = &[(1, include_str!("../migrations/0001_initial.sql"))];

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
    last(MIGRATIONS)
}

const fn last(scripts: &[Script]) -> u32 {
    scripts[scripts.len() - 1].0
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
    refuse_newer(connection)?;
    run_scripts(MIGRATIONS, connection, path, now)
}

/// Refuses a file that a newer program wrote.
pub(in crate::store) fn refuse_newer(connection: &Connection) -> Result<(), MigrateError> {
    let (found, known) = (version(connection)?, newest());
    if found > known { Err(MigrateError::Newer { found, known }) } else { Ok(()) }
}

fn run_scripts(
    scripts: &[Script],
    connection: &Connection,
    path: &Path,
    now: Timestamp,
) -> Result<(u32, u32), MigrateError> {
    let (found, known) = (version(connection)?, last(scripts));
    if found < known {
        let snapshot = if found > 0 { Some(copy(connection, path, known, now)?) } else { None };
        apply(scripts, connection, found).map_err(|(version, source)| MigrateError::Failed {
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
    known: u32,
    now: Timestamp,
) -> rusqlite::Result<PathBuf> {
    let snapshot = path.with_extension(format!("before-v{known}-{}.db", now.seconds()));
    connection.execute("vacuum into ?1", [snapshot.to_string_lossy()])?;
    Ok(snapshot)
}

fn apply(
    scripts: &[Script],
    connection: &Connection,
    found: u32,
) -> Result<(), (u32, rusqlite::Error)> {
    let failed = |version| move |error| (version, error);
    connection.execute_batch("begin immediate").map_err(failed(found + 1))?;
    // Another process may have done it while this one waited for the lock.
    let found = version(connection).map_err(failed(found + 1))?;
    for &(version, script) in scripts.iter().filter(|(version, _)| *version > found) {
        let step = connection
            .execute_batch(script)
            .and_then(|()| connection.pragma_update(None, "user_version", version));
        if let Err(error) = step {
            // The transaction may be gone already; what failed is reported either way.
            drop(connection.execute_batch("rollback"));
            return Err((version, error));
        }
    }
    connection.execute_batch("commit").map_err(failed(last(scripts)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "opens files that no program of ours wrote")]

    use super::*;

    const ONE: Script = (1, "create table note (text text); insert into note values ('kept')");

    /// A file at version 1, and what `scripts` make of it.
    fn raise(
        scripts: &[Script],
    ) -> (tempfile::TempDir, Connection, Result<(u32, u32), MigrateError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("skai.db");
        let connection = Connection::open(&path).unwrap();
        let now = Timestamp::from_millis(1_000);
        assert_eq!(run_scripts(&[ONE], &connection, &path, now).unwrap(), (0, 1));
        let raised = run_scripts(scripts, &connection, &path, now);
        (folder, connection, raised)
    }

    fn note(connection: &Connection) -> String {
        connection.query_row("select text from note", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_copy_from_before_is_kept_when_the_version_rises() {
        let two = (2, "update note set text = 'changed'");
        let three = (3, "alter table note add column more text");
        let (folder, connection, raised) = raise(&[ONE, two, three]);
        assert_eq!(raised.unwrap(), (1, 3));
        assert_eq!((version(&connection).unwrap(), note(&connection)), (3, "changed".to_owned()));
        let copy = Connection::open(folder.path().join("skai.before-v3-1.db")).unwrap();
        assert_eq!((version(&copy).unwrap(), note(&copy)), (1, "kept".to_owned()));
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_of_itself() {
        let two = (2, "update note set text = 'changed'");
        let three = (3, "alter table nobody add column more text");
        let (folder, connection, raised) = raise(&[ONE, two, three]);
        let Err(MigrateError::Failed { version: failed, snapshot, .. }) = raised else {
            panic!("{raised:?}");
        };
        assert_eq!((failed, version(&connection).unwrap()), (3, 1));
        assert_eq!(note(&connection), "kept");
        assert_eq!(snapshot.unwrap(), folder.path().join("skai.before-v3-1.db"));
    }

    #[test]
    fn an_equal_version_makes_no_copy() {
        let (folder, _connection, raised) = raise(&[ONE]);
        assert_eq!(raised.unwrap(), (1, 1));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
