//! OpenAI's Chat Completions, which vLLM, Ollama, llama.cpp and many others also speak.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use ureq::http::{HeaderName, HeaderValue, Uri, header};

use super::{
    Call, Completion, Provider, ProviderError, RemoteSettings, Sink,
    transport::{self, Answer, Transport},
    whole,
};
use crate::{
    ambient::Ambient,
    domain::{ChatMessage, JobErrorCode, Secret, Usage, estimate_prompt_tokens, estimate_tokens},
};

/// Usage above this is no count of tokens but a fault, which nobody should pay for.
const MAX_BELIEVABLE_TOKENS: u64 = 1_000_000_000;

/// Bytes of the model's name and the finish reason that are kept.
const MAX_NAME_BYTES: usize = 200;

pub(super) struct OpenAi {
    /// Or what every call fails with.
    line: Result<Line, ProviderError>,
    timeout: Duration,
}

/// All that a call needs.
struct Line {
    transport: Transport,
    uri: Uri,
    authorization: Option<HeaderValue>,
    key: Secret<String>,
    /// True for OpenAI itself.
    is_openai: bool,
}

impl OpenAi {
    pub(super) fn new(ambient: &Ambient, settings: &RemoteSettings) -> Self {
        Self { line: Line::new(ambient, settings), timeout: settings.timeout }
    }
}

impl Line {
    fn new(ambient: &Ambient, settings: &RemoteSettings) -> Result<Self, ProviderError> {
        let uri = endpoint(&settings.base_url).ok_or_else(|| {
            ProviderError::misconfigured("the provider's base_url is not an http or https URL")
        })?;
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let is_openai = host == "api.openai.com" || host.ends_with(".api.openai.com");
        let key = settings.api_key.expose().trim();
        if is_openai && key.is_empty() {
            return Err(ProviderError::misconfigured(
                "the server has no API key for OpenAI; the operator must set OPENAI_API_KEY",
            ));
        }
        Ok(Self {
            transport: Transport::new(ambient, &uri),
            authorization: authorization(key)?,
            key: Secret::new(key.to_owned()),
            uri,
            is_openai,
        })
    }

    fn ask(&self, call: &Call<'_>, timeout: Duration) -> Result<Answer, ProviderError> {
        let body = serde_json::to_vec(&Request::new(call, self.is_openai)).map_err(|_| {
            ProviderError::new(JobErrorCode::BadRequest, "the request is not valid JSON")
        })?;
        let request_id = HeaderValue::from_str(call.request_id).ok();
        let request_id = request_id.map(|id| (HeaderName::from_static("x-request-id"), id));
        let authorization = self.authorization.clone();
        let authorization = authorization.map(|value| (header::AUTHORIZATION, value));
        let headers = request_id.into_iter().chain(authorization);
        self.transport.post(&self.uri, headers, &body, timeout, self.key.expose())
    }
}

fn endpoint(base_url: &str) -> Option<Uri> {
    let base = base_url.trim().trim_end_matches('/');
    let uri: Uri = format!("{base}/chat/completions").parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

fn authorization(key: &str) -> Result<Option<HeaderValue>, ProviderError> {
    if key.is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
        ProviderError::misconfigured("the provider's api_key has characters that no header allows")
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

impl Provider for OpenAi {
    fn complete(&self, call: &Call<'_>) -> Result<Completion, ProviderError> {
        let line = self.line.as_ref().map_err(Clone::clone)?;
        let answer = line.ask(call, call.time(self.timeout))?;
        completion(call, &answer, line.key.expose())
    }

    fn stream(&self, call: &Call<'_>, sink: &mut Sink<'_>) -> Result<Completion, ProviderError> {
        let completion = self.complete(call)?;
        let _broken = whole::hand_over(&completion, sink);
        Ok(completion)
    }
}

/// The body of a request. What the client left out is left to the provider.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: &'a [ChatMessage],
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    /// OpenAI's newer name: its reasoning models refuse the old one, others know only that.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(flatten)]
    extras: &'a BTreeMap<String, Box<RawValue>>,
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    r#type: &'static str,
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'static str,
    schema: &'a RawValue,
    strict: bool,
}

impl<'a> Request<'a> {
    fn new(call: &Call<'a>, is_openai: bool) -> Self {
        Self {
            model: call.model,
            messages: call.messages,
            temperature: call.temperature,
            max_tokens: call.max_tokens.filter(|_| !is_openai),
            max_completion_tokens: call.max_tokens.filter(|_| is_openai),
            top_p: call.top_p,
            stop: call.stop,
            seed: call.seed,
            response_format: call
                .output_schema
                .filter(|_| !call.extras.contains_key("response_format"))
                .map(ResponseFormat::new),
            user: call.user,
            extras: call.extras,
        }
    }
}

impl<'a> ResponseFormat<'a> {
    /// Not strict: strict mode refuses most schemas (each property required, no others allowed,
    /// few keywords), and the answer is validated against the whole schema in any case.
    fn new(schema: &'a RawValue) -> Self {
        Self {
            r#type: "json_schema",
            json_schema: JsonSchema { name: "output", schema, strict: false },
        }
    }
}

/// The body of an answer: what is used of it, believing little.
#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Reply,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Reply {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Box<RawValue>>,
}

fn completion(call: &Call<'_>, answer: &Answer, key: &str) -> Result<Completion, ProviderError> {
    let Ok(body) = serde_json::from_slice::<Body>(&answer.body) else {
        return Err(unusable(answer, "the provider's answer is not a chat completion"));
    };
    let Some(choice) = body.choices.into_iter().next() else {
        let failed = body.error.map(|error| inner_error(&error, key));
        return Err(failed.unwrap_or_else(|| unusable(answer, "the provider's answer is empty")));
    };
    let text = choice.message.content.unwrap_or_default();
    let tool_calls = choice.message.tool_calls.filter(|calls| is_list(calls));
    let reported = body.usage.as_ref().and_then(usage);
    let details = |of, name| detail(body.usage.as_ref()?, of, name);
    Ok(Completion {
        usage: reported.unwrap_or_else(|| {
            Usage::new(estimate_prompt_tokens(call.messages), estimate_tokens(&text))
        }),
        estimated: reported.is_none(),
        cached_tokens: details("prompt_tokens_details", "cached_tokens"),
        reasoning_tokens: details("completion_tokens_details", "reasoning_tokens"),
        model: body.model.map_or_else(|| call.model.to_owned(), cut),
        finish_reason: choice.finish_reason.map(cut),
        refusal: choice.message.refusal.filter(|refusal| !refusal.is_empty()),
        tool_calls,
        text,
    })
}

fn unusable(answer: &Answer, message: &str) -> ProviderError {
    ProviderError {
        status: Some(answer.status),
        ..ProviderError::new(JobErrorCode::ServerError, message)
    }
}

/// Gateways answer 200 with an error inside, whose `code` is the status that it should have been.
fn inner_error(error: &Value, key: &str) -> ProviderError {
    let status = error.get("code").and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok());
    let words = error.get("message").or(Some(error)).and_then(Value::as_str);
    let status = status.filter(|status| (400..600).contains(status));
    transport::refused(status.unwrap_or(502), &transport::clean(words.unwrap_or_default(), key))
}

/// True for an array that is not empty.
fn is_list(raw: &RawValue) -> bool {
    serde_json::from_str::<Vec<&RawValue>>(raw.get()).is_ok_and(|list| !list.is_empty())
}

fn detail(reported: &Value, of: &str, name: &str) -> Option<u64> {
    reported.get(of)?.get(name)?.as_u64().filter(|n| *n <= MAX_BELIEVABLE_TOKENS)
}

fn usage(reported: &Value) -> Option<Usage> {
    let count = |name| reported.get(name)?.as_u64().filter(|n| *n <= MAX_BELIEVABLE_TOKENS);
    Some(Usage::new(count("prompt_tokens")?, count("completion_tokens")?))
}

fn cut(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    name
}
