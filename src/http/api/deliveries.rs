//! `/v1/webhooks/deliveries`: events on their way to endpoints.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::json;
use crate::{
    app::deliveries,
    domain::{
        Cursor, DeliveryId, DeliveryStatus, EndpointId, Error, ErrorKind, EventId, EventType, Page,
        Result, Scope, Timestamp,
    },
    http::{
        reply::Reply,
        request::{A_TIME, AN_ID, Request},
        routes::{Route, handler},
    },
    store::deliveries::{Attempt, Delivery, DeliveryFilter},
};

/// Events on their way to endpoints.
pub(super) fn routes() -> [Route; 3] {
    [
        Route::get("/v1/webhooks/deliveries", "listDeliveries", handler!(list))
            .summary(
                "Lists deliveries, newest first. A page ends before its limit where few match among many: \
                 then it may be empty and `next_cursor` still leads on.",
            )
            .scope(Scope::WebhooksRead)
            .paged()
            .query::<DeliveryStatus>("status", "Only deliveries with this status.")
            .query::<EndpointId>("endpoint_id", "Only deliveries to this endpoint.")
            .query::<EventType>("event_type", "Only deliveries of this event.")
            .query::<Timestamp>("created_after", "Only of events that happened at this time or later.")
            .query::<Timestamp>("created_before", "Only of events that happened before this time.")
            .answers::<Page<DeliveryBody<'_>>>(StatusCode::OK),
        Route::get("/v1/webhooks/deliveries/{id}", "getDelivery", handler!(get))
            .summary("Shows a delivery and every try to bring it to its endpoint.")
            .scope(Scope::WebhooksRead)
            .answers::<LogBody<'_>>(StatusCode::OK),
        Route::post("/v1/webhooks/deliveries/{id}/redrive", "redriveDelivery", handler!(redrive))
            .summary("Puts a delivery that failed back into the queue, with all its retries.")
            .scope(Scope::WebhooksWrite)
            .answers::<DeliveryBody<'_>>(StatusCode::ACCEPTED)
            .errors(&[ErrorKind::Conflict]),
    ]
}

/// One event on its way to one endpoint.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookDelivery")]
pub(super) struct DeliveryBody<'a> {
    id: DeliveryId,
    #[schemars(extend("const" = "webhook_delivery"))]
    object: &'static str,
    endpoint_id: EndpointId,
    /// The event, the same for all endpoints.
    event_id: EventId,
    #[schemars(with = "EventType")]
    event_type: &'a str,
    status: DeliveryStatus,
    /// The body, exactly as it is sent and signed.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    payload: &'a RawValue,
    /// Tries made.
    attempt_count: u32,
    /// When the event happened.
    created_at: Timestamp,
    /// When it was delivered or given up.
    finished_at: Option<Timestamp>,
}

impl<'a> DeliveryBody<'a> {
    fn of(delivery: &'a Delivery) -> Result<Self> {
        Ok(Self {
            id: delivery.id,
            object: "webhook_delivery",
            endpoint_id: delivery.endpoint.1,
            event_id: delivery.event_id,
            event_type: &delivery.event_type,
            status: delivery.status,
            payload: serde_json::from_str(&delivery.payload).map_err(Error::internal)?,
            attempt_count: delivery.attempts,
            created_at: delivery.created_at,
            finished_at: delivery.finished_at,
        })
    }
}

/// A delivery as the bytes of an answer.
pub(super) fn bytes(delivery: &Delivery) -> Result<Vec<u8>> {
    json(&DeliveryBody::of(delivery)?)
}

/// One try to bring a delivery to its endpoint.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookAttempt")]
struct AttemptBody<'a> {
    #[schemars(extend("const" = "webhook_attempt"))]
    object: &'static str,
    /// Its number, from 1.
    number: i64,
    /// The status of the answer, where there was one.
    status_code: Option<u16>,
    /// Why there was no answer.
    error: Option<&'a str>,
    /// The first 16 KiB of the answer's body.
    response_body: Option<&'a str>,
    duration_ms: i64,
    /// When it ended.
    created_at: Timestamp,
}

impl<'a> AttemptBody<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        Self {
            object: "webhook_attempt",
            number: attempt.n,
            status_code: attempt.status_code,
            error: attempt.error.as_deref(),
            response_body: attempt.response.as_deref(),
            duration_ms: attempt.duration_ms,
            created_at: attempt.created_at,
        }
    }
}

/// A delivery and every try to bring it to its endpoint.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookDeliveryLog")]
pub(super) struct LogBody<'a> {
    #[serde(flatten)]
    delivery: DeliveryBody<'a>,
    /// Oldest first.
    attempts: Vec<AttemptBody<'a>>,
    /// When the next try is due; null where none is to come.
    next_attempt_at: Option<Timestamp>,
}

/// `GET /v1/webhooks/deliveries`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, caller) = (request.page()?, request.caller()?);
    let event_type = request.choice("event_type", EventType::ALL, EventType::as_str)?;
    let filter = DeliveryFilter {
        status: request.choice("status", DeliveryStatus::ALL, DeliveryStatus::as_str)?,
        endpoint: request.query("endpoint_id", AN_ID)?,
        event_type: event_type.map(|known| known.as_str().to_owned()),
        created_after: request.query("created_after", A_TIME)?,
        created_before: request.query("created_before", A_TIME)?,
        before: page.after.as_ref().map(Cursor::uuid).transpose()?.map(DeliveryId::from_uuid),
    };
    let limit = page.limit;
    let page = request.blocking(move |app| deliveries::list(app, &caller, &filter, limit)).await?;
    let bodies: Vec<_> = page.data.iter().map(DeliveryBody::of).collect::<Result<_>>()?;
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/webhooks/deliveries/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let log = request.blocking(move |app| deliveries::get(app, &caller, id)).await?;
    let attempts = log.attempts.iter().map(AttemptBody::of).collect();
    let delivery = DeliveryBody::of(&log.delivery)?;
    Reply::ok(&LogBody { delivery, attempts, next_attempt_at: log.due_at })
}

/// `POST /v1/webhooks/deliveries/{id}/redrive`
pub(super) async fn redrive(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let idempotency = request.idempotency;
    let done = deliveries::redrive(&request.app, &caller, id, idempotency, bytes).await?;
    Ok(Reply::json_bytes(StatusCode::ACCEPTED, done.body).replayed(done.replayed))
}
