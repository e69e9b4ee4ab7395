//! What refusals, steps and events of jobs carry. Not `json!`, which would read credits as floats.

use serde::Serialize;

use crate::domain::{AccountId, Credits, JobError, JobId, JobStatus};

/// The details of a 402.
#[derive(Serialize)]
pub(super) struct Shortage {
    pub(super) required: Credits,
    pub(super) available: Credits,
}

/// The data of the step `succeeded`.
#[derive(Serialize)]
pub(super) struct Succeeded<'a> {
    pub(super) provider: Option<&'a str>,
    pub(super) credits_charged: Credits,
    /// What it cost above its reservation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) overrun: Option<Credits>,
}

/// The data of `job.completed`.
#[derive(Serialize)]
pub(super) struct Completed<'a> {
    pub(super) job_id: JobId,
    pub(super) account_id: AccountId,
    pub(super) status: JobStatus,
    pub(super) model: &'a str,
    pub(super) agent: Option<()>,
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
