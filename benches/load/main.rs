//! The load benchmark. `benches/README.md` tells how to run it and what its numbers mean.
//!
//! The release server runs as a child process on a data folder of its own; this process is
//! everything around it: the clients, the provider and the webhook endpoints.

#![expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
#![expect(clippy::print_stdout, reason = "the report is what a user runs this for")]

mod case;
mod drive;
mod outside;
mod process;
mod report;
mod server;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::{case::Case, report::Report, server::Installation};

/// Measures skai-server: accept rate, end-to-end rate, queue, memory, start time.
#[derive(Parser)]
struct Options {
    /// Run only the cases whose name contains one of these words
    words: Vec<String>,
    /// Run a twentieth of the jobs: shows that everything works, not how fast
    #[arg(long)]
    quick: bool,
    /// Write the results to this file too, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measure this server instead of the one that cargo has built
    #[arg(long, default_value = env!("CARGO_BIN_EXE_skai-server"))]
    server: PathBuf,
    /// Set by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if !options.bench {
        // `cargo test --benches` runs benchmarks as tests, unoptimised: nothing to measure there.
        println!("run me by `cargo bench --bench load`");
        return Ok(());
    }
    let cases = chosen(&options.words);
    ensure!(!cases.is_empty(), "no case is named like that");

    let template = Installation::prepare(&options.server).context("preparing accounts and keys")?;
    let mut report = Report::new(options.quick);
    for case in cases {
        let metrics =
            case.run(&template, options.quick).with_context(|| format!("case {}", case.name()))?;
        report.add(case.name(), metrics);
    }
    if let Some(path) = &options.json {
        report.write(path)?;
    }
    Ok(())
}

fn chosen(words: &[String]) -> Vec<Case> {
    let wanted = |name: String| words.is_empty() || words.iter().any(|word| name.contains(word));
    Case::all().into_iter().filter(|case| wanted(case.name())).collect()
}
