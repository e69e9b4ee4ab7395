//! The record of an execution that was refused before there was a job.

use bytes::Bytes;
use serde::Deserialize;

use super::{
    execution::Metadata,
    skill::{UNNAMED, no_tags, user_uid},
};
use crate::{
    app::App,
    domain::{
        Credits, Error, ErrorKind, ExecutionStatus, OFFICIAL_UUID, RecordKind, Timestamp,
        UsageEventId,
    },
    observe::redact,
    store::{
        AccountScope,
        telemetry::{Report, Row, usage_events::UsageEvent},
    },
};

/// A request that was refused, which would have made a job.
#[derive(Debug)]
pub struct Refused {
    /// Whose it is.
    pub scope: AccountScope,
    /// The request's name.
    pub request_id: String,
    /// The agent that is to be run.
    pub agent: Option<String>,
    /// The body, where it was read.
    pub body: Bytes,
}

/// What is looked for in the body.
#[derive(Default, Deserialize)]
struct Asked {
    model: Option<String>,
    user: Option<String>,
}

/// Whether a request that ends with this error is an execution that was skipped: a limit is in its way, and nothing that
/// is wrong with it. A job that was accepted tells of itself.
fn is_skipped(error: &Error) -> bool {
    use ErrorKind as Kind;
    let is_limit = matches!(
        error.kind(),
        Kind::RateLimit
            | Kind::QueueFull
            | Kind::DailyTokenCap
            | Kind::InsufficientCredits
            | Kind::BudgetExceeded
    );
    is_limit && !error.is_of_job()
}

/// Records it where a limit was in its way. Never waits.
pub fn record(app: &App, refused: Refused, error: &Error) {
    if !is_skipped(error) {
        return;
    }
    let (id, at) = (UsageEventId::from_uuid(app.ambient.uuid()), app.ambient.now());
    let (code, message) = (error.kind().code(), error.message().to_owned());
    let bytes = refused.body.len();
    app.recording.telemetry.report(Report::new(&[RecordKind::UsageEvent], bytes, move || {
        let account = refused.scope.seq();
        vec![Row::UsageEvent(account, event(id, at, &refused, code, &message))]
    }));
}

fn event(
    id: UsageEventId,
    at: Timestamp,
    refused: &Refused,
    code: &str,
    message: &str,
) -> UsageEvent {
    let asked: Asked = serde_json::from_slice(&refused.body).unwrap_or_default();
    let skill = refused.agent.as_deref().or(asked.model.as_deref());
    let (user_uid, original_user) = user_uid(refused.scope, asked.user.as_deref());
    let metadata = Metadata {
        request_id: &refused.request_id,
        model: asked.model.as_deref(),
        error: Some(message),
        original_user,
        original_skill: skill,
        ..Metadata::default()
    };
    let name = redact::credentials(skill.unwrap_or(UNNAMED)).into_owned();
    UsageEvent {
        id,
        job: None,
        user_uid,
        skill_name: name.clone(),
        source_skill_uid: OFFICIAL_UUID,
        display_name: name,
        tags: no_tags(),
        cost: Credits::ZERO,
        status: ExecutionStatus::Skipped,
        error_code: Some(code.to_owned()),
        latency_ms: 0,
        metadata: metadata.json(),
        created_at: at,
    }
}
