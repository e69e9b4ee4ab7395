//! Whole answers, and the parts that those in pieces have in common with them.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    domain::{JobErrorCode, Usage},
    providers::{
        Asides, Call, Completion, ProviderError,
        transport::{self, Answer},
    },
};

/// Usage above this is no count of tokens but a fault, which nobody should pay for.
const MAX_BELIEVABLE_TOKENS: u64 = 1_000_000_000;

/// Bytes of the model's name and the finish reason that are kept.
const MAX_NAME_BYTES: usize = 200;

/// The body of an answer: what is used of it, believing little.
#[derive(Deserialize)]
struct Body<'a> {
    model: Option<String>,
    #[serde(default, borrow)]
    choices: Vec<Choice<'a>>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
    finish_reason: Option<String>,
    logprobs: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Reply {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Box<RawValue>>,
}

/// The answer to a call.
pub(super) fn completion(
    call: &Call<'_>,
    answer: &Answer,
    key: &str,
) -> Result<Completion, ProviderError> {
    let nonsense = |_| unusable(answer, "the provider's answer is not a chat completion");
    let body: Body<'_> = serde_json::from_slice(&answer.body).map_err(nonsense)?;
    let Some(choice) = body.choices.into_iter().next() else {
        let failed = body.error.map(|error| inner_error(&error, key));
        return Err(failed.unwrap_or_else(|| unusable(answer, "the provider's answer is empty")));
    };
    let reply: Reply = serde_json::from_str(choice.message.get()).map_err(nonsense)?;
    let asides: Box<Asides> = serde_json::from_str(choice.message.get()).map_err(nonsense)?;
    let reported = body.usage.as_ref().and_then(Reported::read);
    let details = reported.unwrap_or_default();
    let completion = Completion {
        cached_tokens: details.cached,
        reasoning_tokens: details.reasoning,
        model: body.model.map_or_else(|| call.model.to_owned(), cut),
        finish_reason: choice.finish_reason.map(cut),
        refusal: reply.refusal.filter(|refusal| !refusal.is_empty()),
        tool_calls: reply.tool_calls.filter(|calls| is_list(calls)),
        logprobs: choice.logprobs,
        asides,
        text: reply.content.unwrap_or_default(),
        ..Completion::default()
    };
    Ok(completion.counted(call, reported.map(|reported| reported.usage), None))
}

fn unusable(answer: &Answer, message: &str) -> ProviderError {
    ProviderError {
        status: Some(answer.status),
        ..ProviderError::new(JobErrorCode::ServerError, message)
    }
}

/// Gateways answer 200 with an error inside, whose `code` is the status that it should have been.
pub(super) fn inner_error(error: &Value, key: &str) -> ProviderError {
    let status = error.get("code").and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok());
    let words = error.get("message").or(Some(error)).and_then(Value::as_str);
    let status = status.filter(|status| (400..600).contains(status));
    let words = transport::clean(words.unwrap_or_default(), key);
    ProviderError {
        provider_code: transport::code(error),
        ..transport::refused(status.unwrap_or(502), &words)
    }
}

/// True for an array that is not empty.
fn is_list(raw: &RawValue) -> bool {
    serde_json::from_str::<Vec<&RawValue>>(raw.get()).is_ok_and(|list| !list.is_empty())
}

/// The tokens that a provider says it counted.
#[derive(Clone, Copy, Default)]
pub(super) struct Reported {
    pub(super) usage: Usage,
    pub(super) cached: Option<u64>,
    pub(super) reasoning: Option<u64>,
}

impl Reported {
    /// `None` for what cannot be believed.
    pub(super) fn read(reported: &Value) -> Option<Self> {
        let count = |name| believed(reported.get(name)?);
        let detail = |of, name| believed(reported.get(of)?.get(name)?);
        Some(Self {
            usage: Usage::new(count("prompt_tokens")?, count("completion_tokens")?),
            cached: detail("prompt_tokens_details", "cached_tokens"),
            reasoning: detail("completion_tokens_details", "reasoning_tokens"),
        })
    }
}

/// A number of tokens, if it can be one.
pub(in crate::providers) fn believed(count: &Value) -> Option<u64> {
    count.as_u64().filter(|count| *count <= MAX_BELIEVABLE_TOKENS)
}

/// A name, no longer than it needs to be.
pub(in crate::providers) fn cut(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    name
}
