//! What it means that there is no answer, in words that a tenant may read.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use ureq::http::{HeaderMap, header};

use crate::{
    domain::{JobErrorCode, Timestamp},
    providers::ProviderError,
};

/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);
/// Characters of the provider's own words in an error.
const MAX_QUOTED_CHARS: usize = 300;

/// The longest code that is taken for one, in bytes.
const MAX_CODE_BYTES: usize = 64;

/// What it means that the provider answered with `status` and these (clean) words.
pub(in crate::providers) fn refused(status: u16, words: &str) -> ProviderError {
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
pub(super) fn broken(error: &ureq::Error, timeout: Duration) -> ProviderError {
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
            ProviderError::too_large()
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
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
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

/// The provider's words, clean, and its code.
pub(super) fn quoted(body: &[u8], key: &str) -> (String, Option<String>) {
    let Ok(body) = serde_json::from_slice::<ErrorBody>(body) else {
        return (String::new(), None);
    };
    let nested = body.error.as_ref().and_then(|error| error.get("message"));
    let places = [nested, body.error.as_ref(), body.message.as_ref(), body.detail.as_ref()];
    let words = places.into_iter().flatten().find_map(Value::as_str);
    (clean(words.unwrap_or_default(), key), body.error.as_ref().and_then(code))
}

/// The code in a provider's error, if it can be one.
pub(in crate::providers) fn code(error: &Value) -> Option<String> {
    let code = error.get("code")?.as_str()?;
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_code = (1..=MAX_CODE_BYTES).contains(&code.len()) && code.chars().all(is_word);
    is_code.then(|| code.to_owned())
}

/// Cuts the provider's words, puts them on one line and hides what looks like a key.
pub(in crate::providers) fn clean(words: &str, key: &str) -> String {
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
