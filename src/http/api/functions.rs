//! `/v1/functions`: what scheduled tasks can run.

use std::collections::BTreeMap;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{json, webhooks::RotationRequest};
use crate::{
    app::functions::{self, Shown},
    domain::{
        ErrorKind, FunctionId, FunctionKind, FunctionRequest, HttpMethod, Page, Result, Scope,
        Timestamp, WebhookSecret,
    },
    http::{
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
    store::functions::Target,
};

/// What scheduled tasks can run.
pub(super) fn routes() -> [Route; 5] {
    const ONE: &str = "/v1/functions/{name}";
    [
        Route::put(ONE, "putFunction", handler!(put))
            .summary(
                "Makes a function, or replaces the one of that name. The secret that signs the requests of a new \
                 `http` function is in this answer alone. One that runs an agent needs `jobs:write` too.",
            )
            .scope(Scope::SchedulesWrite)
            .takes::<FunctionRequest>()
            .answers::<FunctionBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::Conflict]),
        Route::get(ONE, "getFunction", handler!(get))
            .summary("Shows a function.")
            .scope(Scope::SchedulesRead)
            .answers::<FunctionBody<'_>>(StatusCode::OK),
        Route::delete(ONE, "deleteFunction", handler!(delete))
            .summary("Removes a function that no schedule runs. Tasks that wait for it fail.")
            .scope(Scope::SchedulesWrite)
            .answers_nothing()
            .errors(&[ErrorKind::Conflict]),
        Route::get("/v1/functions", "listFunctions", handler!(list))
            .summary("Lists functions, newest first.")
            .scope(Scope::SchedulesRead)
            .paged()
            .answers::<Page<FunctionBody<'_>>>(StatusCode::OK),
        Route::post(
            "/v1/functions/{name}/rotate-secret",
            "rotateFunctionSecret",
            handler!(rotate_secret),
        )
        .summary("Gives an `http` function a new secret; the old one signs too for a while.")
        .scope(Scope::SchedulesWrite)
        .may_take::<RotationRequest>()
        .answers::<FunctionBody<'_>>(StatusCode::OK)
        .errors(&[ErrorKind::Conflict]),
    ]
}

/// What a scheduled task can run. Members that have no meaning for its kind are null.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Function")]
pub(super) struct FunctionBody<'a> {
    id: FunctionId,
    #[schemars(extend("const" = "function"))]
    object: &'static str,
    name: &'a str,
    kind: FunctionKind,
    /// Where its request goes.
    url: Option<&'a str>,
    method: Option<HttpMethod>,
    /// The names of its headers; the values are not shown, and null stands for each.
    #[schemars(with = "Option<BTreeMap<String, ()>>")]
    headers: Option<BTreeMap<&'a str, Option<&'a str>>>,
    timeout_ms: Option<u64>,
    /// The agent that it runs, by name.
    agent: Option<&'a str>,
    /// What the agent is given where a task has no payload.
    #[schemars(with = "Option<serde_json::Value>")]
    input: Option<&'a RawValue>,
    /// `whsec_…`, what signs its requests; shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> FunctionBody<'a> {
    fn of(shown: &'a Shown) -> Self {
        let function = &shown.function;
        let http = match &function.target {
            Target::Http(http) => Some(http),
            _ => None,
        };
        let run = match &function.target {
            Target::Agent { agent, input } => Some((agent.as_str(), input.as_deref())),
            _ => None,
        };
        let names = || shown.headers.iter().map(|name| (name.as_str(), None)).collect();
        Self {
            id: function.id,
            object: "function",
            name: &function.name,
            kind: function.target.kind(),
            url: http.map(|http| http.url.as_str()),
            method: http.map(|http| http.method),
            headers: http.map(|_| names()),
            timeout_ms: http.map(|http| http.timeout_ms),
            agent: run.map(|(agent, _)| agent),
            input: run.and_then(|(_, input)| input),
            secret: shown.secret.as_ref().map(WebhookSecret::text),
            created_at: function.created_at,
            updated_at: function.updated_at,
        }
    }
}

fn bytes(shown: &Shown) -> Result<Vec<u8>> {
    json(&FunctionBody::of(shown))
}

/// `PUT /v1/functions/{name}`
pub(super) async fn put(request: Request) -> Result<Reply> {
    let (name, caller) = (request.segment("name")?.to_owned(), request.caller()?);
    let function: FunctionRequest = request.json()?;
    if function.kind == FunctionKind::Agent {
        // Whoever may run it may let the agent make jobs.
        request.must_have(Scope::JobsWrite)?;
    }
    let shown = functions::put(&request.app, &caller, name, function).await?;
    Reply::ok(&FunctionBody::of(&shown))
}

/// `GET /v1/functions/{name}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (name, caller) = (request.segment("name")?.to_owned(), request.caller()?);
    let shown = request.blocking(move |app| functions::get(app, &caller, &name)).await?;
    Reply::ok(&FunctionBody::of(&shown))
}

/// `GET /v1/functions`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, caller) = (request.page()?, request.caller()?);
    let page = request.blocking(move |app| functions::list(app, &caller, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(FunctionBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `DELETE /v1/functions/{name}`
pub(super) async fn delete(request: Request) -> Result<Reply> {
    let (name, caller) = (request.segment("name")?.to_owned(), request.caller()?);
    functions::delete(&request.app, &caller, name).await?;
    Ok(Reply::no_content())
}

/// `POST /v1/functions/{name}/rotate-secret`
pub(super) async fn rotate_secret(request: Request) -> Result<Reply> {
    let (name, caller) = (request.segment("name")?.to_owned(), request.caller()?);
    let body: RotationRequest = request.json()?;
    let (app, idempotency) = (&request.app, request.idempotency);
    let done =
        functions::rotate_secret(app, &caller, name, body.overlap(), idempotency, bytes).await?;
    Ok(Reply::json_bytes(StatusCode::OK, done.body).replayed(done.replayed))
}
