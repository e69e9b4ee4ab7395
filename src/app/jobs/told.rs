//! What is told of the end of an attempt: to whoever reads the job's steps, and to endpoints.

use std::ops::Not;

use serde::Serialize;

use crate::{
    app::asking::Trail,
    domain::{AccountId, Credits, JobError, JobId, JobStatus, Timestamp},
    store::jobs::JobAgent,
};

/// The data of the step `succeeded`.
#[derive(Serialize)]
pub(super) struct Succeeded<'a> {
    pub(super) model: &'a str,
    pub(super) provider: &'a str,
    pub(super) credits_charged: Credits,
    /// What it cost above its reservation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) overrun: Option<Credits>,
    #[serde(skip_serializing_if = "Not::not")]
    pub(super) estimated: bool,
    #[serde(skip_serializing_if = "Not::not")]
    pub(super) cut_short: bool,
    #[serde(flatten)]
    pub(super) trail: &'a Trail,
}

/// The data of the step `retrying`.
#[derive(Serialize)]
pub(super) struct Retrying<'a> {
    pub(super) attempt: u32,
    pub(super) error: &'a JobError,
    pub(super) run_at: Timestamp,
    #[serde(flatten)]
    pub(super) trail: &'a Trail,
}

/// The data of the steps that end a job without success. Model and provider are those of an answer
/// that does not keep the contract.
#[derive(Serialize)]
pub(super) struct Failed<'a> {
    pub(super) error: &'a JobError,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<&'a str>,
    #[serde(flatten)]
    pub(super) trail: &'a Trail,
}

/// The agent and its version that a job runs.
#[derive(Serialize)]
pub(super) struct AgentName<'a> {
    pub(super) name: &'a str,
    pub(super) version: u32,
}

impl<'a> AgentName<'a> {
    pub(super) fn of(agent: &'a JobAgent) -> Self {
        Self { name: &agent.name, version: agent.version }
    }
}

/// The data of `job.completed`.
#[derive(Serialize)]
pub(super) struct Completed<'a> {
    pub(super) job_id: JobId,
    pub(super) account_id: AccountId,
    pub(super) status: JobStatus,
    pub(super) model: &'a str,
    pub(super) agent: Option<AgentName<'a>>,
    pub(super) latency_ms: u64,
    pub(super) credits_charged: Credits,
    pub(super) request_id: &'a str,
}

/// The data of `job.failed` and `job.canceled`.
#[derive(Serialize)]
pub(super) struct Ended<'a> {
    pub(super) job_id: JobId,
    pub(super) account_id: AccountId,
    pub(super) status: JobStatus,
    pub(super) error: &'a JobError,
    pub(super) request_id: &'a str,
}
