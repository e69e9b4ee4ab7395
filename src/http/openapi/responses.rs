//! What a route answers: statuses, headers and errors.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{SCHEMAS, schemas::Schemas};
use crate::{
    domain::ErrorKind,
    http::{
        error::Dialect,
        routes::{Access, Asker, BodyKind, Route},
    },
};

/// Every header that answers have: name, type, meaning.
const HEADERS: [(&str, &str, &str); 22] = [
    ("X-Request-Id", "string", "The request's name; in logs, events and webhooks too."),
    ("RateLimit-Limit", "integer", "Requests that the budget allows at once."),
    ("RateLimit-Remaining", "integer", "Requests that the budget allows now."),
    ("RateLimit-Reset", "integer", "Seconds until the budget is whole again."),
    ("RateLimit-Policy", "string", "The budget: name, quota, window in seconds."),
    ("RateLimit", "string", "The budget: name, what remains, seconds until it is whole again."),
    ("x-ratelimit-limit-requests", "integer", "Requests that the budget allows at once."),
    ("x-ratelimit-remaining-requests", "integer", "Requests that the budget allows now."),
    (
        "x-ratelimit-reset-requests",
        "string",
        "Time until the budget is whole again, such as `12s`.",
    ),
    ("x-should-retry", "string", "`false` where sending it again cannot help."),
    (
        "Retry-After",
        "integer",
        "Seconds after which a retry can help: up to 60, or until the next day begins.",
    ),
    ("WWW-Authenticate", "string", "Always `Bearer`."),
    ("Idempotent-Replayed", "string", "`true` where the same Idempotency-Key was answered before."),
    ("Strict-Transport-Security", "string", "Only where the request came by HTTPS."),
    ("X-Content-Type-Options", "string", "Always `nosniff`."),
    ("Referrer-Policy", "string", "Always `no-referrer`."),
    ("Cache-Control", "string", "Always `no-store`."),
    ("Content-Security-Policy", "string", "What the page may load: nothing but its own style."),
    ("Content-Disposition", "string", "The name of a CSV file, where it is one."),
    ("Set-Cookie", "string", "The session of the dashboard, where it begins or ends."),
    ("Location", "string", "The path of what was made."),
    ("Link", "string", "Where a CSV file goes on (`rel=\"next\"`), where it does."),
];
const ALWAYS: [&str; 5] = [
    "X-Request-Id",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cache-Control",
];
const BUDGET: [&str; 5] =
    ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "RateLimit"];

const OPENAI_BUDGET: [&str; 3] =
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];

/// What each header means.
pub(super) fn headers() -> Map<String, Value> {
    let describe = |(name, kind, description): (&str, &str, &str)| {
        let header = json!({"description": description, "schema": {"type": kind}});
        (name.to_owned(), header)
    };
    HEADERS.into_iter().map(describe).collect()
}

/// The answers of a route by their status.
pub(super) fn responses(route: &Route, schemas: &mut Schemas) -> Map<String, Value> {
    let mut responses = Map::new();
    let status = route.success.as_str().to_owned();
    responses.insert(status, success(route, schemas));
    let mut codes: Vec<(StatusCode, Vec<String>)> = Vec::new();
    for kind in errors_of(route) {
        let (status, code) = (route.dialect.status_of(kind).0, route.dialect.code_of(kind));
        match codes.iter_mut().find(|(known, _)| *known == status) {
            Some((_, known)) if known.iter().any(|known| *known == code) => {}
            Some((_, known)) => known.push(code.into_owned()),
            None => codes.push((status, vec![code.into_owned()])),
        }
    }
    codes.sort_by_key(|(status, _)| *status);
    for (status, codes) in codes {
        let response = json!({
            "description": format!("`{}`", codes.join("`, `")),
            "headers": header_refs(route, status),
            "content": {"application/json": {"schema": {"$ref": format!("{SCHEMAS}Error")}}},
        });
        responses.insert(status.as_str().to_owned(), response);
    }
    responses
}

fn success(route: &Route, schemas: &mut Schemas) -> Value {
    let mut content = Map::new();
    if let Some(of) = route.response {
        let schema = schemas.answer(of);
        content.insert("application/json".to_owned(), json!({"schema": schema}));
    }
    for media_type in route.media_types {
        let schema = json!({"schema": {"type": "string"}});
        content.insert((*media_type).to_owned(), schema);
    }
    let reason = route.success.canonical_reason().unwrap_or_default();
    let headers = header_refs(route, route.success);
    let mut response = json!({"description": reason, "headers": headers});
    if !content.is_empty() {
        response["content"] = Value::Object(content);
    }
    response
}

/// What may go wrong: what the route says, and what its access, body and method bring.
fn errors_of(route: &Route) -> Vec<ErrorKind> {
    use ErrorKind as Kind;
    let mut kinds = vec![Kind::ServerError, Kind::Unavailable, Kind::InvalidRequest];
    match route.access {
        Access::Open => {}
        Access::Metrics => kinds.extend([Kind::Unauthenticated, Kind::RateLimit]),
        // Who signed in may be no operator.
        Access::Operator => {
            kinds.extend([Kind::Unauthenticated, Kind::RateLimit, Kind::InsufficientScope]);
        }
        Access::SignedIn => {
            kinds.extend([Kind::Unauthenticated, Kind::RateLimit, Kind::NotFound]);
            kinds.push(Kind::InsufficientScope);
        }
        // Also where no scope is needed: a key may be bound to networks.
        Access::AnyKey | Access::Tenant(_) => {
            kinds.extend([Kind::Unauthenticated, Kind::RateLimit]);
            kinds.extend([Kind::AccountSuspended, Kind::InsufficientScope]);
        }
    }
    match route.body {
        BodyKind::None => {}
        BodyKind::Raw => kinds.push(Kind::BodyTooLarge),
        BodyKind::Empty | BodyKind::Json | BodyKind::OptionalJson => {
            kinds.extend([Kind::InvalidJson, Kind::BodyTooLarge, Kind::UnsupportedMediaType]);
        }
    }
    if route.asker == Asker::OwnPage {
        kinds.push(Kind::InsufficientScope);
    }
    if route.path.contains('{') {
        kinds.push(Kind::NotFound);
    }
    if route.is_idempotent() {
        kinds.extend([Kind::IdempotencyKeyConflict, Kind::IdempotencyInProgress]);
    }
    if route.spends {
        kinds.extend([Kind::InsufficientCredits, Kind::BudgetExceeded]);
        kinds.extend([Kind::QueueFull, Kind::DailyTokenCap]);
    }
    for kind in route.errors {
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    kinds
}

fn header_refs(route: &Route, status: StatusCode) -> Map<String, Value> {
    let mut names: Vec<&str> = ALWAYS.to_vec();
    if route.access != Access::Open && status != StatusCode::UNAUTHORIZED {
        names.extend(BUDGET);
        if route.dialect == Dialect::OpenAi {
            names.extend(OPENAI_BUDGET);
        }
    }
    if route.dialect == Dialect::OpenAi && !status.is_success() {
        names.push("x-should-retry");
    }
    match status {
        StatusCode::UNAUTHORIZED => names.push("WWW-Authenticate"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT => {
            names.push("Retry-After");
        }
        _ if status.is_success() && route.is_idempotent() => {
            names.push("Idempotent-Replayed");
        }
        _ => {}
    }
    if status == route.success {
        names.extend(route.headers);
    }
    let reference = |name: &str| json!({"$ref": format!("#/components/headers/{name}")});
    let entries = names.into_iter().map(|name| (name.to_owned(), reference(name)));
    entries.collect()
}
