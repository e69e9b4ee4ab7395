use std::collections::HashSet;

use serde_json::{Value, json};

use super::*;
use crate::domain::Timestamp;

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const START: Timestamp = Timestamp::from_millis(1_795_165_200_000);

/// Spans that stay in their channel.
fn traces(sample_ratio: f64, room: usize) -> (Traces, mpsc::Receiver<Item>, Ambient) {
    let (spans, waiting) = mpsc::sync_channel(room);
    let ambient = Ambient::manual(START, 3);
    let counts = Arc::default();
    let inner = Inner { ambient: ambient.clone(), sample_ratio, spans, counts };
    (Traces(Some(Arc::new(inner))), waiting, ambient)
}

fn sent(waiting: &mpsc::Receiver<Item>) -> Vec<Record> {
    let spans = waiting.try_iter().filter_map(|item| match item {
        Item::Span(span) => Some(*span),
        Item::Wake => None,
    });
    spans.collect()
}

fn given(flags: &str) -> Option<TraceContext> {
    TraceContext::parse(&format!("{}{flags}", GIVEN.strip_suffix("01").unwrap()))
}

#[test]
fn where_nothing_is_exported_the_given_trace_is_passed_on() {
    let traces = Traces::default();
    assert_eq!(traces.begin(None, SpanKind::Server, "a").context(), None);
    let mut span = traces.begin(given("01"), SpanKind::Server, "a");
    span.describe(|_| panic!("nobody reads it"));
    assert_eq!(span.context(), given("01"));
    assert_eq!(traces.totals(), None);
}

#[test]
fn a_parent_decides_what_is_recorded() {
    let (traces, waiting, _) = traces(0.0, 9);
    assert_eq!(traces.begin(None, SpanKind::Server, "a").context(), None);
    assert_eq!(traces.within(None, SpanKind::Client, "a").context(), None);
    assert_eq!(traces.begin(given("00"), SpanKind::Server, "a").context(), given("00"));
    assert!(sent(&waiting).is_empty());
    let context = traces.begin(given("01"), SpanKind::Server, "a").context().unwrap();
    let [span] = &sent(&waiting)[..] else { panic!("not one span") };
    assert_eq!((span.context, span.parent), (context, given("01")));
    assert_ne!(Some(context), given("01"));
}

#[test]
fn a_trace_that_was_given_can_be_left_out() {
    let (traces, waiting, _) = traces(1.0, 9);
    let mut own = traces.begin(None, SpanKind::Server, "own");
    let context = own.context();
    own.leave_out_given();
    assert_eq!(own.context(), context);
    drop(own);
    let mut span = traces.begin(given("03"), SpanKind::Server, "given");
    span.leave_out_given();
    span.describe(|_| panic!("nobody reads it"));
    assert_eq!(span.context(), given("02"));
    drop(span);
    let mut unsampled = traces.begin(given("00"), SpanKind::Server, "given");
    unsampled.leave_out_given();
    assert_eq!(unsampled.context(), given("00"));
    drop(unsampled);
    let sent = sent(&waiting);
    assert_eq!(sent.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["own"]);
}

#[test]
fn a_step_that_panics_has_failed() {
    let (traces, waiting, _) = traces(1.0, 9);
    let panics = std::panic::AssertUnwindSafe(|| {
        let _span = traces.begin(None, SpanKind::Consumer, "a");
        panic!("it does");
    });
    std::panic::catch_unwind(panics).unwrap_err();
    assert!(sent(&waiting)[0].has_failed);
}

#[test]
fn a_part_of_the_traces_that_begin_here_is_recorded() {
    for (ratio, expected) in [(1.0, 1_000..=1_000), (0.5, 400..=600), (0.1, 50..=150)] {
        let (traces, waiting, _) = traces(ratio, 1_000);
        for _ in 0..1_000 {
            drop(traces.begin(None, SpanKind::Server, "a"));
        }
        let spans = sent(&waiting);
        assert!(expected.contains(&spans.len()), "{ratio}: {}", spans.len());
        let names: HashSet<_> =
            spans.iter().map(|span| span.context.trace_id().to_string()).collect();
        assert_eq!(names.len(), spans.len());
        assert!(spans.iter().all(|span| span.parent.is_none() && span.context.is_sampled()));
    }
}

#[test]
fn without_room_spans_are_lost_and_counted() {
    let (traces, waiting, _) = traces(1.0, 2);
    for _ in 0..5 {
        drop(traces.begin(None, SpanKind::Server, "a"));
    }
    assert_eq!(traces.totals(), Some(TraceTotals { exported: 0, dropped: 3 }));
    drop(waiting);
    drop(traces.begin(None, SpanKind::Server, "a"));
    assert_eq!(traces.totals().unwrap().dropped, 4);
}

#[test]
fn spans_are_written_as_the_protocol_has_them() {
    let (traces, waiting, ambient) = traces(1.0, 9);
    traces.waited(given("01"), "wait", START.minus(Duration::from_secs(3)), |_| ());
    let mut span = traces.begin(given("01"), SpanKind::Client, "call");
    ambient.advance(Duration::from_millis(1_500));
    // The length does not follow a clock that is set back.
    ambient.jump(START);
    span.describe(|record| {
        record.name("call it");
        record.text("long", "é".repeat(300));
        record.whole("count", u64::MAX);
        record.fail("timeout");
    });
    drop(span);
    let body = otlp::request("me", "this one", &sent(&waiting));
    let body: Value = serde_json::from_slice(&body).unwrap();
    let resource = &body["resourceSpans"][0]["resource"]["attributes"];
    assert_eq!(resource[0], json!({"key": "service.name", "value": {"stringValue": "me"}}));
    let [wait, call] = &body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap()[..]
    else {
        panic!("{body}")
    };
    assert_eq!(wait["startTimeUnixNano"], "1795165197000000000");
    assert_eq!(wait["endTimeUnixNano"], "1795165200000000000");
    assert_eq!((&wait["kind"], &wait["status"]["code"]), (&json!(1), &json!(0)));
    assert_eq!(call["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(call["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(call["spanId"].as_str().unwrap().len(), 16);
    assert_eq!((&call["name"], &call["kind"]), (&json!("call it"), &json!(3)));
    assert_eq!(call["endTimeUnixNano"], "1795165201500000000");
    let expected = json!([
        {"key": "long", "value": {"stringValue": "é".repeat(256)}},
        {"key": "count", "value": {"intValue": i64::MAX.to_string()}},
        {"key": "error.type", "value": {"stringValue": "timeout"}},
    ]);
    assert_eq!((&call["attributes"], &call["status"]["code"]), (&expected, &json!(2)));
}

#[test]
fn a_collector_may_leave_some_out() {
    for (answer, rejected) in [
        (r#"{"partialSuccess":{"rejectedSpans":"7","errorMessage":"no"}}"#, 7),
        (r#"{"partialSuccess":{"rejectedSpans":7}}"#, 7),
        (r#"{"partialSuccess":{}}"#, 0),
        ("{}", 0),
        ("", 0),
        ("<html>", 0),
    ] {
        assert_eq!(otlp::rejected(answer.as_bytes()), rejected, "{answer}");
    }
}
