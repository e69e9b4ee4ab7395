//! `/v1/logs`: the requests of an account; `/admin/v1/logs`: those of the operator, and of nobody who is known.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::telemetry::requests::{self, Query},
    domain::{Error, Page, RequestRecordId, Result, Scope, Timestamp},
    http::{
        reply::Reply,
        request::Request,
        routes::{Access, Route, Whole, handler},
    },
    store::telemetry::requests::{RequestFilter, RequestRecord},
};

/// The logs of requests.
pub(super) fn routes() -> [Route; 2] {
    let account = Route::get("/v1/logs", "listRequestLogs", handler!(list))
        .summary(
            "Lists requests that were made with the account's keys, newest first; those that ask for `/healthz`, \
             `/readyz` and `/metrics` are not logged. Secrets are left out, and under overload requests. A page ends \
             before its limit where few requests match among many: then it may be empty and `next_cursor` still \
             leads on.",
        )
        .scope(Scope::LogsRead);
    let nobody = Route::get("/admin/v1/logs", "listUnverifiedRequestLogs", handler!(list_of_nobody))
        .summary(
            "Lists requests that no API key was verified for, and the operator's, newest first, as `GET /v1/logs` \
             does those of an account.",
        )
        .access(Access::Operator);
    [account, nobody].map(filtered)
}

fn filtered(route: Route) -> Route {
    route
        .paged()
        .query::<String>("request_id", "Only requests of this name.")
        .query::<Whole<100, 599>>("status", "Only requests that were answered with this status.")
        .query::<String>("route", "Only requests of this route, such as `/v1/jobs/{id}`.")
        .query::<Timestamp>("created_after", "Only requests answered at this time or later.")
        .query::<Timestamp>("created_before", "Only requests answered before this time.")
        .answers::<Page<LogBody<'_>>>(StatusCode::OK)
}

/// A request that was answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RequestLog")]
pub(super) struct LogBody<'a> {
    id: RequestRecordId,
    #[schemars(extend("const" = "request_log"))]
    object: &'static str,
    /// The request's name, as in its answer's `X-Request-Id`.
    request_id: &'a str,
    method: &'a str,
    /// The route's path as in this document; `null` where no route was found.
    route: Option<&'a str>,
    /// The path without its query and without secrets, up to 512 bytes of it.
    path: &'a str,
    status: u16,
    /// The code of the error, where it was one, in this API's words also where the route speaks others.
    error_code: Option<&'a str>,
    /// From the end of the request's headers to the end of the answer's body, with microseconds.
    duration_ms: f64,
    /// Bytes of the request's body that were read.
    bytes_in: u64,
    /// Bytes of the answer's body that were sent, of a stream to its end or until the client left.
    bytes_out: u64,
    client_address: &'a str,
    /// What the client calls itself, without secrets, up to 256 bytes of it.
    user_agent: Option<&'a str>,
    /// The prefix of the API key, where one was verified, also where the request was refused afterwards.
    api_key_prefix: Option<&'a str>,
    server: ServerBody<'a>,
    /// When the answer ended.
    created_at: Timestamp,
}

/// How the server was meanwhile.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RequestLogServer")]
pub(super) struct ServerBody<'a> {
    /// The name of its machine.
    host: &'a str,
    /// What its process took of one core, within the seconds before; more than 100 where it kept several busy.
    cpu_percent: f64,
    /// What its process held in memory.
    memory_bytes: u64,
}

impl<'a> LogBody<'a> {
    #[expect(clippy::cast_precision_loss, reason = "it is exact up to 285 years")]
    fn of(record: &'a RequestRecord) -> Self {
        Self {
            id: record.id,
            object: "request_log",
            request_id: &record.request_id,
            method: &record.method,
            route: record.route.as_deref(),
            path: &record.path,
            status: record.status,
            error_code: record.error_code.as_deref(),
            duration_ms: record.duration_us as f64 / 1_000.0,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            client_address: &record.client,
            user_agent: record.user_agent.as_deref(),
            api_key_prefix: record.api_key.as_deref(),
            server: ServerBody {
                host: &record.host,
                cpu_percent: f64::from(record.cpu_permille) / 10.0,
                memory_bytes: record.memory_bytes,
            },
            created_at: record.created_at,
        }
    }
}

/// `GET /v1/logs`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (query, scope) = (query(&request)?, request.session()?.scope);
    // It waits for what is on its way to the file, and for the file where that is locked.
    let page = request.heavy(move |app| requests::list(app, scope, &query)).await?;
    reply(&page)
}

/// `GET /admin/v1/logs`
pub(super) async fn list_of_nobody(request: Request) -> Result<Reply> {
    let query = query(&request)?;
    let page = request.heavy(move |app| requests::list_of_nobody(app, &query)).await?;
    reply(&page)
}

fn query(request: &Request) -> Result<Query> {
    let a_status = "a whole number from 100 to 599";
    let status = request.query("status", a_status)?;
    if status.is_some_and(|status: u16| !(100..=599).contains(&status)) {
        return Err(Error::invalid("status", format!("status must be {a_status}")));
    }
    let filter = RequestFilter {
        request_id: request.query_text("request_id").map(str::to_owned),
        status,
        route: request.query_text("route").map(str::to_owned),
    };
    Ok(Query { filter, window: super::window(request)? })
}

fn reply(page: &Page<RequestRecord>) -> Result<Reply> {
    let bodies: Vec<_> = page.data.iter().map(LogBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor.clone()))
}
