use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::domain::{ChatMessage, Usage};

/// What `run` gives for a call with these messages, changed as a test needs it.
fn with_call<T>(
    messages: &[ChatMessage],
    change: impl FnOnce(&mut Call<'_>),
    run: impl FnOnce(&Call<'_>) -> T,
) -> T {
    let extras = BTreeMap::new();
    let mut call = Call {
        model: "sandbox",
        messages,
        temperature: None,
        max_tokens: None,
        default_max_tokens: 100,
        top_p: None,
        stop: &[],
        seed: None,
        output_schema: None,
        extras: &extras,
        user: None,
        request_id: "r",
        trace: None,
        timeout: Some(Duration::from_secs(1)),
        at_most: Duration::MAX,
    };
    change(&mut call);
    run(&call)
}

fn ask_with(
    content: &str,
    change: impl FnOnce(&mut Call<'_>),
) -> Result<Completion, ProviderError> {
    let messages = [(ChatRole::System, "Be brief."), (ChatRole::User, content)]
        .map(|(role, content)| ChatMessage::text_of(role, content));
    with_call(&messages, change, |call| Sandbox::configured().complete(call))
}

fn ask(content: &str) -> Result<Completion, ProviderError> {
    ask_with(content, |_| ())
}

#[test]
fn answers_the_same_every_time() {
    let answer = ask("Say\n hello").unwrap();
    assert_eq!(answer.text, "The sandbox has read: Say hello");
    assert_eq!(answer.usage, Usage::new(6, 8));
    assert_eq!(answer.finish_reason.as_deref(), Some("stop"));
    assert!(!answer.estimated);
    let again = ask("Say\n hello").unwrap();
    assert_eq!(format!("{again:?}"), format!("{answer:?}"));
}

#[test]
fn answers_with_json_for_a_schema() {
    let schema: Box<RawValue> = serde_json::from_str(r#"{"const": {"title": "a"}}"#).unwrap();
    let answer = ask_with("x", |call| {
        call.output_schema = Some(Box::leak(schema));
        call.max_tokens = Some(1);
    });
    let answer = answer.unwrap();
    assert_eq!(answer.text, r#"{"title":"a"}"#);
    assert_eq!(answer.usage.completion_tokens, 1);
}

#[test]
fn says_when_no_value_can_be_made_up() {
    let schema: Box<RawValue> = serde_json::from_str("false").unwrap();
    let error = ask_with("x", |call| call.output_schema = Some(Box::leak(schema)));
    assert_eq!(error.unwrap_err().code, JobErrorCode::BadRequest);
}

#[test]
fn cuts_text_at_max_tokens() {
    let answer = ask_with("naïve question", |call| call.max_tokens = Some(6)).unwrap();
    assert_eq!(answer.text, "The sandbox has read: na");
    assert_eq!(answer.finish_reason.as_deref(), Some("length"));
    assert_eq!(answer.usage.completion_tokens, 6);
}

#[test]
fn no_answer_has_more_tokens_than_were_set_aside_for_it() {
    let long = "long ".repeat(500);
    let answer = ask(&format!("[sandbox:text={long}]")).unwrap();
    assert_eq!(answer.usage.completion_tokens, 100);
    assert_eq!(answer.finish_reason.as_deref(), Some("length"));
    assert_eq!(answer.text, long[..400]);
}

#[test]
fn fails_as_told() {
    for code in ["RATE_LIMIT", "TIMEOUT", "SERVER_ERROR", "BAD_REQUEST"] {
        let error = ask(&format!("Hello [sandbox:fail={code}]")).unwrap_err();
        assert_eq!(error.code.as_str(), code);
        assert_eq!(error.retryable, code != "BAD_REQUEST");
    }
}

#[test]
fn waits_as_told_but_not_beyond_the_timeout() {
    assert_eq!(ask("[sandbox:delay=1ms] Hello").unwrap().text, "The sandbox has read: Hello");
    let timeout = Some(Duration::from_millis(5));
    let error = ask_with("[sandbox:delay=1h]", |call| call.timeout = timeout).unwrap_err();
    assert_eq!(error.code, JobErrorCode::Timeout);
}

#[test]
fn repeats_the_text_that_it_is_given() {
    let answer = ask(r#"x [sandbox:delay=0s] [sandbox:text={"a":[1,[2]]}]"#).unwrap();
    assert_eq!(answer.text, r#"{"a":[1,[2]]}"#);
}

#[test]
fn explains_directives_that_it_does_not_know() {
    for bad in [
        "fail=OOPS",
        "delay=soon",
        "chunk_delay=",
        "usage=some",
        "break=1",
        "cached=-1",
        "jump",
        "",
    ] {
        let error = ask(&format!("[sandbox:{bad}]")).unwrap_err();
        assert_eq!(error.code, JobErrorCode::BadRequest, "{bad}");
    }
    assert!(ask("an open [sandbox:fail=RATE_LIMIT").is_ok());
}

#[test]
fn in_test_mode_all_delays_of_a_call_together_are_bounded() {
    assert_eq!(Sandbox::of_test_mode().patience, Duration::from_secs(2));
    let hasty = Sandbox { patience: Duration::from_millis(3) };
    let text = "[sandbox:delay=1h][sandbox:chunk_delay=2h] Hello";
    let messages = [ChatMessage::text_of(ChatRole::User, text)];
    let patient = |call: &mut Call<'_>| call.timeout = None;
    let whole = with_call(&messages, patient, |call| hasty.complete(call)).unwrap();
    assert_eq!(whole.text, "The sandbox has read: Hello");
    let goes_on = &mut |_: Delta| ControlFlow::Continue(());
    let whole = with_call(&messages, patient, |call| hasty.stream(call, goes_on)).unwrap();
    assert_eq!((whole.text.as_str(), whole.estimated), ("The sandbox has read: Hello", false));
    // Timeouts are kept.
    let short = |call: &mut Call<'_>| call.timeout = Some(Duration::from_millis(1));
    let error = with_call(&messages, short, |call| hasty.complete(call)).unwrap_err();
    assert_eq!(error.code, JobErrorCode::Timeout);
}

/// Streams to a sink.
fn stream_to(
    content: &str,
    change: impl FnOnce(&mut Call<'_>),
    sink: &mut Sink<'_>,
) -> Result<Completion, ProviderError> {
    let messages = [ChatMessage::text_of(ChatRole::User, content)];
    with_call(&messages, change, |call| Sandbox::configured().stream(call, sink))
}

/// The pieces of a stream, as many as are wanted, and what it gave in the end.
fn stream_with(
    content: &str,
    change: impl FnOnce(&mut Call<'_>),
    wanted: usize,
) -> (Vec<Delta>, Result<Completion, ProviderError>) {
    let mut pieces = Vec::new();
    let result = stream_to(content, change, &mut |delta| {
        pieces.push(delta);
        if pieces.len() == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    (pieces, result)
}

fn words(pieces: &[Delta]) -> Vec<String> {
    let content = |delta: &Delta| {
        let value: Value = serde_json::from_str(delta.delta.get()).unwrap();
        value.get("content").and_then(Value::as_str).map(str::to_owned)
    };
    pieces.iter().filter_map(content).collect()
}

#[test]
fn a_stream_comes_word_by_word() {
    let (pieces, whole) = stream_with("Hi [sandbox:chunk_delay=1ms]", |_| (), 99);
    assert_eq!(words(&pieces), ["", "The ", "sandbox ", "has ", "read: ", "Hi"]);
    assert_eq!(pieces[0].delta.get(), r#"{"role":"assistant","content":""}"#);
    let last = pieces.last().unwrap();
    assert_eq!((last.delta.get(), last.finish_reason.as_deref()), ("{}", Some("stop")));
    assert!(pieces[..6].iter().all(|piece| piece.finish_reason.is_none()));
    let whole = whole.unwrap();
    assert_eq!((whole.text.as_str(), whole.estimated), ("The sandbox has read: Hi", false));
}

#[test]
fn a_stream_that_nobody_wants_ends_with_an_estimate() {
    let (pieces, got) = stream_with("Hi", |_| (), 3);
    let got = got.unwrap();
    assert_eq!(words(&pieces), ["", "The ", "sandbox "]);
    assert_eq!((got.text.as_str(), got.usage), ("The sandbox ", Usage::new(1, 3)));
    assert!(got.estimated && got.finish_reason.is_none());
}

#[test]
fn a_stream_breaks_off_and_dawdles_as_told() {
    let (pieces, got) = stream_with("Hi [sandbox:break]", |_| (), 99);
    assert_eq!((pieces.len(), got.unwrap_err().code), (3, JobErrorCode::ServerError));
    assert_eq!(ask("Hi [sandbox:break]").unwrap_err().message, "the stream broke off");
    let short = |call: &mut Call<'_>| call.timeout = Some(Duration::from_millis(1));
    let (pieces, got) = stream_with("Hi [sandbox:chunk_delay=1h]", short, 99);
    assert_eq!((pieces.len(), got.unwrap_err().code), (1, JobErrorCode::Timeout));
}

#[test]
fn a_wait_ends_when_the_line_is_cut() {
    let line = wire::Line::default();
    line.cut();
    let (pieces, got) = line.during(|| stream_with("[sandbox:delay=1h]", |_| (), 99));
    assert!(pieces.is_empty() && got.is_err());
    let line = wire::Line::default();
    let got = line.during(|| {
        let patient = |call: &mut Call<'_>| call.timeout = None;
        stream_to("Hi [sandbox:chunk_delay=29s]", patient, &mut |_| {
            let cut = line.clone();
            crate::ambient::thread("cutting", move || cut.cut()).unwrap();
            ControlFlow::Continue(())
        })
    });
    let got = got.unwrap();
    assert!(got.estimated && got.text.is_empty());
}

#[test]
fn usage_can_be_hidden() {
    assert!(ask("Hi [sandbox:usage=none]").unwrap().estimated);
}

#[test]
fn cached_tokens_are_reported_as_told() {
    let answer = ask("Hi there, once more [sandbox:cached=2]").unwrap();
    assert_eq!((answer.usage.cached_tokens, answer.cached_tokens), (2, Some(2)));
    let all = ask("Hi [sandbox:cached=999]").unwrap().usage;
    assert_eq!(all.cached_tokens, all.prompt_tokens);
    assert_eq!(ask("Hi").unwrap().cached_tokens, None);
}

#[test]
fn tools_are_called_as_told() {
    let tools = json!([{"type": "function", "function": {
        "name": "find", "parameters": {"const": {"city": "Oslo"}},
    }}]);
    let extras = BTreeMap::from([("tools".to_owned(), to_raw_value(&tools).unwrap())]);
    let extras: &'static _ = Box::leak(Box::new(extras));
    let call = ask_with("[sandbox:tool=find]", |call| call.extras = extras).unwrap();
    let calls: Value = serde_json::from_str(call.tool_calls.unwrap().get()).unwrap();
    assert_eq!(calls[0]["function"], json!({"name": "find", "arguments": r#"{"city":"Oslo"}"#}));
    assert_eq!((call.finish_reason.as_deref(), &*call.text), (Some("tool_calls"), ""));
    let bounded = ask_with("[sandbox:tool=find]", |call| {
        (call.extras, call.default_max_tokens) = (extras, 3);
    });
    assert_eq!(bounded.unwrap().usage.completion_tokens, 3);
    assert!(call.usage.completion_tokens > 3);

    let (pieces, _) = stream_with("[sandbox:tool=find]", |call| call.extras = extras, 99);
    let delta: Value = serde_json::from_str(pieces[0].delta.get()).unwrap();
    assert_eq!(delta["tool_calls"][0]["index"], 0);
    let reasons: Vec<_> = pieces.iter().map(|piece| piece.finish_reason.as_deref()).collect();
    assert_eq!(reasons, [None, Some("tool_calls")]);
    assert_eq!(ask("[sandbox:tool=lost]").unwrap_err().code, JobErrorCode::BadRequest);
}

#[test]
fn a_response_format_is_obeyed() {
    let ask_for = |format: &Value| {
        let format = to_raw_value(format).unwrap();
        let extras = BTreeMap::from([("response_format".to_owned(), format)]);
        let extras: &'static _ = Box::leak(Box::new(extras));
        ask_with("Hi", |call| call.extras = extras).unwrap().text
    };
    let schema = json!({"type": "json_schema", "json_schema": {"schema": {"const": [7]}}});
    assert_eq!(ask_for(&schema), "[7]");
    assert!(ask_for(&json!({"type": "json_object"})).starts_with('{'));
    assert_eq!(ask_for(&json!({"type": "text"})), "The sandbox has read: Hi");
}
