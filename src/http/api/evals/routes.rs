//! The rows of evals in the table of all routes.

use hyper::StatusCode;

use super::{
    RunRequest,
    body::{ComparisonBody, EvalBody, ReportBody, RunBody},
};
use crate::{
    domain::{ErrorKind, EvalRequest, EvalRunId, Page, Scope},
    http::routes::{Route, Whole, handler},
};

const ALL: &str = "/v1/agents/{name}/evals";
const ONE: &str = "/v1/agents/{name}/evals/{id}";
const RUNS: &str = "/v1/agents/{name}/evals/{id}/runs";
const RUN: &str = "/v1/agents/{name}/evals/{id}/runs/{run_id}";
const COMPARE: &str = "/v1/agents/{name}/evals/{id}/runs/{run_id}/compare";

/// Evals, their runs, and comparisons of two.
pub(in crate::http::api) fn routes() -> [Route; 7] {
    [
        Route::post(ALL, "createEval", handler!(super::create))
            .summary("Adds cases that the agent is judged by. They never change.")
            .scope(Scope::AgentsWrite)
            .takes::<EvalRequest>()
            .answers::<EvalBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::InvalidSchema, ErrorKind::Conflict]),
        Route::get(ALL, "listEvals", handler!(super::list))
            .summary("Lists the agent's evals, newest first. A page of large ones ends at some 4 MiB.")
            .scope(Scope::AgentsRead)
            .paged()
            .answers::<Page<EvalBody<'_>>>(StatusCode::OK),
        Route::get(ONE, "getEval", handler!(super::get))
            .summary("Shows an eval.")
            .scope(Scope::AgentsRead)
            .answers::<EvalBody<'_>>(StatusCode::OK),
        Route::post(RUNS, "createEvalRun", handler!(super::run))
            .summary(
                "Puts a version of the agent to an eval: its cases run as a batch, in the background, \
                 and are judged once all have ended.",
            )
            .scope(Scope::JobsWrite)
            .may_take::<RunRequest>()
            .answers::<RunBody<'_>>(StatusCode::ACCEPTED)
            .spends()
            .errors(&[
                ErrorKind::UnknownModel,
                ErrorKind::ModelNotPriced,
                ErrorKind::Conflict,
            ]),
        Route::get(RUNS, "listEvalRuns", handler!(super::runs))
            .summary("Lists the eval's runs, newest first.")
            .scope(Scope::AgentsRead)
            .paged()
            .answers::<Page<RunBody<'_>>>(StatusCode::OK),
        Route::get(RUN, "getEvalRun", handler!(super::report))
            .summary("Shows a run and what became of each case; waits until all are judged where asked to.")
            .scope(Scope::AgentsRead)
            .query::<Whole<0, 60>>("wait", "Seconds to wait until all cases are judged.")
            .answers::<ReportBody<'_>>(StatusCode::OK),
        Route::get(COMPARE, "compareEvalRuns", handler!(super::compare))
            .summary("Shows which cases got better and which worse from another run to this.")
            .scope(Scope::AgentsRead)
            .query::<EvalRunId>("with", "The other run, of the same eval; required.")
            .answers::<ComparisonBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::Conflict]),
    ]
}
