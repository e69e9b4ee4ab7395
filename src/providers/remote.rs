//! A provider on the network: where it is, how to be let in, and how to post a call.

use std::time::Duration;

use serde::Serialize;
use ureq::http::{HeaderName, HeaderValue, Uri};

use super::{
    Call, ProviderError, RemoteSettings, media,
    transport::{Answer, Opened, Post, Transport},
};
use crate::{
    ambient::Ambient,
    domain::{JobErrorCode, Secret},
};

/// What a protocol prescribes.
pub(super) struct Protocol {
    /// Added to `base_url`.
    pub(super) path: &'static str,
    /// Who made it, and where: there a key is needed.
    pub(super) owner: &'static str,
    pub(super) host: &'static str,
    /// The variable that the operator sets to the key.
    pub(super) variable: &'static str,
    /// The header with the key, and what is before the key.
    pub(super) key_header: HeaderName,
    pub(super) key_prefix: &'static str,
    /// Sent with every call.
    pub(super) fixed: &'static [(&'static str, &'static str)],
}

/// All that a call needs.
pub(super) struct Remote {
    transport: Transport,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    key: Secret<String>,
    timeout: Duration,
    is_owner: bool,
    allows_media_urls: bool,
}

impl Remote {
    /// Or what every call fails with.
    pub(super) fn new(
        ambient: &Ambient,
        settings: &RemoteSettings,
        protocol: &Protocol,
    ) -> Result<Self, ProviderError> {
        let uri = endpoint(&settings.base_url, protocol.path).ok_or_else(|| {
            ProviderError::misconfigured("the provider's base_url is not an http or https URL")
        })?;
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let part = host.strip_suffix(protocol.host);
        let is_owner = part.is_some_and(|part| part.is_empty() || part.ends_with('.'));
        let key = settings.api_key.expose().trim();
        if is_owner && key.is_empty() {
            let Protocol { owner, variable, .. } = protocol;
            return Err(ProviderError::misconfigured(format!(
                "the server has no API key for {owner}; the operator must set {variable}"
            )));
        }
        let fixed = protocol.fixed.iter();
        let fixed = fixed
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Ok(Self {
            transport: Transport::new(ambient, &uri),
            headers: fixed.chain(authorization(protocol, key)?).collect(),
            key: Secret::new(key.to_owned()),
            timeout: settings.timeout,
            uri,
            is_owner,
            allows_media_urls: is_owner || settings.allow_media_urls,
        })
    }

    /// True for the one who made the protocol, who may be stricter than others that speak it.
    pub(super) const fn is_owner(&self) -> bool {
        self.is_owner
    }

    /// What to keep out of errors.
    pub(super) fn key(&self) -> &str {
        self.key.expose()
    }

    /// Posts `body` and reads the whole answer.
    pub(super) fn whole(
        &self,
        call: &Call<'_>,
        body: &impl Serialize,
    ) -> Result<Answer, ProviderError> {
        let json = self.json(call, body)?;
        self.transport.post(&self.post(call, &json), call.time(self.timeout))
    }

    /// Posts `body` and gives the answer as it comes.
    pub(super) fn open(
        &self,
        call: &Call<'_>,
        body: &impl Serialize,
    ) -> Result<Opened, ProviderError> {
        let json = self.json(call, body)?;
        self.transport.open(&self.post(call, &json), call.time(self.timeout), call.at_most)
    }

    fn json(&self, call: &Call<'_>, body: &impl Serialize) -> Result<Vec<u8>, ProviderError> {
        if !self.allows_media_urls {
            media::check(call.messages)?;
        }
        let not_json = "the request is not valid JSON";
        serde_json::to_vec(body).map_err(|_| ProviderError::new(JobErrorCode::BadRequest, not_json))
    }

    fn post<'a>(&'a self, call: &Call<'_>, json: &'a [u8]) -> Post<'a> {
        let request_id = HeaderValue::from_str(call.request_id).ok();
        let request_id = request_id.map(|id| (HeaderName::from_static("x-request-id"), id));
        let trace = call.trace.and_then(|trace| HeaderValue::try_from(trace.to_string()).ok());
        let trace = trace.map(|trace| (HeaderName::from_static("traceparent"), trace));
        let headers = request_id.into_iter().chain(trace).chain(self.headers.iter().cloned());
        Post { uri: &self.uri, headers: headers.collect(), json, key: self.key() }
    }
}

fn endpoint(base_url: &str, path: &str) -> Option<Uri> {
    let base = base_url.trim().trim_end_matches('/');
    let uri: Uri = format!("{base}{path}").parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

fn authorization(
    protocol: &Protocol,
    key: &str,
) -> Result<Option<(HeaderName, HeaderValue)>, ProviderError> {
    if key.is_empty() {
        return Ok(None);
    }
    let value = format!("{}{key}", protocol.key_prefix);
    let mut value = HeaderValue::from_str(&value).map_err(|_| {
        ProviderError::misconfigured("the provider's api_key has characters that no header allows")
    })?;
    value.set_sensitive(true);
    Ok(Some((protocol.key_header.clone(), value)))
}
