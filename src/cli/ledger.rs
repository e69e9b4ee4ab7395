//! `ledger`: proves that the books are right.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{DONE, FAILED, Output, local::Local};
use crate::{ambient::Ambient, app::ledger_audit, config::Config};

#[derive(Subcommand)]
pub(super) enum Ledger {
    /// Check that balances, ledger, grants and jobs agree; exit 1 where they do not
    Verify(Verify),
}

#[derive(Args)]
pub(super) struct Verify {
    #[command(flatten)]
    output: Output,
}

impl Ledger {
    pub(super) fn run(self, config: &Config, ambient: Ambient) -> anyhow::Result<ExitCode> {
        let Self::Verify(verify) = self;
        let local = Local::open(config, ambient)?;
        let report = ledger_audit::verify(&local.app)?;
        let counted = format!(
            "{} accounts, {} entries, {} jobs",
            report.accounts, report.entries, report.jobs
        );
        let text = if report.ok {
            format!("ok: {counted}")
        } else {
            format!("WRONG: {counted}\n{}", report.problems.join("\n"))
        };
        verify.output.print(&report, &text)?;
        local.close();
        Ok(if report.ok { DONE } else { ExitCode::from(FAILED) })
    }
}
