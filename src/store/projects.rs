//! Projects: the parts of an account. Those of both environments belong to its live rows.

use rusqlite::Row;

use super::{
    scope::{AccountScope, SystemScope},
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{Credits, Environment, ProjectId, Result, Timestamp};

/// A part of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: ProjectId,
    /// Unique in the account.
    pub name: String,
    /// Where its keys work; those of test projects are `sk_test_…`.
    pub environment: Environment,
    /// What its jobs may be charged in a calendar month; `None` where that has no limit of its own.
    pub monthly_credit_limit: Option<Credits>,
    /// Whether what its jobs were asked and answered is recorded; `None`: as its account says.
    pub record_invocations: Option<bool>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a new project is made of.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// Public id.
    pub id: ProjectId,
    /// Unique in the account.
    pub name: String,
    /// Where its keys work; for good.
    pub environment: Environment,
    /// What its jobs may be charged in a calendar month.
    pub monthly_credit_limit: Option<Credits>,
    /// Whether what its jobs were asked and answered is recorded; `None`: as its account says.
    pub record_invocations: Option<bool>,
}

/// What is to be different; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ProjectChange {
    /// Unique in the account.
    pub name: Option<String>,
    /// What its jobs may be charged in a calendar month; `Some(None)` takes the limit away.
    pub monthly_credit_limit: Option<Option<Credits>>,
    /// Whether what its jobs were asked and answered is recorded; `Some(None)`: as its account says.
    pub record_invocations: Option<Option<bool>>,
}

fn project(row: &Row<'_>) -> rusqlite::Result<Project> {
    Ok(Project {
        seq: row.get("seq")?,
        id: row.get("id")?,
        name: row.get("name")?,
        environment: row.get("environment")?,
        monthly_credit_limit: row.get("monthly_credit_limit")?,
        record_invocations: row.get("record_invocations")?,
        created_at: row.get("created_at")?,
    })
}

/// Adds a project; its name must be new.
pub fn insert(tx: &Tx<'_, AccountScope>, new: &NewProject) -> Result<()> {
    tx.execute(
        "insert into main.project
           (account, id, name, environment, monthly_credit_limit, record_invocations, created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6)",
        (
            new.id,
            &new.name,
            new.environment,
            new.monthly_credit_limit,
            new.record_invocations,
            tx.now(),
        ),
    )?;
    Ok(())
}

/// How many projects the account has.
pub fn count(snapshot: &Snapshot<'_, AccountScope>) -> Result<u32> {
    Ok(snapshot.one("select count(*) from project", [], |row| row.get(0))?.unwrap_or(0))
}

/// The account's project of that name.
pub fn by_name(snapshot: &Snapshot<'_, AccountScope>, name: &str) -> Result<Option<Project>> {
    snapshot.one("select * from project where name = ?1", [name], project)
}

/// The account's project of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: ProjectId) -> Result<Option<Project>> {
    snapshot.one("select * from project where id = ?1", [id], project)
}

/// The account's projects older than `before`, newest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<ProjectId>,
    limit: u32,
) -> Result<Vec<Project>> {
    snapshot.all(LIST, (before.unwrap_or(ProjectId::MAX), limit), project)
}

pub(in crate::store) const LIST: &str =
    "select * from project where id < ?1 order by id desc limit ?2";

/// Changes what is given; false where there is no such project. A new name must be new.
pub fn update(tx: &Tx<'_, AccountScope>, id: ProjectId, change: &ProjectChange) -> Result<bool> {
    let changed = tx.execute(
        "update main.project set name = coalesce(?2, name),
           monthly_credit_limit = case when ?3 then ?4 else monthly_credit_limit end,
           record_invocations = case when ?5 then ?6 else record_invocations end
         where account = current_account() and id = ?1",
        (
            id,
            &change.name,
            change.monthly_credit_limit.is_some(),
            change.monthly_credit_limit.flatten(),
            change.record_invocations.is_some(),
            change.record_invocations.flatten(),
        ),
    )?;
    tx.signal(Signal::ProjectChanged(id));
    Ok(changed > 0)
}

/// Whether the project of that internal number, or else its account, says that invocations are recorded or not.
pub fn records_invocations(
    snapshot: &Snapshot<'_, SystemScope>,
    project: i64,
) -> Result<Option<bool>> {
    let found = snapshot.one(
        "select coalesce(p.record_invocations, s.record_invocations)
         from main.project p left join main.account_setting s on s.account = p.account
         where p.seq = ?1",
        [project],
        |row| row.get(0),
    )?;
    Ok(found.flatten())
}
