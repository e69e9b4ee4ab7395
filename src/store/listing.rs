//! Lists of an account's newest rows, whose index is filled in bulk.
//!
//! Jobs, ledger entries and deliveries arrive in the order of their numbers, those of many accounts
//! mixed. An index by account would have each of them change another page of the file, and pages are
//! what an acceptance costs most (a third of it in a measurement with 64 accounts). So the index has
//! only the rows with `listed = 1`, and [`advance`] gives them that mark many at a time, in the order
//! of their numbers. A list reads the few rows after the last marked one by number and the others by the
//! index; both are in the file since their own commit, so nothing is missing at any time.

use rusqlite::{Row, ToSql};

use super::{
    scope::{AccountScope, SystemScope},
    tx::{Filling, Snapshot, Tx},
};
use crate::domain::{Result, Rows};

/// A table that is listed by account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listing {
    /// `job`.
    Jobs,
    /// `ledger`.
    Ledger,
    /// `webhook_delivery`.
    Deliveries,
}

impl Listing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Jobs, Self::Ledger, Self::Deliveries];

    /// Under this name `meta` holds the number of the last row that the index has.
    pub(in crate::store) const fn mark(self) -> &'static str {
        match self {
            Self::Jobs => "jobs_listed",
            Self::Ledger => "ledger_listed",
            Self::Deliveries => "deliveries_listed",
        }
    }

    const fn newest(self) -> &'static str {
        match self {
            Self::Jobs => "select coalesce(max(seq), 0) from main.job",
            Self::Ledger => "select coalesce(max(seq), 0) from main.ledger",
            Self::Deliveries => "select coalesce(max(seq), 0) from main.webhook_delivery",
        }
    }

    const fn list(self) -> &'static str {
        match self {
            Self::Jobs => "update main.job set listed = 1 where seq > ?1 and seq <= ?2",
            Self::Ledger => "update main.ledger set listed = 1 where seq > ?1 and seq <= ?2",
            Self::Deliveries => {
                "update main.webhook_delivery set listed = 1 where seq > ?1 and seq <= ?2"
            }
        }
    }
}

/// Rows that the index does not have yet.
pub fn unlisted(snapshot: &Snapshot<'_, SystemScope>, table: Listing) -> Result<i64> {
    Ok(newest(snapshot, table)? - snapshot.fact(table.mark())?)
}

fn newest(snapshot: &Snapshot<'_, SystemScope>, table: Listing) -> Result<i64> {
    Ok(snapshot.one(table.newest(), [], |row| row.get(0))?.unwrap_or(0))
}

/// Adds the next rows to the index, at most `limit`.
pub fn advance(tx: &Tx<'_, SystemScope>, table: Listing, limit: i64) -> Result<()> {
    let from = tx.fact(table.mark())?;
    let to = newest(tx, table)?.min(from.saturating_add(limit));
    if to > from {
        tx.execute(table.list(), [from, to])?;
        tx.set_fact(table.mark(), to)?;
    }
    Ok(())
}

/// The statements that read a list. `?1` is bound to the number of the last row that the index has.
#[derive(Clone, Copy)]
pub(in crate::store) struct ListSql {
    /// Reads rows with `seq > ?1`, newest first.
    pub(in crate::store) unlisted: &'static str,
    /// Reads rows with `listed = 1`, newest first.
    pub(in crate::store) listed: &'static str,
}

/// The account's rows, newest first: up to `limit`, fewer where they are large. `params` are bound to
/// `?2` and on.
pub(in crate::store) fn read<T>(
    snapshot: &Snapshot<'_, AccountScope>,
    table: Listing,
    sql: ListSql,
    params: &[&dyn ToSql],
    limit: usize,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Rows<T>> {
    let mark = snapshot.fact(table.mark())?;
    let params = [&[&mark as &dyn ToSql], params].concat();
    let mut filling = Filling::new(limit);
    for sql in [sql.unlisted, sql.listed] {
        if !filling.is_full() {
            snapshot.fill(&mut filling, sql, params.as_slice(), &read)?;
        }
    }
    Ok(filling.rows())
}
