//! Providers against local servers, well-behaved and hostile: the `openai` one here.

mod anthropic;
mod limits;
mod media;
mod streams;

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json, value::RawValue};
use skai_server::{
    ambient::Ambient,
    domain::{ChatMessage, ChatRole, JobErrorCode, Secret, Timestamp, Usage},
    providers::{
        Call, Completion, Provider, ProviderError, ProviderSettings, Providers, RemoteSettings,
    },
};

use crate::support::{
    self, Answer, LIMIT,
    provider::{TEXT, USAGE, completion, completion_body, error},
};

const KEY: &str = "sk-secret-of-the-operator";

fn openai(base_url: &str, key: &str) -> Arc<dyn Provider> {
    let settings = ProviderSettings::OpenAi(RemoteSettings {
        base_url: base_url.to_owned(),
        api_key: Secret::new(key.to_owned()),
        timeout: LIMIT,
        allow_media_urls: false,
    });
    let providers = Providers::new(&Ambient::system(), [("openai".to_owned(), settings)]);
    assert!(providers.get("other").is_none());
    providers.get("openai").unwrap()
}

fn ask(provider: &dyn Provider) -> Result<Completion, ProviderError> {
    ask_with(provider, |_| ())
}

fn ask_with(
    provider: &dyn Provider,
    change: impl FnOnce(&mut Call<'_>),
) -> Result<Completion, ProviderError> {
    with_call(change, |call| provider.complete(call))
}

fn failed_call(provider: &dyn Provider) -> ProviderError {
    ask(provider).unwrap_err()
}

/// Makes the usual call, changed.
fn with_call<T>(change: impl FnOnce(&mut Call<'_>), make: impl FnOnce(&Call<'_>) -> T) -> T {
    let messages = [ChatMessage::text_of(ChatRole::User, "What is a duck?")];
    let extras = BTreeMap::new();
    let mut call = Call {
        model: "gpt-4o-mini",
        messages: &messages,
        temperature: None,
        max_tokens: None,
        default_max_tokens: 100,
        top_p: None,
        stop: &[],
        seed: None,
        output_schema: None,
        extras: &extras,
        user: None,
        request_id: "req-1",
        trace: None,
        timeout: None,
        at_most: Duration::MAX,
    };
    change(&mut call);
    make(&call)
}

/// Asks a server that answers so.
fn answered(answer: Answer) -> Result<Completion, ProviderError> {
    let server = support::Provider::start();
    server.always(answer);
    let result = ask(&*openai(&server.base_url(), KEY));
    assert_eq!(server.received().len(), 1, "a call is sent once");
    result
}

fn failed(answer: Answer) -> ProviderError {
    answered(answer).unwrap_err()
}

#[test]
fn a_call_becomes_a_completion() {
    let completion = answered(completion(TEXT)).unwrap();
    let expected = Completion {
        text: TEXT.to_owned(),
        model: "test-model-2026-11-20".to_owned(),
        usage: Usage::new(USAGE.0, USAGE.1),
        finish_reason: Some("stop".to_owned()),
        ..Completion::default()
    };
    assert_eq!(format!("{completion:?}"), format!("{expected:?}"));
}

#[test]
fn only_what_was_asked_for_is_sent() {
    let server = support::Provider::start();
    ask(&*openai(&server.base_url(), KEY)).unwrap();
    let [call] = &*server.received() else { panic!() };
    assert_eq!((&*call.method, &*call.path), ("POST", "/v1/chat/completions"));
    assert_eq!(call.header("authorization"), Some(&*format!("Bearer {KEY}")));
    assert_eq!(call.header("content-type"), Some("application/json"));
    assert_eq!(call.header("x-request-id"), Some("req-1"));
    let messages = json!([{"role": "user", "content": "What is a duck?"}]);
    // The bound too where the call names none: that much was set aside for its answer.
    let expected = json!({"model": "gpt-4o-mini", "messages": messages, "max_tokens": 100});
    assert_eq!(call.json(), expected);
}

#[test]
fn every_parameter_is_sent() {
    let server = support::Provider::start();
    let schema: Box<RawValue> = serde_json::from_str(r#"{"type": "object"}"#).unwrap();
    let stop = ["END".to_owned()];
    let provider = openai(&format!("{}/", server.base_url()), "");
    let extras = BTreeMap::new();
    let mut call = Call {
        model: "m",
        messages: &[],
        temperature: Some(0.2),
        max_tokens: Some(64),
        default_max_tokens: 100,
        top_p: Some(1.0),
        stop: &stop,
        seed: Some(-7),
        output_schema: Some(&schema),
        extras: &extras,
        user: Some("u"),
        request_id: "not\na header",
        trace: None,
        timeout: None,
        at_most: Duration::MAX,
    };
    provider.complete(&call).unwrap();
    call.request_id = "req-2";
    provider.complete(&call).unwrap();
    let calls = server.received();
    let json_schema = json!({"name": "output", "schema": {"type": "object"}, "strict": false});
    let expected = json!({
        "model": "m", "messages": [], "temperature": 0.2, "max_tokens": 64, "top_p": 1.0,
        "stop": ["END"], "seed": -7, "user": "u",
        "response_format": {"type": "json_schema", "json_schema": json_schema},
    });
    assert_eq!(calls[0].json(), expected);
    assert_eq!(calls[0].path, "/v1/chat/completions", "a slash at the end does not matter");
    assert_eq!(calls[0].header("authorization"), None, "no key, no header");
    assert_eq!(calls[0].header("x-request-id"), None);
    assert_eq!(calls[1].header("x-request-id"), Some("req-2"));
}

#[test]
fn other_fields_are_handed_through() {
    let server = support::Provider::start();
    let provider = openai(&server.base_url(), KEY);
    let extras = json!({"tools": [{"type": "function"}], "response_format": {"type": "text"},
        "model": "another", "stream": true, "temperature": 2});
    let extras: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(&extras.to_string()).unwrap();
    let schema: Box<RawValue> = serde_json::from_str("{}").unwrap();
    let extras: &'static _ = Box::leak(Box::new(extras));
    let schema: &'static RawValue = Box::leak(schema);
    ask_with(&*provider, |call| {
        (call.extras, call.output_schema, call.temperature) = (extras, Some(schema), Some(0.5));
    })
    .unwrap();
    let received = server.received();
    let sent = received[0].json();
    assert_eq!(sent["tools"], json!([{"type": "function"}]));
    assert_eq!(sent["response_format"], json!({"type": "text"}));
    assert_eq!((&sent["model"], &sent["temperature"]), (&json!("gpt-4o-mini"), &json!(0.5)));
    assert!(sent.get("stream").is_none(), "a call says itself whether it streams");
    let body = String::from_utf8(received[0].body.to_vec()).unwrap();
    assert_eq!(body.matches("\"model\"").count(), 1, "no field is named twice: {body}");
}

#[test]
fn calls_of_tools_and_details_of_usage_are_read() {
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1}});
    let mut body = completion_body("", &usage);
    let calls =
        json!([{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    body["choices"][0]["message"] =
        json!({"role": "assistant", "content": null, "tool_calls": calls});
    let answer = answered(Answer::json(200, &body)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(answer.tool_calls.unwrap().get()).unwrap(), calls);
    assert_eq!((answer.cached_tokens, answer.reasoning_tokens), (Some(2), Some(1)));
    body["choices"][0]["message"]["tool_calls"] = json!([]);
    assert!(answered(Answer::json(200, &body)).unwrap().tool_calls.is_none());
}

#[test]
fn errors_are_mapped_by_status() {
    use JobErrorCode::{BadRequest, RateLimit, ServerError, Timeout};
    for (status, code) in [
        (400, BadRequest),
        (401, BadRequest),
        (403, BadRequest),
        (404, BadRequest),
        (408, Timeout),
        (409, BadRequest),
        (422, BadRequest),
        (429, RateLimit),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (529, ServerError),
    ] {
        let failure = failed(error(status, "Because."));
        assert_eq!((failure.code, failure.status), (code, Some(status)));
        assert_eq!(failure.retryable, code != BadRequest, "{status}");
        assert_eq!(failure.message.ends_with(": Because."), status != 401, "{status}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = support::Provider::start();
    let answer = Answer::new(307, "").header("location", &elsewhere.base_url());
    let failure = failed(answer);
    assert_eq!(failure.code, JobErrorCode::ServerError);
    assert!(failure.message.contains("base_url"), "{failure}");
    assert!(elsewhere.received().is_empty());
}

#[test]
fn retry_after_is_read() {
    let after = |value: &str| {
        let answer = error(429, "slow down").header("retry-after", value);
        let answer = answer.header("date", "Fri, 20 Nov 2026 09:00:00 GMT");
        failed(answer).retry_after
    };
    assert_eq!(after("7"), Some(Duration::from_secs(7)));
    assert_eq!(after("Fri, 20 Nov 2026 09:01:00 GMT"), Some(Duration::from_mins(1)));
    assert_eq!(after("Fri, 20 Nov 2026 08:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(after("99999999999"), Some(Duration::from_hours(24)));
    for bad in ["", "soon", "-1", "1e9"] {
        assert_eq!(after(bad), None, "{bad}");
    }
    assert_eq!(failed(error(429, "slow down")).retry_after, None);
}

#[test]
fn the_clock_stands_in_for_a_missing_date() {
    // hyper adds a `Date` of its own, so the dates must be wrong to be ignored.
    let server = support::Provider::start();
    let answer = error(503, "").header("date", "today");
    server.always(answer.header("retry-after", "Thu, 01 Jan 1970 00:00:30 GMT"));
    let settings = ProviderSettings::OpenAi(RemoteSettings {
        base_url: server.base_url(),
        api_key: Secret::default(),
        timeout: LIMIT,
        allow_media_urls: false,
    });
    let clock = Ambient::manual(Timestamp::from_millis(10_000), 1);
    let providers = Providers::new(&clock, [("p".to_owned(), settings)]);
    let failure = ask(&*providers.get("p").unwrap()).unwrap_err();
    assert_eq!(failure.retry_after, Some(Duration::from_secs(20)));
}

#[test]
fn errors_show_no_secret_and_stay_short() {
    let echo = format!("Bad key {KEY}!\r\n\u{1b}[31m ({KEY}) key=sk-proj-123, risk-free");
    let message = failed(error(400, &echo)).message;
    assert!(!message.contains("secret-of") && !message.contains("sk-proj"), "{message}");
    assert!(message.contains("Bad key [redacted]") && message.contains("risk-free"), "{message}");
    assert!(!message.contains(char::is_control), "{message}");
    let message = failed(error(400, &"é".repeat(100_000))).message;
    assert!(message.chars().count() < 400);
    assert!(!format!("{:?}", failed(error(401, KEY))).contains(KEY));
}

#[test]
fn other_shapes_of_errors_are_understood() {
    for body in [
        json!({"error": "Because."}),
        json!({"message": "Because."}),
        json!({"detail": "Because."}),
    ] {
        let message = failed(Answer::json(400, &body)).message;
        assert_eq!(message, "the provider answered with status 400: Because.");
    }
    for body in ["", "<html>", "[]", r#"{"error":{"message":[1]}}"#] {
        let message = failed(Answer::new(500, body)).message;
        assert_eq!(message, "the provider answered with status 500");
    }
}

#[test]
fn the_code_of_a_provider_is_kept_where_it_is_one() {
    let code = |code: Value| {
        let error = json!({"message": "No.", "code": code});
        failed(Answer::json(400, &json!({ "error": error }))).provider_code
    };
    assert_eq!(code(json!("context_length_exceeded")).as_deref(), Some("context_length_exceeded"));
    let long = "x".repeat(65);
    for bad in [json!(""), json!(400), json!("a b"), json!("sk-x"), json!("É"), json!(long)] {
        assert_eq!(code(bad), None);
    }
}

#[test]
fn an_error_inside_a_success_is_an_error() {
    let inside = |error: Value| failed(Answer::json(200, &json!({ "error": error })));
    let limited = inside(json!({"code": 429, "message": "slow down"}));
    assert_eq!(limited.code, JobErrorCode::RateLimit);
    assert!(limited.message.ends_with("slow down"));
    for error in [json!({"code": 200}), json!({"code": "x"}), json!("down")] {
        assert_eq!(inside(error).code, JobErrorCode::ServerError);
    }
}

#[test]
fn nonsense_is_a_server_error() {
    let deep = format!(r#"{{"choices":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        "",
        "null",
        "{",
        "{}",
        r#"{"choices":[]}"#,
        r#"{"choices":[{}]}"#,
        r#"{"choices":[{"message":{"content":7}}]}"#,
        "\u{0}\u{1}",
        &deep,
    ] {
        let failure = failed(Answer::new(200, body.to_owned()));
        let got = (failure.code, failure.status, failure.retryable);
        assert_eq!(got, (JobErrorCode::ServerError, Some(200), true), "{body:.40}");
    }
    let not_utf8 = failed(Answer::new(200, &b"{\"choices\":\"\xff\"}"[..]));
    assert_eq!(not_utf8.code, JobErrorCode::ServerError);
}

#[test]
fn usage_that_is_missing_or_unbelievable_is_estimated() {
    let usages = [
        json!(null),
        json!({}),
        json!("many"),
        json!({"prompt_tokens": -1, "completion_tokens": 1}),
        json!({"prompt_tokens": 1, "completion_tokens": 1.5}),
        json!({"prompt_tokens": 1, "completion_tokens": u64::MAX}),
    ];
    for usage in usages {
        let answer = answered(Answer::json(200, &completion_body("eight by", &usage)));
        let answer = answer.unwrap();
        assert!(answer.estimated);
        assert_eq!(answer.usage, Usage::new(4, 2));
    }
}

#[test]
fn an_estimate_counts_all_that_was_written() {
    let written = |message: Value| {
        let mut body = completion_body("", &Value::Null);
        body["choices"][0]["message"] = message;
        answered(Answer::json(200, &body)).unwrap().usage.completion_tokens
    };
    assert_eq!(written(json!({"refusal": "eight by"})), 2);
    assert!(written(json!({"tool_calls": [{"id": "1"}]})) > 0);
    assert!(written(json!({"function_call": {"name": "f"}})) > 0);
    let thoughts = written(json!({"content": "eight by", "reasoning": "eight by"}));
    let twice =
        json!({"content": "eight by", "reasoning": "eight by", "reasoning_content": "eight by"});
    assert!(thoughts > 2 && thoughts == written(twice));
}

#[test]
fn refusals_and_bare_answers_are_taken() {
    let bare = json!({"choices": [{"message": {}}]});
    let bare = answered(Answer::json(200, &bare)).unwrap();
    assert_eq!((&*bare.text, &*bare.model), ("", "gpt-4o-mini"));
    assert_eq!((bare.finish_reason, bare.refusal), (None, None));
    let message = json!({"content": null, "refusal": "I would rather not."});
    let choice = json!({"message": message, "finish_reason": "x".repeat(1_000)});
    let refused = answered(Answer::json(200, &json!({ "choices": [choice] }))).unwrap();
    assert_eq!(refused.refusal.as_deref(), Some("I would rather not."));
    assert!(refused.finish_reason.unwrap().len() <= 200);
}

#[test]
fn too_much_is_not_read() {
    let large = failed(completion(&"x".repeat(5 << 20)));
    let endless = failed(Answer::endless(vec![b' '; 65_536], Duration::ZERO));
    let with_headers = |count| {
        (0..count).fold(completion(TEXT), |answer, n| {
            answer.header(&format!("x-{n}"), &"x".repeat(1_000))
        })
    };
    for failure in [large, endless, failed(with_headers(20))] {
        assert_eq!(failure.code, JobErrorCode::ServerError);
        assert_eq!(failure.message, "the provider's answer is too large");
    }
    assert!(answered(with_headers(12)).is_ok());
    assert!(answered(completion(&"x".repeat(3 << 20))).is_ok());
}

#[test]
fn the_timeout_is_total() {
    let timeout = Duration::from_millis(200);
    for answer in [completion(TEXT).held(), Answer::endless(" ", Duration::from_millis(20))] {
        let server = support::Provider::start();
        server.always(answer);
        let provider = openai(&server.base_url(), KEY);
        let start = Instant::now();
        let failure = ask_with(&*provider, |call| call.timeout = Some(timeout)).unwrap_err();
        assert_eq!(failure.code, JobErrorCode::Timeout);
        assert_eq!(failure.message, "the provider did not answer within 200ms");
        let took = start.elapsed();
        assert!(took >= timeout && took < timeout * 10, "{took:?}");
        server.wait_for_in_flight(0);
    }
}

#[test]
fn a_connection_that_fails_is_a_server_error() {
    let closed = failed(Answer::close());
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let refused = ask(&*openai(&format!("http://{address}/v1"), KEY)).unwrap_err();
    let unsafe_tls = support::Provider::start();
    let address = unsafe_tls.address();
    let no_tls = ask(&*openai(&format!("https://{address}/v1"), KEY)).unwrap_err();
    for failure in [closed, refused, no_tls] {
        assert_eq!((failure.code, failure.status), (JobErrorCode::ServerError, None));
        assert!(failure.retryable && !failure.message.contains("127.0.0.1"), "{failure}");
    }
}

#[test]
fn settings_that_cannot_work_fail_every_call_at_once() {
    for (base_url, key, word) in [
        ("https://api.openai.com/v1", "", "OPENAI_API_KEY"),
        ("https://API.OpenAI.com/v1", "  ", "OPENAI_API_KEY"),
        ("https://eu.api.openai.com/v1", "", "OPENAI_API_KEY"),
        ("https://api.openai.com/v1", "sk-\u{7}", "api_key"),
        ("ftp://example.com", KEY, "base_url"),
        ("example.com/v1", KEY, "base_url"),
        ("", KEY, "base_url"),
    ] {
        let failure = ask(&*openai(base_url, key)).unwrap_err();
        assert_eq!(failure.code, JobErrorCode::ServerError);
        assert!(!failure.retryable && failure.message.contains(word), "{base_url}: {failure}");
    }
}

#[test]
fn hundreds_are_in_flight_and_connections_are_kept() {
    const CALLS: usize = 200;
    let server = support::Provider::start();
    server.always(completion(TEXT).held());
    let provider = openai(&server.base_url(), KEY);
    let ask_together = || {
        let ask = |provider: Arc<dyn Provider>| thread::spawn(move || ask(&*provider).is_ok());
        let asked: Vec<_> = (0..CALLS).map(|_| ask(Arc::clone(&provider))).collect();
        server.wait_for_in_flight(CALLS);
        server.release();
        assert!(asked.into_iter().all(|thread| thread.join().unwrap()));
    };
    ask_together();
    assert_eq!(server.connections(), CALLS);
    ask_together();
    assert_eq!(server.connections(), CALLS, "no call opened another connection");
    assert_eq!(server.peak_in_flight(), CALLS);
}

#[test]
fn a_connection_that_the_server_closed_is_not_used_again() {
    let server = support::Provider::start();
    let provider = openai(&server.base_url(), KEY);
    server.queue(completion(TEXT).header("connection", "close"));
    ask(&*provider).unwrap();
    ask(&*provider).unwrap();
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_name_is_looked_up() {
    let server = support::Provider::start();
    let port = server.address().port();
    let provider = openai(&format!("http://localhost:{port}/v1"), KEY);
    ask(&*provider).unwrap();
    ask(&*provider).unwrap();
    assert_eq!((server.received().len(), server.connections()), (2, 1));
}
