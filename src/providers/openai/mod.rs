//! OpenAI's Chat Completions, which vLLM, Ollama, llama.cpp and many others also speak.

mod answer;
mod request;
mod stream;

use ureq::http::header;

use super::{
    Call, Completion, Provider, ProviderError, RemoteSettings, Sink,
    remote::{Protocol, Remote},
    transport::Opened,
    whole,
};
use crate::ambient::Ambient;
use answer::completion;
use request::Request;

pub(super) use answer::{believed, cut};

const PROTOCOL: Protocol = Protocol {
    path: "/chat/completions",
    owner: "OpenAI",
    host: "api.openai.com",
    variable: "OPENAI_API_KEY",
    key_header: header::AUTHORIZATION,
    key_prefix: "Bearer ",
    fixed: &[],
};

/// Or what every call fails with.
pub(super) struct OpenAi(Result<Remote, ProviderError>);

impl OpenAi {
    pub(super) fn new(ambient: &Ambient, settings: &RemoteSettings) -> Self {
        Self(Remote::new(ambient, settings, &PROTOCOL))
    }
}

impl Provider for OpenAi {
    fn complete(&self, call: &Call<'_>) -> Result<Completion, ProviderError> {
        let remote = self.0.as_ref().map_err(Clone::clone)?;
        let answer = remote.whole(call, &Request::new(call, remote.is_owner(), false))?;
        completion(call, &answer, remote.key())
    }

    fn stream(&self, call: &Call<'_>, sink: &mut Sink<'_>) -> Result<Completion, ProviderError> {
        let remote = self.0.as_ref().map_err(Clone::clone)?;
        match remote.open(call, &Request::new(call, remote.is_owner(), true))? {
            Opened::Stream(events) => stream::read(call, *events, remote.key(), sink),
            Opened::Whole(answer) => {
                let completion = completion(call, &answer, remote.key())?;
                let _broken = whole::hand_over(&completion, sink);
                Ok(completion)
            }
        }
    }
}
