//! The table of all routes, and a file of handlers per resource.

mod docs;
mod meta;

mod agents;
mod batches;
mod chat;
mod evals;
mod jobs;
mod models;

mod dead_letters;
mod deliveries;
mod webhooks;

mod credits;

mod api_keys;
mod me;

mod schemas;

mod accounts;
mod operator;
mod queues;

use hyper::StatusCode;
use serde::Serialize;

use super::routes::{Access, Route, Whole, handler};
use crate::{
    app::{
        RateClass,
        api_keys::{KeyRequest, RotateRequest},
        schemas::ValidationRequest,
        webhooks::{EndpointPatch, EndpointRequest},
    },
    domain::{
        ChatRequest, DeliveryStatus, EndpointId, EntryKind, Error, ErrorKind, EventType,
        GenerationRequest, JobId, JobStatus, Page, Result, Scope, Timestamp,
    },
};

/// All routes. What is not here is 404.
pub(crate) fn table() -> Vec<Route> {
    let mut table = Vec::new();
    table.extend(server());
    table.extend(jobs());
    table.extend(batches::routes());
    table.extend(openai());
    table.extend(agents::routes());
    table.extend(agents::runs());
    table.extend(evals::routes());
    table.extend(webhooks());
    table.extend(deliveries());
    table.extend(dead_letters());
    table.extend(credits());
    table.extend(api_keys());
    table.extend(schemas());
    table.extend(operator::accounts());
    table.extend(operator::server());
    table
}

/// The bytes of an answer.
fn json(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(Error::internal)
}

/// What the server says of itself.
fn server() -> [Route; 5] {
    [
        Route::get("/healthz", "getHealth", handler!(meta::health))
            .summary("Whether the process is alive.")
            .answers::<meta::Health>(StatusCode::OK),
        Route::get("/readyz", "getReadiness", handler!(meta::ready))
            .summary(
                "Whether the server takes work: the database can write and nothing is stopping.",
            )
            .answers::<meta::Readiness>(StatusCode::OK),
        Route::get("/metrics", "getMetrics", handler!(meta::metrics))
            .summary("Numbers for Prometheus, as OpenMetrics 1.0.")
            .access(Access::Metrics)
            .media_types(&["application/openmetrics-text"]),
        Route::get("/openapi.json", "getOpenApi", handler!(meta::openapi))
            .summary("The OpenAPI document of this API.")
            .answers::<serde_json::Value>(StatusCode::OK),
        Route::get("/docs", "getReference", handler!(docs::page))
            .summary("The API reference as a page.")
            .media_types(&["text/html"])
            .headers(&["Content-Security-Policy"]),
    ]
}

/// Jobs and their stories.
fn jobs() -> [Route; 6] {
    use jobs::{EventBody, JobBody};
    [
        Route::post("/v1/jobs/generations", "createGeneration", handler!(jobs::create))
            .summary("Accepts a generation job. Durable once it is answered.")
            .scope(Scope::JobsWrite)
            .takes::<GenerationRequest>()
            .answers::<JobBody<'_>>(StatusCode::ACCEPTED)
            .headers(&["Location"])
            .errors(&[
                ErrorKind::InvalidSchema,
                ErrorKind::UnknownModel,
                ErrorKind::ModelNotPriced,
                ErrorKind::InsufficientCredits,
                ErrorKind::QueueFull,
            ]),
        Route::get("/v1/jobs", "listJobs", handler!(jobs::list))
            .summary("Lists jobs, newest first. A page of large jobs ends before its limit, at some 4 MiB.")
            .scope(Scope::JobsRead)
            .paged()
            .query::<JobStatus>("status", "Only jobs with this status.")
            .query::<String>("model", "Only jobs of this model.")
            .query::<String>("agent", "Only jobs of this agent.")
            .query::<String>("user", "Only jobs for this end user.")
            .query::<Timestamp>("created_after", "Only jobs accepted at this time or later.")
            .query::<Timestamp>("created_before", "Only jobs accepted before this time.")
            .answers::<Page<JobBody<'_>>>(StatusCode::OK),
        Route::get("/v1/jobs/{id}", "getJob", handler!(jobs::get))
            .summary("Shows a job; waits for its end where asked to.")
            .scope(Scope::JobsRead)
            .query::<Whole<0, 60>>("wait", "Seconds to wait for a terminal status.")
            .answers::<JobBody<'_>>(StatusCode::OK),
        Route::get("/v1/jobs/{id}/events", "listJobEvents", handler!(jobs::events))
            .summary("Lists a job's steps, oldest first, or streams them as they happen.")
            .scope(Scope::JobsRead)
            .paged()
            .reads::<u64>(
                "Last-Event-ID",
                "Where a stream goes on: the `id` of the last event that was received. The list does not read it.",
            )
            .media_types(&["text/event-stream"])
            .answers::<Page<EventBody<'_>>>(StatusCode::OK),
        Route::post("/v1/jobs/{id}/cancel", "cancelJob", handler!(jobs::cancel))
            .summary("Cancels a job that has not ended and gives back what was set aside for it.")
            .scope(Scope::JobsWrite)
            .answers::<JobBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::Conflict]),
        Route::post("/v1/jobs/{id}/retry", "retryJob", handler!(jobs::retry))
            .summary("Queues a job again that failed, expired or was canceled.")
            .scope(Scope::JobsWrite)
            .answers::<JobBody<'_>>(StatusCode::ACCEPTED)
            .errors(&[ErrorKind::Conflict, ErrorKind::InsufficientCredits, ErrorKind::QueueFull]),
    ]
}

/// What clients of OpenAI's API use.
fn openai() -> [Route; 3] {
    use chat::CompletionBody;
    use models::ModelBody;
    [
        Route::post("/v1/chat/completions", "createChatCompletion", handler!(chat::create))
            .summary("Answers a conversation at once, whole or as a stream, like OpenAI's Chat Completions. Each call is a job.")
            .scope(Scope::JobsWrite)
            .like_openai()
            .takes::<ChatRequest>()
            .answers::<CompletionBody<'_>>(StatusCode::OK)
            .media_types(&["text/event-stream"])
            .errors(&[
                ErrorKind::InvalidSchema,
                ErrorKind::UnknownModel,
                ErrorKind::ModelNotPriced,
                ErrorKind::InsufficientCredits,
                ErrorKind::QueueFull,
                ErrorKind::Conflict,
                ErrorKind::ProviderFailed,
                ErrorKind::OutputSchemaMismatch,
                ErrorKind::ProviderTimeout,
            ]),
        Route::get("/v1/models", "listModels", handler!(models::list))
            .summary("Lists the models and agents that can be asked.")
            .access(Access::AnyKey)
            .like_openai()
            .answers::<Page<ModelBody<'_>>>(StatusCode::OK),
        Route::get("/v1/models/{id}", "getModel", handler!(models::get))
            .summary("Shows a model, or an agent as `agent:` and its name.")
            .access(Access::AnyKey)
            .like_openai()
            .answers::<ModelBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::UnknownModel]),
    ]
}

/// The places that receive webhooks.
fn webhooks() -> [Route; 8] {
    use webhooks::{EndpointBody, RedriveRequest, RedrivenBody, RotationRequest, SecretBody};
    const ALL: &str = "/v1/webhooks/endpoints";
    const ONE: &str = "/v1/webhooks/endpoints/{id}";
    [
        Route::post(ALL, "createWebhookEndpoint", handler!(webhooks::create))
            .summary("Adds an endpoint. Its secret is in this answer alone.")
            .scope(Scope::WebhooksWrite)
            .takes::<EndpointRequest>()
            .answers::<SecretBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::Conflict]),
        Route::get(ALL, "listWebhookEndpoints", handler!(webhooks::list))
            .summary("Lists endpoints, newest first.")
            .scope(Scope::WebhooksRead)
            .paged()
            .answers::<Page<EndpointBody<'_>>>(StatusCode::OK),
        Route::get(ONE, "getWebhookEndpoint", handler!(webhooks::get))
            .summary("Shows an endpoint.")
            .scope(Scope::WebhooksRead)
            .answers::<EndpointBody<'_>>(StatusCode::OK),
        Route::patch(ONE, "updateWebhookEndpoint", handler!(webhooks::update))
            .summary("Changes an endpoint. What is left out stays.")
            .scope(Scope::WebhooksWrite)
            .takes::<EndpointPatch>()
            .answers::<EndpointBody<'_>>(StatusCode::OK),
        Route::delete(ONE, "deleteWebhookEndpoint", handler!(webhooks::delete))
            .summary(
                "Deletes an endpoint. Deliveries on their way to it fail at their next try. It is \
                 gone, so GET and another DELETE answer 404.",
            )
            .scope(Scope::WebhooksWrite)
            .answers_nothing(),
        Route::post(
            "/v1/webhooks/endpoints/{id}/rotate-secret",
            "rotateWebhookSecret",
            handler!(webhooks::rotate_secret),
        )
        .summary("Gives an endpoint a new secret; the old one signs too for a while.")
        .scope(Scope::WebhooksWrite)
        .may_take::<RotationRequest>()
        .answers::<SecretBody<'_>>(StatusCode::OK),
        Route::post(
            "/v1/webhooks/endpoints/{id}/test",
            "testWebhookEndpoint",
            handler!(webhooks::test),
        )
        .summary("Sends a `ping` to an endpoint, whatever events it wants.")
        .scope(Scope::WebhooksWrite)
        .answers::<deliveries::DeliveryBody<'_>>(StatusCode::ACCEPTED)
        .errors(&[ErrorKind::Conflict]),
        Route::post(
            "/v1/webhooks/endpoints/{id}/redrive",
            "redriveWebhookEndpoint",
            handler!(webhooks::redrive),
        )
        .summary("Puts deliveries to an endpoint that failed back into the queue, up to 1,000.")
        .scope(Scope::WebhooksWrite)
        .may_take::<RedriveRequest>()
        .answers::<RedrivenBody>(StatusCode::ACCEPTED)
        .errors(&[ErrorKind::Conflict]),
    ]
}

/// Events on their way to endpoints.
fn deliveries() -> [Route; 3] {
    use deliveries::{DeliveryBody, LogBody};
    [
        Route::get("/v1/webhooks/deliveries", "listDeliveries", handler!(deliveries::list))
            .summary("Lists deliveries, newest first.")
            .scope(Scope::WebhooksRead)
            .paged()
            .query::<DeliveryStatus>("status", "Only deliveries with this status.")
            .query::<EndpointId>("endpoint_id", "Only deliveries to this endpoint.")
            .query::<EventType>("event_type", "Only deliveries of this event.")
            .answers::<Page<DeliveryBody<'_>>>(StatusCode::OK),
        Route::get("/v1/webhooks/deliveries/{id}", "getDelivery", handler!(deliveries::get))
            .summary("Shows a delivery and every try to bring it to its endpoint.")
            .scope(Scope::WebhooksRead)
            .answers::<LogBody<'_>>(StatusCode::OK),
        Route::post(
            "/v1/webhooks/deliveries/{id}/redrive",
            "redriveDelivery",
            handler!(deliveries::redrive),
        )
        .summary("Puts a delivery that failed back into the queue, with all its retries.")
        .scope(Scope::WebhooksWrite)
        .answers::<DeliveryBody<'_>>(StatusCode::ACCEPTED)
        .errors(&[ErrorKind::Conflict]),
    ]
}

/// Work that its queue gave up on.
fn dead_letters() -> [Route; 2] {
    use dead_letters::DeadLetterBody;
    [
        Route::get("/v1/dlq", "listDeadLetters", handler!(dead_letters::list))
            .summary("Lists work that was given up and not put back, newest first.")
            .scope(Scope::JobsRead)
            .paged()
            .query::<String>("queue", "Only of this queue, such as `generation.create.dlq`.")
            .answers::<Page<DeadLetterBody<'_>>>(StatusCode::OK),
        Route::post("/v1/dlq/{id}/redrive", "redriveDeadLetter", handler!(dead_letters::redrive))
            .summary("Puts work back into its queue: a job with a new reservation, a delivery with all its retries.")
            .scope(Scope::JobsWrite)
            .answers::<DeadLetterBody<'_>>(StatusCode::ACCEPTED)
            .errors(&[ErrorKind::Conflict, ErrorKind::InsufficientCredits, ErrorKind::QueueFull]),
    ]
}

/// What the account can spend, and where it came from and went.
fn credits() -> [Route; 3] {
    use credits::{BalanceBody, EntryBody, GrantBody};
    [
        Route::get("/v1/credits/balance", "getBalance", handler!(credits::balance))
            .summary("Shows what the account can spend.")
            .scope(Scope::CreditsRead)
            .answers::<BalanceBody>(StatusCode::OK),
        Route::get("/v1/credits/ledger", "listLedgerEntries", handler!(credits::ledger))
            .summary(
                "Lists the ledger, newest first. As CSV, up to 10,000 rows where no limit is \
                 given; the header `Link` then says where it goes on.",
            )
            .scope(Scope::CreditsRead)
            .paged()
            .query::<EntryKind>("kind", "Only entries of this kind.")
            .query::<JobId>("job_id", "Only entries of this job.")
            .query::<Timestamp>("created_after", "Only entries made at this time or later.")
            .query::<Timestamp>("created_before", "Only entries made before this time.")
            .media_types(&["text/csv"])
            .headers(&["Link", "Content-Disposition"])
            .answers::<Page<EntryBody<'_>>>(StatusCode::OK),
        Route::get("/v1/credits/grants", "listGrants", handler!(credits::grants))
            .summary("Lists credits that were given or bought, newest first.")
            .scope(Scope::CreditsRead)
            .paged()
            .answers::<Page<GrantBody<'_>>>(StatusCode::OK),
    ]
}

/// The account's keys, and what the caller is.
fn api_keys() -> [Route; 6] {
    use api_keys::{KeyBody, NewKeyBody};
    [
        Route::post("/v1/api-keys", "createApiKey", handler!(api_keys::create))
            .summary(
                "Makes a key with scopes that your key has. Its secret is in this answer alone.",
            )
            .scope(Scope::KeysWrite)
            .takes::<KeyRequest>()
            .answers::<NewKeyBody<'_>>(StatusCode::CREATED),
        Route::get("/v1/api-keys", "listApiKeys", handler!(api_keys::list))
            .summary("Lists keys, newest first, revoked ones included.")
            .scope(Scope::KeysRead)
            .paged()
            .answers::<Page<KeyBody<'_>>>(StatusCode::OK),
        Route::get("/v1/api-keys/{id}", "getApiKey", handler!(api_keys::get))
            .summary("Shows a key.")
            .scope(Scope::KeysRead)
            .answers::<KeyBody<'_>>(StatusCode::OK),
        Route::delete("/v1/api-keys/{id}", "revokeApiKey", handler!(api_keys::revoke))
            .summary(
                "Revokes a key. It is refused at once. It can still be shown, so another DELETE \
                 answers 204 and changes nothing.",
            )
            .scope(Scope::KeysWrite)
            .answers_nothing(),
        Route::post("/v1/api-keys/{id}/rotate", "rotateApiKey", handler!(api_keys::rotate))
            .summary(
                "Makes a key with the settings of another, which works until the overlap ends.",
            )
            .scope(Scope::KeysWrite)
            .may_take::<RotateRequest>()
            .answers::<NewKeyBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::Conflict]),
        Route::get("/v1/me", "getMe", handler!(me::get))
            .summary(
                "Shows the account, project and key of the caller, and what is left of its limits.",
            )
            .access(Access::AnyKey)
            .answers::<me::MeBody<'_>>(StatusCode::OK),
    ]
}

/// JSON Schemas, apart from agents and jobs.
fn schemas() -> [Route; 1] {
    [Route::post("/v1/schemas/validate", "validateSchema", handler!(schemas::validate))
        .summary(
            "Checks a JSON value against a JSON Schema (draft 2020-12 or draft-07). Changes \
             nothing, and fetches nothing that the schema refers to.",
        )
        .scope(Scope::AgentsRead)
        .rate(RateClass::Read)
        .takes::<ValidationRequest>()
        .answers::<schemas::ValidationBody<'_>>(StatusCode::OK)
        .errors(&[ErrorKind::InvalidSchema])]
}
