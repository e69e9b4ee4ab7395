//! Monthly budgets of keys and projects: what they refuse, and what endpoints are told of them.

use serde::Serialize;

use super::App;
use crate::{
    domain::{
        AccountId, ApiKeyId, Credits, Error, ErrorKind, EventType, Month, Payer, ProjectId, Result,
        Timestamp, thresholds_reached,
    },
    store::{
        AccountScope, Tx,
        spending::{self, Counted, Spent},
    },
};

/// Whose budget it is.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Budget {
    ApiKey,
    Project,
}

/// The details of a 402. Not `json!`, which would read the numbers as floats.
#[derive(Serialize)]
struct Shortage {
    required: Credits,
    available: Credits,
    budget: Budget,
    project_id: ProjectId,
    /// Null for the budget of a project.
    api_key_id: Option<ApiKeyId>,
    limit: Credits,
    resets_at: Timestamp,
}

/// The data of `budget.threshold`.
#[derive(Serialize)]
struct Reached {
    account_id: AccountId,
    budget: Budget,
    project_id: ProjectId,
    /// Null for the budget of a project.
    api_key_id: Option<ApiKeyId>,
    /// In percent.
    threshold: u8,
    limit: Credits,
    /// What was charged in the month so far.
    spent: Credits,
    month: String,
    resets_at: Timestamp,
}

/// Refuses what a budget does not cover: what was charged, is set aside and is required may not be more than its
/// limit together.
pub(super) fn check(
    tx: &Tx<'_, AccountScope>,
    month: Month,
    payer: &Payer,
    required: Credits,
) -> Result<()> {
    if let Some(limit) = payer.key_limit {
        let spent = spending::of_key(tx, month, payer.project, payer.key)?;
        covers(Some(payer.key), payer, limit, spent, (required, month))?;
    }
    if let Some(limit) = payer.project_limit {
        let (spent, _) = spending::of_project(tx, month, payer.project)?;
        covers(None, payer, limit, spent, (required, month))?;
    }
    Ok(())
}

/// Whether the budget of a key, or where there is none of the payer's project, has room for what is required.
fn covers(
    key: Option<ApiKeyId>,
    payer: &Payer,
    limit: Credits,
    spent: Spent,
    (required, month): (Credits, Month),
) -> Result<()> {
    let available = spent.left_of(limit);
    if required <= available {
        return Ok(());
    }
    let (budget, whose) = match key {
        Some(_) => (Budget::ApiKey, "the API key"),
        None => (Budget::Project, "the key's project"),
    };
    let Spent { charged, reserved } = spent;
    let message = format!(
        "{whose} may spend {limit} credits in {month}; {charged} are spent and {reserved} are set aside for jobs \
         that are not over, so {available} are left, and this may cost {required}; raise its \
         monthly_credit_limit, lower max_tokens, or wait until the month ends"
    );
    let (project_id, resets_at) = (payer.project, month.end());
    let shortage =
        Shortage { required, available, budget, project_id, api_key_id: key, limit, resets_at };
    Err(Error::new(ErrorKind::BudgetExceeded, message).with_details(&shortage))
}

/// A project's limit changes: what is charged from now on in this month is held against the new one, and endpoints are
/// told of the parts of it that are spent already.
pub(super) fn limit_project(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    project: ProjectId,
    limit: Option<Credits>,
) -> Result<()> {
    let month = Month::of(tx.now());
    let highest = match limit {
        Some(limit) => {
            let (spent, told) = spending::of_project(tx, month, project)?;
            Telling { app, tx, month, project, key: None }.each(limit, spent.charged, told)?
        }
        None => None,
    };
    spending::limit_project(tx, month, project, limit, highest)
}

/// Tells endpoints of the parts of the budgets that a charge reached.
pub(super) fn tell(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    spending: i64,
    counted: &Counted,
) -> Result<()> {
    let Counted { month, payer, charged, told } = *counted;
    let of_project = Telling { app, tx, month, project: payer.project, key: None };
    let of_key = Telling { key: Some(payer.key), ..of_project };
    let key = match payer.key_limit {
        Some(limit) => of_key.each(limit, charged, told)?,
        None => None,
    };
    let project = match payer.project_limit {
        Some(limit) => {
            let (spent, told) = spending::of_project(tx, month, payer.project)?;
            of_project.each(limit, spent.charged, told)?
        }
        None => None,
    };
    if key.is_some() || project.is_some() {
        spending::tell(tx, spending, key, project)?;
    }
    Ok(())
}

/// What endpoints are told of: the budget of a key, or where there is none of its project.
#[derive(Clone, Copy)]
struct Telling<'a, 'c> {
    app: &'a App,
    tx: &'a Tx<'c, AccountScope>,
    month: Month,
    project: ProjectId,
    key: Option<ApiKeyId>,
}

impl Telling<'_, '_> {
    /// Tells each part of a budget that was reached; gives the highest, if there is one.
    fn each(self, limit: Credits, spent: Credits, told: u8) -> Result<Option<u8>> {
        let budget = if self.key.is_some() { Budget::ApiKey } else { Budget::Project };
        let mut highest = None;
        for threshold in thresholds_reached(told, spent, limit) {
            let news = Reached {
                account_id: self.tx.scope().account_id(),
                budget,
                project_id: self.project,
                api_key_id: self.key,
                threshold,
                limit,
                spent,
                month: self.month.to_string(),
                resets_at: self.month.end(),
            };
            self.app.emit(self.tx, EventType::BudgetThreshold, &news)?;
            highest = Some(threshold);
        }
        Ok(highest)
    }
}
