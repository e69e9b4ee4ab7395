//! `/v1/agents/{name}/evals`: cases that an agent is judged by, their runs, and comparisons of two.

mod body;
mod routes;

use std::{sync::Arc, time::Duration};

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use routes::routes;

use crate::{
    app::evals,
    domain::{Error, EvalId, EvalRequest, EvalRunId, Page, Result},
    http::{
        api::jobs::{patience, until},
        reply::Reply,
        request::{AN_ID, Request},
    },
};
use body::{ComparisonBody, EvalBody, ReportBody, RunBody, eval_bytes, run_bytes};

/// Which version to put to an eval.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EvalRunCreate")]
pub(in crate::http::api) struct RunRequest {
    /// A version other than the active one.
    #[schemars(range(min = 1))]
    version: Option<u32>,
}

/// `POST /v1/agents/{name}/evals`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let (body, caller): (EvalRequest, _) = (request.json()?, request.caller()?);
    let (agent, idempotency) = (request.segment("name")?.to_owned(), request.idempotency);
    let create = move |app: &_| evals::create(app, &caller, agent, &body, idempotency, eval_bytes);
    let done = request.heavy(create).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// `GET /v1/agents/{name}/evals`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (agent, page) = (request.segment("name")?.to_owned(), request.page()?);
    let scope = request.session()?.scope;
    let page = request.blocking(move |app| evals::list(app, scope, &agent, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(EvalBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/agents/{name}/evals/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (agent, id) = (request.segment("name")?.to_owned(), request.id::<EvalId>("id")?);
    let scope = request.session()?.scope;
    let eval = request.blocking(move |app| evals::get(app, scope, &agent, id)).await?;
    Reply::ok(&EvalBody::of(&eval))
}

/// `POST /v1/agents/{name}/evals/{id}/runs`
pub(super) async fn run(request: Request) -> Result<Reply> {
    let (body, caller): (RunRequest, _) = (request.json()?, request.caller()?);
    let (agent, id) = (request.segment("name")?.to_owned(), request.id::<EvalId>("id")?);
    let idempotency = request.idempotency;
    let run =
        move |app: &_| evals::run(app, &caller, &agent, id, body.version, idempotency, run_bytes);
    let done = request.heavy(run).await?;
    Ok(Reply::json_bytes(StatusCode::ACCEPTED, done.body).replayed(done.replayed))
}

/// `GET /v1/agents/{name}/evals/{id}/runs`
pub(super) async fn runs(request: Request) -> Result<Reply> {
    let (agent, id) = (request.segment("name")?.to_owned(), request.id::<EvalId>("id")?);
    let (page, scope) = (request.page()?, request.session()?.scope);
    let page = request.blocking(move |app| evals::runs(app, scope, &agent, id, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(RunBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/agents/{name}/evals/{id}/runs/{run_id}`
pub(super) async fn report(request: Request) -> Result<Reply> {
    let (id, run) = ids(&request).await?;
    let scope = request.session()?.scope;
    let look = move |app: &Arc<_>| evals::report(app, scope, id, run);
    let report = match patience(&request)? {
        Duration::ZERO => request.blocking(look).await?,
        patience => {
            let watch = request.app.watches.eval_run(run)?;
            until(&request, watch, patience, look, |it| it.run.finished_at.is_some()).await?
        }
    };
    Reply::ok(&ReportBody::of(&report))
}

/// `GET /v1/agents/{name}/evals/{id}/runs/{run_id}/compare`
pub(super) async fn compare(request: Request) -> Result<Reply> {
    let (id, run) = ids(&request).await?;
    let scope = request.session()?.scope;
    let with = request.query::<EvalRunId>("with", AN_ID)?;
    let with = with.ok_or_else(|| Error::invalid("with", "with names the other run; give it"))?;
    let compared = request.blocking(move |app| evals::compare(app, scope, id, run, with)).await?;
    Reply::ok(&ComparisonBody::of(&compared))
}

/// The eval and run of the path, whose agent has that eval.
async fn ids(request: &Request) -> Result<(EvalId, EvalRunId)> {
    let (agent, id) = (request.segment("name")?.to_owned(), request.id::<EvalId>("id")?);
    let (run, scope) = (request.id("run_id")?, request.session()?.scope);
    request.blocking(move |app| evals::get(app, scope, &agent, id)).await?;
    Ok((id, run))
}
