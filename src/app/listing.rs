//! Filling the indexes of lists (see [`store::listing`](crate::store::listing)).

use super::App;
use crate::{
    domain::Result,
    store::{
        SystemScope,
        listing::{self, Listing},
    },
};

/// Rows that one write adds to an index: some milliseconds, which the deeds beside it wait for. Fewer are
/// left for the next time, as a write of its own for a few rows costs more than to read past them.
const ROWS_PER_WRITE: u32 = 500;
/// Writes of a round for each index: more than a second's worth of jobs.
const WRITES_PER_ROUND: i64 = 100;

/// Adds the rows of all listed tables to their indexes; gives the number of writes.
pub fn fill_lists(app: &App) -> Result<usize> {
    let mut writes = 0;
    for table in Listing::ALL {
        let rows =
            app.store.read(SystemScope::new(), |snapshot| listing::unlisted(snapshot, table))?;
        for _ in 0..(rows / i64::from(ROWS_PER_WRITE)).min(WRITES_PER_ROUND) {
            app.store
                .write(SystemScope::new(), move |tx| listing::advance(tx, table, ROWS_PER_WRITE))
                .wait()?;
            writes += 1;
        }
    }
    Ok(writes)
}
