//! `/v1/agents`: prompts with a name, versions and contracts, and their runs.

use std::time::Duration;

use hyper::{StatusCode, header::HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::{
    jobs::{JobBody, accepted, patience, wait_for},
    json,
};
use crate::{
    app::{
        agents::{self, Run, Versioned},
        jobs::{self, Submitted},
    },
    domain::{
        AgentId, AgentRequest, AgentVersionId, Error, Message, Page, Parameters, Result,
        RunRequest, Timestamp, VersionRequest,
    },
    http::{reply::Reply, request::Request},
    store::agents::{Agent, AgentVersion},
};

/// What a version says, as part of it and of its agent.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AgentDefinition")]
struct DefinitionBody<'a> {
    model: &'a str,
    /// Models to try where the first cannot answer.
    fallback_models: Vec<String>,
    /// The prompt, whose contents are templates.
    #[schemars(with = "Vec<Message>")]
    messages: &'a RawValue,
    #[schemars(with = "Option<Map<String, Value>>")]
    input_schema: Option<&'a RawValue>,
    #[schemars(with = "Option<Map<String, Value>>")]
    output_schema: Option<&'a RawValue>,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    top_p: Option<f64>,
    stop: Vec<String>,
    seed: Option<i64>,
    timeout_ms: Option<u64>,
    /// Null where the operator decides.
    max_repairs: Option<u32>,
    /// What strict modes of providers would refuse in `output_schema`.
    #[schemars(with = "Vec<WarningBody>")]
    warnings: &'a RawValue,
}

/// A place in `output_schema` that some provider would refuse.
#[derive(JsonSchema)]
#[schemars(rename = "SchemaWarning")]
#[expect(dead_code, reason = "only its schema is used: warnings are stored as JSON")]
struct WarningBody {
    /// JSON Pointer into the schema.
    path: String,
    message: String,
}

impl<'a> DefinitionBody<'a> {
    fn of(version: &'a AgentVersion) -> Result<Self> {
        let parameters: Parameters =
            serde_json::from_str(&version.parameters).map_err(Error::internal)?;
        Ok(Self {
            model: &version.model,
            fallback_models: parameters.fallback_models,
            messages: &version.messages,
            input_schema: version.input_schema.as_deref(),
            output_schema: version.output_schema.as_deref(),
            temperature: parameters.temperature,
            max_tokens: parameters.max_tokens,
            top_p: parameters.top_p,
            stop: parameters.stop,
            seed: parameters.seed,
            timeout_ms: parameters.timeout_ms,
            max_repairs: parameters.max_repairs,
            warnings: &version.warnings,
        })
    }
}

/// A prompt with a name, versions and contracts; shown with its active version.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Agent")]
pub(super) struct AgentBody<'a> {
    id: AgentId,
    #[schemars(extend("const" = "agent"))]
    object: &'static str,
    name: &'a str,
    description: Option<&'a str>,
    #[schemars(with = "Vec<String>")]
    tags: &'a RawValue,
    /// The active version, which runs use.
    version: u32,
    /// The newest version.
    latest_version: u32,
    #[serde(flatten)]
    definition: DefinitionBody<'a>,
    /// Since when it takes no new runs.
    archived_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> AgentBody<'a> {
    fn of(Versioned { agent, version }: &'a Versioned) -> Result<Self> {
        Ok(Self {
            id: agent.id,
            object: "agent",
            name: &agent.name,
            description: agent.description.as_deref(),
            tags: &agent.tags,
            version: agent.active_version,
            latest_version: agent.latest_version,
            definition: DefinitionBody::of(version)?,
            archived_at: agent.archived_at,
            created_at: agent.created_at,
            updated_at: agent.updated_at,
        })
    }
}

/// What an agent says in one version.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AgentVersion")]
pub(super) struct VersionBody<'a> {
    id: AgentVersionId,
    #[schemars(extend("const" = "agent_version"))]
    object: &'static str,
    /// The agent's name.
    agent: &'a str,
    version: u32,
    /// Whether runs use it.
    active: bool,
    #[serde(flatten)]
    definition: DefinitionBody<'a>,
    created_at: Timestamp,
}

impl<'a> VersionBody<'a> {
    fn of(agent: &'a Agent, version: &'a AgentVersion) -> Result<Self> {
        Ok(Self {
            id: version.id,
            object: "agent_version",
            agent: &agent.name,
            version: version.n,
            active: version.n == agent.active_version,
            definition: DefinitionBody::of(version)?,
            created_at: version.created_at,
        })
    }
}

fn agent_bytes(versioned: &Versioned) -> Result<Vec<u8>> {
    json(&AgentBody::of(versioned)?)
}

fn version_bytes(Versioned { agent, version }: &Versioned) -> Result<Vec<u8>> {
    json(&VersionBody::of(agent, version)?)
}

/// Which version to activate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AgentActivation")]
pub(super) struct ActivateRequest {
    /// One of the agent's versions.
    #[schemars(range(min = 1))]
    version: u32,
}

/// `POST /v1/agents`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let (body, caller): (AgentRequest, _) = (request.json()?, request.caller()?);
    let new = request.blocking(move |app| agents::prepare(app, &body)).await?;
    let idempotency = request.idempotency;
    let done = agents::create(&request.app, &caller, new, idempotency, agent_bytes).await?;
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
    let name = request.segment("name")?.to_owned();
    let new = request.blocking(move |app| agents::prepare_version(app, &body)).await?;
    let (app, idempotency) = (&request.app, request.idempotency);
    let done = agents::add_version(app, &caller, name, new, idempotency, version_bytes).await?;
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
    let mut reply = Reply::json_bytes(StatusCode::ACCEPTED, accepted(&job)?);
    if patience > Duration::ZERO {
        let job = wait_for(&request, scope, job.id, patience).await?;
        reply = match job.status.is_terminal() {
            true => Reply::ok(&JobBody::of(&job))?,
            false => Reply::json_bytes(StatusCode::ACCEPTED, accepted(&job)?),
        };
    }
    Ok(reply.replayed(replayed).header("location", location))
}
