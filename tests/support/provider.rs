//! A local server that speaks OpenAI's Chat Completions.

use std::{ops::Deref, time::Duration};

use serde_json::{Value, json};

use super::{
    scripted::{Answer, Received, Scripted},
    streamed::Piece,
};

/// The provider. Without other orders it answers every call with [`TEXT`].
pub(crate) struct Provider(Scripted);

/// What the model says if nothing else is scripted.
pub(crate) const TEXT: &str = "Hello from the test provider.";
/// The usage that goes with every completion that names none.
pub(crate) const USAGE: (u64, u64) = (10, 5);

impl Provider {
    pub(crate) fn start() -> Self {
        Self(Scripted::start(|call| match call.path.as_str() {
            "/v1/chat/completions" => completion(TEXT),
            _ => error(404, "unknown path"),
        }))
    }

    /// For the configuration of the server under test.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address())
    }

    /// From now on every model says `text`.
    pub(crate) fn say(&self, text: &str) {
        self.always(completion(text));
    }

    /// Waits until `count` calls came, and returns all.
    pub(crate) fn wait_for_calls(&self, count: usize, timeout: Duration) -> Vec<Received> {
        self.wait_for(count, timeout)
    }
}

impl Deref for Provider {
    type Target = Scripted;

    fn deref(&self) -> &Scripted {
        &self.0
    }
}

/// A completion that says `text`, with [`USAGE`].
pub(crate) fn completion(text: &str) -> Answer {
    completion_with_usage(text, USAGE.0, USAGE.1)
}

/// A completion that says `text` and reports these tokens.
pub(crate) fn completion_with_usage(text: &str, prompt: u64, written: u64) -> Answer {
    let usage = json!({
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
    });
    Answer::json(200, &completion_body(text, &usage))
}

/// The body of a completion, with whatever stands for its usage.
pub(crate) fn completion_body(text: &str, usage: &Value) -> Value {
    json!({
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": "test-model-2026-11-20",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": usage,
    })
}

/// An error as OpenAI words it.
pub(crate) fn error(status: u16, message: &str) -> Answer {
    let error = json!({"message": message, "type": "test", "param": null, "code": null});
    Answer::json(status, &json!({ "error": error }))
}

/// The data of the last event of a stream.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// A chunk of a stream with this delta.
pub(crate) fn chunk(delta: &Value) -> Value {
    json!({
        "id": "chatcmpl-test",
        "object": "chat.completion.chunk",
        "created": 1_795_000_000,
        "model": "test-model-2026-11-20",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null, "logprobs": null}],
    })
}

/// A chunk that says `text`.
pub(crate) fn says(text: &str) -> Value {
    chunk(&json!({ "content": text }))
}

/// The chunk that ends an answer.
pub(crate) fn ends(reason: &str) -> Value {
    let mut end = chunk(&json!({}));
    end["choices"][0]["finish_reason"] = json!(reason);
    end
}

/// The chunk that reports 7 tokens read, 2 of them kept, and 3 written, 1 of them thought.
pub(crate) fn usage_chunk() -> Value {
    let mut chunk = chunk(&json!({}));
    chunk["choices"] = json!([]);
    chunk["usage"] = json!({
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    });
    chunk
}

/// The chunks as events of a stream.
pub(crate) fn events<'a>(chunks: impl IntoIterator<Item = &'a Value>) -> String {
    let events: Vec<_> = chunks.into_iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    events.concat()
}

/// A stream that comes in these pieces.
pub(crate) fn streamed(pieces: impl IntoIterator<Item = Piece>) -> Answer {
    Answer::streamed(pieces).header("content-type", "text/event-stream; charset=utf-8")
}
