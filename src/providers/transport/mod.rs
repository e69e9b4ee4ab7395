//! HTTP to a provider: one agent with its pool, a total timeout, bounded reads, errors by status.
//!
//! What a provider sends is not trusted: bodies and headers are cut, redirects are not followed
//! (they would carry the key elsewhere), and its words are cleaned before a tenant reads them.

mod events;
mod failure;
mod names;

use std::{net::IpAddr, time::Duration};

use ureq::{
    Agent, Body, RequestBuilder,
    http::{HeaderMap, HeaderName, HeaderValue, Response, Uri, header},
    typestate::WithBody,
};

pub(super) use events::{END, Events};
pub(super) use failure::{clean, code, refused};

use super::ProviderError;
use crate::{ambient::Ambient, wire::Switchboard};
use events::Time;
use failure::{broken, quoted, retry_after};
use names::Names;

/// The largest answer that is read.
const MAX_BODY_BYTES: u64 = 4 << 20;
/// The largest stream that is read: some 300 bytes go around each token.
const MAX_STREAM_BYTES: u64 = 256 << 20;
/// No stream goes on for longer.
const LONGEST: Duration = Duration::from_hours(48);
/// ureq's own 128 KiB each way would cost 250 KiB for every call in flight, and buy nothing.
const INPUT_BUFFER_BYTES: usize = 16 << 10;
const OUTPUT_BUFFER_BYTES: usize = 8 << 10;
/// The largest head of an answer that is read. It must fit into the input buffer: where it only
/// fills that, ureq takes it for the end of the connection.
const MAX_HEAD_BYTES: usize = INPUT_BUFFER_BYTES - 1;
/// Connections that are kept for the next call, so that hundreds at once need no new handshakes.
const MAX_IDLE_CONNECTIONS: usize = 512;
/// How long a connection may take, also where the answer may take longer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An agent for one provider. Threads share it.
pub(super) struct Transport {
    agent: Agent,
    ambient: Ambient,
}

/// What is posted.
pub(super) struct Post<'a> {
    pub(super) uri: &'a Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) json: &'a [u8],
    /// Kept out of errors.
    pub(super) key: &'a str,
}

/// What an answer turns out to be.
pub(super) enum Opened {
    /// Whole, from a server that does not stream.
    Whole(Answer),
    /// A stream of events.
    Stream(Box<Events>),
}

/// A whole answer with a status of success.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Transport {
    /// Proxies are taken from the environment (`HTTPS_PROXY`, …) except to this very machine.
    pub(super) fn new(ambient: &Ambient, uri: &Uri) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("skai-server/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_response_header_size(MAX_HEAD_BYTES)
            .input_buffer_size(INPUT_BUFFER_BYTES)
            .output_buffer_size(OUTPUT_BUFFER_BYTES)
            .max_idle_connections(MAX_IDLE_CONNECTIONS)
            .max_idle_connections_per_host(MAX_IDLE_CONNECTIONS);
        if is_loopback(uri) {
            config = config.proxy(None);
        }
        Self {
            agent: Agent::with_parts(config.build(), Switchboard::default(), Names::new(ambient)),
            ambient: ambient.clone(),
        }
    }

    /// Posts and reads the whole answer, all within `timeout`.
    pub(super) fn post(&self, post: &Post<'_>, timeout: Duration) -> Result<Answer, ProviderError> {
        let request = self.request(post).config().timeout_global(Some(timeout)).build();
        let answer = request.send(post.json).map_err(|error| broken(&error, timeout))?;
        self.whole(answer, post, timeout)
    }

    /// Posts and gives the answer as it comes. Its head, and each read of its body, comes within
    /// `patience`, and all of it within `at_most`.
    pub(super) fn open(
        &self,
        post: &Post<'_>,
        patience: Duration,
        at_most: Duration,
    ) -> Result<Opened, ProviderError> {
        let at_most = at_most.min(LONGEST);
        let patience = patience.min(at_most);
        let request =
            self.request(post).header(header::ACCEPT, "text/event-stream, application/json");
        let request = request.config();
        let request = request
            .timeout_global(Some(at_most))
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience.min(CONNECT_TIMEOUT)))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .build();
        let time = Time { patience, at_most };
        let answer = request.send(post.json).map_err(|error| time.broken(&error))?;
        if !answer.status().is_success() || !is_stream(answer.headers()) {
            return self.whole(answer, post, patience).map(Opened::Whole);
        }
        let body = answer.into_body().into_with_config().limit(MAX_STREAM_BYTES).reader();
        Ok(Opened::Stream(Box::new(Events::new(body, time, self.ambient.clone()))))
    }

    fn request(&self, post: &Post<'_>) -> RequestBuilder<WithBody> {
        let mut request = self.agent.post(post.uri.clone());
        request = request.header(header::CONTENT_TYPE, "application/json");
        for (name, value) in &post.headers {
            request = request.header(name, value);
        }
        request
    }

    fn whole(
        &self,
        mut answer: Response<Body>,
        post: &Post<'_>,
        timeout: Duration,
    ) -> Result<Answer, ProviderError> {
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(MAX_BODY_BYTES);
        let body = body.read_to_vec();
        if (200..300).contains(&status) {
            let body = body.map_err(|error| broken(&error, timeout))?;
            return Ok(Answer { status, body });
        }
        let (words, provider_code) = quoted(&body.unwrap_or_default(), post.key);
        Err(ProviderError {
            retry_after: retry_after(answer.headers(), self.ambient.now()),
            provider_code,
            ..refused(status, &words)
        })
    }
}

/// True unless the server says that it answers with one JSON text: some do not know of streams.
fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    !kind.is_some_and(|kind| kind.trim_start().starts_with("application/json"))
}

/// True for `localhost` and addresses of the loopback network, which no proxy can reach.
fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = address.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}
