//! What the caller is.

use super::{App, accounts, auth::Session};
use crate::{
    domain::{Error, Month, Payer, Result},
    store::{
        accounts::Account,
        api_keys::{self, ApiKey},
        ledger::{self, Balance},
        projects::{self, Project},
        spending::{self, Spent},
    },
};

/// An account as one of its keys sees it.
#[derive(Clone, Debug)]
pub struct Me {
    /// The account.
    pub account: Account,
    /// The key's project.
    pub project: Project,
    /// The key.
    pub key: ApiKey,
    /// What the key can spend: the account's credits, or its test credits.
    pub balance: Balance,
    /// The current month, which budgets are for.
    pub month: Month,
    /// What the key spent in it.
    pub key_spent: Spent,
    /// What all keys of its project spent in it.
    pub project_spent: Spent,
}

/// Looks at the caller's account, project and key. Blocks while it reads.
pub fn look(app: &App, session: &Session) -> Result<Me> {
    let (project, key) = app.store.read(session.home, |snapshot| {
        let project = projects::find(snapshot, session.project.1)?.ok_or_else(gone)?;
        Ok((project, api_keys::find(snapshot, session.key)?.ok_or_else(gone)?))
    })?;
    let Payer { project: payer, key: spender, .. } = session.payer;
    let month = Month::of(app.ambient.now());
    let (balance, key_spent, project_spent) = app.store.read(session.scope, |snapshot| {
        let key_spent = spending::of_key(snapshot, month, payer, spender)?;
        let (project_spent, _) = spending::of_project(snapshot, month, payer)?;
        Ok((ledger::balance(snapshot)?, key_spent, project_spent))
    })?;
    Ok(Me {
        account: accounts::get(app, session.home.account_id())?,
        project,
        key,
        balance,
        month,
        key_spent,
        project_spent,
    })
}

fn gone() -> Error {
    Error::internal("a verified key has no row or no project")
}
