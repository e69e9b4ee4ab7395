//! A server, an account and a provider; and what providers stream.

use std::time::Instant;

use serde_json::{Value, json};
use skai_server::config::Config;

pub(super) use crate::support::provider::{DONE, streamed};
use crate::support::{
    LIMIT, Piece, Provider,
    client::{Reply, Stream},
    provider,
    server::{self, Account, TestServer},
};

/// The route.
pub(super) const CHAT: &str = "/v1/chat/completions";

pub(super) struct Rig {
    pub(super) server: TestServer,
    pub(super) account: Account,
    pub(super) provider: Provider,
    /// Runs the model `second`.
    pub(super) other: Provider,
}

impl Rig {
    pub(super) fn start() -> Self {
        Self::with(|_| ())
    }

    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (provider, other) = (Provider::start(), Provider::start());
        let builder = TestServer::builder().provider(&provider).other_provider(&other);
        let server = builder.config(change).start();
        let account = server.account();
        Self { server, account, provider, other }
    }

    /// Asks the smallest question with `more` in it.
    pub(super) fn ask(&self, more: &Value) -> Reply {
        self.account.client.post(CHAT, &server::job(more))
    }

    /// The same under an idempotency key.
    pub(super) fn ask_once(&self, key: &str, more: &Value) -> Reply {
        self.account.client.post_once(CHAT, key, &server::job(more))
    }

    /// The same as a stream.
    pub(super) fn stream(&self, more: &Value) -> Stream {
        let mut body = server::job(more);
        body["stream"] = json!(true);
        self.account.client.post_stream(CHAT, &body)
    }

    /// The only job of the account, once it has ended.
    #[track_caller]
    pub(super) fn job(&self) -> Value {
        self.account.wait_job(&self.accepted())
    }

    /// The only job of the account, once it is on disk. The provider may be asked a moment before.
    #[track_caller]
    pub(super) fn accepted(&self) -> Value {
        let began = Instant::now();
        loop {
            let mut jobs = self.account.list("/v1/jobs");
            assert!(jobs.len() < 2 && began.elapsed() < LIMIT, "{jobs:?}");
            if let Some(job) = jobs.pop() {
                return job;
            }
        }
    }

    /// The job's last event.
    pub(super) fn end_of(&self, job: &Value) -> Value {
        let id = job["id"].as_str().unwrap();
        self.account.list(&format!("/v1/jobs/{id}/events?limit=100")).pop().unwrap()
    }

    /// Fails unless the job charged this, and nothing is set aside any more.
    #[track_caller]
    pub(super) fn assert_charged(&self, job: &Value, charged: u64) {
        assert_eq!(job["credits"]["charged"].as_u64(), Some(charged), "{job}");
        let kinds: Vec<_> = self.account.entries(job).into_iter().map(|(kind, _)| kind).collect();
        let expected: &[&str] = match charged {
            0 => &["reserve", "release"],
            _ => &["reserve", "release", "charge"],
        };
        assert_eq!(kinds, expected);
        let (available, reserved) = self.account.balance();
        let left = u64::try_from(server::CREDITS).unwrap() - charged;
        assert_eq!((available.as_u64(), reserved.as_u64()), (Some(left), Some(0)));
    }
}

/// The job that a completion or a chunk is of.
pub(super) fn job_of(completion: &Value) -> Value {
    let id = completion["id"].as_str().unwrap();
    json!({"id": id.strip_prefix("chatcmpl-").expect("an id of a completion")})
}

/// The error in a reply, which must have all five fields and this code.
#[track_caller]
pub(super) fn error_of(body: &Value, code: &str) -> Value {
    let fields: Vec<_> = body["error"].as_object().unwrap().keys().collect();
    assert!(
        fields.starts_with(
            &["type", "code", "message", "param", "request_id"].map(str::to_owned).each_ref()
        ),
        "{body}"
    );
    assert_eq!(body["error"]["code"], code, "{body}");
    body["error"].clone()
}

/// A chunk with this delta.
pub(super) fn delta(delta: &Value) -> Piece {
    event(&provider::chunk(delta))
}

pub(super) fn begins() -> Piece {
    delta(&json!({"role": "assistant", "content": "", "refusal": null}))
}

pub(super) fn says(text: &str) -> Piece {
    event(&provider::says(text))
}

pub(super) fn ends(reason: &str) -> Piece {
    event(&provider::ends(reason))
}

pub(super) fn usage(prompt: u64, written: u64) -> Piece {
    let mut chunk = provider::usage_chunk();
    chunk["usage"]["prompt_tokens"] = json!(prompt);
    chunk["usage"]["completion_tokens"] = json!(written);
    chunk["usage"]["total_tokens"] = json!(prompt + written);
    event(&chunk)
}

pub(super) fn done() -> Piece {
    Piece::text(DONE)
}

pub(super) fn event(data: &Value) -> Piece {
    Piece::text(provider::events([data]))
}

/// The data of the events in a stream's text, but for the mark of its end.
pub(super) fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// All that is left of a stream.
pub(super) fn rest(stream: &mut Stream) -> String {
    let mut text = String::new();
    while let Some(chunk) = stream.next() {
        text += std::str::from_utf8(&chunk).unwrap();
    }
    text
}
