//! Copies of the database file, made while a server writes to it.

use std::path::Path;

use rusqlite::Connection;

use super::{
    OpenError,
    engine::{
        connection::{make_private, open_to_look},
        migrate,
    },
};

/// Asked now and then by what takes long, whether to give it up.
pub type Stopped = Box<dyn FnMut() -> bool + Send>;

/// How many steps of SQLite's machine there are between two such questions: some milliseconds.
const STEPS: i32 = 100_000;

/// Copies the database as it is now to a new file. It reads one consistent view, and so holds up no writer; the
/// write-ahead log grows meanwhile. Gives up with an error once it is `stopped`.
pub fn copy(path: &Path, to: &Path, stopped: Stopped) -> Result<(), OpenError> {
    make_private(to);
    open(path, stopped)?.execute("vacuum into ?1", [to.to_string_lossy()])?;
    Ok(())
}

/// Reads all of a file and says whether it is whole and has the schema of this program.
pub fn is_whole(path: &Path, stopped: Stopped) -> Result<bool, OpenError> {
    let connection = open(path, stopped)?;
    let found: String = connection.query_row("pragma quick_check(1)", [], |row| row.get(0))?;
    Ok(found == "ok" && migrate::version(&connection)? == migrate::newest())
}

fn open(path: &Path, stopped: Stopped) -> Result<Connection, OpenError> {
    let mut connection = open_to_look(path)?;
    connection.progress_handler(STEPS, Some(stopped))?;
    Ok(connection)
}
