//! Filling the indexes of lists (see [`store::listing`](crate::store::listing)).

use super::App;
use crate::{
    domain::Result,
    store::{
        SystemScope,
        listing::{self, Listing},
    },
};

/// Rows that one write adds to each index at least: fewer wait for the next time, as a commit of its own
/// for a few rows costs more than to read past them.
const ROWS_MIN: i64 = 500;
/// And at most, which keeps it to some milliseconds that the deeds beside it wait for.
const ROWS_MAX: i64 = 2_000;
/// Writes of a round. More rows than these take are added in the next, a second later.
const WRITES: usize = 100;

/// Adds the rows of all listed tables to their indexes; gives the number of writes.
pub fn fill_lists(app: &App) -> Result<usize> {
    for writes in 0..WRITES {
        let behind = app.store.read(SystemScope::new(), |snapshot| {
            let unlisted = Listing::ALL.map(|table| listing::unlisted(snapshot, table));
            unlisted.into_iter().try_fold(0, |most: i64, rows| Ok(most.max(rows?)))
        })?;
        if behind < ROWS_MIN {
            return Ok(writes);
        }
        let rows = (behind / 8).clamp(ROWS_MIN, ROWS_MAX);
        let filled = app.store.write(SystemScope::new(), move |tx| {
            Listing::ALL.into_iter().try_for_each(|table| listing::advance(tx, table, rows))
        });
        filled.wait()?;
    }
    Ok(WRITES)
}
