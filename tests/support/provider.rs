//! A local server that speaks OpenAI's Chat Completions.

use std::{ops::Deref, time::Duration};

use serde_json::{Value, json};

use super::scripted::{Answer, Received, Scripted};

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
