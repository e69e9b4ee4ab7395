//! What the caller is.

use super::{App, accounts, auth::Session};
use crate::{
    domain::{Error, Result},
    store::{
        accounts::Account,
        api_keys::{self, ApiKey},
        ledger::{self, Balance},
        projects::{self, Project},
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
}

/// Looks at the caller's account, project and key. Blocks while it reads.
pub fn look(app: &App, session: &Session) -> Result<Me> {
    let (project, key) = app.store.read(session.home, |snapshot| {
        let project = projects::find(snapshot, session.project.1)?.ok_or_else(gone)?;
        Ok((project, api_keys::find(snapshot, session.key)?.ok_or_else(gone)?))
    })?;
    Ok(Me {
        account: accounts::get(app, session.home.account_id())?,
        project,
        key,
        balance: app.store.read(session.scope, ledger::balance)?,
    })
}

fn gone() -> Error {
    Error::internal("a verified key has no row or no project")
}
