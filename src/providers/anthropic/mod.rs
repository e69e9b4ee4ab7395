//! Anthropic's Messages API, version 2023-06-01, asked and answered in the form of OpenAI's.
//!
//! What the one form has and the other lacks:
//!
//! - System messages become `system`, wherever they stand; consecutive messages of one role become one.
//! - Temperatures above 1 become 1. Where both are given, `top_p` is left out: newer models refuse both.
//! - An `output_schema` becomes the input of a tool that the model has to call, or, where that cannot be,
//!   an instruction.
//! - Fields that Anthropic has no word for (`seed`, penalties, the thoughts of other models, …) are left out, except parts of messages,
//!   and what changes the form of the answer (`functions`, `audio`, `modalities`, `logprobs`): that is refused,
//!   since an answer without it would be wrong.

mod answer;
mod blocks;
mod messages;
mod request;
mod stream;
mod tools;

use ureq::http::HeaderName;

use super::{
    Call, Completion, Provider, ProviderError, RemoteSettings, Sink,
    remote::{Protocol, Remote},
    transport::Opened,
    whole,
};
use crate::{ambient::Ambient, domain::JobErrorCode};
use answer::completion;
use request::Request;

const PROTOCOL: Protocol = Protocol {
    path: "/messages",
    owner: "Anthropic",
    host: "api.anthropic.com",
    variable: "ANTHROPIC_API_KEY",
    key_header: HeaderName::from_static("x-api-key"),
    key_prefix: "",
    fixed: &[("anthropic-version", "2023-06-01")],
};

/// Or what every call fails with.
pub(super) struct Anthropic(Result<Remote, ProviderError>);

impl Anthropic {
    pub(super) fn new(ambient: &Ambient, settings: &RemoteSettings) -> Self {
        Self(Remote::new(ambient, settings, &PROTOCOL))
    }
}

impl Provider for Anthropic {
    fn complete(&self, call: &Call<'_>) -> Result<Completion, ProviderError> {
        let remote = self.0.as_ref().map_err(Clone::clone)?;
        let request = Request::new(call, false)?;
        let answer = remote.whole(call, &request)?;
        completion(call, &answer, request.has_output_tool())
    }

    fn stream(&self, call: &Call<'_>, sink: &mut Sink<'_>) -> Result<Completion, ProviderError> {
        let remote = self.0.as_ref().map_err(Clone::clone)?;
        let request = Request::new(call, true)?;
        match remote.open(call, &request)? {
            Opened::Stream(events) => {
                stream::read(call, *events, request.has_output_tool(), remote.key(), sink)
            }
            Opened::Whole(answer) => {
                let completion = completion(call, &answer, request.has_output_tool())?;
                let _broken = whole::hand_over(&completion, sink);
                Ok(completion)
            }
        }
    }
}

/// The error for what Anthropic has no word for, where the answer would be wrong without it.
fn untold(what: &str) -> ProviderError {
    bad_request(format!("{what} is nothing that this model can be told; leave it out"))
}

fn bad_request(message: impl Into<String>) -> ProviderError {
    ProviderError::new(JobErrorCode::BadRequest, message)
}
