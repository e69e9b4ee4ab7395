//! Completions and their chunks, as clients of OpenAI's API read them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    app::chat::{Finished, Head},
    domain::{JobId, Result, Timestamp},
    providers::{Asides, Completion, Delta},
};

/// A whole answer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletion")]
pub(in crate::http::api) struct CompletionBody<'a> {
    /// `chatcmpl-` and the id of the job.
    id: String,
    #[schemars(extend("const" = "chat.completion"))]
    object: &'static str,
    /// Seconds since 1970.
    created: i64,
    /// The model that answered.
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: UsageBody,
}

/// An answer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatChoice")]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    #[schemars(with = "Option<serde_json::Value>")]
    logprobs: Option<&'a RawValue>,
    /// `stop`, `length`, `tool_calls` or `content_filter`.
    finish_reason: Option<&'a str>,
}

/// What the model said.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatAnswer")]
struct Message<'a> {
    #[schemars(extend("const" = "assistant"))]
    role: &'static str,
    /// Null where the model calls tools, refuses or speaks instead.
    content: Option<&'a str>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<serde_json::Map<String, serde_json::Value>>>")]
    tool_calls: Option<&'a RawValue>,
    #[serde(flatten)]
    asides: &'a Asides,
}

/// Tokens that were counted.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatUsage")]
struct UsageBody {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<CompletionDetails>,
    /// True where the provider reported none, so that they are an estimate; else left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
}

/// Of the tokens read.
#[derive(Serialize, JsonSchema)]
struct PromptDetails {
    /// Those that the provider had kept from earlier calls.
    cached_tokens: u64,
}

/// Of the tokens written.
#[derive(Serialize, JsonSchema)]
struct CompletionDetails {
    /// Those that the model thought with.
    reasoning_tokens: u64,
}

impl UsageBody {
    fn of(completion: &Completion) -> Self {
        let Completion { usage, cached_tokens, reasoning_tokens, estimated, .. } = completion;
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.total_tokens,
            prompt_tokens_details: cached_tokens
                .map(|cached_tokens| PromptDetails { cached_tokens }),
            completion_tokens_details: reasoning_tokens
                .map(|reasoning_tokens| CompletionDetails { reasoning_tokens }),
            estimated: *estimated,
        }
    }
}

fn id(job: JobId) -> String {
    format!("chatcmpl-{job}")
}

fn seconds(time: Timestamp) -> i64 {
    time.millis().div_euclid(1000)
}

/// A whole answer as bytes.
pub(super) fn completion(finished: &Finished) -> Result<Vec<u8>> {
    let Finished { head, completion } = finished;
    let message = Message {
        role: "assistant",
        content: completion.content(),
        refusal: completion.refusal.as_deref(),
        tool_calls: completion.tool_calls.as_deref(),
        asides: &completion.asides,
    };
    let finish_reason = completion.finish_reason.as_deref();
    let logprobs = completion.logprobs.as_deref();
    super::super::json(&CompletionBody {
        id: id(head.job),
        object: "chat.completion",
        created: seconds(head.created_at),
        model: &head.model,
        choices: [Choice { index: 0, message, logprobs, finish_reason }],
        usage: UsageBody::of(completion),
    })
}

/// A piece of an answer.
#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [ChunkChoice<'a>],
    /// Left out where the client did not ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<ChunkUsage>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ChunkUsage {
    /// The last chunk tells it; up to then it is null.
    Later,
    Told(UsageBody),
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u32,
    delta: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<&'a RawValue>,
    finish_reason: Option<&'a str>,
}

/// What all chunks of a stream have in common.
pub(super) struct Chunks {
    id: String,
    created: i64,
    model: String,
    with_usage: bool,
}

impl Chunks {
    pub(super) fn of(head: Head, with_usage: bool) -> Self {
        let Head { job, created_at, model } = head;
        Self { id: id(job), created: seconds(created_at), model, with_usage }
    }

    /// A piece of the answer.
    pub(super) fn delta(&self, delta: &Delta) -> Vec<u8> {
        let choice = ChunkChoice {
            index: 0,
            delta: &delta.delta,
            logprobs: delta.logprobs.as_deref(),
            finish_reason: delta.finish_reason.as_deref(),
        };
        self.frame(&[choice], self.with_usage.then_some(ChunkUsage::Later))
    }

    /// The tokens, where the client wants to know, and the mark of the end.
    pub(super) fn end(&self, completion: &Completion) -> Vec<u8> {
        let mut end = Vec::new();
        if self.with_usage {
            end = self.frame(&[], Some(ChunkUsage::Told(UsageBody::of(completion))));
        }
        end.extend_from_slice(b"data: [DONE]\n\n");
        end
    }

    fn frame(&self, choices: &[ChunkChoice<'_>], usage: Option<ChunkUsage>) -> Vec<u8> {
        let Self { id, created, model, .. } = self;
        let object = "chat.completion.chunk";
        let chunk = Chunk { id, object, created: *created, model, choices, usage };
        // Strings and finished values always serialise.
        event(&serde_json::to_vec(&chunk).unwrap_or_default())
    }
}

/// One event of the stream (WHATWG HTML, 9.2 server-sent events).
pub(super) fn event(data: &[u8]) -> Vec<u8> {
    [b"data: ", data, b"\n\n"].concat()
}
