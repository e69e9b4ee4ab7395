//! Taking away what was kept long enough, and the oldest of what takes too much room.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::{TelemetrySettings, list::first_of};
use crate::{
    domain::{RecordKind, Timestamp},
    store::scope::AccountSeq,
};

/// Rows that one statement takes away, with payloads of some hundred kilobytes at most.
const ROWS: u32 = 200;
/// Pages that are given back to the disk at a time.
const PAGES: u32 = 1_000;

/// The statements of one table.
#[derive(Clone, Copy)]
pub(in crate::store) struct Table {
    pub(in crate::store) next_account: &'static str,
    pub(in crate::store) oldest: &'static str,
    pub(in crate::store) delete: &'static str,
}

macro_rules! table {
    ($name:literal) => {
        Table {
            next_account: concat!("select min(account) from ", $name, " where account > ?1"),
            oldest: concat!("select id from ", $name, " where account = ?1 order by id limit 1"),
            delete: concat!(
                "delete from ",
                $name,
                " where account = ?1 and id in (select id from ",
                $name,
                " where account = ?1 and id < ?2 order by id limit ?3)"
            ),
        }
    };
}

/// In the order of [`RecordKind`].
pub(in crate::store) const TABLES: [Table; RecordKind::ALL.len()] =
    [table!("request"), table!("usage_event"), table!("invocation")];

/// What is to be done, and whether there is something better to do.
pub(super) struct Pruning<'a> {
    pub(super) sql: &'a Connection,
    pub(super) settings: &'a TelemetrySettings,
    /// Asked after each step that took something away.
    pub(super) is_wanted: &'a dyn Fn() -> bool,
    /// The same where the file is too large: only the end of the server comes before that.
    pub(super) is_over: &'a dyn Fn() -> bool,
}

impl Pruning<'_> {
    /// Takes away the oldest tenth as often as the file is too large, and then what is too old, a step at least; gives
    /// whether that was all, or there was something better to do.
    pub(super) fn run(&self, now: Timestamp) -> rusqlite::Result<bool> {
        while used(self.sql)? > self.settings.max_size {
            let (deleted, was_wanted) = self.shrink(now)?;
            if was_wanted {
                return Ok(false);
            }
            if deleted == 0 {
                break;
            }
        }
        for kind in RecordKind::ALL {
            let before = now.minus(self.settings.kept(kind));
            if self.forget(TABLES[kind as usize], before, self.is_wanted)?.1 {
                return Ok(false);
            }
        }
        give_back(self.sql)?;
        Ok(true)
    }

    /// Takes away the oldest tenth of the time that there are records of.
    fn shrink(&self, now: Timestamp) -> rusqlite::Result<(usize, bool)> {
        let Some(oldest) = oldest(self.sql)? else { return Ok((0, false)) };
        let tenth = now.since(oldest) / 10;
        let before = oldest.plus(tenth.max(Duration::from_secs(1)));
        let mut deleted = 0;
        for table in TABLES {
            let (some, was_wanted) = self.forget(table, before, self.is_over)?;
            deleted += some;
            if was_wanted {
                return Ok((deleted, true));
            }
        }
        Ok((deleted, false))
    }

    /// Takes away what is from before that time; gives how much, and whether it left off.
    fn forget(
        &self,
        table: Table,
        before: Timestamp,
        leaves_off: &dyn Fn() -> bool,
    ) -> rusqlite::Result<(usize, bool)> {
        let mut total = 0;
        for account in accounts(self.sql, table)? {
            loop {
                let deleted = delete(self.sql, table, account, before)?;
                total += deleted;
                if deleted > 0 && leaves_off() {
                    return Ok((total, true));
                }
                if deleted < ROWS as usize {
                    break;
                }
            }
        }
        Ok((total, false))
    }
}

/// Bytes of the file that are in use.
fn used(sql: &Connection) -> rusqlite::Result<u64> {
    let number = |name| sql.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?)
}

/// Gives pages that are free back to the disk. Each step of the statement gives one.
fn give_back(sql: &Connection) -> rusqlite::Result<()> {
    let mut vacuum = sql.prepare(&format!("pragma incremental_vacuum({PAGES})"))?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(())
}

/// Goes from account to account: that is what the rows are sorted by.
fn accounts(sql: &Connection, table: Table) -> rusqlite::Result<Vec<i64>> {
    let mut next = sql.prepare_cached(table.next_account)?;
    let (mut accounts, mut last) = (Vec::new(), -1);
    while let Some(account) = next.query_row([last], |row| row.get::<_, Option<i64>>(0))? {
        accounts.push(account);
        last = account;
    }
    Ok(accounts)
}

/// The time in the lowest id of all. It may be later than the row's own, as ids only rise, whatever the clock does.
fn oldest(sql: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let mut oldest = None;
    for table in TABLES {
        for account in accounts(sql, table)? {
            let mut look = sql.prepare_cached(table.oldest)?;
            let id = look.query_row([account], |row| row.get::<_, [u8; 16]>(0)).optional()?;
            oldest = id.map(time_of).into_iter().chain(oldest).min();
        }
    }
    Ok(oldest)
}

/// The time in an id (RFC 9562 §5.7).
fn time_of(id: [u8; 16]) -> Timestamp {
    let millis = Uuid::from_bytes(id).as_u128() >> 80;
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn delete(
    sql: &Connection,
    table: Table,
    account: i64,
    before: Timestamp,
) -> rusqlite::Result<usize> {
    let mut delete = sql.prepare_cached(table.delete)?;
    delete.execute((account, first_of(before).as_bytes(), ROWS))
}

/// Takes away some hundred rows of an account that are that old; gives how many.
pub(super) fn forget_account(
    sql: &Connection,
    account: AccountSeq,
    before: Timestamp,
) -> rusqlite::Result<usize> {
    TABLES.into_iter().map(|table| delete(sql, table, account.number(), before)).sum()
}
