//! What table functions are lent: a [`Snapshot`] to read from, a [`Tx`] to write with.

use std::{cell::RefCell, ops::Deref};

use rusqlite::{OptionalExtension as _, Params, Row, Statement, types::ValueRef};

use super::{
    engine::connection::Confined,
    fault,
    scope::{AccountScope, Scope, SystemScope},
    signal::{Signal, Told},
    telemetry::rows::Report,
};
use crate::domain::{Error, Result, Rows, Timestamp, Topic, Topics};

/// What the rows of one page may hold before it ends, in bytes of text and blobs.
const PAGE_BYTES: usize = 4 << 20;

/// A consistent view of the rows that `S` gives the right to.
pub struct Snapshot<'c, S> {
    connection: &'c Confined,
    scope: S,
    now: Timestamp,
    /// Where a transaction that writes notes what it changes.
    told: Option<&'c RefCell<Told>>,
}

impl<'c, S: Scope> Snapshot<'c, S> {
    pub(in crate::store) fn new(connection: &'c Confined, scope: S, now: Timestamp) -> Self {
        Self { connection, scope, now, told: None }
    }

    /// Whose rows these are.
    pub fn scope(&self) -> S {
        self.scope
    }

    /// The one time of this transaction.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The first row, if there is one.
    pub(in crate::store) fn one<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let topics = self.confine(sql)?;
        let mut statement = self.connection.sql.prepare_cached(sql).map_err(fault::of)?;
        let topics = self.written(topics, &statement);
        let mut rows = statement.query(params).map_err(fault::of)?;
        let found = rows.next().map_err(fault::of)?.map(read).transpose().map_err(fault::of)?;
        self.touch(topics, found.is_some());
        Ok(found)
    }

    /// All rows; the statement limits their number.
    pub(in crate::store) fn all<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let topics = self.confine(sql)?;
        let mut statement = self.connection.sql.prepare_cached(sql).map_err(fault::of)?;
        let topics = self.written(topics, &statement);
        let rows = statement.query_map(params, read).map_err(fault::of)?;
        let found: Vec<T> = rows.collect::<rusqlite::Result<_>>().map_err(fault::of)?;
        self.touch(topics, !found.is_empty());
        Ok(found)
    }

    /// Hands `take` one row after the other, however many there are.
    pub(in crate::store) fn each(
        &self,
        sql: &'static str,
        params: impl Params,
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<()> {
        self.confine(sql)?;
        let mut statement = self.connection.sql.prepare_cached(sql).map_err(fault::of)?;
        let mut rows = statement.query(params).map_err(fault::of)?;
        while let Some(row) = rows.next().map_err(fault::of)? {
            take(row).map_err(fault::of)?;
        }
        Ok(())
    }

    /// Up to `limit` rows, fewer where they are large. The statement gives one row more than `limit`, to
    /// tell whether there are more.
    pub(in crate::store) fn page<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        limit: usize,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Rows<T>> {
        let mut filling = Filling::new(limit);
        self.fill(&mut filling, sql, params, &read)?;
        Ok(filling.rows())
    }

    /// Adds rows to a page until it is full or there are no more.
    pub(in crate::store) fn fill<T>(
        &self,
        filling: &mut Filling<T>,
        sql: &'static str,
        params: impl Params,
        read: &impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<()> {
        self.confine(sql)?;
        let mut statement = self.connection.sql.prepare_cached(sql).map_err(fault::of)?;
        let mut found = statement.query(params).map_err(fault::of)?;
        while let Some(row) = found.next().map_err(fault::of)?
            && filling.has_room()
        {
            filling.bytes += size(row).map_err(fault::of)?;
            filling.rows.push(read(row).map_err(fault::of)?);
        }
        Ok(())
    }

    /// A number that `meta` keeps; 0 where it keeps none. It is a fact about the file, no tenant's.
    pub(in crate::store) fn fact(&self, name: &'static str) -> Result<i64> {
        let sql = "select value from main.meta where name = ?1";
        let mut statement = self.connection.sql.prepare_cached(sql).map_err(fault::of)?;
        let value = statement.query_row([name], |row| row.get(0)).optional().map_err(fault::of)?;
        Ok(value.unwrap_or(0))
    }

    /// Which kinds of rows a statement of this transaction writes: a tenant's those of its tables, any other the
    /// server's.
    fn written(&self, topics: Topics, statement: &Statement<'_>) -> Topics {
        match self.scope.whose() {
            None if self.told.is_some() && !statement.readonly() => {
                Topics::NONE.with(Topic::Server)
            }
            _ => topics,
        }
    }

    /// Notes for who listens that rows were changed.
    fn touch(&self, topics: Topics, is_changed: bool) {
        if let Some(told) = self.told.filter(|_| is_changed && !topics.is_empty()) {
            told.borrow_mut().touch(self.scope.whose(), topics);
        }
    }

    fn confine(&self, sql: &'static str) -> Result<Topics> {
        if self.connection.sql.is_autocommit() {
            // The engine rolled back by itself, and the deed passed that over: what it writes now would
            // be committed on its own.
            return Err(Error::unavailable(
                "the transaction ended early; retry",
                fault::RETRY_AFTER,
            ));
        }
        if self.scope.confined_to().is_none() {
            return Ok(Topics::NONE);
        }
        self.connection.tenancy.check(&self.connection.sql, sql).map_err(Error::internal)
    }
}

/// Rows on their way to a page.
pub(in crate::store) struct Filling<T> {
    rows: Vec<T>,
    bytes: usize,
    limit: usize,
    /// There was a row that had no room.
    has_more: bool,
}

impl<T> Filling<T> {
    /// An empty page for up to `limit` rows.
    pub(in crate::store) fn new(limit: usize) -> Self {
        Self { rows: Vec::new(), bytes: 0, limit, has_more: false }
    }

    /// Asked for each row that there is: none is read once those before it are `limit` or hold
    /// [`PAGE_BYTES`].
    fn has_room(&mut self) -> bool {
        self.has_more = self.rows.len() >= self.limit || self.bytes >= PAGE_BYTES;
        !self.has_more
    }

    /// Whether it has no room for a row that there was.
    pub(in crate::store) fn is_full(&self) -> bool {
        self.has_more
    }

    /// The page.
    pub(in crate::store) fn rows(self) -> Rows<T> {
        Rows { rows: self.rows, has_more: self.has_more }
    }
}

/// The bytes of a row's text and blobs.
fn size(row: &Row<'_>) -> rusqlite::Result<usize> {
    (0..row.as_ref().column_count()).try_fold(0, |total, at| {
        Ok(total
            + match row.get_ref(at)? {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
            })
    })
}

/// One deed's part of a transaction. What it writes is committed with what the deed returns, or not at all.
pub struct Tx<'c, S> {
    snapshot: Snapshot<'c, S>,
    told: &'c RefCell<Told>,
}

impl<'c, S: Scope> Tx<'c, S> {
    pub(in crate::store) fn new(mut snapshot: Snapshot<'c, S>, told: &'c RefCell<Told>) -> Self {
        snapshot.told = Some(told);
        Self { snapshot, told }
    }

    /// Runs a statement that changes rows; gives how many.
    pub(in crate::store) fn execute(
        &self,
        sql: &'static str,
        params: impl Params,
    ) -> Result<usize> {
        let topics = self.confine(sql)?;
        let mut statement = self.connection.sql.prepare_cached(sql).map_err(fault::of)?;
        let topics = self.written(topics, &statement);
        let changed = statement.execute(params).map_err(fault::of)?;
        self.touch(topics, changed > 0);
        Ok(changed)
    }

    /// Runs an insert; gives the new row's number.
    pub(in crate::store) fn insert(&self, sql: &'static str, params: impl Params) -> Result<i64> {
        self.execute(sql, params)?;
        Ok(self.connection.sql.last_insert_rowid())
    }

    /// Keeps a number in `meta`.
    pub(in crate::store) fn set_fact(&self, name: &'static str, value: i64) -> Result<()> {
        self.execute(
            "insert into main.meta (name, value) values (?1, ?2)
             on conflict (name) do update set value = excluded.value",
            (name, value),
        )?;
        Ok(())
    }

    /// Tells listeners after the commit.
    pub(in crate::store) fn signal(&self, signal: Signal) {
        self.told.borrow_mut().signals.push(signal);
    }

    /// Hands a report to telemetry after the commit.
    pub fn report(&self, report: Report) {
        self.told.borrow_mut().reports.push(report);
    }
}

impl<'c> Tx<'c, SystemScope> {
    /// Notes for who listens that rows of an account were changed, by a statement that is no account's.
    pub(in crate::store) fn touched(&self, of: AccountScope, topic: Topic) {
        self.told.borrow_mut().touch(of.whose(), Topics::NONE.with(topic));
    }

    /// Does a part of the transaction confined to one account.
    pub fn within<T>(
        &self,
        scope: AccountScope,
        part: impl FnOnce(&Tx<'c, AccountScope>) -> Result<T>,
    ) -> Result<T> {
        let tenancy = &self.connection.tenancy;
        tenancy.enter(&scope);
        let snapshot = Snapshot::new(self.connection, scope, self.now);
        let result = part(&Tx::new(snapshot, self.told));
        tenancy.enter(&self.scope);
        result
    }
}

impl<'c, S> Deref for Tx<'c, S> {
    type Target = Snapshot<'c, S>;

    fn deref(&self) -> &Snapshot<'c, S> {
        &self.snapshot
    }
}
