//! Webhooks: what can be told, who wants to hear it, where it goes, and how often it is tried.

use std::{borrow::Cow, collections::BTreeSet, fmt, net::Ipv4Addr};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Error, Result, Secret};

/// Everything that a webhook can tell.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
)]
pub enum EventType {
    /// A job succeeded and was charged.
    #[serde(rename = "job.completed")]
    JobCompleted,
    /// A job failed for good, or expired.
    #[serde(rename = "job.failed")]
    JobFailed,
    /// A client canceled a job.
    #[serde(rename = "job.canceled")]
    JobCanceled,
    /// Every job of a batch has ended.
    #[serde(rename = "batch.completed")]
    BatchCompleted,
    /// The account got credits.
    #[serde(rename = "credits.granted")]
    CreditsGranted,
    /// The balance fell below the account's mark.
    #[serde(rename = "credits.low")]
    CreditsLow,
    /// A project or key reached a part of its budget.
    #[serde(rename = "budget.threshold")]
    BudgetThreshold,
    /// A scheduled task failed for good.
    #[serde(rename = "task.failed")]
    TaskFailed,
    /// An endpoint is sent nothing any more, since it said so or kept failing.
    #[serde(rename = "webhook.endpoint.disabled")]
    WebhookEndpointDisabled,
    /// A test that someone asked for.
    #[serde(rename = "ping")]
    Ping,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 10] = [
        Self::JobCompleted,
        Self::JobFailed,
        Self::JobCanceled,
        Self::BatchCompleted,
        Self::CreditsGranted,
        Self::CreditsLow,
        Self::BudgetThreshold,
        Self::TaskFailed,
        Self::WebhookEndpointDisabled,
        Self::Ping,
    ];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobCompleted => "job.completed",
            Self::JobFailed => "job.failed",
            Self::JobCanceled => "job.canceled",
            Self::BatchCompleted => "batch.completed",
            Self::CreditsGranted => "credits.granted",
            Self::CreditsLow => "credits.low",
            Self::BudgetThreshold => "budget.threshold",
            Self::TaskFailed => "task.failed",
            Self::WebhookEndpointDisabled => "webhook.endpoint.disabled",
            Self::Ping => "ping",
        }
    }

    /// The type of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Which events an endpoint wants. In JSON a list of names, or `["*"]` for all, later ones included.
///
/// ```
/// use skai_server::domain::{EventFilter, EventType};
/// let filter = EventFilter::parse(["job.completed"]).unwrap();
/// assert!(filter.matches(EventType::JobCompleted) && !filter.matches(EventType::Ping));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventFilter {
    /// Every event.
    All,
    /// These and no other; never empty.
    Only(BTreeSet<EventType>),
}

/// The name that stands for every event.
const EVERY_EVENT: &str = "*";

impl EventFilter {
    /// Reads the names. A name may stand twice; no name, an unknown one, and `*` beside others are
    /// [`ErrorKind::InvalidRequest`](super::ErrorKind::InvalidRequest) with the `param` `events`.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let names: BTreeSet<&str> = names.into_iter().collect();
        if names.contains(EVERY_EVENT) {
            return match names.len() {
                1 => Ok(Self::All),
                _ => Err(bad_events("`*` means every event; give it alone")),
            };
        }
        let kinds: Option<BTreeSet<_>> = names.into_iter().map(EventType::parse).collect();
        match kinds {
            Some(kinds) if !kinds.is_empty() => Ok(Self::Only(kinds)),
            Some(_) => Err(bad_events("name at least one event, or give [\"*\"]")),
            None => Err(bad_events(&format!(
                "an event name is unknown; known are {} and `*`",
                EventType::ALL.map(EventType::as_str).join(", ")
            ))),
        }
    }

    /// True if the endpoint wants to hear of it.
    pub fn matches(&self, kind: EventType) -> bool {
        match self {
            Self::All => true,
            Self::Only(kinds) => kinds.contains(&kind),
        }
    }

    /// The names, as in the API.
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Self::All => vec![EVERY_EVENT],
            Self::Only(kinds) => kinds.iter().map(|kind| kind.as_str()).collect(),
        }
    }
}

fn bad_events(message: &str) -> Error {
    Error::invalid("events", message)
}

impl Serialize for EventFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.names().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EventFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let names = Vec::<Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(names.iter().map(AsRef::as_ref))
            .map_err(|error| de::Error::custom(error.message()))
    }
}

impl JsonSchema for EventFilter {
    fn schema_name() -> Cow<'static, str> {
        "EventFilter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
        json_schema!({
            "description": "Names of events, or [\"*\"] for all.",
            "anyOf": [
                {"type": "array", "minItems": 1, "items": {"type": "string", "enum": names}},
                {"type": "array", "minItems": 1, "items": {"const": EVERY_EVENT}},
            ],
        })
    }
}

/// For how long a delivery is tried.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryPolicy {
    /// The queue's delays: by default five retries in about eight minutes.
    #[default]
    Standard,
    /// Delays of its own: by default nine retries over three days.
    Extended,
}

impl RetryPolicy {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Extended => "extended",
        }
    }

    /// The policy of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Standard, Self::Extended].into_iter().find(|policy| policy.as_str() == name)
    }
}

/// How far a delivery got.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Waits for its first or next attempt.
    Pending,
    /// The endpoint answered with 2xx.
    Delivered,
    /// Given up; a redrive starts it again.
    Failed,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// What signs the deliveries to one endpoint: `whsec_` and 24 to 64 random bytes in standard,
/// padded base64, which is what the Standard Webhooks libraries read.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret {
    text: Secret<String>,
    key: Secret<Vec<u8>>,
}

/// The text is not a webhook secret. It is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a webhook secret: whsec_ and 24 to 64 bytes in standard base64")]
pub struct MalformedSecret;

impl WebhookSecret {
    const PREFIX: &str = "whsec_";

    /// Makes the secret from 32 random bytes.
    pub fn generate(random: [u8; 32]) -> Self {
        let text = format!("{}{}", Self::PREFIX, BASE64_STANDARD.encode(random));
        Self { text: Secret::new(text), key: Secret::new(random.to_vec()) }
    }

    /// Reads the text that [`WebhookSecret::text`] gave.
    pub fn parse(text: &str) -> std::result::Result<Self, MalformedSecret> {
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(MalformedSecret)?;
        let key = BASE64_STANDARD.decode(encoded).map_err(|_| MalformedSecret)?;
        if !(24..=64).contains(&key.len()) {
            return Err(MalformedSecret);
        }
        Ok(Self { text: Secret::new(text.to_owned()), key: Secret::new(key) })
    }

    /// The text that the tenant sees once: `whsec_…`.
    pub fn text(&self) -> &str {
        self.text.expose()
    }

    /// The random bytes behind the text.
    pub fn key(&self) -> &[u8] {
        self.key.expose()
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(out)
    }
}

/// Where requests go: an `http` or `https` URL that has one reading only. The text stays as given.
///
/// It is read by the very parser that the HTTP client dials by, so that both see the same host.
/// Whether the host may be reached is not decided here: `webhooks::guard` does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointUrl {
    text: String,
    uri: Uri,
}

/// The longest URL, in bytes.
const URL_MAX: usize = 2048;

impl EndpointUrl {
    /// Reads the URL. What is wrong with it is [`ErrorKind::InvalidRequest`](super::ErrorKind)
    /// with the `param` `url`.
    pub fn parse(text: &str) -> Result<Self> {
        let uri = check_url(text).map_err(|message| Error::invalid("url", message))?;
        Ok(Self { text: text.to_owned(), uri })
    }

    /// The text as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parsed URL.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The host without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        bare(self.uri.host().unwrap_or_default())
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

fn check_url(text: &str) -> std::result::Result<Uri, &'static str> {
    if text.len() > URL_MAX {
        return Err("the URL is longer than 2048 bytes");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['\\', '#']) {
        return Err("write the URL in printable ASCII (punycode, %XX), without `#` and `\\`");
    }
    let uri: Uri = text.parse().map_err(|_| "this is not a URL")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("the URL must begin with https:// or http://");
    }
    let authority = uri.authority().ok_or("the URL has no host")?.as_str();
    if authority.contains('@') {
        return Err("leave user name and password out of the URL; deliveries are signed instead");
    }
    let host = uri.host().unwrap_or_default();
    if !is_plain_host(host) {
        return Err("the host must be a plain name, an IPv4 address or a bracketed IPv6 address");
    }
    let port = authority.strip_prefix(host).unwrap_or(authority);
    if !port.is_empty() && !is_port(port) {
        return Err("the port must be from 1 to 65535");
    }
    Ok(uri)
}

/// True where every resolver reads the host alike: no percent signs, zone ids or IPv4 addresses in
/// octal, hexadecimal or fewer than four parts.
fn is_plain_host(host: &str) -> bool {
    if host.starts_with('[') {
        return bare(host).parse::<std::net::Ipv6Addr>().is_ok();
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let labels_ok = name.len() <= 253
        && name
            .split('.')
            .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(allowed));
    // The last label of a name is never a number (WHATWG URL, "ends in a number").
    let last = name.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    labels_ok && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

/// True for `:1` to `:65535`. The parser lets more through and then dials the default port.
fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':').unwrap_or_default();
    let number = digits.parse::<u16>().unwrap_or_default();
    number > 0 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn names_are_the_same_in_json_and_in_the_store() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for status in DeliveryStatus::ALL {
            assert_eq!(DeliveryStatus::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for policy in [RetryPolicy::Standard, RetryPolicy::Extended] {
            assert_eq!(RetryPolicy::parse(policy.as_str()), Some(policy));
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.as_str());
        }
        assert_eq!(EventType::parse("job.complete"), None);
    }

    #[test]
    fn a_filter_lets_through_what_it_names() {
        let all = EventFilter::parse(["*"]).unwrap();
        assert!(EventType::ALL.into_iter().all(|kind| all.matches(kind)));
        let some: EventFilter =
            serde_json::from_str(r#"["job.failed","job.completed","job.failed"]"#).unwrap();
        let matched = EventType::ALL.into_iter().filter(|kind| some.matches(*kind));
        assert_eq!(matched.collect::<Vec<_>>(), [EventType::JobCompleted, EventType::JobFailed]);
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"["job.completed","job.failed"]"#);
    }

    #[test]
    fn a_filter_refuses_the_rest() {
        for bad in [vec![], vec!["*", "ping"], vec!["job.*"], vec![""], vec!["PING"]] {
            let error = EventFilter::parse(bad.iter().copied()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{bad:?}");
            assert_eq!(error.param(), Some("events"));
        }
        assert!(serde_json::from_str::<EventFilter>(r#""*""#).is_err());
    }

    #[test]
    fn a_secret_reads_back_and_stays_hidden() {
        let secret = WebhookSecret::generate([0xFB; 32]);
        assert_eq!(secret.text(), "whsec_+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=");
        assert_eq!(WebhookSecret::parse(secret.text()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "[redacted]");
        for bad in [
            "",
            "whsec_",
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
            "whsec_-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=",
            "whsec_+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s",
            "whsec_AAAA",
        ] {
            assert_eq!(WebhookSecret::parse(bad), Err(MalformedSecret), "{bad}");
        }
    }

    #[test]
    fn urls_keep_their_text() {
        for good in [
            "https://example.com",
            "https://example.com/",
            "HTTP://Example.COM:8080/a/%20b?c=d&e[]=f",
            "https://example.com.:443/hook",
            "http://127.0.0.1:9000/",
            "http://[::1]:9000/x",
            "https://xn--bcher-kva.example/",
            "http://my_service:80/",
            "http://1e100.net/",
        ] {
            let url = EndpointUrl::parse(good).unwrap_or_else(|error| panic!("{good}: {error}"));
            assert_eq!(url.as_str(), good);
        }
        assert_eq!(EndpointUrl::parse("http://[::1]:1/").unwrap().host(), "::1");
    }

    #[test]
    fn urls_with_two_readings_are_refused() {
        let long = format!("https://example.com/{}", "a".repeat(URL_MAX));
        for bad in [
            "",
            "example.com",
            "/path",
            "//example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://127.0.0.1:70/",
            "https://",
            "https:///path",
            "https://:443/",
            "https://user@example.com/",
            "https://user:password@example.com/",
            "https://example.com@127.0.0.1/",
            "https://example.com/#fragment",
            "https://example.com#@127.0.0.1/",
            "https://example.com\\@127.0.0.1/",
            "https://example.com:0/",
            "https://example.com:/",
            "https://example.com:65536/",
            "https://example.com:99999/",
            "https://example.com:80:80/",
            "https://example.com:+80/",
            "https://exa mple.com/",
            " https://example.com/",
            "https://example.com/\n",
            "https://bücher.example/",
            "https://example。com/",
            "http://%31%32%37.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0X7F.0.0.1/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://1.2.3.4.5/",
            "http://foo.256/",
            "http://example..com/",
            "http://./",
            "http://[fe80::1%25eth0]/",
            "http://[::1/",
            "http://::1/",
            "http://[127.0.0.1]/",
            long.as_str(),
        ] {
            let error = EndpointUrl::parse(bad).expect_err(bad);
            assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidRequest, Some("url")));
        }
    }

    proptest! {
        #[test]
        fn accepted_urls_have_a_host_and_no_user(text in "https?://[ -~]{0,40}") {
            if let Ok(url) = EndpointUrl::parse(&text) {
                prop_assert!(!url.host().is_empty());
                prop_assert!(!url.uri().authority().unwrap().as_str().contains('@'));
                prop_assert_eq!(url.as_str(), text);
            }
        }
    }
}
