//! Judging runs of evals, once their batches have ended: a part at a time, as outputs and schemas may be large.
//! All verdicts on a run are written in one transaction.

use std::sync::Arc;

use crate::{
    app::App,
    domain::{CaseOutcome, Error, EvalCase, JobStatus, Result},
    store::{
        SystemScope,
        evals::{self, EndedRun, EvalResult, Verdict},
    },
};

/// Cases that are judged at a time.
const CASES: usize = 20;

/// The first run after internal number `after` whose batch ended and that has no verdicts. Blocks while it
/// reads.
pub fn next_to_judge(app: &App, after: i64) -> Result<Option<EndedRun>> {
    app.store.read(SystemScope::new(), |snapshot| evals::to_score(snapshot, after))
}

/// A run that is being judged.
pub struct Judgement {
    run: EndedRun,
    cases: Vec<EvalCase>,
    verdicts: Vec<Verdict>,
    /// The last case that was looked at.
    after: i64,
}

impl Judgement {
    /// No verdict yet. Blocks while it reads.
    pub fn begin(app: &App, run: EndedRun) -> Result<Self> {
        let found = app.store.read(run.account, |snapshot| {
            let run = evals::find_run(snapshot, run.id)?.ok_or_else(gone)?;
            evals::by_seq(snapshot, run.eval)?.ok_or_else(gone)
        });
        let eval = found?;
        let cases = serde_json::from_str(eval.cases.get()).map_err(Error::internal)?;
        Ok(Self { run, cases, verdicts: Vec::new(), after: 0 })
    }

    /// Judges some more cases; `None` once all verdicts are written. Blocks.
    pub fn go_on(mut self, app: &Arc<App>) -> Result<Option<Self>> {
        let EndedRun { account, seq, id } = self.run;
        let page = app.store.read(account, |it| evals::outcomes(it, seq, self.after, CASES))?;
        for result in &page.rows {
            self.after = result.n;
            let case = usize::try_from(result.n - 1).ok().and_then(|at| self.cases.get(at));
            self.verdicts.extend(verdict(app, case.ok_or_else(gone)?, result)?);
        }
        if page.has_more {
            return Ok(Some(self));
        }
        let verdicts = self.verdicts;
        app.store.write(account, move |tx| evals::score(tx, id, &verdicts)).wait()?;
        Ok(None)
    }
}

fn gone() -> Error {
    Error::internal("a run of an eval is gone")
}

/// The verdict on a case, unless it made no job: then it has one.
fn verdict(app: &App, case: &EvalCase, result: &EvalResult) -> Result<Option<Verdict>> {
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
    let reasons = case.score(&outcome, &|schema| app.contracts.compile(schema, "schema"))?;
    let passed = reasons.is_empty();
    let reasons = serde_json::to_string(&reasons).map_err(Error::internal)?;
    Ok(Some(Verdict { n: result.n, passed, reasons }))
}
