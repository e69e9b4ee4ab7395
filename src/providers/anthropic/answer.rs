//! Whole answers, and what those in pieces have in common with them.

use serde::Deserialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::tools::OUTPUT;
use crate::{
    domain::{JobErrorCode, Usage},
    providers::{Call, Completion, ProviderError, openai, transport::Answer},
};

/// What is used of an answer, believing little.
#[derive(Deserialize)]
struct Message {
    model: Option<String>,
    content: Vec<Block>,
    stop_reason: Option<String>,
    usage: Option<Value>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Box<Value>,
    },
    /// Thoughts, and what other kinds there may come to be.
    #[serde(other)]
    Other,
}

/// The answer to a call.
pub(super) fn completion(
    call: &Call<'_>,
    answer: &Answer,
    has_output_tool: bool,
) -> Result<Completion, ProviderError> {
    let Ok(message) = serde_json::from_slice::<Message>(&answer.body) else {
        let message = "the provider's answer is not a message";
        let error = ProviderError::new(JobErrorCode::ServerError, message);
        return Err(ProviderError { status: Some(answer.status), ..error });
    };
    let (text, calls) = said(message.content, has_output_tool);
    let reported = message.usage.as_ref().map(Reported::read).unwrap_or_default();
    let completion = Completion {
        cached_tokens: reported.cached,
        model: message.model.map_or_else(|| call.model.to_owned(), openai::cut),
        finish_reason: message.stop_reason.map(|reason| finish_reason(&reason, !calls.is_empty())),
        tool_calls: calls_of(&calls),
        text,
        ..Completion::default()
    };
    Ok(completion.counted(call, reported.usage(), reported.prompt_tokens()))
}

fn calls_of(calls: &[Value]) -> Option<Box<RawValue>> {
    to_raw_value(calls).ok().filter(|_| !calls.is_empty())
}

/// What the blocks say, and the calls that they make in OpenAI's form.
fn said(blocks: Vec<Block>, has_output_tool: bool) -> (String, Vec<Value>) {
    let (mut text, mut calls, mut output) = (String::new(), Vec::new(), None);
    for block in blocks {
        match block {
            Block::Text { text: said } => text.push_str(&said),
            Block::ToolUse { name, input, .. } if has_output_tool && name == OUTPUT => {
                output = Some(input.to_string());
            }
            Block::ToolUse { id, name, input } => {
                let function = json!({"name": name, "arguments": input.to_string()});
                calls.push(json!({"id": id, "type": "function", "function": function}));
            }
            Block::Other => {}
        }
    }
    // Beside the output there may be words about it.
    (output.unwrap_or(text), calls)
}

/// OpenAI's word for why an answer ended.
pub(super) fn finish_reason(stop_reason: &str, calls: bool) -> String {
    let reason = match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" if calls => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    };
    reason.to_owned()
}

/// The tokens that Anthropic says it counted.
#[derive(Clone, Copy, Default)]
pub(super) struct Reported {
    input: Option<u64>,
    output: Option<u64>,
    pub(super) cached: Option<u64>,
    kept: Option<u64>,
}

impl Reported {
    pub(super) fn read(usage: &Value) -> Self {
        let count = |name| usage.get(name).and_then(openai::believed);
        Self {
            input: count("input_tokens"),
            output: count("output_tokens"),
            cached: count("cache_read_input_tokens"),
            kept: count("cache_creation_input_tokens"),
        }
    }

    /// What is newer counts: numbers of a stream are those so far.
    pub(super) fn update(&mut self, newer: Self) {
        self.input = newer.input.or(self.input);
        self.output = newer.output.or(self.output);
        self.cached = newer.cached.or(self.cached);
        self.kept = newer.kept.or(self.kept);
    }

    /// The tokens read: Anthropic does not count those of its cache among its `input_tokens`.
    pub(super) fn prompt_tokens(self) -> Option<u64> {
        let others = [self.cached, self.kept].into_iter().flatten();
        self.input.map(|input| others.fold(input, u64::saturating_add))
    }

    pub(super) fn usage(self) -> Option<Usage> {
        Some(Usage::new(self.prompt_tokens()?, self.output?))
    }
}
