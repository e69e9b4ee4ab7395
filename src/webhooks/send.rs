//! Sends one request to a tenant's server, within limits of time and size, and says what came of it.
//!
//! The other side is not trusted: it may hang, drip, redirect or answer without end. Nothing of its
//! headers is kept but `Retry-After`. Nothing is sent twice in secret: the queue decides on retries.

use std::{io::Read, sync::Arc, time::Duration};

use http::{Method, Uri, header};
use ureq::{Agent, AsSendBody, Body, config::Config};

use super::{
    guard::{Guard, Refused},
    resolve::{GuardedResolver, Lookup, system_lookup},
};
use crate::{
    ambient::Ambient,
    domain::{EndpointUrl, JobErrorCode, parse_retry_after},
    observe::traces::Record,
    wire::Switchboard,
};

/// How many bytes of an answer are read at most.
const READ_MAX: u64 = 64 * 1024;

/// How many bytes of an answer are kept.
const KEEP_MAX: usize = 16 * 1024;

/// How many characters of an error's text are kept.
const MESSAGE_MAX: usize = 200;

/// Bytes for each direction of a connection; an answer's headers must fit. The client's own
/// default is 128 KiB each.
const BUFFER_SIZE: usize = 16 * 1024;

/// Idle connections that are kept: in all (the client searches them one by one), and to one host.
const IDLE_MAX: usize = 64;
/// See [`IDLE_MAX`].
const IDLE_PER_HOST_MAX: usize = 8;

/// How long an idle connection is kept. Shorter than the 5 s after which Node's server closes, for
/// a request on a connection that is just being closed is lost.
const IDLE_AGE: Duration = Duration::from_secs(4);

/// The header that says which step of a trace a request is.
pub const TRACE_PARENT: &str = "traceparent";

/// Headers that the client sets itself. Others' would change where a message ends or who is asked.
const OWN_HEADERS: [header::HeaderName; 9] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
];

/// How long a request may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// To look up the name, and again to connect, TLS included.
    pub connect: Duration,
    /// For everything, the answer's body included.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(15) }
    }
}

/// A request to a tenant's server.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Any standard method.
    pub method: Method,
    /// Where it goes.
    pub url: &'a EndpointUrl,
    /// Names and values. A malformed one, or one that the client sets itself, refuses the request.
    pub headers: &'a [(&'a str, &'a str)],
    /// What is sent; empty for none.
    pub body: &'a [u8],
    /// The time for everything, where it is not the sender's.
    pub timeout: Option<Duration>,
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The server answered with this status, and in time.
    Status(u16),
    /// Nothing was sent: the address, or the request itself, is not allowed.
    Refused(String),
    /// The time was up before the whole answer was there.
    Timeout,
    /// There was no answer: no such name, no connection, no TLS, not HTTP.
    Connection(String),
}

impl Outcome {
    /// True for 2xx, and nothing else is a success: a redirect is not followed.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Status(200..=299))
    }

    /// True for 410: the endpoint wants no more deliveries.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Status(410))
    }

    /// Tells of it as the end of a step of a trace.
    pub fn describe(&self, record: &mut Record) {
        match self {
            Self::Status(status) => {
                record.whole("http.response.status_code", *status);
                if !self.is_success() {
                    record.fail(status.to_string());
                }
            }
            Self::Refused(_) => record.fail("refused"),
            Self::Timeout => record.fail("timeout"),
            Self::Connection(_) => record.fail("connection"),
        }
    }

    /// What happened, for people; `who` was asked, such as an endpoint.
    pub fn in_words(&self, who: &str) -> String {
        match self {
            Self::Status(status) => format!("the {who} answered {status}"),
            Self::Refused(reason) => format!("not sent: {reason}"),
            Self::Timeout => format!("the {who} did not answer in time"),
            Self::Connection(reason) => reason.clone(),
        }
    }

    /// Why it is no success, by the rules for errors of providers.
    pub const fn code(&self) -> JobErrorCode {
        match self {
            Self::Status(429) => JobErrorCode::RateLimit,
            Self::Status(408) | Self::Timeout => JobErrorCode::Timeout,
            Self::Status(500..) | Self::Connection(_) => JobErrorCode::ServerError,
            Self::Status(_) | Self::Refused(_) => JobErrorCode::BadRequest,
        }
    }
}

/// One request and its outcome, as the attempts log keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// What came of it.
    pub outcome: Outcome,
    /// How long the server asks to wait before the next attempt.
    pub retry_after: Option<Duration>,
    /// How long it took.
    pub duration: Duration,
    /// The first 16 KiB of the answer's body; what is not UTF-8 is replaced.
    pub response_body: String,
}

/// Sends requests and keeps connections open for the next. Threads share one.
pub struct Sender {
    agent: Agent,
    ambient: Ambient,
    observer: Option<Observer>,
}

/// Told about each attempt.
pub type Observer = Arc<dyn Fn(&Attempt) + Send + Sync>;

/// What is known once the server answered.
struct Answer {
    outcome: Outcome,
    retry_after: Option<Duration>,
    body: String,
}

impl Sender {
    /// A sender that reaches what `guard` permits. Proxies in the environment are ignored: the
    /// guard would judge the proxy's address and not the target's.
    pub fn new(guard: Guard, ambient: &Ambient, limits: Limits) -> Self {
        Self::with_lookup(guard, ambient, limits, system_lookup())
    }

    fn with_lookup(guard: Guard, ambient: &Ambient, limits: Limits, lookup: Lookup) -> Self {
        let config = Config::builder()
            .user_agent(concat!("skai-server/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_global(Some(limits.total))
            .input_buffer_size(BUFFER_SIZE)
            .output_buffer_size(BUFFER_SIZE)
            // Below the buffer's size, for a full buffer without an end of the headers is told
            // as a broken connection.
            .max_response_header_size(BUFFER_SIZE - 1)
            .max_idle_connections(IDLE_MAX)
            .max_idle_connections_per_host(IDLE_PER_HOST_MAX)
            .max_idle_age(IDLE_AGE)
            .build();
        let resolver = GuardedResolver::new(guard, ambient.clone(), lookup);
        Self {
            agent: Agent::with_parts(config, Switchboard::default(), resolver),
            ambient: ambient.clone(),
            observer: None,
        }
    }

    /// Posts a JSON `body`, as to a webhook endpoint.
    pub fn post(&self, url: &EndpointUrl, headers: &[(&str, &str)], body: &[u8]) -> Attempt {
        let json = [("content-type", "application/json")];
        self.send(&Request {
            method: Method::POST,
            url,
            headers: &[&json[..], headers].concat(),
            body,
            timeout: None,
        })
    }

    /// Tells `observer` of every attempt from now on.
    #[must_use]
    pub fn observed(self, observer: Observer) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Sends `request` once and waits for the outcome.
    pub fn send(&self, request: &Request<'_>) -> Attempt {
        self.send_to(request.url.uri(), request)
    }

    fn send_to(&self, uri: &Uri, request: &Request<'_>) -> Attempt {
        let start = self.ambient.monotonic();
        let answer = self.exchange(uri, request);
        let duration = self.ambient.monotonic().saturating_sub(start);
        let answer = answer.unwrap_or_else(|outcome| Answer {
            outcome,
            retry_after: None,
            body: String::new(),
        });
        let attempt = Attempt {
            outcome: answer.outcome,
            retry_after: answer.retry_after,
            duration,
            response_body: answer.body,
        };
        if let Some(observer) = &self.observer {
            observer(&attempt);
        }
        attempt
    }

    fn exchange(&self, uri: &Uri, request: &Request<'_>) -> Result<Answer, Outcome> {
        let message = head(uri, request)?;
        let needs_body = [Method::POST, Method::PUT, Method::PATCH].contains(&request.method);
        let response = if needs_body || !request.body.is_empty() {
            self.run(message.body(request.body), request.timeout)
        } else {
            self.run(message.body(()), request.timeout)
        };
        let (head, body) = response.map_err(outcome_of)?.into_parts();
        let retry_after = head.headers.get(header::RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok())
            .and_then(|value| parse_retry_after(value, self.ambient.now()));
        let (body, in_time) = read(body);
        let outcome =
            if in_time { Outcome::Status(head.status.as_u16()) } else { Outcome::Timeout };
        Ok(Answer { outcome, retry_after, body })
    }

    fn run<B: AsSendBody>(
        &self,
        message: http::Result<http::Request<B>>,
        timeout: Option<Duration>,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let message = message?;
        match timeout {
            None => self.agent.run(message),
            // This copies the configuration, so it is not done for every request.
            Some(total) => {
                let config = self.agent.configure_request(message);
                self.agent.run(config.timeout_global(Some(total)).build())
            }
        }
    }
}

/// Everything before the body. Malformed names and values show up when the body is added.
fn head(uri: &Uri, request: &Request<'_>) -> Result<http::request::Builder, Outcome> {
    let mut message = http::Request::builder().method(&request.method).uri(uri.clone());
    for (name, value) in request.headers {
        if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own.as_str())) {
            return Err(Outcome::Refused(format!("the header {name} cannot be set")));
        }
        message = message.header(*name, *value);
    }
    Ok(message)
}

/// Reads the start of the body, and whether time was left. A body that breaks off or goes on for
/// too long does not undo the status; the connection is then not used again.
fn read(body: Body) -> (String, bool) {
    let mut bytes = Vec::new();
    let outcome = body.into_reader().take(READ_MAX).read_to_end(&mut bytes);
    let timed_out =
        outcome.is_err_and(|error| matches!(ureq::Error::from(error), ureq::Error::Timeout(_)));
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    text.truncate(text.floor_char_boundary(KEEP_MAX));
    (text, !timed_out)
}

fn outcome_of(error: ureq::Error) -> Outcome {
    let text = match error {
        ureq::Error::Timeout(_) => return Outcome::Timeout,
        ureq::Error::Other(source) if source.is::<Refused>() => {
            return Outcome::Refused(Refused.to_string());
        }
        ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
            return Outcome::Refused("a header of the request is malformed".to_owned());
        }
        ureq::Error::HostNotFound => "the host name was not found".to_owned(),
        ureq::Error::Protocol(_) => "the answer is not valid HTTP/1.1".to_owned(),
        ureq::Error::LargeResponseHeader(..) => "the answer's headers are too large".to_owned(),
        // With a source the text says more than the kind, as that of a certificate error does.
        ureq::Error::Io(error) if error.get_ref().is_none() => error.kind().to_string(),
        other => other.to_string(),
    };
    let printable = text.chars().filter(|char| !char.is_control());
    Outcome::Connection(printable.take(MESSAGE_MAX).collect())
}

#[cfg(test)]
mod tests;
