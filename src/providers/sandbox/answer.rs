//! What the sandbox answers.

use serde::Deserialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::directives::Directives;
use crate::{
    domain::{JobErrorCode, Usage, estimate_prompt_tokens, estimate_tokens, schema},
    providers::{Call, Completion, ProviderError},
};

/// Characters of the user's message that the answer quotes.
const QUOTED_CHARS: usize = 80;

/// The answer that a call and its directives ask for.
pub(super) fn completion(
    call: &Call<'_>,
    directives: &Directives<'_>,
) -> Result<Completion, ProviderError> {
    let answer = match directives.tool {
        Some(name) => calling(call, calls_of(call, name)?),
        None => saying(call, directives)?,
    };
    let read = estimate_prompt_tokens(call.messages);
    let usage = Usage::new(read, answer.usage.completion_tokens)
        .with_cached(directives.cached_tokens.unwrap_or(0));
    Ok(Completion {
        model: call.model.to_owned(),
        usage,
        cached_tokens: directives.cached_tokens.map(|_| usage.cached_tokens),
        estimated: directives.hides_usage,
        ..answer
    })
}

fn calling(call: &Call<'_>, calls: Box<RawValue>) -> Completion {
    Completion {
        usage: Usage::new(0, estimate_tokens(calls.get()).min(limit(call))),
        finish_reason: Some("tool_calls".to_owned()),
        tool_calls: Some(calls),
        ..Completion::default()
    }
}

fn saying(call: &Call<'_>, directives: &Directives<'_>) -> Result<Completion, ProviderError> {
    let format = wanted(call);
    let text = match (directives.text, &format) {
        (Some(text), _) => text.to_owned(),
        (None, Some(schema)) => json(schema)?,
        (None, None) => sentence(&directives.rest),
    };
    Ok(cut(call, text, format.is_some()))
}

/// The schema of the JSON that the call asks for, if it does.
fn wanted(call: &Call<'_>) -> Option<Value> {
    let Some(format) = call.extras.get("response_format") else {
        return call.output_schema.and_then(|schema| serde_json::from_str(schema.get()).ok());
    };
    let format: Value = serde_json::from_str(format.get()).ok()?;
    match format.get("type")?.as_str()? {
        "json_schema" => format.get("json_schema")?.get("schema").cloned(),
        "json_object" => Some(json!({"type": "object"})),
        _ => None,
    }
}

fn json(schema: &Value) -> Result<String, ProviderError> {
    schema::sample(schema).map(|value| value.to_string()).ok_or_else(|| {
        bad_request(
            "the sandbox cannot make up a value for this output_schema; give it one with \
             [sandbox:text=…] in the last user message",
        )
    })
}

fn sentence(message: &str) -> String {
    let words: Vec<_> = message.split_whitespace().collect();
    let start: String = words.join(" ").chars().take(QUOTED_CHARS).collect();
    format!("The sandbox has read: {start}")
}

#[derive(Deserialize)]
struct Tool {
    function: ToolFunction,
}

#[derive(Deserialize)]
struct ToolFunction {
    name: String,
    parameters: Option<Value>,
}

/// One call of the tool of that name.
fn calls_of(call: &Call<'_>, name: &str) -> Result<Box<RawValue>, ProviderError> {
    let tools = call.extras.get("tools").map_or("[]", |tools| tools.get());
    let tools: Vec<Tool> = serde_json::from_str(tools).unwrap_or_default();
    let tool = tools.into_iter().find(|tool| tool.function.name == name).ok_or_else(|| {
        bad_request("the sandbox was told to call a tool that is not among the call's tools")
    })?;
    let schema = tool.function.parameters.unwrap_or_else(|| json!({"type": "object"}));
    let arguments = schema::sample(&schema).ok_or_else(|| {
        bad_request("the sandbox cannot make up arguments for the parameters of this tool")
    })?;
    let function = json!({"name": name, "arguments": arguments.to_string()});
    let calls = json!([{"id": "call_sandbox", "type": "function", "function": function}]);
    to_raw_value(&calls).map_err(|_| bad_request("the tool has no proper name"))
}

fn bad_request(message: &str) -> ProviderError {
    ProviderError::new(JobErrorCode::BadRequest, message)
}

/// The tokens that were set aside for the answer: no more are counted.
fn limit(call: &Call<'_>) -> u64 {
    u64::from(call.max_tokens())
}

/// Text is cut to `max_tokens` as a model would; JSON stays whole, since half of it is of no use.
fn cut(call: &Call<'_>, mut text: String, is_json: bool) -> Completion {
    let limit = limit(call);
    let too_long = estimate_tokens(&text) > limit && !is_json;
    if too_long {
        let bytes = usize::try_from(limit.saturating_mul(4)).unwrap_or(usize::MAX);
        text.truncate(text.floor_char_boundary(bytes));
    }
    let written = estimate_tokens(&text).min(limit);
    Completion {
        usage: Usage::new(0, written),
        finish_reason: Some(if too_long { "length" } else { "stop" }.to_owned()),
        text,
        ..Completion::default()
    }
}
