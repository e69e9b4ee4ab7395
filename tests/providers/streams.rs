//! Answers in pieces, from servers that keep to the form and from others.

use std::{ops::ControlFlow, sync::mpsc, thread, time::Duration};

use serde_json::{Value, json};
use skai_server::{
    domain::{JobErrorCode, Usage},
    providers::{Call, Completion, Delta, Provider, ProviderError},
    wire::Line,
};

use super::{KEY, failed_call, openai, with_call};
use crate::support::{
    self, Answer, LIMIT, Piece,
    provider::{
        DONE, chunk, completion, ends, error, events, says, streamed, usage_chunk as usage,
    },
};

/// What a stream gave: its pieces, and how it ended.
type Got = (Vec<Delta>, Result<Completion, ProviderError>);

fn stream(provider: &dyn Provider, change: impl FnOnce(&mut Call<'_>)) -> Got {
    let mut pieces = Vec::new();
    let result = with_call(change, |call| {
        provider.stream(call, &mut |delta| {
            pieces.push(delta);
            ControlFlow::Continue(())
        })
    });
    (pieces, result)
}

/// Streams from a server that answers with these pieces.
fn got(pieces: impl IntoIterator<Item = Piece>) -> Got {
    let server = support::Provider::start();
    server.always(streamed(pieces));
    let provider = openai(&server.base_url(), KEY);
    stream(&*provider, |call| call.timeout = Some(Duration::from_secs(10)))
}

fn got_text(body: impl Into<String>) -> Got {
    got([Piece::text(body.into())])
}

fn deltas(pieces: &[Delta]) -> Vec<Value> {
    pieces.iter().map(|piece| serde_json::from_str(piece.delta.get()).unwrap()).collect()
}

/// What [`usage`] says.
fn reported() -> Usage {
    Usage::new(7, 3).with_cached(2)
}

#[test]
fn a_stream_is_asked_for_and_put_together() {
    let server = support::Provider::start();
    let chunks = [chunk(&json!({"role": "assistant", "content": ""})), says("Hé"), says("llo 😀")];
    let body = events(chunks.iter().chain([&ends("stop"), &usage()])) + DONE;
    server.always(streamed([Piece::text(body)]));
    let provider = openai(&server.base_url(), KEY);
    let (pieces, whole) = stream(&*provider, |_| ());
    let whole = whole.unwrap();
    assert_eq!((whole.text.as_str(), whole.model.as_str()), ("Héllo 😀", "test-model-2026-11-20"));
    assert_eq!((whole.usage, whole.estimated), (reported(), false));
    assert_eq!((whole.cached_tokens, whole.reasoning_tokens), (Some(2), Some(1)));
    assert_eq!(whole.finish_reason.as_deref(), Some("stop"));
    let expected = [
        json!({"role": "assistant", "content": ""}),
        json!({"content": "Hé"}),
        json!({"content": "llo 😀"}),
        json!({}),
    ];
    assert_eq!(deltas(&pieces), expected);
    assert_eq!(pieces[3].finish_reason.as_deref(), Some("stop"));
    assert!(pieces[0].finish_reason.is_none() && pieces[0].logprobs.is_none());
    let sent = server.received()[0].json();
    assert_eq!(
        (&sent["stream"], &sent["stream_options"]),
        (&json!(true), &json!({"include_usage": true}))
    );
    stream(&*provider, |_| ()).1.unwrap();
    assert_eq!(server.connections(), 1, "the connection is kept");
}

#[test]
fn it_does_not_matter_where_packets_end() {
    let body = ": hello\r\n\r\n".to_owned()
        + &*events([&says("é😀"), &says("x")]).replace('\n', "\r\n")
        + "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"y\"}}]}\n\n: ping\n\n"
        + &*events([&ends("stop"), &usage()])
        + DONE;
    for size in [1, 2, 3, 7, 64, 5_000] {
        let pieces = body.as_bytes().chunks(size).map(|bytes| Piece::text(bytes.to_vec()));
        let (pieces, whole) = got(pieces);
        let whole = whole.unwrap();
        assert_eq!((whole.text.as_str(), whole.usage), ("é😀xy", reported()), "{size}");
        assert_eq!(pieces.len(), 4);
    }
}

#[test]
fn each_piece_is_handed_over_while_the_rest_is_held_back() {
    let server = support::Provider::start();
    let [first, second] = ["a", "b"].map(|text| Piece::text(events([&says(text)])));
    let end = Piece::text(events([&ends("stop")]) + DONE);
    server.always(streamed([first, Piece::Hold, second, Piece::Hold, end]));
    let provider = openai(&server.base_url(), KEY);
    let (sender, receiver) = mpsc::channel();
    let asked = thread::spawn(move || {
        with_call(
            |_| (),
            |call| {
                provider.stream(call, &mut |delta| {
                    sender.send(delta.delta.get().to_owned()).unwrap();
                    ControlFlow::Continue(())
                })
            },
        )
    });
    for text in [r#"{"content":"a"}"#, r#"{"content":"b"}"#, "{}"] {
        assert_eq!(receiver.recv_timeout(LIMIT).unwrap(), text);
        assert_eq!(server.in_flight(), usize::from(text != "{}"), "nothing more came");
        server.release();
    }
    assert_eq!(asked.join().unwrap().unwrap().text, "ab");
}

#[test]
fn a_sink_that_breaks_ends_the_call() {
    let server = support::Provider::start();
    let mut first = usage();
    first["choices"] = says("four byt")["choices"].clone();
    for (chunk, usage, estimated) in
        [(says("four byt"), Usage::new(4, 2), true), (first, reported(), false)]
    {
        server.always(streamed([Piece::text(events([&chunk])), Piece::Hold]));
        let provider = openai(&server.base_url(), KEY);
        let whole =
            with_call(|_| (), |call| provider.stream(call, &mut |_| ControlFlow::Break(())));
        let whole = whole.unwrap();
        assert_eq!((whole.text.as_str(), whole.usage), ("four byt", usage));
        assert_eq!((whole.estimated, whole.finish_reason), (estimated, None));
        server.wait_for_in_flight(0);
    }
}

#[test]
fn a_cut_line_ends_a_stream_with_what_there_is() {
    let server = support::Provider::start();
    server.always(streamed([Piece::text(events([&says("four byt")])), Piece::Hold]));
    let provider = openai(&server.base_url(), KEY);
    let line = Line::default();
    let whole = line.during(|| {
        with_call(
            |_| (),
            |call| {
                provider.stream(call, &mut |_| {
                    let cut = line.clone();
                    thread::spawn(move || cut.cut());
                    ControlFlow::Continue(())
                })
            },
        )
    });
    let whole = whole.unwrap();
    assert_eq!((whole.text.as_str(), whole.usage), ("four byt", Usage::new(4, 2)));
    assert!(whole.estimated);
    server.wait_for_in_flight(0);
    let (pieces, late) = line.during(|| stream(&*provider, |_| ()));
    assert!(pieces.is_empty() && late.is_err(), "a call that never began has no answer");
}

#[test]
fn usage_is_taken_wherever_it_comes_and_else_estimated() {
    let text = says("four byt");
    let usage_of = |chunks: &[&Value]| {
        let whole = got_text(events(chunks.iter().copied()) + DONE).1.unwrap();
        (whole.usage, whole.estimated)
    };
    assert_eq!(usage_of(&[&text, &ends("stop")]), (Usage::new(4, 2), true));
    let thinks = |field: &str| chunk(&json!({ field: "four byt" }));
    let both = chunk(&json!({"reasoning": "four byt", "reasoning_content": "four byt"}));
    for thought in [thinks("reasoning_content"), thinks("reasoning"), both] {
        // With the quotes around it.
        assert_eq!(usage_of(&[&thought, &text, &ends("stop")]), (Usage::new(4, 5), true));
    }
    let calls = chunk(&json!({"function_call": {"name": "f", "arguments": "{}"}}));
    assert!(usage_of(&[&calls, &ends("function_call")]).0.completion_tokens > 2);
    let mut early = text.clone();
    early["usage"] = json!({"prompt_tokens": 7, "completion_tokens": 1});
    assert_eq!(usage_of(&[&early, &ends("stop")]), (Usage::new(7, 1), false));
    assert_eq!(usage_of(&[&early, &ends("stop"), &usage()]), (reported(), false));
    let mut null = ends("stop");
    null["usage"] = Value::Null;
    assert_eq!(usage_of(&[&early, &null]), (Usage::new(7, 1), false));
    let mut absurd = ends("stop");
    absurd["usage"] = json!({"prompt_tokens": 7, "completion_tokens": u64::MAX});
    assert_eq!(usage_of(&[&text, &absurd]), (Usage::new(4, 2), true));
}

#[test]
fn tools_refusals_and_logprobs_come_through() {
    let begin = json!({"tool_calls": [{"index": 0, "id": "1", "type": "function",
        "function": {"name": "f", "arguments": ""}}]});
    let more = json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]});
    let mut likely = chunk(&json!({"refusal": "No."}));
    likely["choices"][0]["logprobs"] = json!({"content": []});
    let other = json!({"choices": [{"index": 1, "delta": {"content": "unwanted"}}]});
    let chunks = [chunk(&begin), other, chunk(&more), likely, ends("tool_calls")];
    let (pieces, whole) = got_text(events(&chunks) + DONE);
    let whole = whole.unwrap();
    let calls: Value = serde_json::from_str(whole.tool_calls.unwrap().get()).unwrap();
    let function = json!({"name": "f", "arguments": "{}"});
    assert_eq!(calls, json!([{"id": "1", "type": "function", "function": function}]));
    assert_eq!((whole.refusal.as_deref(), whole.text.as_str()), (Some("No."), ""));
    assert_eq!(whole.finish_reason.as_deref(), Some("tool_calls"));
    assert_eq!(pieces.len(), 4, "other choices are not asked for");
    assert_eq!(pieces[2].logprobs.as_ref().unwrap().get(), r#"{"content":[]}"#);
}

#[test]
fn a_stream_may_end_without_its_mark_but_not_in_the_middle() {
    let (text, end) = (says("a"), ends("stop"));
    assert_eq!(got_text(events([&text, &end])).1.unwrap().text, "a");
    assert_eq!(got_text(events([&text]) + DONE).1.unwrap().finish_reason, None);
    assert_eq!(got_text(events([&text]) + "data: [DONE]").1.unwrap().text, "a");
    let broken = [Piece::text(events([&text, &end])), Piece::Break];
    assert!(got(broken).1.unwrap().estimated, "the answer was whole");
    for (body, seen) in
        [(String::new(), 0), (events([&text]), 1), (events([&text]) + "data: {\"cho", 1)]
    {
        let (pieces, error) = got_text(body);
        let error = error.unwrap_err();
        assert_eq!((pieces.len(), error.message.as_str()), (seen, "the stream broke off"));
        assert!(error.code == JobErrorCode::ServerError && error.retryable);
    }
    let (pieces, error) = got([Piece::text(events([&text])), Piece::Break]);
    assert_eq!((pieces.len(), error.unwrap_err().code), (1, JobErrorCode::ServerError));
}

#[test]
fn errors_before_and_in_a_stream_are_errors() {
    let limited = error(429, "slow down").header("retry-after", "7");
    let server = support::Provider::start();
    server.always(limited);
    let (pieces, before) = stream(&*openai(&server.base_url(), KEY), |_| ());
    let before = before.unwrap_err();
    assert_eq!((pieces.len(), before.code), (0, JobErrorCode::RateLimit));
    assert_eq!(before.retry_after, Some(Duration::from_secs(7)));
    let inner = json!({"error": {"code": 429, "message": format!("slow down, {KEY}")}});
    let (pieces, inside) = got_text(events([&says("a"), &inner]));
    let inside = inside.unwrap_err();
    assert_eq!((pieces.len(), inside.code), (1, JobErrorCode::RateLimit));
    assert!(inside.message.ends_with("slow down, [redacted]"), "{inside}");
}

#[test]
fn nonsense_in_a_stream_is_a_server_error() {
    for body in [
        "data: {\n\n".to_owned(),
        "data: \u{0}\n\n".to_owned(),
        events([&json!([1])]),
        events([&json!({"choices": [{"delta": 7}]})]),
        events([&json!({"choices": [{"delta": {"content": 7}}]})]),
        DONE.to_owned(),
        "<html>".to_owned(),
        format!("data: {}", "x".repeat(5 << 20)),
        events([&says(&"x".repeat(3 << 20)), &says(&"x".repeat(3 << 20))]),
    ] {
        let error = got_text(body.clone()).1.unwrap_err();
        let got = (error.code, error.retryable);
        assert_eq!(got, (JobErrorCode::ServerError, true), "{body:.40}: {error}");
    }
}

#[test]
fn a_server_that_does_not_stream_is_understood() {
    let server = support::Provider::start();
    server.always(completion("all at once"));
    let (pieces, whole) = stream(&*openai(&server.base_url(), KEY), |_| ());
    let whole = whole.unwrap();
    assert_eq!((whole.text.as_str(), whole.usage), ("all at once", Usage::new(10, 5)));
    let said = json!({"role": "assistant", "content": "all at once"});
    assert_eq!(deltas(&pieces), [said, json!({})]);
    assert_eq!(pieces[1].finish_reason.as_deref(), Some("stop"));
}

#[test]
fn patience_is_for_each_piece_and_the_limit_for_all() {
    let limited = |answer: Answer, timeout: u64, at_most: u64| {
        let server = support::Provider::start();
        server.always(answer);
        let got = stream(&*openai(&server.base_url(), KEY), |call| {
            call.timeout = Some(Duration::from_millis(timeout));
            call.at_most = Duration::from_millis(at_most);
        });
        server.wait_for_in_flight(0);
        (got.0.len(), got.1.unwrap_err())
    };
    let held = || streamed([Piece::text(events([&says("a")])), Piece::Hold]);
    let again = |text: &str| Answer::endless(text.to_owned(), Duration::from_millis(20));
    for (answer, seen) in [(completion("a").held(), 0), (held(), 1), (again(": ping\n\n"), 0)] {
        let (pieces, error) = limited(answer, 150, 20_000);
        assert_eq!((pieces, error.code), (seen, JobErrorCode::Timeout));
        assert_eq!(error.message, "the provider did not answer within 150ms");
    }
    // It never pauses for long, and goes on for longer than a piece may take.
    let (pieces, error) = limited(again(&events([&says("a")])), 800, 1_000);
    assert!(pieces > 1, "{pieces}");
    assert_eq!(error.message, "the provider did not answer within 1s");
}

#[test]
fn a_stream_of_a_misconfigured_provider_fails_at_once() {
    let provider = openai("https://api.openai.com/v1", "");
    let (pieces, error) = stream(&*provider, |_| ());
    assert!(pieces.is_empty() && !error.unwrap_err().retryable);
    assert!(!failed_call(&*provider).retryable);
}
