//! Taking away what was kept long enough, and the oldest of what takes too much room.

use std::time::Duration;

use rusqlite::Connection;

use super::{TelemetrySettings, list::first_of};
use crate::{
    domain::{RecordKind, Timestamp},
    store::scope::AccountSeq,
};

/// Rows that one statement takes away.
const ROWS: u32 = 1_000;
/// Pages that are given back to the disk at a time.
const PAGES: u32 = 1_000;

/// The statements of one table.
struct Table {
    next_account: &'static str,
    oldest: &'static str,
    delete: &'static str,
}

macro_rules! table {
    ($name:literal) => {
        Table {
            next_account: concat!("select min(account) from ", $name, " where account > ?1"),
            oldest: concat!(
                "select min(created_at) from ",
                $name,
                " where (account, id) = (select account, id from ",
                $name,
                " where account = ?1 order by id limit 1)"
            ),
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

const fn table(kind: RecordKind) -> Table {
    match kind {
        RecordKind::Request => table!("request"),
        RecordKind::UsageEvent => table!("usage_event"),
        RecordKind::Invocation => table!("invocation"),
    }
}

/// Takes away what is too old, and then the oldest tenth as often as the file is too large. `wanted` is asked between
/// two steps whether there is something better to do; then it is left for the next time.
pub(super) fn prune(
    sql: &Connection,
    settings: &TelemetrySettings,
    now: Timestamp,
    wanted: &dyn Fn() -> bool,
) -> rusqlite::Result<()> {
    for kind in RecordKind::ALL {
        forget(sql, kind, now.minus(settings.kept(kind)), wanted)?;
    }
    while used(sql)? > settings.max_size && !wanted() {
        let Some(oldest) = oldest(sql)? else { break };
        let tenth = now.since(oldest) / 10;
        for kind in RecordKind::ALL {
            forget(sql, kind, oldest.plus(tenth.max(Duration::from_secs(1))), wanted)?;
        }
    }
    sql.execute_batch(&format!("pragma incremental_vacuum({PAGES})"))
}

/// Bytes of the file that are in use.
fn used(sql: &Connection) -> rusqlite::Result<u64> {
    let number = |name| sql.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?)
}

/// Goes from account to account: that is what the rows are sorted by.
fn accounts(sql: &Connection, table: &Table) -> rusqlite::Result<Vec<i64>> {
    let mut next = sql.prepare_cached(table.next_account)?;
    let (mut accounts, mut last) = (Vec::new(), -1);
    while let Some(account) = next.query_row([last], |row| row.get::<_, Option<i64>>(0))? {
        accounts.push(account);
        last = account;
    }
    Ok(accounts)
}

fn oldest(sql: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let mut oldest = None;
    for table in RecordKind::ALL.map(table) {
        for account in accounts(sql, &table)? {
            let mut look = sql.prepare_cached(table.oldest)?;
            let at: Option<Timestamp> = look.query_row([account], |row| row.get(0))?;
            oldest = at.into_iter().chain(oldest).min();
        }
    }
    Ok(oldest)
}

fn forget(
    sql: &Connection,
    kind: RecordKind,
    before: Timestamp,
    wanted: &dyn Fn() -> bool,
) -> rusqlite::Result<()> {
    let table = table(kind);
    for account in accounts(sql, &table)? {
        while !wanted() && delete(sql, &table, account, before)? == ROWS as usize {}
    }
    Ok(())
}

fn delete(
    sql: &Connection,
    table: &Table,
    account: i64,
    before: Timestamp,
) -> rusqlite::Result<usize> {
    let mut delete = sql.prepare_cached(table.delete)?;
    delete.execute((account, first_of(before).as_bytes(), ROWS))
}

/// Takes away up to some thousand rows of an account that are that old; gives how many.
pub(super) fn forget_account(
    sql: &Connection,
    account: AccountSeq,
    before: Timestamp,
) -> rusqlite::Result<usize> {
    let kinds = RecordKind::ALL.into_iter().map(table);
    kinds.map(|table| delete(sql, &table, account.number(), before)).sum()
}
