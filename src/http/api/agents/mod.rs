//! `/v1/agents`: prompts with a name, versions and contracts, and their runs.

mod body;
mod health;
mod routes;

use std::time::Duration;

use hyper::{StatusCode, header::HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use routes::{routes, runs};

use super::jobs::{accepted, patience, wait_for};
use crate::{
    app::{
        agents::{self, Run, health as app_health},
        jobs::{self, Submitted},
    },
    domain::{AgentRequest, Error, Page, Result, RunRequest, VersionRequest},
    http::{reply::Reply, request::Request},
};
use body::{AgentBody, VersionBody, agent_bytes, version_bytes};
use health::HealthBody;

/// Which version to activate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AgentActivation")]
pub(in crate::http::api) struct ActivateRequest {
    /// One of the agent's versions.
    #[schemars(range(min = 1))]
    version: u32,
}

/// `POST /v1/agents`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let (body, caller): (AgentRequest, _) = (request.json()?, request.caller()?);
    let idempotency = request.idempotency;
    let create = move |app: &_| agents::create(app, &caller, &body, idempotency, agent_bytes);
    let done = request.blocking(create).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// `GET /v1/agents`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, scope) = (request.page()?, request.session()?.scope);
    let archived = request.query("archived", "true or false")?.unwrap_or(false);
    let page = request.blocking(move |app| agents::list(app, scope, archived, &page)).await?;
    let bodies = page.data.iter().map(AgentBody::of).collect::<Result<Vec<_>>>()?;
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/agents/{name}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (name, scope) = (request.segment("name")?.to_owned(), request.session()?.scope);
    let found = request.blocking(move |app| agents::get(app, scope, &name)).await?;
    Reply::ok(&AgentBody::of(&found)?)
}

/// `DELETE /v1/agents/{name}`
pub(super) async fn archive(request: Request) -> Result<Reply> {
    let (name, caller) = (request.segment("name")?.to_owned(), request.caller()?);
    agents::archive(&request.app, &caller, name).await?;
    Ok(Reply::no_content())
}

/// `GET /v1/agents/{name}/versions`
pub(super) async fn versions(request: Request) -> Result<Reply> {
    let (name, page) = (request.segment("name")?.to_owned(), request.page()?);
    let scope = request.session()?.scope;
    let listed = request.blocking(move |app| agents::versions(app, scope, &name, &page)).await?;
    let (agent, page) = listed;
    let bodies = page.data.iter().map(|version| VersionBody::of(&agent, version));
    Reply::ok(&Page::of(bodies.collect::<Result<Vec<_>>>()?, page.next_cursor))
}

/// `GET /v1/agents/{name}/versions/{n}`
pub(super) async fn version(request: Request) -> Result<Reply> {
    let (name, scope) = (request.segment("name")?.to_owned(), request.session()?.scope);
    let n = request.segment("n")?.parse();
    let n = n.map_err(|_| Error::not_found("version of an agent"))?;
    let found = request.blocking(move |app| agents::version(app, scope, &name, n)).await?;
    Reply::ok(&VersionBody::of(&found.agent, &found.version)?)
}

/// `POST /v1/agents/{name}/versions`
pub(super) async fn add_version(request: Request) -> Result<Reply> {
    let (body, caller): (VersionRequest, _) = (request.json()?, request.caller()?);
    let (name, idempotency) = (request.segment("name")?.to_owned(), request.idempotency);
    let add =
        move |app: &_| agents::add_version(app, &caller, name, &body, idempotency, version_bytes);
    let done = request.blocking(add).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// `POST /v1/agents/{name}/activate`
pub(super) async fn activate(request: Request) -> Result<Reply> {
    let (body, caller): (ActivateRequest, _) = (request.json()?, request.caller()?);
    let (app, idempotency) = (&request.app, request.idempotency);
    let name = request.segment("name")?.to_owned();
    let done = agents::activate(app, &caller, name, body.version, idempotency, agent_bytes).await?;
    Ok(Reply::json_bytes(StatusCode::OK, done.body).replayed(done.replayed))
}

/// `GET /v1/agents/{name}/health`
pub(super) async fn health(request: Request) -> Result<Reply> {
    let (name, scope) = (request.segment("name")?.to_owned(), request.session()?.scope);
    let hours = app_health::parse_window(request.query_text("window").unwrap_or("24h"))?;
    let found = request.blocking(move |app| app_health::health(app, scope, &name, hours)).await?;
    Reply::ok(&HealthBody::of(&found))
}

/// `POST /v1/agents/{name}/runs`
pub(super) async fn run(request: Request) -> Result<Reply> {
    let (body, caller): (RunRequest, _) = (request.json()?, request.caller()?);
    let (name, patience) = (request.segment("name")?.to_owned(), patience(&request)?);
    let (scope, idempotency) = (caller.scope, request.idempotency);
    let on_behalf = caller.clone();
    let run = request.blocking(move |app| {
        agents::prepare_run(app, &on_behalf, &name, &body, idempotency.as_ref())
    });
    let Submitted { job, replayed } = match run.await? {
        Run::New(new) => jobs::submit(&request.app, &caller, *new, idempotency).await?,
        Run::Accepted(job) => Submitted { job: *job, replayed: true },
    };
    let location =
        HeaderValue::from_str(&format!("/v1/jobs/{}", job.id)).map_err(Error::internal)?;
    let job = match patience {
        Duration::ZERO => job,
        patience => wait_for(&request, scope, job.id, patience).await?,
    };
    let reply = Reply::json_bytes(StatusCode::ACCEPTED, accepted(&job)?).replayed(replayed);
    Ok(reply.header("location", location))
}
