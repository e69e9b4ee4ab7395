//! The `anthropic` provider: what OpenAI's form becomes, and what becomes OpenAI's form.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc, time::Duration};

use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use skai_server::{
    ambient::Ambient,
    domain::{ChatMessage, JobErrorCode, Secret, Usage},
    providers::{
        Call, Completion, Delta, Provider, ProviderError, ProviderSettings, Providers,
        RemoteSettings,
    },
};

use super::with_call;
use crate::support::{Answer, LIMIT, Piece, scripted::Scripted};

const KEY: &str = "sk-ant-of-the-operator";

fn anthropic(base_url: &str, key: &str) -> Arc<dyn Provider> {
    let settings = ProviderSettings::Anthropic(RemoteSettings {
        base_url: base_url.to_owned(),
        api_key: Secret::new(key.to_owned()),
        timeout: LIMIT,
        allow_media_urls: true,
    });
    let providers = Providers::new(&Ambient::system(), [("anthropic".to_owned(), settings)]);
    providers.get("anthropic").unwrap()
}

fn base_url(server: &Scripted) -> String {
    format!("http://{}/v1", server.address())
}

fn message(content: &Value, stop_reason: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-dated",
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 2, "output_tokens": 5}})
}

fn says(text: &str) -> Value {
    message(&json!([{"type": "text", "text": text}]), "end_turn")
}

/// Asks with a change of the call; what was sent, and the answer.
fn exchange(
    answer: &Value,
    change: impl FnOnce(&mut Call<'_>),
) -> (Value, Result<Completion, ProviderError>) {
    let answer = Answer::json(200, answer);
    let server = Scripted::start(move |_| answer.clone());
    let result = with_call(change, |call| anthropic(&base_url(&server), KEY).complete(call));
    let sent = server.received().pop().map_or(Value::Null, |call| call.json());
    (sent, result)
}

/// What is sent of these messages.
fn sent(messages: &Value) -> Value {
    let messages: Vec<ChatMessage> = serde_json::from_str(&messages.to_string()).unwrap();
    exchange(&says("ok"), |call| call.messages = messages.leak()).0
}

fn leaked(schema: &Value) -> &'static RawValue {
    Box::leak(to_raw_value(schema).unwrap())
}

fn extras(fields: &Value) -> &'static BTreeMap<String, Box<RawValue>> {
    Box::leak(Box::new(serde_json::from_str(&fields.to_string()).unwrap()))
}

fn sent_with(fields: &Value) -> Value {
    exchange(&says("ok"), |call| call.extras = extras(fields)).0
}

#[test]
fn a_call_becomes_a_message() {
    let answer = Answer::json(200, &says("A bird."));
    let server = Scripted::start(move |_| answer.clone());
    let provider = anthropic(&base_url(&server), KEY);
    let answer = with_call(|_| (), |call| provider.complete(call)).unwrap();
    assert_eq!((answer.text.as_str(), answer.model.as_str()), ("A bird.", "claude-dated"));
    assert_eq!((answer.usage, answer.estimated), (Usage::new(15, 5).with_cached(2), false));
    assert_eq!((answer.cached_tokens, answer.finish_reason.as_deref()), (Some(2), Some("stop")));
    let [call] = &*server.received() else { panic!() };
    assert_eq!((&*call.method, &*call.path), ("POST", "/v1/messages"));
    assert_eq!(call.header("x-api-key"), Some(KEY));
    assert_eq!(call.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!((call.header("authorization"), call.header("x-request-id")), (None, Some("req-1")));
    let text = json!([{"type": "text", "text": "What is a duck?"}]);
    let messages = json!([{"role": "user", "content": text}]);
    let expected = json!({"model": "gpt-4o-mini", "max_tokens": 100, "messages": messages});
    assert_eq!(call.json(), expected);
}

#[test]
fn thoughts_of_other_models_are_left_out() {
    let sent = sent(&json!([
        {"role": "user", "content": "3 and 4?"},
        {"role": "assistant", "content": "7", "reasoning_content": "I count."},
    ]));
    assert_eq!(sent["messages"][1]["content"], json!([{"type": "text", "text": "7"}]));
}

#[test]
fn what_would_change_the_answer_is_refused() {
    for (field, refused, harmless) in [
        ("functions", json!([{"name": "f"}]), json!([])),
        ("function_call", json!("auto"), json!("none")),
        ("audio", json!({"voice": "alloy"}), Value::Null),
        ("modalities", json!(["text", "audio"]), json!(["text"])),
        ("logprobs", json!(true), json!(false)),
    ] {
        let (sent, answer) =
            exchange(&says("ok"), |call| call.extras = extras(&json!({ field: refused })));
        let error = answer.unwrap_err();
        assert_eq!((sent, error.code), (Value::Null, JobErrorCode::BadRequest));
        assert!(error.message.starts_with(&format!("{field} is")), "{error}");
        assert!(sent_with(&json!({ field: harmless })).is_object(), "{field}");
    }
    for (message, place) in [
        (json!({"role": "function", "name": "f", "content": "7"}), "messages/0 "),
        (json!({"role": "assistant", "function_call": {"name": "f"}}), "messages/0/function_call "),
        (json!({"role": "assistant", "audio": {"id": "a"}}), "messages/0/audio "),
    ] {
        let messages: Vec<ChatMessage> =
            serde_json::from_str(&json!([message]).to_string()).unwrap();
        let (_, answer) = exchange(&says("ok"), |call| call.messages = messages.leak());
        let error = answer.unwrap_err();
        assert!(error.message.starts_with(place), "{error}");
    }
}

#[test]
fn parameters_are_translated() {
    let stop: &[String] = vec!["END".to_owned()].leak();
    let (sent, _) = exchange(&says("ok"), |call| {
        call.temperature = Some(1.7);
        call.top_p = Some(0.9);
        call.max_tokens = Some(7);
        call.stop = stop;
        call.seed = Some(1);
        call.user = Some("u");
        call.extras = extras(&json!({"frequency_penalty": 1, "logit_bias": {}}));
    });
    for (field, value) in [
        ("temperature", json!(1.0)),
        ("max_tokens", json!(7)),
        ("stop_sequences", json!(["END"])),
        ("metadata", json!({"user_id": "u"})),
    ] {
        assert_eq!(sent[field], value, "{field}");
    }
    for field in ["top_p", "seed", "stop", "user", "frequency_penalty", "logit_bias", "tools"] {
        assert!(sent.get(field).is_none(), "{field}");
    }
    let (sent, _) = exchange(&says("ok"), |call| call.top_p = Some(0.9));
    assert_eq!(sent["top_p"], 0.9);
}

#[test]
fn roles_become_turns() {
    let body = sent(&json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": " "}]},
        {"role": "developer", "content": "Be kind."},
        {"role": "assistant", "content": "c", "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
            {"id": "2", "type": "function", "function": {"name": "g", "arguments": ""}},
        ]},
        {"role": "tool", "tool_call_id": "1", "content": "7"},
        {"role": "tool", "tool_call_id": "2", "content": ""},
        {"role": "user", "content": "d"},
        {"role": "assistant", "content": "e \n"},
    ]));
    assert_eq!(body["system"], "Be brief.\n\nBe kind.");
    let text = |text: &str| json!({"type": "text", "text": text});
    let tool_use = |id: &str, name: &str, input: Value| json!({"type": "tool_use", "id": id, "name": name, "input": input});
    let expected = json!([
        {"role": "user", "content": [text("a"), text("b")]},
        {"role": "assistant", "content":
            [text("c"), tool_use("1", "f", json!({"x": 1})), tool_use("2", "g", json!({}))]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "1", "content": [text("7")]},
            {"type": "tool_result", "tool_use_id": "2"},
            text("d"),
        ]},
        {"role": "assistant", "content": [text("e")]},
    ]);
    assert_eq!(body["messages"], expected);
}

#[test]
fn the_user_speaks_first() {
    let body = sent(&json!([{"role": "system", "content": "Say hello."}]));
    let dot = json!({"role": "user", "content": [{"type": "text", "text": "."}]});
    assert_eq!((&body["system"], &body["messages"]), (&json!("Say hello."), &json!([dot])));
    let body = sent(&json!([{"role": "assistant", "content": "Hm"}]));
    assert_eq!((&body["messages"][0], &body["messages"][1]["role"]), (&dot, &json!("assistant")));
}

#[test]
fn images_and_documents_are_sent_along() {
    let body = sent(&json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}},
    ]}]));
    let source = json!({"type": "base64", "media_type": "image/png", "data": "QUJD"});
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "QQ=="});
    let expected = json!([
        {"type": "image", "source": source},
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        {"type": "document", "source": pdf, "title": "a.pdf"},
    ]);
    assert_eq!(body["messages"][0]["content"], expected);
}

#[test]
fn what_cannot_be_sent_is_refused() {
    for (part, word) in [
        (json!({"type": "input_audio", "input_audio": {}}), "`input_audio`"),
        (
            json!({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}),
            "http, https or data",
        ),
        (json!({"type": "image_url"}), "image_url"),
        (json!({"type": "file", "file": {"file_id": "f"}}), "file_data"),
    ] {
        let messages = json!([{"role": "user", "content": [part]}]);
        let messages: Vec<ChatMessage> = serde_json::from_str(&messages.to_string()).unwrap();
        let (sent, result) = exchange(&says("ok"), |call| call.messages = messages.leak());
        let error = result.unwrap_err();
        assert!(sent.is_null() && error.code == JobErrorCode::BadRequest);
        assert!(error.message.starts_with("messages/0/content/0 "), "{error}");
        assert!(error.message.contains(word), "{error}");
    }
    for (fields, word) in [
        (json!({"tools": {}}), "tools must be an array"),
        (json!({"tools": [{"type": "custom"}]}), "tools/0 must be a function"),
        (json!({"tools": [function("f")], "tool_choice": {"type": "custom"}}), "tool_choice"),
    ] {
        let (_, result) = exchange(&says("ok"), |call| call.extras = extras(&fields));
        let error = result.unwrap_err();
        assert!(error.code == JobErrorCode::BadRequest && error.message.contains(word), "{error}");
    }
    let calls = json!([{"id": "1", "function": {"name": "f", "arguments": "[1]"}}]);
    let message = json!([{"role": "assistant", "tool_calls": calls}]);
    let messages: Vec<ChatMessage> = serde_json::from_str(&message.to_string()).unwrap();
    let (_, result) = exchange(&says("ok"), |call| call.messages = messages.leak());
    assert!(result.unwrap_err().message.starts_with("messages/0/tool_calls/0 "));
}

fn function(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "description": "Does it.", "strict": true,
        "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}, "anyOf": [{}]}}})
}

#[test]
fn tools_are_translated_both_ways() {
    let body = sent_with(&json!({
        "tools": [function("f"), {"type": "function", "function": {"name": "g"}}],
        "tool_choice": "auto", "parallel_tool_calls": false,
    }));
    let schema = json!({"type": "object", "properties": {"x": {"type": "integer"}}});
    let expected = json!([
        {"name": "f", "description": "Does it.", "input_schema": schema},
        {"name": "g", "input_schema": {"type": "object"}},
    ]);
    assert_eq!(body["tools"], expected);
    assert_eq!(body["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    let one = json!({"type": "function", "function": {"name": "f"}});
    for (choice, expected) in [
        (json!("none"), json!({"type": "none"})),
        (json!("required"), json!({"type": "any"})),
        (one, json!({"type": "tool", "name": "f"})),
        (json!(null), json!(null)),
    ] {
        let body = sent_with(&json!({"tools": [function("f")], "tool_choice": choice}));
        assert_eq!(body["tool_choice"], expected);
    }
    let content = json!([
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
    ]);
    let answer = exchange(&message(&content, "tool_use"), |_| ()).1.unwrap();
    let calls: Value = serde_json::from_str(answer.tool_calls.unwrap().get()).unwrap();
    let call = json!({"name": "f", "arguments": "{\"x\":1}"});
    assert_eq!(calls, json!([{"id": "t1", "type": "function", "function": call}]));
    assert_eq!(
        (answer.text.as_str(), answer.finish_reason.as_deref()),
        ("I look.", Some("tool_calls"))
    );
}

#[test]
fn a_schema_becomes_a_tool_that_must_be_called() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let content = json!([{"type": "tool_use", "id": "t", "name": "output", "input": {"a": 1.0}}]);
    for change in [
        Box::new(|call: &mut Call<'_>| call.output_schema = Some(leaked(&schema)))
            as Box<dyn Fn(&mut Call<'_>)>,
        Box::new(|call: &mut Call<'_>| {
            let format =
                json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema}});
            call.extras = extras(&json!({ "response_format": format }));
        }),
    ] {
        let (sent, answer) = exchange(&message(&content, "tool_use"), change);
        assert_eq!(sent["tools"][0]["input_schema"], schema);
        let choice = json!({"type": "tool", "name": "output", "disable_parallel_tool_use": true});
        assert_eq!(sent["tool_choice"], choice);
        let answer = answer.unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.finish_reason.as_deref()),
            ("{\"a\":1.0}", Some("stop"))
        );
        assert!(answer.tool_calls.is_none());
    }
}

#[test]
fn other_schemas_become_an_instruction() {
    for schema in [
        json!({"type": "array"}),
        json!({"type": "object", "oneOf": [{}]}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}),
    ] {
        let (sent, answer) =
            exchange(&says("[1]"), |call| call.output_schema = Some(leaked(&schema)));
        assert!(sent.get("tools").is_none());
        let system = sent["system"].as_str().unwrap();
        assert!(
            system.contains("JSON Schema") && system.ends_with(&schema.to_string()),
            "{system}"
        );
        assert_eq!(answer.unwrap().text, "[1]");
    }
    let (sent, _) = exchange(&says("[1]"), |call| {
        call.output_schema = Some(leaked(&json!({"type": "object"})));
        call.extras = extras(&json!({"tools": [function("f")]}));
    });
    assert_eq!((sent["tools"].as_array().unwrap().len(), sent.get("tool_choice")), (1, None));
    assert!(sent["system"].as_str().unwrap().contains("JSON Schema"), "own tools come first");
    let body = sent_with(&json!({"response_format": {"type": "json_object"}}));
    assert!(body["system"].as_str().unwrap().contains("JSON object"));
    assert!(sent_with(&json!({"response_format": {"type": "text"}})).get("system").is_none());
}

#[test]
fn every_end_has_its_reason() {
    for (stop_reason, reason) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ] {
        let answer = exchange(&message(&json!([]), stop_reason), |_| ()).1.unwrap();
        assert_eq!(answer.finish_reason.as_deref(), Some(reason), "{stop_reason}");
    }
}

#[test]
fn errors_are_mapped_and_clean() {
    let failed = |status, kind: &str| {
        let error = json!({"type": kind, "message": format!("Because of {KEY}.")});
        let answer = Answer::json(status, &json!({"type": "error", "error": error}));
        let answer = answer.header("retry-after", "9");
        let server = Scripted::start(move |_| answer.clone());
        with_call(|_| (), |call| anthropic(&base_url(&server), KEY).complete(call)).unwrap_err()
    };
    for (status, code, retryable) in [
        (400, JobErrorCode::BadRequest, false),
        (413, JobErrorCode::BadRequest, false),
        (429, JobErrorCode::RateLimit, true),
        (500, JobErrorCode::ServerError, true),
        (529, JobErrorCode::ServerError, true),
    ] {
        let error = failed(status, "overloaded_error");
        assert_eq!((error.code, error.retryable), (code, retryable), "{status}");
        assert_eq!(error.retry_after, Some(Duration::from_secs(9)));
        assert!(error.message.ends_with(": Because of [redacted]"), "{error}");
    }
    let odd = exchange(&json!({"content": 7}), |_| ()).1.unwrap_err();
    assert_eq!((odd.code, odd.retryable), (JobErrorCode::ServerError, true));
    let no_key =
        with_call(|_| (), |call| anthropic("https://api.anthropic.com/v1", "").complete(call));
    let no_key = no_key.unwrap_err();
    assert!(!no_key.retryable && no_key.message.contains("ANTHROPIC_API_KEY"), "{no_key}");
}

fn events(events: &[Value]) -> String {
    let event =
        |data: &Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    events.iter().map(event).collect::<Vec<_>>().concat()
}

fn start() -> Value {
    let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 2, "output_tokens": 1});
    json!({"type": "message_start", "message": {"model": "claude-dated", "content": [], "usage": usage}})
}

fn block(index: u64, block: &Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: &Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn text(text: &str) -> Value {
    delta(0, &json!({"type": "text_delta", "text": text}))
}

fn end(stop_reason: &str) -> [Value; 2] {
    let usage = json!({"output_tokens": 20});
    let delta = json!({"stop_reason": stop_reason, "stop_sequence": null});
    [
        json!({"type": "message_delta", "delta": delta, "usage": usage}),
        json!({"type": "message_stop"}),
    ]
}

fn streamed(
    body: String,
    change: impl FnOnce(&mut Call<'_>),
    most: usize,
) -> (Vec<Value>, Vec<Delta>, Result<Completion, ProviderError>) {
    let server = Scripted::start(move |_| {
        Answer::streamed([Piece::text(body.clone())]).header("content-type", "text/event-stream")
    });
    let mut deltas = Vec::new();
    let result = with_call(change, |call| {
        anthropic(&base_url(&server), KEY).stream(call, &mut |delta| {
            deltas.push(delta);
            if deltas.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    assert_eq!(server.received()[0].json()["stream"], true);
    let values = deltas.iter().map(|delta| serde_json::from_str(delta.delta.get()).unwrap());
    (values.collect(), deltas, result)
}

#[test]
fn a_stream_becomes_deltas() {
    let mut all = vec![
        start(),
        block(0, &json!({"type": "thinking", "thinking": ""})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, &json!({"type": "signature_delta", "signature": "s"})),
        json!({"type": "ping"}),
        block(1, &json!({"type": "text", "text": ""})),
        text("Hé"),
        text("llo"),
        json!({"type": "content_block_stop", "index": 1}),
        block(2, &json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": ""})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": "{\"x\":"})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": "1}"})),
        json!({"type": "content_block_stop", "index": 2}),
        block(3, &json!({"type": "tool_use", "id": "t2", "name": "g", "input": {}})),
        json!({"type": "content_block_stop", "index": 3}),
        json!({"type": "something_new", "x": 1}),
    ];
    all.extend(end("tool_use"));
    let (values, deltas, whole) = streamed(events(&all), |_| (), 99);
    let begin = |index: u64, id: &str, name: &str| {
        json!({"tool_calls": [{"index": index, "id": id, "type": "function",
            "function": {"name": name, "arguments": ""}}]})
    };
    let more = |index: u64, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    let expected = [
        json!({"content": "Hé", "role": "assistant"}),
        json!({"content": "llo"}),
        begin(0, "t1", "f"),
        more(0, "{\"x\":"),
        more(0, "1}"),
        begin(1, "t2", "g"),
        more(1, "{}"),
        json!({}),
    ];
    assert_eq!(values, expected);
    assert_eq!(deltas.last().unwrap().finish_reason.as_deref(), Some("tool_calls"));
    let whole = whole.unwrap();
    assert_eq!((whole.text.as_str(), whole.model.as_str()), ("Héllo", "claude-dated"));
    assert_eq!((whole.usage, whole.estimated), (Usage::new(12, 20).with_cached(2), false));
    assert_eq!(whole.cached_tokens, Some(2));
    let calls: Value = serde_json::from_str(whole.tool_calls.unwrap().get()).unwrap();
    assert_eq!(calls[0]["function"]["arguments"], "{\"x\":1}");
    assert_eq!((&calls[1]["id"], &calls[1]["function"]["arguments"]), (&json!("t2"), &json!("{}")));
}

#[test]
fn a_streamed_output_is_text() {
    let schema = leaked(&json!({"type": "object"}));
    let mut all = vec![
        start(),
        block(0, &json!({"type": "tool_use", "id": "t", "name": "output", "input": {}})),
        delta(0, &json!({"type": "input_json_delta", "partial_json": "{\"a\""})),
        delta(0, &json!({"type": "input_json_delta", "partial_json": ":1}"})),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    all.extend(end("tool_use"));
    let (values, _, whole) = streamed(events(&all), |call| call.output_schema = Some(schema), 99);
    assert_eq!((&values[0]["content"], &values[1]["content"]), (&json!("{\"a\""), &json!(":1}")));
    let whole = whole.unwrap();
    assert_eq!((whole.text.as_str(), whole.finish_reason.as_deref()), ("{\"a\":1}", Some("stop")));
    assert!(whole.tool_calls.is_none());
}

#[test]
fn what_was_reported_of_a_stream_that_nobody_wants_counts() {
    let (_, _, whole) = streamed(events(&[start(), text("four byt"), text("es")]), |_| (), 1);
    let whole = whole.unwrap();
    assert_eq!((whole.usage, whole.estimated), (Usage::new(12, 2).with_cached(2), true));
    assert_eq!(whole.finish_reason, None);
}

#[test]
fn streams_fail_as_calls_do() {
    for (kind, code) in [
        ("overloaded_error", JobErrorCode::ServerError),
        ("rate_limit_error", JobErrorCode::RateLimit),
        ("invalid_request_error", JobErrorCode::BadRequest),
        ("something_new", JobErrorCode::ServerError),
    ] {
        let error =
            json!({"type": "error", "error": {"type": kind, "message": format!("No, {KEY}")}});
        let (values, _, result) = streamed(events(&[start(), error]), |_| (), 99);
        let error = result.unwrap_err();
        assert_eq!((values.len(), error.code), (0, code), "another model may still be asked");
        assert!(error.message.ends_with("No, [redacted]"), "{error}");
    }
    let [stopped, _] = end("end_turn");
    assert_eq!(streamed(events(&[start(), text("a"), stopped]), |_| (), 99).2.unwrap().text, "a");
    for body in [events(&[start(), text("a")]), "data: {\"type\":7}\n\n".to_owned(), String::new()]
    {
        let error = streamed(body, |_| (), 99).2.unwrap_err();
        assert_eq!((error.code, error.retryable), (JobErrorCode::ServerError, true));
    }
}
