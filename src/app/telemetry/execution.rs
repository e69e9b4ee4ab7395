//! The record of an execution: what it was, how it ended, and what there is to know when that is looked into.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::{
    Recording, invocation,
    skill::{Skill, latency_ms, millis, user_uid},
};
use crate::{
    app::{
        App,
        asking::{Trail, Tried},
        jobs::ending::{Outcome, Success},
    },
    domain::{
        Credits, ExecutionStatus, InvocationId, JobError, JobStatus, RecordKind, Timestamp,
        UsageEventId,
    },
    observe::redact,
    store::{
        AccountScope, Tx,
        jobs::Job,
        open_jobs::OpenJob,
        telemetry::{Report, Row, usage_events::UsageEvent},
    },
};

/// What there is to know of an execution.
#[derive(Default, Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) request_id: &'a str,
    /// The model as the client named it, and the one that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answered_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent_version: Option<u32>,
    /// From when it was first accepted to the beginning of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queue_wait_ms: Option<u64>,
    /// In calls to models, within the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider_ms: Option<u64>,
    pub(super) attempts: u32,
    pub(super) retries: u32,
    pub(super) repairs: u32,
    /// The models that were passed over, in their order.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) tried: &'a [Tried],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completion_tokens: Option<u64>,
    /// Tokens of the prompt that the provider had in its cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<&'a str>,
    /// What the official UUID stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) original_user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) original_skill: Option<&'a str>,
}

impl Metadata<'_> {
    /// As JSON, without what looks like a credential: clients and providers wrote some of it.
    pub(super) fn json(&self) -> Box<RawValue> {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        redact::json_credentials(&mut value);
        to_raw_value(&value).unwrap_or_default()
    }
}

/// An execution that ended, as of its transaction.
struct Ended<'a> {
    id: Uuid,
    at: Timestamp,
    scope: AccountScope,
    job: &'a OpenJob,
    status: JobStatus,
    error: Option<&'a JobError>,
    success: Option<&'a Success>,
    trail: &'a Trail,
}

impl Ended<'_> {
    fn event(&self) -> UsageEvent {
        let skill = Skill::new(self.job.agent.as_ref(), &self.job.model);
        let (source_skill_uid, original_skill) = skill.uid();
        let (user_uid, original_user) = user_uid(self.scope, self.job.user.as_deref());
        let metadata = Metadata { original_user, original_skill, ..self.metadata() };
        UsageEvent {
            id: UsageEventId::from_uuid(self.id),
            job: Some(self.job.id),
            user_uid,
            skill_name: skill.name().to_owned(),
            source_skill_uid,
            display_name: skill.name().to_owned(),
            tags: skill.tags(),
            cost: self.success.map_or(Credits::ZERO, |success| success.cost),
            status: self.execution_status(),
            error_code: self.error.map(|error| error.code.as_str().to_owned()),
            latency_ms: self.latency_ms(),
            metadata: metadata.json(),
            created_at: self.at,
        }
    }

    fn execution_status(&self) -> ExecutionStatus {
        match self.status {
            JobStatus::Succeeded => ExecutionStatus::Success,
            _ if self.job.attempts == 0 => ExecutionStatus::Skipped,
            _ => ExecutionStatus::Failed,
        }
    }

    /// Of the attempt that it ended with: none where it waited for the next one.
    fn latency_ms(&self) -> u64 {
        let runs = self.job.status == JobStatus::Running;
        latency_ms(self.job.started_at.filter(|_| runs), self.at)
    }

    fn metadata(&self) -> Metadata<'_> {
        let usage = self.success.map(|success| success.usage);
        let wait = self.job.started_at.map(|started| started.since(self.job.created_at));
        let has_called = self.trail.provider_time.as_nanos() > 0;
        Metadata {
            request_id: &self.job.request_id,
            model: Some(&self.job.model),
            answered_by: self.success.map(|success| success.model.as_str()),
            provider: self.success.map(|success| success.provider.as_str()),
            agent_version: self.job.agent.as_ref().map(|agent| agent.version),
            queue_wait_ms: wait.map(millis),
            provider_ms: has_called.then(|| millis(self.trail.provider_time)),
            attempts: self.job.attempts,
            retries: self.job.attempts.saturating_sub(1),
            repairs: self.trail.repairs,
            tried: &self.trail.tried,
            prompt_tokens: usage.map(|usage| usage.prompt_tokens),
            completion_tokens: usage.map(|usage| usage.completion_tokens),
            cached_tokens: usage.map(|usage| usage.cached_tokens),
            error: self.error.map(|error| error.message.as_str()),
            original_user: None,
            original_skill: None,
        }
    }
}

/// What a job leaves that ended with an attempt.
const OF_AN_ATTEMPT: &[RecordKind] = &[RecordKind::UsageEvent, RecordKind::Invocation];

/// Reports a job that ended with an attempt, and what it was asked and answered.
pub(in crate::app) fn attempted(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: &Arc<Job>,
    outcome: &Arc<Outcome>,
) {
    if !app.recording.telemetry.is_running() {
        return;
    }
    let (id, at, scope) = (app.ambient.uuid(), tx.now(), tx.scope());
    let (recording, job, outcome) =
        (Arc::clone(&app.recording), Arc::clone(job), Arc::clone(outcome));
    let bytes = job.request.bytes() + outcome.bytes();
    tx.report(Report::new(OF_AN_ATTEMPT, bytes, move || {
        attempted_rows(&recording, scope, (id, at), &job, &outcome)
    }));
}

fn attempted_rows(
    recording: &Recording,
    scope: AccountScope,
    (id, at): (Uuid, Timestamp),
    job: &Job,
    outcome: &Outcome,
) -> Vec<Row> {
    let open = OpenJob::of(job);
    let (status, error, success, trail) = match outcome {
        Outcome::Succeeded(success) => (JobStatus::Succeeded, None, Some(success), &success.trail),
        Outcome::Failed { error, trail, .. } => (JobStatus::Failed, Some(error), None, trail),
        // Told by whoever ends it: there was no answer.
        Outcome::Left => return Vec::new(),
    };
    let event = Ended { id, at, scope, job: &open, status, error, success, trail }.event();
    let mut rows = vec![Row::UsageEvent(scope.seq(), event)];
    if recording.switches.records(job.project) {
        let id = InvocationId::from_uuid(id);
        let invocation = invocation::of(&recording.invocations, scope, (id, at), job, outcome);
        rows.push(Row::Invocation(scope.seq(), invocation));
    }
    rows
}

/// Reports a job that ended by something else than an attempt.
pub(in crate::app) fn ended(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: &OpenJob,
    status: JobStatus,
    error: &JobError,
) {
    if !app.recording.telemetry.is_running() {
        return;
    }
    let (id, at, scope) = (app.ambient.uuid(), tx.now(), tx.scope());
    let (job, error) = (job.clone(), error.clone());
    tx.report(Report::new(&[RecordKind::UsageEvent], 0, move || {
        let (error, trail) = (Some(&error), &Trail::default());
        let ended = Ended { id, at, scope, job: &job, status, error, success: None, trail };
        vec![Row::UsageEvent(scope.seq(), ended.event())]
    }));
}
