//! What accounts used, day by day: how it is counted, and how it is shown.

mod cuts;
mod days;
mod forget;
mod pages;
mod recount;
mod routes;

use skai_server::{app::usage, store::AccountScope};

use crate::support::deeds::Deeds;

/// Counts all that ended but the newest.
fn fold(deeds: &Deeds) -> usize {
    let mut folded = 0;
    while let rows @ 1.. = usage::fold_once(&deeds.app, 1).unwrap() {
        folded += rows;
    }
    folded
}

/// How many rows the table has of the account.
fn rows(deeds: &Deeds, table: &str, scope: AccountScope) -> i64 {
    let sql = format!("select count(*) from {table} where account = ?1");
    deeds.outside().query_row(&sql, [scope.seq().number()], |row| row.get(0)).unwrap()
}
