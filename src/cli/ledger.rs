//! `ledger`: proves that the books are right.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{DONE, FAILED, Output, local::Local};
use crate::{
    ambient::Ambient,
    app::ledger_audit::{self, LedgerReport, plan_repairs},
    config::Config,
};

#[derive(Subcommand)]
pub(super) enum Ledger {
    /// Check that balances, ledger, grants and jobs agree; exit 1 where they do not
    Verify(Verify),
}

#[derive(Args)]
pub(super) struct Verify {
    /// Also say what would mend each problem; nothing is changed
    #[arg(long)]
    repair_plan: bool,
    #[command(flatten)]
    output: Output,
}

impl Ledger {
    pub(super) fn run(self, config: &Config, ambient: Ambient) -> anyhow::Result<ExitCode> {
        let Self::Verify(verify) = self;
        let local = Local::open(config, ambient)?;
        let look = if verify.repair_plan { plan_repairs } else { ledger_audit::verify };
        let report = look(&local.app)?;
        let counted = format!(
            "{} accounts, {} entries, {} jobs",
            report.accounts, report.entries, report.jobs
        );
        let text = if report.ok {
            format!("ok: {counted}")
        } else {
            format!("WRONG: {counted}\n{}", lines(&report).join("\n"))
        };
        verify.output.print(&report, &text)?;
        local.close();
        Ok(if report.ok { DONE } else { ExitCode::from(FAILED) })
    }
}

/// The problems, each followed by what would mend it where that was asked for.
fn lines(report: &LedgerReport) -> Vec<String> {
    match &report.repair_plan {
        None => report.problems.clone(),
        Some(plan) => plan
            .iter()
            .map(|it| format!("{}\n  would mend it: {}", it.problem, it.repair))
            .collect(),
    }
}
