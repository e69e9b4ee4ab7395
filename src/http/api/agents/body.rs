//! Agents and their versions as clients see them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    app::agents::Versioned,
    domain::{AgentId, AgentVersionId, Error, Message, Parameters, Result, Timestamp},
    http::api::json,
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
    #[schemars(with = "Vec<crate::domain::schema::Warning>")]
    warnings: &'a RawValue,
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
pub(in crate::http::api) struct AgentBody<'a> {
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
    pub(super) fn of(Versioned { agent, version }: &'a Versioned) -> Result<Self> {
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
pub(in crate::http::api) struct VersionBody<'a> {
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
    pub(super) fn of(agent: &'a Agent, version: &'a AgentVersion) -> Result<Self> {
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

pub(super) fn agent_bytes(versioned: &Versioned) -> Result<Vec<u8>> {
    json(&AgentBody::of(versioned)?)
}

pub(super) fn version_bytes(Versioned { agent, version }: &Versioned) -> Result<Vec<u8>> {
    json(&VersionBody::of(agent, version)?)
}
