//! The body of a call.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{domain::ChatMessage, providers::Call};

/// The fields that a call has itself.
const OURS: [&str; 11] = [
    "model",
    "messages",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "top_p",
    "stop",
    "seed",
    "user",
    "stream",
    "stream_options",
];

/// The body of a request. What the client left out is left to the provider, except the bound of the answer.
#[derive(Serialize)]
pub(super) struct Request<'a> {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    extras: BTreeMap<&'a str, &'a RawValue>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
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
    pub(super) fn new(call: &Call<'a>, is_openai: bool, streams: bool) -> Self {
        let max_tokens = Some(call.max_tokens());
        Self {
            model: call.model,
            messages: call.messages,
            temperature: call.temperature,
            max_tokens: max_tokens.filter(|_| !is_openai),
            max_completion_tokens: max_tokens.filter(|_| is_openai),
            top_p: call.top_p,
            stop: call.stop,
            seed: call.seed,
            response_format: call
                .output_schema
                .filter(|_| !call.extras.contains_key("response_format"))
                .map(ResponseFormat::new),
            user: call.user,
            stream: streams.then_some(true),
            stream_options: streams.then_some(StreamOptions { include_usage: true }),
            extras: extras(call),
        }
    }
}

/// The fields that are handed through. None of ours is among them: a body must not name a field twice.
fn extras<'a>(call: &Call<'a>) -> BTreeMap<&'a str, &'a RawValue> {
    let others = call.extras.iter().filter(|(name, _)| !OURS.contains(&name.as_str()));
    others.map(|(name, value)| (name.as_str(), &**value)).collect()
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
