//! HTTP to a provider: one agent with its pool, a total timeout, bounded reads, errors by status.
//!
//! What a provider sends is not trusted: bodies and headers are cut, redirects are not followed
//! (they would carry the key elsewhere), and its words are cleaned before a tenant reads them.

use std::{fmt, net::IpAddr, sync::Mutex, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use ureq::{
    Agent,
    config::Config,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header, uri::Authority},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

use super::ProviderError;
use crate::{
    ambient::{Ambient, lock},
    domain::{JobErrorCode, Timestamp},
    wire::Switchboard,
};

/// The largest answer that is read.
const MAX_BODY_BYTES: u64 = 4 << 20;
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
/// How long addresses of a name are used before it is looked up again.
const ADDRESSES_KEPT: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);
/// Characters of the provider's own words in an error.
const MAX_QUOTED_CHARS: usize = 300;

/// An agent for one provider. Threads share it.
pub(super) struct Transport {
    agent: Agent,
    ambient: Ambient,
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
        let names = Names {
            ambient: ambient.clone(),
            known: Mutex::default(),
            system: DefaultResolver::default(),
        };
        Self {
            agent: Agent::with_parts(config.build(), Switchboard::default(), names),
            ambient: ambient.clone(),
        }
    }

    /// Posts JSON and reads the whole answer, all within `timeout`. `key` is kept out of errors.
    pub(super) fn post(
        &self,
        uri: &Uri,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        json: &[u8],
        timeout: Duration,
        key: &str,
    ) -> Result<Answer, ProviderError> {
        let mut request = self.agent.post(uri.clone());
        request = request.header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.config().timeout_global(Some(timeout)).build();
        let mut answer = request.send(json).map_err(|e| broken(&e, timeout))?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(MAX_BODY_BYTES);
        let body = body.read_to_vec();
        if (200..300).contains(&status) {
            let body = body.map_err(|error| broken(&error, timeout))?;
            return Ok(Answer { status, body });
        }
        let words = quoted(&body.unwrap_or_default(), key);
        Err(ProviderError {
            retry_after: retry_after(answer.headers(), self.ambient.now()),
            ..refused(status, &words)
        })
    }
}

/// What it means that the provider answered with `status` and these (clean) words.
pub(super) fn refused(status: u16, words: &str) -> ProviderError {
    let code = match status {
        429 => JobErrorCode::RateLimit,
        408 => JobErrorCode::Timeout,
        400..=499 => JobErrorCode::BadRequest,
        _ => JobErrorCode::ServerError,
    };
    let message = match status {
        401 => "the provider refused the server's API key; the operator must mend it".to_owned(),
        300..=399 => "the provider redirects elsewhere; the operator must mend base_url".to_owned(),
        _ if words.is_empty() => format!("the provider answered with status {status}"),
        _ => format!("the provider answered with status {status}: {words}"),
    };
    ProviderError { status: Some(status), ..ProviderError::new(code, message) }
}

/// What it means that no whole answer came. Names no address: tenants read it.
fn broken(error: &ureq::Error, timeout: Duration) -> ProviderError {
    let server_error = |what: &str| ProviderError::new(JobErrorCode::ServerError, what);
    match error {
        ureq::Error::Timeout(_) => {
            let timeout = humantime::format_duration(timeout);
            let message = format!("the provider did not answer within {timeout}");
            ProviderError::new(JobErrorCode::Timeout, message)
        }
        ureq::Error::HostNotFound => server_error("the provider's host name is not known"),
        ureq::Error::Io(error) => {
            let kind = error.kind();
            server_error(&format!("the connection to the provider failed: {kind}"))
        }
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => {
            server_error("the provider's answer is too large")
        }
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => {
            server_error("the provider's answer is not proper HTTP")
        }
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::TlsRequired => {
            server_error("no secure connection to the provider could be made")
        }
        _ => server_error("the provider could not be reached"),
    }
}

/// Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or a date, which counts from the answer's own
/// `Date` where there is one, since the two clocks may differ.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let value = text(header::RETRY_AFTER)?.trim();
    let wait = if let Ok(seconds) = value.parse() {
        Duration::from_secs(seconds)
    } else {
        let from = text(header::DATE).and_then(http_date).unwrap_or(now);
        http_date(value)?.since(from)
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn http_date(text: &str) -> Option<Timestamp> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let time = parser.parse_timestamp(text).ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

/// The usual places of an error's text; `detail` is that of vLLM's older versions.
#[derive(Deserialize)]
struct ErrorBody {
    error: Option<Value>,
    message: Option<Value>,
    detail: Option<Value>,
}

fn quoted(body: &[u8], key: &str) -> String {
    let Ok(body) = serde_json::from_slice::<ErrorBody>(body) else {
        return String::new();
    };
    let nested = body.error.as_ref().and_then(|error| error.get("message"));
    let places = [nested, body.error.as_ref(), body.message.as_ref(), body.detail.as_ref()];
    let words = places.into_iter().flatten().find_map(Value::as_str);
    clean(words.unwrap_or_default(), key)
}

/// Cuts the provider's words, puts them on one line and hides what looks like a key.
pub(super) fn clean(words: &str, key: &str) -> String {
    let hide = |word: &str| {
        let is_ours = !key.is_empty() && word.contains(key);
        let hidden = is_ours || word.split(ends_key).any(|part| part.starts_with("sk-"));
        if hidden { "[redacted]" } else { word }.to_owned()
    };
    let words: Vec<_> = words.split_whitespace().map(hide).collect();
    let visible = words.join(" ").replace(char::is_control, "");
    match visible.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &visible[..end]),
        None => visible,
    }
}

fn ends_key(c: char) -> bool {
    !(c.is_alphanumeric() || c == '-' || c == '_')
}

/// ureq's resolver starts a thread for every call that has a timeout, also where a connection is
/// at hand and for addresses: more than half the cost of a call. This one asks it only for names
/// that it has not seen for a while.
struct Names {
    ambient: Ambient,
    known: Mutex<Option<Known>>,
    system: DefaultResolver,
}

struct Known {
    authority: Authority,
    addresses: ResolvedSocketAddrs,
    until: Duration,
}

impl Names {
    fn known(&self, authority: &Authority) -> Option<ResolvedSocketAddrs> {
        let now = self.ambient.monotonic();
        let known = lock(&self.known);
        let known = known.as_ref().filter(|known| now < known.until);
        let known = known.filter(|known| known.authority == *authority)?;
        let mut addresses = self.empty();
        known.addresses.iter().for_each(|address| addresses.push(*address));
        Some(addresses)
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(authority) = uri.authority() else {
            return Err(ureq::Error::HostNotFound);
        };
        if let Some(addresses) = self.known(authority) {
            return Ok(addresses);
        }
        let addresses = self.system.resolve(uri, config, timeout)?;
        *lock(&self.known) = Some(Known {
            authority: authority.clone(),
            addresses,
            until: self.ambient.monotonic().saturating_add(ADDRESSES_KEPT),
        });
        self.known(authority).ok_or(ureq::Error::HostNotFound)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Names").finish_non_exhaustive()
    }
}

/// True for `localhost` and addresses of the loopback network, which no proxy can reach.
fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = address.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}
