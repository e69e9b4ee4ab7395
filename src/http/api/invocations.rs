//! `/v1/invocations`: what executions were asked and what they answered.

use std::sync::Arc;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    app::telemetry::records,
    domain::{InvocationId, JobId, Page, Result, Scope, Timestamp},
    http::{
        reply::Reply,
        request::{AN_ID, Request},
        routes::{Route, handler},
    },
    store::telemetry::invocations::{Invocation, InvocationFilter},
};

/// What executions were asked and what they answered.
pub(super) fn routes() -> [Route; 2] {
    [
        Route::get("/v1/invocations", "listInvocations", handler!(list))
            .summary(
                "Lists what executions were asked and answered, newest first, without what looks like a secret and \
                 what the server is told to leave out. It is telemetry: some may be lost, projects and accounts can \
                 turn it off, and it is kept for a while only. A page may end before its limit; `next_cursor` still \
                 leads on.",
            )
            .scope(Scope::LogsRead)
            .paged()
            .query::<String>("status", "Only those with this status: `success` or `error`.")
            .query::<JobId>("job_id", "Only those of this job.")
            .query::<Timestamp>("created_after", "Only executions that ended at this time or later.")
            .query::<Timestamp>("created_before", "Only executions that ended before this time.")
            .answers::<Page<InvocationBody<'_>>>(StatusCode::OK),
        Route::get("/v1/invocations/{id}", "getInvocation", handler!(get))
            .summary("Shows what an execution was asked and answered.")
            .scope(Scope::LogsRead)
            .answers::<InvocationBody<'_>>(StatusCode::OK),
    ]
}

/// What an execution was asked and answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Invocation")]
struct InvocationBody<'a> {
    /// That of its usage event too.
    id: InvocationId,
    #[schemars(extend("const" = "invocation"))]
    object: &'static str,
    job_id: JobId,
    /// The id of the agent; the official UUID `00000000-0000-0000-0000-000000000001` where none was run.
    skill_uid: Uuid,
    /// The `user` of the job where that is a UUID, else the official UUID; the account's id where no user was named.
    user_uid: Uuid,
    #[schemars(extend("enum" = ["success", "error"]))]
    status: &'static str,
    /// What was asked: `messages`, `parameters`, and more as there is. `_meta` has the `original_skill` and
    /// `original_user` that an official UUID stands for. Of a payload that is too long there is `_truncated` with its
    /// `bytes` and its `beginning`.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    input_payload: &'a RawValue,
    /// What was answered: `output`, `output_text`, or the `error`; it may be truncated too.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    output_payload: &'a RawValue,
    /// How long the last attempt took.
    duration_ms: u64,
    created_at: Timestamp,
}

impl<'a> InvocationBody<'a> {
    fn of(invocation: &'a Invocation) -> Self {
        Self {
            id: invocation.id,
            object: "invocation",
            job_id: invocation.job,
            skill_uid: invocation.skill_uid,
            user_uid: invocation.user_uid,
            status: if invocation.is_success { "success" } else { "error" },
            input_payload: &invocation.input_payload,
            output_payload: &invocation.output_payload,
            duration_ms: invocation.duration_ms,
            created_at: invocation.created_at,
        }
    }
}

/// `GET /v1/invocations`
async fn list(request: Request) -> Result<Reply> {
    let (scope, window) = (request.session()?.scope, super::window(&request)?);
    let status = |is_success: bool| if is_success { "success" } else { "error" };
    let filter = InvocationFilter {
        is_success: request.choice("status", [true, false], status)?,
        job: request.query("job_id", AN_ID)?,
    };
    let look = move |app: &Arc<_>| records::invocations(app, scope, &window, &filter);
    let page = request.heavy(look).await?;
    let bodies: Vec<_> = page.data.iter().map(InvocationBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/invocations/{id}`
async fn get(request: Request) -> Result<Reply> {
    let (id, scope) = (request.id("id")?, request.session()?.scope);
    let found = request.heavy(move |app| records::invocation(app, scope, id)).await?;
    Reply::ok(&InvocationBody::of(&found))
}
