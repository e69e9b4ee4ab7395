//! Jobs and their steps as clients see them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    domain::{Credits, Error, JobError, JobId, JobStatus, Result, Split, Timestamp, Usage},
    store::{
        job_events::JobEvent,
        jobs::{Job, JobAgent, JobResult},
    },
};

/// What was set aside and what was taken for a job.
#[derive(Serialize, JsonSchema)]
pub(in crate::http::api) struct JobCredits {
    /// Set aside when the job was accepted; free again once it ended.
    reserved: Credits,
    /// What the job cost.
    charged: Credits,
}

impl JobCredits {
    pub(in crate::http::api) fn of(reserved: Split, result: Option<&JobResult>) -> Self {
        Self {
            reserved: reserved.total().unwrap_or_default(),
            charged: result.map(|result| result.charged).unwrap_or_default(),
        }
    }
}

/// The version of an agent that a job runs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobAgent")]
struct AgentName<'a> {
    name: &'a str,
    version: u32,
}

impl<'a> AgentName<'a> {
    fn of(agent: &'a JobAgent) -> Self {
        Self { name: &agent.name, version: agent.version }
    }
}

/// What the calls of a job read and wrote.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobUsage")]
pub(in crate::http::api) struct UsageBody {
    #[serde(flatten)]
    tokens: Usage,
    /// True where the provider reported no tokens, so that they are an estimate; else left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
}

impl UsageBody {
    pub(in crate::http::api) fn of(result: &JobResult) -> Option<Self> {
        Some(Self { tokens: result.usage?, estimated: result.estimated })
    }
}

/// A job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub(in crate::http::api) struct JobBody<'a> {
    id: JobId,
    /// The same as `id`; in the answers that accept a job, now or again.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<JobId>,
    #[schemars(extend("const" = "job"))]
    object: &'static str,
    #[serde(rename = "type")]
    #[schemars(extend("const" = "generation.create"))]
    kind: &'static str,
    status: JobStatus,
    /// The model as the request named it.
    model: &'a str,
    /// The version of an agent that it runs; null for jobs without one.
    agent: Option<AgentName<'a>>,
    /// The caller's own end user.
    user: Option<&'a str>,
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    metadata: Option<&'a RawValue>,
    /// Those of a chat completion may have parts, calls of tools and their results.
    #[schemars(with = "Vec<crate::domain::ChatMessage>")]
    messages: &'a RawValue,
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    output_schema: Option<&'a RawValue>,
    /// The JSON value that satisfies `output_schema`.
    #[schemars(with = "Option<serde_json::Value>")]
    output: Option<&'a RawValue>,
    /// What the model said.
    output_text: Option<&'a str>,
    usage: Option<UsageBody>,
    /// The provider that answered.
    provider: Option<&'a str>,
    credits: JobCredits,
    error: Option<&'a JobError>,
    /// Attempts made since the job was accepted or last retried.
    attempts: u32,
    max_attempts: u32,
    request_id: &'a str,
    created_at: Timestamp,
    /// When the last attempt began.
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    /// From the beginning of the last attempt to its end.
    latency_ms: Option<u64>,
}

impl<'a> JobBody<'a> {
    pub(in crate::http::api) fn of(job: &'a Job) -> Self {
        let result = job.result.as_ref();
        let finished_at = result.map(|result| result.finished_at);
        let latency = finished_at.zip(job.started_at).map(|(end, start)| end.since(start));
        Self {
            id: job.id,
            job_id: None,
            object: "job",
            kind: "generation.create",
            status: job.status,
            model: &job.model,
            agent: job.agent.as_ref().map(AgentName::of),
            user: job.user.as_deref(),
            metadata: job.request.metadata.as_deref(),
            messages: &job.request.messages,
            output_schema: job.request.output_schema.as_deref(),
            output: result.and_then(|result| result.output.as_deref()),
            output_text: result.and_then(|result| result.output_text.as_deref()),
            usage: result.and_then(UsageBody::of),
            provider: result.and_then(|result| result.provider.as_deref()),
            credits: JobCredits::of(job.reserved, result),
            error: result.and_then(|result| result.error.as_ref()),
            attempts: job.attempts,
            // An attempt that broke off with the server is made again, though it was the last.
            max_attempts: job.max_attempts.max(job.attempts),
            request_id: &job.request_id,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at,
            latency_ms: latency.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// A job as the bytes of an answer.
pub(super) fn bytes(job: &Job) -> Result<Vec<u8>> {
    serde_json::to_vec(&JobBody::of(job)).map_err(Error::internal)
}

/// The bytes of an answer that accepts a job.
pub(in crate::http::api) fn accepted(job: &Job) -> Result<Vec<u8>> {
    crate::http::api::json(&JobBody { job_id: Some(job.id), ..JobBody::of(job) })
}

/// One step of a job's story.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobEvent")]
pub(in crate::http::api) struct EventBody<'a> {
    id: crate::domain::EventId,
    #[schemars(extend("const" = "job_event"))]
    object: &'static str,
    job_id: JobId,
    /// Its place in the story, from 1; the stream's `id`.
    sequence: i64,
    /// `queued`, `started`, `retrying`, `succeeded`, `failed`, `canceled` or `expired`.
    #[serde(rename = "type")]
    kind: &'a str,
    /// Particulars, by type.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    data: Option<&'a RawValue>,
    request_id: &'a str,
    created_at: Timestamp,
}

impl<'a> EventBody<'a> {
    pub(super) fn of(event: &'a JobEvent, job: &'a Job) -> Self {
        Self {
            id: event.id,
            object: "job_event",
            job_id: job.id,
            sequence: event.n,
            kind: &event.name,
            data: event.data.as_deref(),
            request_id: &job.request_id,
            created_at: event.created_at,
        }
    }
}
