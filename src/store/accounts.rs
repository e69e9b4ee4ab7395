//! Tenants and their projects.

use rusqlite::Row;

use super::{
    scope::{AccountScope, AccountSeq, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::domain::{AccountId, ProjectId, Result, Timestamp};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Internal number.
    pub seq: AccountSeq,
    /// Public id.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// When the operator suspended it, if so.
    pub suspended_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        seq: row.get("seq")?,
        id: row.get("id")?,
        name: row.get("name")?,
        suspended_at: row.get("suspended_at")?,
        created_at: row.get("created_at")?,
    })
}

/// Adds an account with an empty balance and a live project called `default`.
pub fn insert(
    tx: &Tx<'_, SystemScope>,
    id: AccountId,
    project: ProjectId,
    name: &str,
) -> Result<AccountScope> {
    let now = tx.now();
    let seq = tx.insert(
        "insert into main.account (id, name, created_at) values (?1, ?2, ?3)",
        (id, name, now),
    )?;
    tx.execute(
        "insert into main.project (account, id, name, environment, created_at)
         values (?1, ?2, 'default', 'live', ?3)",
        (seq, project, now),
    )?;
    tx.execute("insert into main.balance (account) values (?1)", [seq])?;
    Ok(tx.scope().account(AccountSeq(seq), id))
}

/// The account of that id.
pub fn find(snapshot: &Snapshot<'_, SystemScope>, id: AccountId) -> Result<Option<Account>> {
    snapshot.one("select * from main.account where id = ?1", [id], account)
}

/// The account of that internal number.
pub fn by_seq(snapshot: &Snapshot<'_, SystemScope>, seq: AccountSeq) -> Result<Option<Account>> {
    snapshot.one("select * from main.account where seq = ?1", [seq], account)
}

/// Accounts older than `before`, newest first.
pub fn list(
    snapshot: &Snapshot<'_, SystemScope>,
    before: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Account>> {
    snapshot.all(
        "select * from main.account where ?1 is null or id < ?1 order by id desc limit ?2",
        (before, limit),
        account,
    )
}

/// Changes what is given; false where there is no such account.
pub fn update(
    tx: &Tx<'_, SystemScope>,
    id: AccountId,
    name: Option<&str>,
    suspended: Option<bool>,
) -> Result<bool> {
    let changed = tx.execute(
        "update main.account set name = coalesce(?2, name),
           suspended_at = case ?3 when 0 then null when 1 then coalesce(suspended_at, ?4)
                          else suspended_at end
         where id = ?1",
        (id, name, suspended, tx.now()),
    )?;
    if changed > 0 {
        tx.signal(super::Signal::AccountChanged);
    }
    Ok(changed > 0)
}

/// A part of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: ProjectId,
    /// Unique in the account.
    pub name: String,
    /// True for test projects, whose keys are `sk_test_…`.
    pub is_test: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The account's project of that name.
pub fn project(snapshot: &Snapshot<'_, AccountScope>, name: &str) -> Result<Option<Project>> {
    snapshot.one("select * from project where name = ?1", [name], read_project)
}

/// The account's project of that id.
pub fn project_by_id(
    snapshot: &Snapshot<'_, AccountScope>,
    id: ProjectId,
) -> Result<Option<Project>> {
    snapshot.one("select * from project where id = ?1", [id], read_project)
}

fn read_project(row: &Row<'_>) -> rusqlite::Result<Project> {
    Ok(Project {
        seq: row.get("seq")?,
        id: row.get("id")?,
        name: row.get("name")?,
        is_test: row.get::<_, String>("environment")? == "test",
        created_at: row.get("created_at")?,
    })
}
