//! Spans as OTLP/JSON 1.x: names of traces in hexadecimal digits, 64-bit numbers as text.
//! See <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::Value as Json;

use super::record::{Record, Value};

/// Who made the spans.
const SCOPE: Scope<'_> = Scope { name: "skai-server", version: env!("CARGO_PKG_VERSION") };

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: [KeyValue<'a>; 3],
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope<'a>,
    #[serde(serialize_with = "spans")]
    spans: &'a [Record],
}

#[derive(Serialize)]
struct Scope<'a> {
    name: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    trace_id: String,
    #[serde(rename = "spanId")]
    id: String,
    #[serde(rename = "parentSpanId", skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<KeyValue<'a>>,
    status: Status,
}

#[derive(Serialize)]
struct Status {
    /// 0: not said, 2: an error.
    code: u8,
}

#[derive(Serialize)]
struct KeyValue<'a> {
    key: &'a str,
    value: AnyValue<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum AnyValue<'a> {
    StringValue(&'a str),
    IntValue(String),
}

/// The body of a request that exports these spans. `instance` tells the starts of a server apart.
pub(super) fn request(service: &str, instance: &str, spans: &[Record]) -> Vec<u8> {
    let resource = Resource {
        attributes: [
            text("service.name", service),
            text("service.version", SCOPE.version),
            text("service.instance.id", instance),
        ],
    };
    let resource_spans =
        [ResourceSpans { resource, scope_spans: [ScopeSpans { scope: SCOPE, spans }] }];
    // All of it is text and numbers, so that there is nothing to refuse.
    serde_json::to_vec(&Request { resource_spans }).unwrap_or_default()
}

/// How many spans a collector that answered with success says that it left out.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
    match &answer["partialSuccess"]["rejectedSpans"] {
        Json::String(count) => count.parse().unwrap_or(0),
        count => count.as_u64().unwrap_or(0),
    }
}

const fn text<'a>(key: &'a str, value: &'a str) -> KeyValue<'a> {
    KeyValue { key, value: AnyValue::StringValue(value) }
}

fn spans<S: Serializer>(records: &[Record], out: S) -> Result<S::Ok, S::Error> {
    let mut list = out.serialize_seq(Some(records.len()))?;
    for record in records {
        list.serialize_element(&span(record))?;
    }
    list.end()
}

fn span(record: &Record) -> Span<'_> {
    Span {
        trace_id: record.context.trace_id().to_string(),
        id: record.context.span_id().to_string(),
        parent: record.parent.map(|parent| parent.span_id().to_string()),
        name: &record.name,
        kind: record.kind as u8,
        start_time_unix_nano: nanos(record.start),
        end_time_unix_nano: nanos(record.end),
        attributes: record.attributes.iter().map(attribute).collect(),
        status: Status { code: if record.has_failed { 2 } else { 0 } },
    }
}

fn attribute<'a>((key, value): &'a (&'static str, Value)) -> KeyValue<'a> {
    let value = match value {
        Value::Text(text) => AnyValue::StringValue(text),
        Value::Whole(number) => AnyValue::IntValue(number.to_string()),
    };
    KeyValue { key, value }
}

fn nanos(time: Duration) -> String {
    time.as_nanos().to_string()
}
