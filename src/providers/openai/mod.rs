//! OpenAI's Chat Completions, which vLLM, Ollama, llama.cpp and many others also speak.

mod answer;
mod request;
mod stream;

use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Uri, header};

use super::{
    Call, Completion, Provider, ProviderError, RemoteSettings, Sink,
    transport::{Opened, Post, Transport},
    whole,
};
use crate::{
    ambient::Ambient,
    domain::{JobErrorCode, Secret},
};
use answer::completion;
use request::Request;

pub(super) struct OpenAi {
    /// Or what every call fails with.
    line: Result<Line, ProviderError>,
    timeout: Duration,
}

/// All that a call needs.
struct Line {
    transport: Transport,
    uri: Uri,
    authorization: Option<HeaderValue>,
    key: Secret<String>,
    /// True for OpenAI itself.
    is_openai: bool,
}

impl OpenAi {
    pub(super) fn new(ambient: &Ambient, settings: &RemoteSettings) -> Self {
        Self { line: Line::new(ambient, settings), timeout: settings.timeout }
    }
}

impl Line {
    fn new(ambient: &Ambient, settings: &RemoteSettings) -> Result<Self, ProviderError> {
        let uri = endpoint(&settings.base_url).ok_or_else(|| {
            ProviderError::misconfigured("the provider's base_url is not an http or https URL")
        })?;
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let is_openai = host == "api.openai.com" || host.ends_with(".api.openai.com");
        let key = settings.api_key.expose().trim();
        if is_openai && key.is_empty() {
            return Err(ProviderError::misconfigured(
                "the server has no API key for OpenAI; the operator must set OPENAI_API_KEY",
            ));
        }
        Ok(Self {
            transport: Transport::new(ambient, &uri),
            authorization: authorization(key)?,
            key: Secret::new(key.to_owned()),
            uri,
            is_openai,
        })
    }

    fn body(&self, call: &Call<'_>, streams: bool) -> Result<Vec<u8>, ProviderError> {
        serde_json::to_vec(&Request::new(call, self.is_openai, streams)).map_err(|_| {
            ProviderError::new(JobErrorCode::BadRequest, "the request is not valid JSON")
        })
    }

    fn post<'a>(&'a self, call: &Call<'_>, json: &'a [u8]) -> Post<'a> {
        let request_id = HeaderValue::from_str(call.request_id).ok();
        let request_id = request_id.map(|id| (HeaderName::from_static("x-request-id"), id));
        let authorization = self.authorization.clone();
        let authorization = authorization.map(|value| (header::AUTHORIZATION, value));
        Post {
            uri: &self.uri,
            headers: request_id.into_iter().chain(authorization).collect(),
            json,
            key: self.key.expose(),
        }
    }
}

fn endpoint(base_url: &str) -> Option<Uri> {
    let base = base_url.trim().trim_end_matches('/');
    let uri: Uri = format!("{base}/chat/completions").parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

fn authorization(key: &str) -> Result<Option<HeaderValue>, ProviderError> {
    if key.is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
        ProviderError::misconfigured("the provider's api_key has characters that no header allows")
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

impl Provider for OpenAi {
    fn complete(&self, call: &Call<'_>) -> Result<Completion, ProviderError> {
        let line = self.line.as_ref().map_err(Clone::clone)?;
        let body = line.body(call, false)?;
        let answer = line.transport.post(&line.post(call, &body), call.time(self.timeout))?;
        completion(call, &answer, line.key.expose())
    }

    fn stream(&self, call: &Call<'_>, sink: &mut Sink<'_>) -> Result<Completion, ProviderError> {
        let line = self.line.as_ref().map_err(Clone::clone)?;
        let body = line.body(call, true)?;
        let post = line.post(call, &body);
        match line.transport.open(&post, call.time(self.timeout), call.at_most)? {
            Opened::Stream(events) => stream::read(call, *events, line.key.expose(), sink),
            Opened::Whole(answer) => {
                let completion = completion(call, &answer, line.key.expose())?;
                let _broken = whole::hand_over(&completion, sink);
                Ok(completion)
            }
        }
    }
}
