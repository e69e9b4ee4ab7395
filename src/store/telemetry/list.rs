//! Pages of records: newest first, by id. Only the time has an index, so that a page looks at some thousand rows at
//! most and may end before its limit.

use uuid::Uuid;

use crate::{
    domain::{Result, Timestamp},
    store::{listing::Looked, scope::Scope, tx::Snapshot},
};

/// Selects the rows of a table that match, among the 10,000 that a page may look at: ?1 the id that they are below, ?2
/// the one that they are not below, ?3 how many. Only `$columns`, which the condition needs, are read of all of them;
/// payloads, which come after them in a row, only of those that match. `$whose` says whose rows they are, where the
/// table is no view of one account's.
macro_rules! matching {
    ($table:literal, $columns:literal, $condition:expr $(, $whose:literal)?) => {
        concat!(
            "select * from ",
            $table,
            " where ",
            $($whose,)?
            "id in (select id from (select id, ",
            $columns,
            " from ",
            $table,
            " where ",
            $($whose,)?
            "id < ?1 and id >= ?2 order by id desc limit 10000) where ",
            $condition,
            " order by id desc limit ?3) order by id desc"
        )
    };
}

/// The id of the last row that a page may look at, where there are so many.
macro_rules! last_looked_at {
    ($table:literal $(, $whose:literal)?) => {
        concat!(
            "select id from ",
            $table,
            " where ",
            $($whose,)?
            "id < ?1 and id >= ?2 order by id desc limit 1 offset 9999"
        )
    };
}

pub(in crate::store) use {last_looked_at, matching};

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The row that the page comes after; `None` for the first page.
    pub after: Option<Uuid>,
    /// Only rows of this time or later.
    pub from: Option<Timestamp>,
    /// Only rows before this time.
    pub to: Option<Timestamp>,
    /// Rows on the page.
    pub limit: usize,
}

impl Window {
    /// The ids between which the rows are: below the first, not below the second.
    pub(super) fn ids(&self) -> [[u8; 16]; 2] {
        let before = self.to.map_or(Uuid::max(), first_of);
        let after = self.after.map_or(before, |after| after.min(before));
        let from = self.from.map_or(Uuid::nil(), first_of);
        [after.into_bytes(), from.into_bytes()]
    }

    /// Rows to read: one more than the page has.
    pub(super) fn rows(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// The page of what was found.
    pub(super) fn cut<S: Scope, T>(
        &self,
        snapshot: &Snapshot<'_, S>,
        last_looked_at: &'static str,
        mut rows: Vec<T>,
        id: impl Fn(&T) -> Uuid,
    ) -> Result<Looked<T, Uuid>> {
        let next_after = if rows.len() > self.limit {
            rows.truncate(self.limit);
            rows.last().map(id)
        } else {
            snapshot.one(last_looked_at, self.ids(), |row| {
                Ok(Uuid::from_bytes(row.get::<_, [u8; 16]>(0)?))
            })?
        };
        Ok(Looked { rows, next_after })
    }
}

/// No id of that time or later is below this one (RFC 9562 §5.7).
pub(super) fn first_of(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}
