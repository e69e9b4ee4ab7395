//! Copies of the database file, made while a server writes to it.

use std::path::Path;

use rusqlite::Connection;

use super::{
    OpenError,
    engine::{
        connection::{EngineSettings, make_private, open_to_look, open_writer},
        migrate,
    },
};
use crate::domain::DutyName;

/// Asked now and then by what takes long, whether to give it up.
pub type Stopped = Box<dyn FnMut() -> bool + Send>;

/// How many steps of SQLite's machine there are between two such questions: some milliseconds.
pub(in crate::store) const STEPS: i32 = 100_000;

/// Copies the database as it is now to a new file. It reads one consistent view, and so holds up no writer; the
/// write-ahead log grows meanwhile. Gives up with an error once it is `stopped`.
pub fn copy(path: &Path, to: &Path, stopped: Stopped) -> Result<(), OpenError> {
    make_private(to);
    open(path, stopped)?.execute("vacuum into ?1", [to.to_string_lossy()])?;
    forget_backups(to)
}

/// The copy holds the very backup that makes it as begun, and due by a time that is long over once it is needed: the
/// server that is started on it would make a backup at once, and remove the oldest. It plans them anew. The rule stays,
/// so that the audit log tells of no change that nobody made.
fn forget_backups(copy: &Path) -> Result<(), OpenError> {
    let connection = open_writer(copy, &EngineSettings::default())?;
    let sql = "select count(*) from sqlite_schema where type = 'table' and name = 'duty'";
    let has_duties: u32 = connection.query_row(sql, [], |row| row.get(0))?;
    if has_duties > 0 {
        let sql = "update duty set due_at = null, begun = 0,
           started_at = iif(finished_at is null, null, started_at) where name = ?1";
        connection.execute(sql, [DutyName::Backup.as_str()])?;
    }
    Ok(())
}

/// Reads all of a file and says whether it is whole. It may have the schema of an older program.
pub fn is_whole(path: &Path, stopped: Stopped) -> Result<bool, OpenError> {
    let connection = open(path, stopped)?;
    let found: String = connection.query_row("pragma quick_check(1)", [], |row| row.get(0))?;
    Ok(found == "ok" && migrate::version(&connection)? > 0)
}

fn open(path: &Path, stopped: Stopped) -> Result<Connection, OpenError> {
    let mut connection = open_to_look(path)?;
    connection.progress_handler(STEPS, Some(stopped))?;
    Ok(connection)
}
