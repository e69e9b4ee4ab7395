//! `ledger verify`: proves from the rows themselves that no credit and no job was lost or doubled.

use std::sync::Mutex;

use schemars::JsonSchema;
use serde::Serialize;

use super::App;
use crate::{
    ambient::lock,
    domain::{Result, Timestamp},
    store::{
        SystemScope,
        audit::{self, Audit},
    },
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
    /// What would mend it, where that was asked for. Nothing of it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair_plan: Option<Vec<Repair>>,
}

/// What would mend a problem.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Repair {
    /// What is wrong.
    pub problem: String,
    /// What would mend it.
    pub repair: String,
}

/// Looks at every account, entry, grant and job in one consistent view. Takes seconds for millions of entries
/// and holds up no writer meanwhile.
pub fn verify(app: &App) -> Result<LedgerReport> {
    look(app).map(|audit| report(&audit))
}

/// The same, with what would mend each problem.
pub fn plan_repairs(app: &App) -> Result<LedgerReport> {
    let audit = look(app)?;
    let repair = |problem: &audit::Problem| Repair {
        problem: problem.what.clone(),
        repair: problem.repair.clone(),
    };
    let repair_plan = Some(audit.problems.iter().map(repair).collect());
    Ok(LedgerReport { repair_plan, ..report(&audit) })
}

fn look(app: &App) -> Result<Audit> {
    let watches = app.watches.clone();
    let stopped = move || watches.is_closed();
    app.store.read_until(stopped.clone(), SystemScope::new(), |it| audit::run(it, &stopped))
}

fn report(audit: &Audit) -> LedgerReport {
    LedgerReport {
        ok: audit.problems.is_empty(),
        accounts: audit.accounts,
        entries: audit.entries,
        jobs: audit.jobs,
        problems: audit.problems.iter().map(|problem| problem.what.clone()).collect(),
        repair_plan: None,
    }
}

/// What the last proof found that this server made by itself.
#[derive(Debug, Default)]
pub struct LastAudit(Mutex<Option<Found>>);

/// What a proof found, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "LastLedgerAudit")]
pub struct Found {
    /// When.
    pub verified_at: Timestamp,
    /// How many problems; at most 100.
    pub problems: usize,
}

impl LastAudit {
    /// `None` where there was none since the start.
    pub fn found(&self) -> Option<Found> {
        *lock(&self.0)
    }
}

/// Proves that the books are right, logs what is not, and remembers it for the metrics.
pub fn watch(app: &App) -> Result<LedgerReport> {
    let report = verify(app)?;
    for problem in &report.problems {
        tracing::error!(problem, "the books are not right; see `skai-server ledger verify`");
    }
    let found = Found { verified_at: app.ambient.now(), problems: report.problems.len() };
    *lock(&app.last_audit.0) = Some(found);
    let LedgerReport { ok, accounts, entries, jobs, .. } = report;
    tracing::info!(ok, accounts, entries, jobs, "verified the ledger");
    Ok(report)
}
