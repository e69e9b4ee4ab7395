//! Two runs of an eval beside each other: which cases got better, which worse.

use super::{RunReport, report};
use crate::{
    app::App,
    domain::{Error, ErrorKind, EvalId, EvalRunId, Result},
    store::{AccountScope, evals::EvalRun},
};

/// A case of which both runs have a verdict.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Its place in the eval, from 1.
    pub n: i64,
    /// Its name.
    pub name: Option<String>,
    /// Whether it passed in the run.
    pub passed: bool,
}

/// What changed from one run to another.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The run.
    pub run: EvalRun,
    /// The one that it is compared with.
    pub with: EvalRun,
    /// Passed, and did not before.
    pub better: Vec<Compared>,
    /// Did not pass, and did before.
    pub worse: Vec<Compared>,
    /// As before.
    pub stayed: Vec<Compared>,
}

/// Compares a run of an eval with another of the same. [`ErrorKind::Conflict`] while one of them is not over.
/// Blocks while it reads.
pub fn compare(
    app: &App,
    scope: AccountScope,
    eval: EvalId,
    run: EvalRunId,
    with: EvalRunId,
) -> Result<Comparison> {
    let before = report(app, scope, eval, with).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            Error::invalid("with", "with must be the id of another run of this eval")
        }
        _ => error,
    })?;
    let now = report(app, scope, eval, run)?;
    if now.run.finished_at.is_none() || before.run.finished_at.is_none() {
        let message = "a run is not over; compare them once both are";
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    Ok(compared(now, before))
}

fn compared(now: RunReport, before: RunReport) -> Comparison {
    let RunReport { run, results, mut names } = now;
    let (mut better, mut worse, mut stayed) = (Vec::new(), Vec::new(), Vec::new());
    // Both have all cases of the eval, in their order.
    for (result, earlier) in results.iter().zip(&before.results) {
        let passed = result.passed == Some(true);
        let list = match (passed, earlier.passed == Some(true)) {
            (true, false) => &mut better,
            (false, true) => &mut worse,
            _ => &mut stayed,
        };
        list.push(Compared { n: result.n, name: names.remove(&result.n), passed });
    }
    Comparison { run, with: before.run, better, worse, stayed }
}
