//! Lists of an account's newest rows, whose index is filled in bulk.
//!
//! Jobs, ledger entries and deliveries arrive in the order of their numbers, those of many accounts
//! mixed. An index by account would have each of them change another page of the file, and pages are
//! what an acceptance costs most (a third of it in a measurement with 64 accounts). So the index has
//! only the rows with `listed = 1`, and [`advance`] gives them that mark many at a time, in the order
//! of their numbers. A list reads the few rows after the last marked one by number and the others by the
//! index; both are in the file since their own commit, so nothing is missing at any time.
//!
//! Most filters have no index: each would be a page more to write for every row. So a list goes through the rows
//! of the best index there is from their newest end, and a page ends early where it has looked at [`LOOKED_AT`]
//! of them, so that none takes long however much history an account has.

use std::time::Duration;

use rusqlite::{Row, ToSql, params};

use super::{
    scope::{AccountScope, Scope, SystemScope},
    tx::{Filling, Snapshot, Tx},
};
use crate::domain::{Result, Rows, Timestamp};

/// The rows that one page of a filtered list looks at, at most.
pub(in crate::store) const LOOKED_AT: i64 = 20_000;
/// Rows are numbered in the order of their times but where the clock was set back. By up to this much, no list
/// misses a row because of it.
const CLOCK_STEP: Duration = Duration::from_hours(1);

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

/// A page of a list, which ends early where its rows are large or hard to find.
#[derive(Debug)]
pub struct Looked<T, P> {
    /// The rows.
    pub rows: Vec<T>,
    /// The place that the next page begins after, which need not be of one of these; `None` on the last page.
    pub next_after: Option<P>,
}

impl<T, P> Looked<T, P> {
    /// The next page begins after the last row of these where there are more, and else after the `last` that was
    /// looked at.
    pub(in crate::store) fn of(
        Rows { rows, has_more }: Rows<T>,
        last: Option<P>,
        place: impl FnOnce(&T) -> P,
    ) -> Self {
        let next_after = if has_more { rows.last().map(place) } else { last };
        Self { rows, next_after }
    }
}

/// The last row below a number that a page looks at; `None` where there are fewer than it may. The statement
/// finds the `?2`th below `?1`.
pub(in crate::store) fn last_looked_at<S: Scope>(
    snapshot: &Snapshot<'_, S>,
    sql: &'static str,
    below: i64,
) -> Result<Option<i64>> {
    snapshot.one(sql, (below, LOOKED_AT), |row| row.get(0))
}

/// The numbers, both exclusive, that all rows are between that were made at these times (`after` included,
/// `before` excluded). `newest` finds number and time of the account's newest listed row up to number `?1`.
pub(in crate::store) fn between(
    snapshot: &Snapshot<'_, AccountScope>,
    newest: &'static str,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
) -> Result<(i64, i64)> {
    let (mut above, mut below) = (0, i64::MAX);
    if let Some(time) = after {
        above = match first_since(snapshot, newest, time.minus(CLOCK_STEP))? {
            Some(first) => first - 1,
            None => newest_up_to(snapshot, newest, i64::MAX)?.map_or(0, |(last, _)| last),
        };
    }
    if let Some(time) = before
        && let Some(first) = first_since(snapshot, newest, time.plus(CLOCK_STEP))?
    {
        below = first;
    }
    Ok((above, below))
}

/// The number of the account's first listed row of this time or later, as times rise with numbers.
fn first_since(
    snapshot: &Snapshot<'_, AccountScope>,
    newest: &'static str,
    time: Timestamp,
) -> Result<Option<i64>> {
    first(|up_to| {
        let found = newest_up_to(snapshot, newest, up_to)?;
        Ok(found.filter(|(_, created_at)| *created_at >= time).map(|(number, _)| number))
    })
}

/// The number of the first row that is `late`, as all after it are: found by halves. `late` gives the number of the
/// newest row up to a number, if it is late.
fn first(late: impl Fn(i64) -> Result<Option<i64>>) -> Result<Option<i64>> {
    let Some(mut first) = late(i64::MAX)? else { return Ok(None) };
    let mut earlier = 0;
    while first - earlier > 1 {
        let middle = earlier + (first - earlier) / 2;
        match late(middle)? {
            Some(number) => first = number,
            None => earlier = middle,
        }
    }
    Ok(Some(first))
}

/// The statements that find where a page ended.
#[derive(Clone, Copy)]
pub(in crate::store) struct PlaceSql {
    /// The number of the row of id `?1`.
    pub(in crate::store) of_id: &'static str,
    /// The number of the newest listed row up to number `?1`, null where its id is not above `?2`.
    pub(in crate::store) newest: &'static str,
    /// The number of the first row above number `?1` whose id is above `?2`.
    pub(in crate::store) unlisted: &'static str,
}

/// The number below which the next page begins, where a page ended with the row of that id. Where it was removed since,
/// it is that of the first row that came after it: ids rise with numbers.
pub(in crate::store) fn place(
    snapshot: &Snapshot<'_, AccountScope>,
    table: Listing,
    sql: PlaceSql,
    id: &dyn ToSql,
) -> Result<i64> {
    if let Some(number) = snapshot.one(sql.of_id, [id], |row| row.get(0))? {
        return Ok(number);
    }
    let newer = |up_to: i64| {
        let found = snapshot.one(sql.newest, params![up_to, id], |row| row.get(0))?;
        Ok(found.flatten())
    };
    if let Some(number) = first(newer)? {
        return Ok(number);
    }
    let mark = snapshot.fact(table.mark())?;
    let newer = snapshot.one(sql.unlisted, params![mark, id], |row| row.get(0))?;
    Ok(newer.unwrap_or(i64::MAX))
}

fn newest_up_to(
    snapshot: &Snapshot<'_, AccountScope>,
    newest: &'static str,
    number: i64,
) -> Result<Option<(i64, Timestamp)>> {
    snapshot.one(newest, [number], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The statements that read a list, newest first.
#[derive(Clone, Copy)]
pub(in crate::store) struct ListSql {
    /// Reads rows with `seq > ?1`, which the index does not have.
    pub(in crate::store) unlisted: &'static str,
    /// Reads rows with `listed = 1` whose number is above `?1`.
    pub(in crate::store) listed: &'static str,
}

/// The account's rows, newest first: up to `limit`, fewer where they are large; of those that the index has, only
/// those `above` a number. `params` are bound to `?2` and on.
pub(in crate::store) fn read<T>(
    snapshot: &Snapshot<'_, AccountScope>,
    table: Listing,
    sql: ListSql,
    above: i64,
    params: &[&dyn ToSql],
    limit: usize,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Rows<T>> {
    let mark = snapshot.fact(table.mark())?;
    let mut filling = Filling::new(limit);
    for (sql, above) in [(sql.unlisted, mark), (sql.listed, above)] {
        let params = [&[&above as &dyn ToSql], params].concat();
        if !filling.is_full() {
            snapshot.fill(&mut filling, sql, params.as_slice(), &read)?;
        }
    }
    Ok(filling.rows())
}
