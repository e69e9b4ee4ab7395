//! `ledger verify`: proves from the rows themselves that no credit and no job was lost or doubled.

use schemars::JsonSchema;
use serde::Serialize;

use super::App;
use crate::{
    domain::Result,
    store::{SystemScope, audit},
};

/// What the proof found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LedgerReport {
    /// True where there is no problem.
    pub ok: bool,
    /// Accounts looked at.
    pub accounts: u64,
    /// Entries of their ledgers.
    pub entries: u64,
    /// Jobs.
    pub jobs: u64,
    /// What is wrong, at most 100 sentences.
    pub problems: Vec<String>,
}

/// Looks at every account, entry, grant and job in one consistent view. Takes seconds for millions of entries
/// and holds up no writer meanwhile.
pub fn verify(app: &App) -> Result<LedgerReport> {
    let audit = app.store.read(SystemScope::new(), audit::run)?;
    let audit::Audit { accounts, entries, jobs, problems } = audit;
    Ok(LedgerReport { ok: problems.is_empty(), accounts, entries, jobs, problems })
}
