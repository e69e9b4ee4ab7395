//! What the caller is.

use super::{App, accounts};
use crate::{
    domain::{ApiKeyId, Error, ProjectId, Result},
    store::{
        AccountScope,
        accounts::{Account, Project, project_by_id},
        api_keys::{self, ApiKey},
        ledger::{self, Balance},
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
    /// What the account can spend.
    pub balance: Balance,
}

/// Looks at the caller's account, project and key. Blocks while it reads.
pub fn look(app: &App, scope: AccountScope, project: ProjectId, key: ApiKeyId) -> Result<Me> {
    let account = accounts::get(app, scope.account_id())?;
    app.store.read(scope, |snapshot| {
        Ok(Me {
            account,
            project: project_by_id(snapshot, project)?.ok_or_else(gone)?,
            key: api_keys::find(snapshot, key)?.ok_or_else(gone)?,
            balance: ledger::balance(snapshot)?,
        })
    })
}

fn gone() -> Error {
    Error::internal("a verified key has no row or no project")
}
