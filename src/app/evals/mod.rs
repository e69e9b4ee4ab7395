//! What can be done with evals: cases for an agent, their runs as batches, and comparisons of two runs.

mod compare;
mod score;

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;

pub use compare::{Compared, Comparison, compare};
pub use score::{Judgement, next_to_judge};

use super::{
    App, Caller, Reply, Secrecy,
    agents::{self, Ready, Versioned},
    batches, jobs, once,
};
use crate::{
    domain::{
        Cursor, Error, ErrorKind, EvalCase, EvalId, EvalRequest, EvalRunId, Idempotency, Page,
        PageRequest, Result, RunRequest,
    },
    store::{
        AccountScope, Commit, Snapshot,
        evals::{self, Eval, EvalResult, EvalRun, NewEval, NewEvalRun},
    },
};

/// Evals of one agent.
const EVALS_MAX: u32 = 1_000;
/// Evals of all agents of an account.
const ACCOUNT_EVALS_MAX: u32 = 10_000;
/// Runs of one eval. Those whose cases are all refused cost nothing, and all are kept.
const RUNS_MAX: u32 = 1_000;

/// A run of an eval with what became of each case, and the names of the cases.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The run.
    pub run: EvalRun,
    /// What became of each case, in their order.
    pub results: Vec<EvalResult>,
    /// The names of the cases that have one, by their places from 1.
    pub names: HashMap<i64, String>,
}

/// As much of a case as a report shows; the rest may be long.
#[derive(Deserialize)]
struct CaseName {
    name: Option<String>,
}

/// Adds an eval to an agent. Blocks, as schemas are compiled.
pub fn create(
    app: &Arc<App>,
    caller: &Caller,
    agent: String,
    new: &EvalRequest,
    request: Option<Idempotency>,
    render: once::Render<Eval>,
) -> Result<Reply> {
    if let Some(done) = once::answered(app, caller.scope, request.as_ref())? {
        return Ok(done);
    }
    new.check(&|schema| app.contracts.compile(schema, "schema"))?;
    let id = EvalId::from_uuid(app.ambient.uuid());
    let new = NewEval { id, name: new.name.clone(), cases: new.cases_json()? };
    let made = once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let Versioned { agent: of, .. } = agents::must_be_open(tx, &agent)?;
        if evals::count(tx, of.seq)? >= EVALS_MAX {
            return Err(full(&format!("the agent has {EVALS_MAX} evals"), "use those it has"));
        }
        if evals::count_all(tx)? >= ACCOUNT_EVALS_MAX {
            return Err(full(
                &format!("the account has {ACCOUNT_EVALS_MAX} evals"),
                "use those it has",
            ));
        }
        evals::insert(tx, of.seq, &new)?;
        must_find(tx, &agent, new.id)
    });
    made.wait()
}

/// The agent's eval of that id. Blocks while it reads.
pub fn get(app: &App, scope: AccountScope, agent: &str, id: EvalId) -> Result<Eval> {
    app.store.read(scope, |snapshot| must_find(snapshot, agent, id))
}

/// The agent's evals, newest first. Blocks while it reads.
pub fn list(app: &App, scope: AccountScope, agent: &str, page: &PageRequest) -> Result<Page<Eval>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(EvalId::from_uuid);
    let rows = app.store.read(scope, |snapshot| {
        let Versioned { agent, .. } = agents::must_find(snapshot, agent)?;
        evals::list(snapshot, agent.seq, before, page.limit)
    })?;
    Ok(Page::read(rows, |eval| Cursor::from_uuid(eval.id.uuid())))
}

/// Puts a version of the agent to an eval: its cases are accepted as a batch, or none. A case whose input the
/// version does not take makes no job and has failed. Blocks.
pub fn run(
    app: &Arc<App>,
    caller: &Caller,
    agent: &str,
    id: EvalId,
    version: Option<u32>,
    request: Option<Idempotency>,
    render: once::Render<EvalRun>,
) -> Result<Reply> {
    if let Some(done) = once::answered(app, caller.scope, request.as_ref())? {
        return Ok(done);
    }
    let eval = get(app, caller.scope, agent, id)?;
    let ready = agents::ready(app, caller.scope, agent, version)?;
    let (new, items) = prepare(app, caller, &eval, &ready)?;
    let batch = batches::of_eval(app, caller, items)?;
    accept(app, caller, new, batch, request, render).wait()
}

/// The run, and the jobs of those cases whose input the version takes.
fn prepare(
    app: &App,
    caller: &Caller,
    eval: &Eval,
    ready: &Ready,
) -> Result<(NewEvalRun, Vec<(String, jobs::Prepared)>)> {
    let cases: Vec<EvalCase> = serde_json::from_str(eval.cases.get()).map_err(Error::internal)?;
    let total = u64::try_from(cases.len()).unwrap_or(u64::MAX);
    let catalog = app.catalog.current();
    let mut allowance = batches::Allowance::new(app);
    let (mut items, mut taken, mut refused) =
        (Vec::with_capacity(cases.len()), Vec::new(), Vec::new());
    for (n, case) in (1..).zip(cases) {
        let draft = ready.draft(&RunRequest::of(Some(case.input)));
        match draft {
            Ok(draft) => {
                let prepared = jobs::draft(app, &catalog, caller, draft)?;
                allowance.spend(app, &prepared)?;
                items.push((n.to_string(), prepared));
                taken.push(n);
            }
            Err(error) if error.kind() == ErrorKind::InputSchemaMismatch => {
                let reasons = serde_json::to_string(&[error.message()]);
                refused.push((n, reasons.map_err(Error::internal)?));
            }
            Err(error) => return Err(error),
        }
    }
    let id = EvalRunId::from_uuid(app.ambient.uuid());
    let version = ready.agent().version;
    Ok((NewEvalRun { id, eval: eval.seq, version, total, taken, refused }, items))
}

fn accept(
    app: &Arc<App>,
    caller: &Caller,
    new: NewEvalRun,
    mut batch: Option<batches::PreparedBatch>,
    request: Option<Idempotency>,
    render: once::Render<EvalRun>,
) -> Commit<Reply> {
    let this = Arc::clone(app);
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        if evals::count_runs(tx, new.eval)? >= RUNS_MAX {
            return Err(full(&format!("the eval has {RUNS_MAX} runs"), "make another eval"));
        }
        let batch = match &mut batch {
            Some(batch) => Some(batches::accept(&this, tx, batch)?.seq),
            None => None,
        };
        evals::insert_run(tx, &new, batch)?;
        evals::find_run(tx, new.id)?.ok_or_else(no_run)
    })
}

/// The eval's runs, newest first. Blocks while it reads.
pub fn runs(
    app: &App,
    scope: AccountScope,
    agent: &str,
    id: EvalId,
    page: &PageRequest,
) -> Result<Page<EvalRun>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(EvalRunId::from_uuid);
    let rows = app.store.read(scope, |snapshot| {
        let eval = must_find(snapshot, agent, id)?;
        evals::runs(snapshot, eval.seq, before, super::one_more(page))
    })?;
    Ok(Page::cut(rows, page.limit, |run| Cursor::from_uuid(run.id.uuid())))
}

/// A run of the eval and what became of its cases. Blocks while it reads.
pub fn report(app: &App, scope: AccountScope, eval: EvalId, run: EvalRunId) -> Result<RunReport> {
    app.store.read(scope, |snapshot| {
        let run = must_find_run(snapshot, eval, run)?;
        let results = evals::results(snapshot, run.seq)?;
        let eval = evals::by_seq(snapshot, run.eval)?.ok_or_else(no_run)?;
        let cases: Vec<CaseName> =
            serde_json::from_str(eval.cases.get()).map_err(Error::internal)?;
        let named = (1..).zip(cases).filter_map(|(n, case)| Some((n, case.name?)));
        Ok(RunReport { run, results, names: named.collect() })
    })
}

fn must_find(snapshot: &Snapshot<'_, AccountScope>, agent: &str, id: EvalId) -> Result<Eval> {
    evals::find(snapshot, agent, id)?.ok_or_else(|| Error::not_found("eval"))
}

fn must_find_run(
    snapshot: &Snapshot<'_, AccountScope>,
    eval: EvalId,
    run: EvalRunId,
) -> Result<EvalRun> {
    evals::find_run(snapshot, run)?.filter(|run| run.eval_id == eval).ok_or_else(no_run)
}

fn full(what: &str, way_out: &str) -> Error {
    let message = format!("{what}, which is as many as it may have; {way_out}");
    Error::new(ErrorKind::Conflict, message)
}

fn no_run() -> Error {
    Error::not_found("run of an eval")
}
