//! Evals and their runs as clients see them.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::{
    app::evals::{Compared, Comparison, RunReport},
    domain::{BatchId, Credits, EvalCase, EvalId, EvalRunId, JobId, Result, Timestamp, ratio},
    http::api::json,
    store::evals::{Eval, EvalResult, EvalRun},
};

/// Cases that an agent is judged by.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Eval")]
pub(super) struct EvalBody<'a> {
    id: EvalId,
    #[schemars(extend("const" = "eval"))]
    object: &'static str,
    /// The agent's name.
    agent: &'a str,
    name: &'a str,
    #[schemars(with = "Vec<EvalCase>")]
    cases: &'a RawValue,
    created_at: Timestamp,
}

impl<'a> EvalBody<'a> {
    pub(super) fn of(eval: &'a Eval) -> Self {
        Self {
            id: eval.id,
            object: "eval",
            agent: &eval.agent,
            name: &eval.name,
            cases: &eval.cases,
            created_at: eval.created_at,
        }
    }
}

pub(super) fn eval_bytes(eval: &Eval) -> Result<Vec<u8>> {
    json(&EvalBody::of(eval))
}

/// Where a run of an eval stands.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EvalRunStatus")]
enum RunStatus {
    /// Its jobs are not over, or not judged.
    Running,
    /// All cases are judged.
    Completed,
}

/// How many cases stand where.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EvalRunCounts")]
struct Counts {
    total: u64,
    passed: u64,
    failed: u64,
    /// Not judged yet.
    pending: u64,
}

/// A version of an agent put to an eval.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EvalRun")]
pub(super) struct RunBody<'a> {
    id: EvalRunId,
    #[schemars(extend("const" = "eval_run"))]
    object: &'static str,
    eval_id: EvalId,
    /// The agent's name.
    agent: &'a str,
    version: u32,
    status: RunStatus,
    counts: Counts,
    /// The part of cases that passed; null until all are judged.
    pass_rate: Option<f64>,
    /// The batch of its jobs; null where no case made one.
    batch_id: Option<BatchId>,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
}

impl<'a> RunBody<'a> {
    pub(super) fn of(run: &'a EvalRun) -> Self {
        let EvalRun { total, passed, failed, .. } = *run;
        let is_over = run.finished_at.is_some();
        Self {
            id: run.id,
            object: "eval_run",
            eval_id: run.eval_id,
            agent: &run.agent,
            version: run.version,
            status: if is_over { RunStatus::Completed } else { RunStatus::Running },
            counts: Counts { total, passed, failed, pending: total - passed - failed },
            pass_rate: if is_over { ratio(passed, total) } else { None },
            batch_id: run.batch_id,
            created_at: run.created_at,
            finished_at: run.finished_at,
        }
    }
}

pub(super) fn run_bytes(run: &EvalRun) -> Result<Vec<u8>> {
    json(&RunBody::of(run))
}

/// What became of a case.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EvalResult")]
struct ResultBody<'a> {
    /// Its place in the eval, from 1.
    case: i64,
    name: Option<&'a str>,
    /// Null where the version does not take the input.
    job_id: Option<JobId>,
    /// Null until it is judged.
    passed: Option<bool>,
    /// Why it did not pass.
    #[schemars(with = "Vec<String>")]
    reasons: Reasons<'a>,
    /// The validated output, or else what the model said. Outputs beyond the first 4 MiB of a run are null; the
    /// jobs have them.
    #[schemars(with = "Option<Value>")]
    output: Option<Output<'a>>,
    latency_ms: Option<u64>,
    credits_charged: Option<Credits>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Reasons<'a> {
    Some(&'a RawValue),
    None([&'static str; 0]),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Output<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

impl<'a> ResultBody<'a> {
    fn of(result: &'a EvalResult, names: &'a HashMap<i64, String>) -> Self {
        let text = result.output_text.as_deref().map(Output::Text);
        Self {
            case: result.n,
            name: names.get(&result.n).map(String::as_str),
            job_id: result.job,
            passed: result.passed,
            reasons: result.reasons.as_deref().map_or(Reasons::None([]), Reasons::Some),
            output: result.output.as_deref().map(Output::Json).or(text),
            latency_ms: result.latency_ms,
            credits_charged: result.charged,
        }
    }
}

/// A run of an eval and what became of each case.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EvalRunReport")]
pub(super) struct ReportBody<'a> {
    #[serde(flatten)]
    run: RunBody<'a>,
    results: Vec<ResultBody<'a>>,
}

impl<'a> ReportBody<'a> {
    pub(super) fn of(report: &'a RunReport) -> Self {
        let results = report.results.iter().map(|it| ResultBody::of(it, &report.names));
        Self { run: RunBody::of(&report.run), results: results.collect() }
    }
}

/// A case that both runs judged.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EvalComparedCase")]
struct ComparedBody<'a> {
    /// Its place in the eval, from 1.
    case: i64,
    name: Option<&'a str>,
    /// Whether it passed in the run.
    passed: bool,
}

/// Two runs of an eval beside each other.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EvalComparison")]
pub(super) struct ComparisonBody<'a> {
    #[schemars(extend("const" = "eval_comparison"))]
    object: &'static str,
    run: RunBody<'a>,
    /// The run that it is compared with.
    with: RunBody<'a>,
    /// Cases that passed in the run and did not in the other.
    better: Vec<ComparedBody<'a>>,
    /// Cases that did not pass in the run and did in the other.
    worse: Vec<ComparedBody<'a>>,
    /// The other cases.
    stayed: Vec<ComparedBody<'a>>,
}

impl<'a> ComparisonBody<'a> {
    pub(super) fn of(comparison: &'a Comparison) -> Self {
        let cases = |list: &'a [Compared]| {
            let body = |it: &'a Compared| ComparedBody {
                case: it.n,
                name: it.name.as_deref(),
                passed: it.passed,
            };
            list.iter().map(body).collect()
        };
        Self {
            object: "eval_comparison",
            run: RunBody::of(&comparison.run),
            with: RunBody::of(&comparison.with),
            better: cases(&comparison.better),
            worse: cases(&comparison.worse),
            stayed: cases(&comparison.stayed),
        }
    }
}
