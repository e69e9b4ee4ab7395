//! What keys and projects spend in a month, and what is set aside for their jobs.

use rusqlite::Row;

use super::{
    row::unknown,
    scope::AccountScope,
    tx::{Snapshot, Tx},
};
use crate::domain::{ApiKeyId, Credits, Error, Month, Payer, ProjectId, Result, Split};

/// What is set aside for a job that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The parts of the buckets.
    pub held: Split,
    /// Internal number of the row that counts it in its payer's budgets.
    pub spending: i64,
    /// How many of its end user's tokens it counts as in flight; 0 without one, and while it need not.
    pub tokens: u64,
}

/// What was spent in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// What ended jobs were charged.
    pub charged: Credits,
    /// What is set aside for those that are not over.
    pub reserved: Credits,
}

impl Spent {
    /// What may still be set aside under a limit.
    pub fn left_of(&self, limit: Credits) -> Credits {
        let used = self.charged.checked_add(self.reserved);
        let left = used.and_then(|used| limit.checked_sub(used));
        left.unwrap_or_default().max(Credits::ZERO)
    }
}

fn spent(row: &Row<'_>) -> rusqlite::Result<Spent> {
    Ok(Spent { charged: row.get("charged")?, reserved: row.get("reserved")? })
}

/// What all keys of a project spent together, and the part of its budget that endpoints were told of, in percent.
pub fn of_project(
    snapshot: &Snapshot<'_, AccountScope>,
    month: Month,
    project: ProjectId,
) -> Result<(Spent, u8)> {
    let found = snapshot.one(
        "select coalesce(sum(charged), 0) as charged, coalesce(sum(reserved), 0) as reserved,
           coalesce(max(project_told), 0) as told
         from spending where month = ?1 and project = ?2",
        (month.number(), project),
        |row| Ok((spent(row)?, row.get("told")?)),
    )?;
    Ok(found.unwrap_or_default())
}

/// What a key of a project spent.
pub fn of_key(
    snapshot: &Snapshot<'_, AccountScope>,
    month: Month,
    project: ProjectId,
    key: ApiKeyId,
) -> Result<Spent> {
    let found = snapshot.one(
        "select charged, reserved from spending where month = ?1 and project = ?2 and api_key = ?3",
        (month.number(), project, key),
        spent,
    )?;
    Ok(found.unwrap_or_default())
}

/// Sets credits aside in the budgets of whoever pays; gives the number of the row that counts them.
pub fn set_aside(
    tx: &Tx<'_, AccountScope>,
    month: Month,
    payer: &Payer,
    amount: Credits,
) -> Result<i64> {
    let known = tx.one(
        "update main.spending set reserved = reserved + ?4
         where account = current_account() and month = ?1 and project = ?2 and api_key = ?3
         returning seq",
        (month.number(), payer.project, payer.key, amount),
        |row| row.get(0),
    )?;
    match known {
        Some(row) => Ok(row),
        None => begin(tx, month, payer, amount),
    }
}

/// The first that is set aside for a key in the month. Its project's limit is that of the project's other rows, since
/// whoever pays may have been told before it changed.
fn begin(tx: &Tx<'_, AccountScope>, month: Month, payer: &Payer, amount: Credits) -> Result<i64> {
    let (month, project) = (month.number(), payer.project);
    let limit = tx.one(
        "select project_limit from spending where month = ?1 and project = ?2 limit 1",
        (month, project),
        |row| row.get(0),
    )?;
    tx.insert(
        "insert into main.spending
           (account, month, project, api_key, reserved, key_limit, project_limit)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6)",
        (month, project, payer.key, amount, payer.key_limit, limit.unwrap_or(payer.project_limit)),
    )
}

/// Gives back what was set aside for a job that is over and was not charged.
pub fn release(tx: &Tx<'_, AccountScope>, spending: i64, held: Credits) -> Result<()> {
    let changed = tx.execute(
        "update main.spending set reserved = reserved - ?2
         where account = current_account() and seq = ?1",
        (spending, held),
    )?;
    if changed == 1 { Ok(()) } else { Err(gone()) }
}

/// What a key spent in a month, with its limits and how much of them endpoints were told of.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// The month.
    pub month: Month,
    /// Who pays, with the limits of the month.
    pub payer: Payer,
    /// What the key was charged.
    pub charged: Credits,
    /// The part of the key's budget that endpoints were told of, in percent.
    pub told: u8,
}

/// Gives back what was set aside for a job and counts what it was charged.
pub fn settle(
    tx: &Tx<'_, AccountScope>,
    spending: i64,
    held: Credits,
    cost: Credits,
) -> Result<Counted> {
    let row = tx.one(
        "update main.spending set reserved = reserved - ?2, charged = charged + ?3
         where account = current_account() and seq = ?1 returning *",
        (spending, held, cost),
        counted,
    )?;
    row.ok_or_else(gone)
}

fn counted(row: &Row<'_>) -> rusqlite::Result<Counted> {
    let payer = payer(row)?;
    let month = Month::from_number(row.get("month")?).ok_or_else(|| unknown("month"))?;
    Ok(Counted { month, payer, charged: row.get("charged")?, told: row.get("key_told")? })
}

fn payer(row: &Row<'_>) -> rusqlite::Result<Payer> {
    Ok(Payer {
        project: row.get("project")?,
        project_limit: row.get("project_limit")?,
        key: row.get("api_key")?,
        key_limit: row.get("key_limit")?,
    })
}

/// Who paid for what a row counts, with the limits that hold now. Those of test keys are not among the rows of the
/// account that they work in; for them it is the limits that the row was counted with.
pub fn payer_of(snapshot: &Snapshot<'_, AccountScope>, spending: i64) -> Result<Option<Payer>> {
    snapshot.one(
        "select s.project, s.api_key,
           case when p.id is null then s.project_limit else p.monthly_credit_limit end as project_limit,
           case when k.id is null then s.key_limit else k.monthly_credit_limit end as key_limit
         from spending s left join project p on p.id = s.project
         left join api_key k on k.id = s.api_key where s.seq = ?1",
        [spending],
        payer,
    )
}

/// Sets the limit of a project's budget for what was counted in the month, and the part of it that endpoints were
/// told of: a higher one than before, or `None`.
pub fn limit_project(
    tx: &Tx<'_, AccountScope>,
    month: Month,
    project: ProjectId,
    limit: Option<Credits>,
    told: Option<u8>,
) -> Result<()> {
    tx.execute(
        "update main.spending set project_limit = ?3, project_told = coalesce(?4, project_told)
         where account = current_account() and month = ?1 and project = ?2",
        (month.number(), project, limit, told),
    )?;
    Ok(())
}

/// What a key spent in a month, for a report.
#[derive(Clone, Copy, Debug)]
pub struct KeySpent {
    /// Internal number of the row.
    pub seq: i64,
    /// The key's project.
    pub project: ProjectId,
    /// The key; where it replaced others, the first of them.
    pub key: ApiKeyId,
    /// How much.
    pub spent: Spent,
}

/// What each key spent in a month, from the highest internal number below `before` down.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    month: Month,
    before: i64,
    limit: u32,
) -> Result<Vec<KeySpent>> {
    snapshot.all(
        "select * from spending where month = ?1 and seq < ?2 order by seq desc limit ?3",
        (month.number(), before, limit),
        |row| {
            Ok(KeySpent {
                seq: row.get("seq")?,
                project: row.get("project")?,
                key: row.get("api_key")?,
                spent: spent(row)?,
            })
        },
    )
}

/// Remembers the parts of the two budgets that endpoints were told of: higher ones than before, or `None`.
pub fn tell(
    tx: &Tx<'_, AccountScope>,
    spending: i64,
    key: Option<u8>,
    project: Option<u8>,
) -> Result<()> {
    tx.execute(
        "update main.spending set key_told = coalesce(?2, key_told),
           project_told = coalesce(?3, project_told)
         where account = current_account() and seq = ?1",
        (spending, key, project),
    )?;
    Ok(())
}

fn gone() -> Error {
    Error::internal("a row that counts spending is gone")
}
