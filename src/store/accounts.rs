//! Tenants, and their twins for tests.

use rusqlite::Row;

use super::{
    account_settings::{self, settings},
    projects::{self, NewProject},
    scope::{AccountScope, AccountSeq, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::domain::{
    AccountId, AccountSettings, DEFAULT_PROJECT, Environment, ProjectId, Result, Timestamp, Topic,
    Topics,
};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The right to its rows, which names it.
    pub scope: AccountScope,
    /// What people call it.
    pub name: String,
    /// When the operator suspended it, if so.
    pub suspended_at: Option<Timestamp>,
    /// What the operator set for it.
    pub settings: AccountSettings,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Account {
    /// Public id.
    pub const fn id(&self) -> AccountId {
        self.scope.account_id()
    }
}

fn account(row: &Row<'_>, system: SystemScope) -> rusqlite::Result<Account> {
    Ok(Account {
        scope: system.account(row.get("seq")?, row.get("id")?, row.get("environment")?),
        name: row.get("name")?,
        suspended_at: row.get("suspended_at")?,
        settings: settings(row)?,
        created_at: row.get("created_at")?,
    })
}

/// Selects rows for [`account`], by the conditions that follow.
macro_rules! select_account {
    ($rest:literal) => {
        concat!(
            "select a.*, s.timezone, s.daily_token_caps, s.daily_token_cap, s.record_invocations, b.low_mark \
             from main.account a left join main.balance b on b.account = a.seq \
             left join main.account_setting s on s.account = a.seq where ",
            $rest
        )
    };
}

/// Adds an account with an empty balance and a live project called [`DEFAULT_PROJECT`].
pub fn insert(
    tx: &Tx<'_, SystemScope>,
    id: AccountId,
    project: ProjectId,
    name: &str,
) -> Result<AccountScope> {
    let scope = insert_row(tx, id, Environment::Live, name)?;
    let project = NewProject {
        record_invocations: None,
        id: project,
        name: DEFAULT_PROJECT.to_owned(),
        environment: Environment::Live,
        monthly_credit_limit: None,
    };
    tx.within(scope, |tx| projects::insert(tx, &project))?;
    Ok(scope)
}

/// Adds the twin of an account that has none: its part for tests, with an empty balance and the same settings.
pub fn insert_twin(tx: &Tx<'_, SystemScope>, of: &Account) -> Result<AccountScope> {
    let twin = insert_row(tx, of.id(), Environment::Test, &of.name)?;
    tx.within(twin, |tx| account_settings::set(tx, &of.settings))?;
    Ok(twin)
}

fn insert_row(
    tx: &Tx<'_, SystemScope>,
    id: AccountId,
    environment: Environment,
    name: &str,
) -> Result<AccountScope> {
    let seq = tx.insert(
        "insert into main.account (id, environment, name, created_at) values (?1, ?2, ?3, ?4)",
        (id, environment, name, tx.now()),
    )?;
    tx.execute("insert into main.balance (account) values (?1)", [seq])?;
    Ok(tx.scope().account(AccountSeq(seq), id, environment))
}

/// The account of that id, or its twin for tests, which it may not have.
pub fn find(
    snapshot: &Snapshot<'_, SystemScope>,
    id: AccountId,
    environment: Environment,
) -> Result<Option<Account>> {
    let system = snapshot.scope();
    snapshot.one(select_account!("a.id = ?1 and a.environment = ?2"), (id, environment), |row| {
        account(row, system)
    })
}

/// The account that was made first.
pub fn oldest(snapshot: &Snapshot<'_, SystemScope>) -> Result<Option<Account>> {
    let system = snapshot.scope();
    let sql = select_account!("a.environment = 'live' order by a.seq limit 1");
    snapshot.one(sql, [], |row| account(row, system))
}

/// Whether the operator suspended the account, and its twin with it.
pub fn is_suspended(snapshot: &Snapshot<'_, SystemScope>, scope: AccountScope) -> Result<bool> {
    let sql = "select suspended_at is not null from main.account where seq = ?1";
    Ok(snapshot.one(sql, [scope.seq()], |row| row.get(0))?.unwrap_or(false))
}

/// Accounts older than `before`, newest first.
pub fn list(
    snapshot: &Snapshot<'_, SystemScope>,
    before: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Account>> {
    let (system, before) = (snapshot.scope(), before.unwrap_or(AccountId::MAX));
    snapshot.all(LIST, (before, limit), |row| account(row, system))
}

pub(in crate::store) const LIST: &str =
    select_account!("a.environment = 'live' and a.id < ?1 order by a.id desc limit ?2");

/// Changes what is given, of its twin too; false where there is no such account.
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
        // Who listens to the twin is told what both have once.
        tx.tell((id, Environment::Live), Topics::NONE.with(Topic::Projects).with(Topic::Audit));
    }
    Ok(changed > 0)
}
