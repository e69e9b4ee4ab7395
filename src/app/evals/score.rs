//! Judging a run of an eval, once its batch has ended: outputs are read outside the writer, and all verdicts
//! are written in one transaction.

use std::sync::Arc;

use crate::{
    app::App,
    domain::{CaseOutcome, Error, EvalCase, EvalRunId, JobStatus, Result},
    store::{
        AccountScope, SystemScope,
        evals::{self, EvalResult, Verdict},
    },
};

/// Runs that one round judges.
const RUNS: u32 = 4;
/// Outcomes that are read at a time.
const OUTCOMES: usize = 100;

/// Judges runs whose batches ended; gives how many. One that cannot be judged does not keep the others from it.
pub fn score_ended(app: &Arc<App>) -> Result<usize> {
    let ended = app.store.read(SystemScope::new(), |snapshot| evals::to_score(snapshot, RUNS))?;
    let scored: Vec<_> = ended.into_iter().map(|(scope, run)| score(app, scope, run)).collect();
    scored.into_iter().try_fold(0, |count, scored| Ok(count + usize::from(scored?)))
}

fn score(app: &App, scope: AccountScope, run: EvalRunId) -> Result<bool> {
    let verdicts = judge(app, scope, run)?;
    app.store.write(scope, move |tx| evals::score(tx, run, &verdicts)).wait()
}

fn judge(app: &App, scope: AccountScope, id: EvalRunId) -> Result<Vec<Verdict>> {
    let gone = || Error::internal("a run of an eval is gone");
    let (run, eval) = app.store.read(scope, |snapshot| {
        let run = evals::find_run(snapshot, id)?.ok_or_else(gone)?;
        let eval = evals::by_seq(snapshot, run.eval)?.ok_or_else(gone)?;
        Ok((run, eval))
    })?;
    let cases: Vec<EvalCase> = serde_json::from_str(eval.cases.get()).map_err(Error::internal)?;
    let (mut verdicts, mut after, mut is_more) = (Vec::with_capacity(cases.len()), 0, true);
    while is_more {
        let page = app.store.read(scope, |it| evals::outcomes(it, run.seq, after, OUTCOMES))?;
        for result in &page.rows {
            after = result.n;
            let case = usize::try_from(result.n - 1).ok().and_then(|at| cases.get(at));
            verdicts.extend(verdict(case.ok_or_else(gone)?, result)?);
        }
        is_more = page.has_more;
    }
    Ok(verdicts)
}

/// The verdict on a case, unless it made no job: then it has one.
fn verdict(case: &EvalCase, result: &EvalResult) -> Result<Option<Verdict>> {
    if result.passed.is_some() {
        return Ok(None);
    }
    let outcome = CaseOutcome {
        status: result.status.unwrap_or(JobStatus::Failed),
        output: result.output.as_deref(),
        text: result.output_text.as_deref(),
        error: result.error.as_ref(),
        latency_ms: result.latency_ms,
        charged: result.charged.unwrap_or_default(),
    };
    let reasons = case.score(&outcome)?;
    let passed = reasons.is_empty();
    let reasons = serde_json::to_string(&reasons).map_err(Error::internal)?;
    Ok(Some(Verdict { n: result.n, passed, reasons }))
}
