//! What requests and answers about batches look like.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{
    app::batches::{Asked, Work},
    domain::{
        BatchCounts, BatchId, BatchRequest, BatchStatus, Error, GenerationRequest, JobError, JobId,
        JobStatus, Named, Result, RunRequest, Timestamp,
    },
    http::{
        api::jobs::{JobCredits, UsageBody},
        json::read_object,
    },
    store::batches::{Batch, BatchItem},
};

/// Reads the request for a batch. An error names the request that is wrong by its place.
pub(super) fn read(body: &[u8]) -> Result<(Vec<Asked>, Option<Box<RawValue>>)> {
    let BatchRequest { requests, metadata } =
        read_object(body).and_then(|body: BatchRequest| {
            body.check()?;
            Ok(body)
        })?;
    let asked = |(at, request): (usize, Box<RawValue>)| {
        ask(&request).map_err(|error| error.within(&format!("requests/{at}")))
    };
    let requests = requests.into_iter().enumerate().map(asked);
    Ok((requests.collect::<Result<_>>()?, metadata))
}

fn ask(request: &RawValue) -> Result<Asked> {
    let text = request.get().as_bytes();
    if read_object::<Kind>(text)?.agent.is_none() {
        let Named { custom_id, request, .. } = read_object::<Named<GenerationRequest>>(text)?;
        return Ok(Asked { custom_id, work: Work::Generation(Box::new(request)) });
    }
    let Named { custom_id, agent, request } = read_object::<Named<RunRequest>>(text)?;
    let run = Work::Run { agent: agent.unwrap_or_default(), run: request };
    Ok(Asked { custom_id, work: run })
}

/// What tells a run of an agent from a generation.
#[derive(Deserialize)]
struct Kind {
    agent: Option<IgnoredAny>,
}

/// A batch.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Batch")]
pub(in crate::http::api) struct BatchBody<'a> {
    id: BatchId,
    #[schemars(extend("const" = "batch"))]
    object: &'static str,
    status: BatchStatus,
    /// How many of its jobs stand where.
    counts: BatchCounts,
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    metadata: Option<&'a RawValue>,
    request_id: &'a str,
    created_at: Timestamp,
    /// When the first of its jobs began.
    started_at: Option<Timestamp>,
    /// When the last of its jobs ended.
    finished_at: Option<Timestamp>,
}

impl<'a> BatchBody<'a> {
    pub(super) fn of(batch: &'a Batch) -> Self {
        Self {
            id: batch.id,
            object: "batch",
            status: batch.status(),
            counts: batch.counts,
            metadata: batch.metadata.as_deref(),
            request_id: &batch.request_id,
            created_at: batch.created_at,
            started_at: batch.started_at,
            finished_at: batch.finished_at,
        }
    }
}

/// A batch as the bytes of an answer.
pub(super) fn bytes(batch: &Batch) -> Result<Vec<u8>> {
    serde_json::to_vec(&BatchBody::of(batch)).map_err(Error::internal)
}

/// A request of a batch and what has become of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BatchResult")]
pub(in crate::http::api) struct ResultBody<'a> {
    /// The same as `job_id`.
    id: JobId,
    #[schemars(extend("const" = "batch_result"))]
    object: &'static str,
    /// The request's name for it.
    custom_id: &'a str,
    /// The job that it became.
    job_id: JobId,
    status: JobStatus,
    /// The JSON value that satisfies `output_schema`.
    #[schemars(with = "Option<serde_json::Value>")]
    output: Option<&'a RawValue>,
    /// What the model said.
    output_text: Option<&'a str>,
    error: Option<&'a JobError>,
    usage: Option<UsageBody>,
    credits: JobCredits,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
}

impl<'a> ResultBody<'a> {
    pub(super) fn of(item: &'a BatchItem) -> Self {
        let result = item.result.as_ref();
        Self {
            id: item.job,
            object: "batch_result",
            custom_id: &item.custom_id,
            job_id: item.job,
            status: item.status,
            output: result.and_then(|result| result.output.as_deref()),
            output_text: result.and_then(|result| result.output_text.as_deref()),
            error: result.and_then(|result| result.error.as_ref()),
            usage: result.and_then(UsageBody::of),
            credits: JobCredits::of(item.reserved, result),
            created_at: item.created_at,
            finished_at: result.map(|result| result.finished_at),
        }
    }
}
