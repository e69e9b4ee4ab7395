//! What a model answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::Call;
use crate::domain::{Usage, estimate_prompt_tokens, estimate_tokens};

/// What a model answered.
#[derive(Clone, Default, Debug)]
pub struct Completion {
    /// The answer; empty if the model refused, called tools or wrote nothing.
    pub text: String,
    /// The model that answered, which may be a dated version of the one that was asked.
    pub model: String,
    /// Tokens read and written.
    pub usage: Usage,
    /// Those of `usage` that the provider had kept from earlier calls, if it says how many, be it none.
    pub cached_tokens: Option<u64>,
    /// Of the tokens written, those that the model thought with, if the provider says so.
    pub reasoning_tokens: Option<u64>,
    /// True where the provider reported no (believable) usage, so that it is an estimate.
    pub estimated: bool,
    /// Why the answer ended: `stop`, `length`, `content_filter`, …
    pub finish_reason: Option<String>,
    /// What the model said when it declined to answer.
    pub refusal: Option<String>,
    /// The calls of tools that the model asks for: OpenAI's array.
    pub tool_calls: Option<Box<RawValue>>,
    /// How likely the words were, where that was asked for.
    pub logprobs: Option<Box<RawValue>>,
    /// What else the model said; seldom anything.
    pub asides: Box<Asides>,
}

/// Fields of an answer that only some models give, each as it is written. Of a stream, whose pieces are handed
/// on as they are, only what counts in an estimate is gathered: calls and thoughts.
#[derive(Clone, Default, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Asides {
    /// The older form of `tool_calls`, for one call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub function_call: Option<Box<RawValue>>,
    /// What was said aloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub audio: Option<Box<RawValue>>,
    /// What was read in the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Value>>")]
    pub annotations: Option<Box<RawValue>>,
    /// What the model thought, as `DeepSeek`, vLLM and others tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub reasoning_content: Option<Box<RawValue>>,
    /// The same, as `OpenRouter` and others tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub reasoning: Option<Box<RawValue>>,
    /// The same in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub reasoning_details: Option<Box<RawValue>>,
}

impl Completion {
    /// True where the model asks for a tool's result before it answers.
    pub fn calls_tools(&self) -> bool {
        self.tool_calls.is_some() || self.asides.function_call.is_some()
    }

    /// The answer as a text; `None` where there is something else in its stead.
    pub fn content(&self) -> Option<&str> {
        let instead = self.calls_tools() || self.refusal.is_some() || self.asides.audio.is_some();
        Some(self.text.as_str()).filter(|text| !text.is_empty() || !instead)
    }

    /// Adds the tokens of an earlier call.
    pub fn add_usage_of(&mut self, earlier: &Self) {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (None, None) => None,
            _ => Some(one.unwrap_or(0).saturating_add(other.unwrap_or(0))),
        };
        self.usage = self.usage.plus(earlier.usage);
        self.cached_tokens = sum(self.cached_tokens, earlier.cached_tokens);
        self.reasoning_tokens = sum(self.reasoning_tokens, earlier.reasoning_tokens);
        self.estimated |= earlier.estimated;
    }

    /// The same with the tokens that the provider reported, or else an estimate, in which `prompt_tokens`
    /// may have been reported alone.
    pub(super) fn counted(
        self,
        call: &Call<'_>,
        reported: Option<Usage>,
        prompt_tokens: Option<u64>,
    ) -> Self {
        let usage = reported.unwrap_or_else(|| {
            let read = prompt_tokens.unwrap_or_else(|| estimate_prompt_tokens(call.messages));
            Usage::new(read, self.estimate())
        });
        let usage = usage.with_cached(self.cached_tokens.unwrap_or(0));
        let cached_tokens = self.cached_tokens.map(|_| usage.cached_tokens);
        Self { usage, cached_tokens, estimated: reported.is_none(), ..self }
    }

    /// About how many tokens were written.
    fn estimate(&self) -> u64 {
        let Asides { function_call, reasoning_content, reasoning, .. } = &*self.asides;
        // Some servers tell the thoughts under both names.
        let thoughts = reasoning_content.as_ref().or(reasoning.as_ref());
        let raw =
            [self.tool_calls.as_ref(), function_call.as_ref(), thoughts].into_iter().flatten();
        let texts = [Some(self.text.as_str()), self.refusal.as_deref()].into_iter().flatten();
        texts.chain(raw.map(|raw| raw.get())).map(estimate_tokens).fold(0, u64::saturating_add)
    }
}
