//! `/v1/webhooks/endpoints`: the places that receive webhooks.

use std::time::Duration;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{deliveries, json};
use crate::{
    app::webhooks::{self, EndpointPatch, EndpointRequest, EndpointWithSecret, Redriven},
    domain::{EndpointId, ErrorKind, EventFilter, Page, Result, RetryPolicy, Scope, Timestamp},
    http::{
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
    store::webhooks::Endpoint,
};

/// The places that receive webhooks.
pub(super) fn routes() -> [Route; 8] {
    const ALL: &str = "/v1/webhooks/endpoints";
    const ONE: &str = "/v1/webhooks/endpoints/{id}";
    [
        Route::post(ALL, "createWebhookEndpoint", handler!(create))
            .summary("Adds an endpoint. Its secret is in this answer alone.")
            .scope(Scope::WebhooksWrite)
            .takes::<EndpointRequest>()
            .answers::<SecretBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::Conflict]),
        Route::get(ALL, "listWebhookEndpoints", handler!(list))
            .summary("Lists endpoints, newest first.")
            .scope(Scope::WebhooksRead)
            .paged()
            .answers::<Page<EndpointBody<'_>>>(StatusCode::OK),
        Route::get(ONE, "getWebhookEndpoint", handler!(get))
            .summary("Shows an endpoint.")
            .scope(Scope::WebhooksRead)
            .answers::<EndpointBody<'_>>(StatusCode::OK),
        Route::patch(ONE, "updateWebhookEndpoint", handler!(update))
            .summary("Changes an endpoint. What is left out stays.")
            .scope(Scope::WebhooksWrite)
            .takes::<EndpointPatch>()
            .answers::<EndpointBody<'_>>(StatusCode::OK),
        Route::delete(ONE, "deleteWebhookEndpoint", handler!(delete))
            .summary(
                "Deletes an endpoint. Deliveries on their way to it fail at their next try. It is \
                 gone, so GET and another DELETE answer 404.",
            )
            .scope(Scope::WebhooksWrite)
            .answers_nothing(),
        Route::post(
            "/v1/webhooks/endpoints/{id}/rotate-secret",
            "rotateWebhookSecret",
            handler!(rotate_secret),
        )
        .summary("Gives an endpoint a new secret; the old one signs too for a while.")
        .scope(Scope::WebhooksWrite)
        .may_take::<RotationRequest>()
        .answers::<SecretBody<'_>>(StatusCode::OK),
        Route::post("/v1/webhooks/endpoints/{id}/test", "testWebhookEndpoint", handler!(test))
            .summary("Sends a `ping` to an endpoint, whatever events it wants.")
            .scope(Scope::WebhooksWrite)
            .answers::<deliveries::DeliveryBody<'_>>(StatusCode::ACCEPTED)
            .errors(&[ErrorKind::Conflict]),
        Route::post(
            "/v1/webhooks/endpoints/{id}/redrive",
            "redriveWebhookEndpoint",
            handler!(redrive),
        )
        .summary("Puts deliveries to an endpoint that failed back into the queue, up to 1,000.")
        .scope(Scope::WebhooksWrite)
        .may_take::<RedriveRequest>()
        .answers::<RedrivenBody>(StatusCode::ACCEPTED)
        .errors(&[ErrorKind::Conflict]),
    ]
}

/// A place that receives webhooks.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookEndpoint")]
pub(super) struct EndpointBody<'a> {
    id: EndpointId,
    #[schemars(extend("const" = "webhook_endpoint"))]
    object: &'static str,
    /// Where requests go.
    url: &'a str,
    /// The events that it wants.
    #[schemars(with = "EventFilter")]
    events: Vec<&'a str>,
    description: Option<&'a str>,
    /// Whether it is sent anything.
    active: bool,
    /// Why the server stopped sending, if it did.
    disabled_reason: Option<&'a str>,
    /// For how long a delivery is tried.
    #[schemars(with = "RetryPolicy")]
    retry_policy: &'a str,
    /// The first failure since the last success.
    failing_since: Option<Timestamp>,
    created_at: Timestamp,
}

impl<'a> EndpointBody<'a> {
    fn of(endpoint: &'a Endpoint) -> Self {
        Self {
            id: endpoint.id,
            object: "webhook_endpoint",
            url: &endpoint.url,
            events: endpoint.events.split(' ').collect(),
            description: endpoint.description.as_deref(),
            active: endpoint.active,
            disabled_reason: endpoint.disabled_reason.as_deref(),
            retry_policy: &endpoint.retry_policy,
            failing_since: endpoint.failing_since,
            created_at: endpoint.created_at,
        }
    }
}

/// A place that receives webhooks, and what signs its deliveries from now on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookEndpointWithSecret")]
pub(super) struct SecretBody<'a> {
    #[serde(flatten)]
    endpoint: EndpointBody<'a>,
    /// `whsec_…`; shown this once.
    secret: &'a str,
}

fn with_secret(made: &EndpointWithSecret) -> Result<Vec<u8>> {
    let endpoint = EndpointBody::of(&made.endpoint);
    json(&SecretBody { endpoint, secret: made.secret.text() })
}

/// For how long the old secret signs too.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SecretRotation")]
pub(super) struct RotationRequest {
    /// Seconds, up to 7 days; by default as long as the operator decided, which is a day.
    #[schemars(range(max = 604_800))]
    overlap_seconds: Option<u64>,
}

impl RotationRequest {
    /// The same as a duration.
    pub(super) fn overlap(&self) -> Option<Duration> {
        self.overlap_seconds.map(Duration::from_secs)
    }
}

/// Which deliveries to redrive.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EndpointRedrive")]
pub(super) struct RedriveRequest {
    /// Those made at this time or later that failed; by default all that failed.
    since: Option<Timestamp>,
}

/// What a redrive of an endpoint did.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EndpointRedriven")]
pub(super) struct RedrivenBody {
    #[schemars(extend("const" = "webhook_redrive"))]
    object: &'static str,
    /// Deliveries that were put back into the queue.
    count: u32,
    /// True where there may be more: the same request again, with a new Idempotency-Key, takes the next.
    has_more: bool,
}

fn redriven(redriven: &Redriven) -> Result<Vec<u8>> {
    let Redriven { count, has_more } = *redriven;
    json(&RedrivenBody { object: "webhook_redrive", count, has_more })
}

/// `POST /v1/webhooks/endpoints`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let (new, caller) = (request.json()?, request.caller()?);
    let idempotency = request.idempotency;
    let done = webhooks::create(&request.app, &caller, new, idempotency, with_secret).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// `GET /v1/webhooks/endpoints`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, caller) = (request.page()?, request.caller()?);
    let page = request.blocking(move |app| webhooks::list(app, &caller, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(EndpointBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/webhooks/endpoints/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let endpoint = request.blocking(move |app| webhooks::get(app, &caller, id)).await?;
    Reply::ok(&EndpointBody::of(&endpoint))
}

/// `PATCH /v1/webhooks/endpoints/{id}`
pub(super) async fn update(request: Request) -> Result<Reply> {
    let (id, patch, caller) = (request.id("id")?, request.json()?, request.caller()?);
    let endpoint = webhooks::update(&request.app, &caller, id, patch).await?;
    Reply::ok(&EndpointBody::of(&endpoint))
}

/// `DELETE /v1/webhooks/endpoints/{id}`
pub(super) async fn delete(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    webhooks::delete(&request.app, &caller, id).await?;
    Ok(Reply::no_content())
}

/// `POST /v1/webhooks/endpoints/{id}/rotate-secret`
pub(super) async fn rotate_secret(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let body: RotationRequest = request.json()?;
    let (app, idempotency) = (&request.app, request.idempotency);
    let overlap = body.overlap();
    let done = webhooks::rotate_secret(app, &caller, id, overlap, idempotency, with_secret).await?;
    Ok(Reply::json_bytes(StatusCode::OK, done.body).replayed(done.replayed))
}

/// `POST /v1/webhooks/endpoints/{id}/test`
pub(super) async fn test(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let idempotency = request.idempotency;
    let render = deliveries::bytes;
    let done = webhooks::test(&request.app, &caller, id, idempotency, render).await?;
    Ok(Reply::json_bytes(StatusCode::ACCEPTED, done.body).replayed(done.replayed))
}

/// `POST /v1/webhooks/endpoints/{id}/redrive`
pub(super) async fn redrive(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let body: RedriveRequest = request.json()?;
    let (app, idempotency) = (&request.app, request.idempotency);
    let since = body.since.unwrap_or_default();
    let done = webhooks::redrive(app, &caller, id, since, idempotency, redriven).await?;
    Ok(Reply::json_bytes(StatusCode::ACCEPTED, done.body).replayed(done.replayed))
}
