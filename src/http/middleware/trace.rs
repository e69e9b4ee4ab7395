//! A request as a step of a trace.

use hyper::http::request::Parts;

use crate::{
    domain::TraceContext,
    http::{
        Served,
        request::{Identity, only_header},
    },
    observe::traces::{Record, Span, SpanKind, Traces},
};

/// What is asked every few seconds by who watches the server. It begins no trace.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Goes on with the client's trace, or begins one. A malformed `traceparent` is none.
pub(super) fn begin(traces: &Traces, parts: &Parts) -> Span {
    let given = only_header(&parts.headers, "traceparent").and_then(TraceContext::parse);
    if given.is_none() && PROBES.contains(&parts.uri.path()) {
        return Span::default();
    }
    traces.begin(given, SpanKind::Server, "HTTP")
}

/// Strangers have no say in what is recorded: anybody can send a `traceparent` that asks for it. Their traces are passed
/// on alone.
pub(super) fn distrust(span: &mut Span, identity: &Identity) {
    if matches!(identity, Identity::Anyone) {
        span.leave_out_given();
    }
}

/// Tells how it was answered: by its route, for a path may have anything in it.
pub(super) fn describe(record: &mut Record, served: &Served<'_>, is_https: bool) {
    let method = known_method(served.method);
    let named = if method == "_OTHER" { "HTTP" } else { method };
    match served.route {
        Some(route) => record.name(format!("{named} {route}")),
        None => record.name(named),
    }
    record.text("http.request.method", method);
    if let Some(route) = served.route {
        record.text("http.route", route);
    }
    record.whole("http.response.status_code", served.status);
    record.text("url.scheme", if is_https { "https" } else { "http" });
    record.text("client.address", served.client.to_string());
    record.text("skai.request_id", served.id.to_owned());
    if let Some(session) = served.session {
        record.text("skai.account.id", session.scope.account_id().to_string());
    }
    if served.status >= 500 {
        record.fail(served.status.to_string());
    }
}

/// Clients may invent methods.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}
