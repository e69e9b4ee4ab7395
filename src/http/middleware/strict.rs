//! Strict JSON, and the header that makes a POST safe to repeat.

use crate::{
    domain::{
        Error, ErrorKind, Idempotency, IdempotencyKey, Result,
        json::{self, Checked},
    },
    http::routes::{BodyKind, Route},
};
use hyper::{
    Version,
    body::Bytes,
    header::{HOST, HeaderName, HeaderValue},
    http::request::Parts,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A body from this size on, in bytes, is checked on a thread of its own: all other requests would wait for
/// it. A smaller one takes less than a millisecond.
const LARGE: usize = 256 << 10;

/// Refuses HTTP/1.1 without exactly one `Host` (RFC 9112 §3.2): proxies could disagree on the target.
pub(super) fn host(parts: &Parts) -> Result<()> {
    let given = parts.headers.get_all(HOST).into_iter().count();
    if given > 1 || (given == 0 && parts.version == Version::HTTP_11) {
        return Err(Error::invalid("Host", "name the server in exactly one Host header"));
    }
    Ok(())
}

/// SHA-256 of a body's canonical JSON.
type BodyHash = [u8; 32];

/// Refuses what is not strictly JSON, and reads the `Idempotency-Key` of a route that heeds it.
pub(super) async fn body(
    route: &Route,
    parts: &Parts,
    body: &Bytes,
) -> Result<Option<Idempotency>> {
    let kind = route.body;
    // The body is hashed only where there is a key.
    let is_hashed = route.is_idempotent() && parts.headers.contains_key(IDEMPOTENCY_KEY);
    let hash = if body.len() < LARGE {
        check_and_hash(kind, body, is_hashed)?
    } else {
        let body = body.clone();
        let work = move || check_and_hash(kind, &body, is_hashed);
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)??
    };
    hash.map(|hash| idempotency(parts, hash)).transpose()
}

fn check_and_hash(kind: BodyKind, body: &[u8], is_hashed: bool) -> Result<Option<BodyHash>> {
    let checked = json(kind, body)?;
    Ok(checked.filter(|_| is_hashed).map(|checked| checked.canonical_hash()))
}

/// `None` where the route takes no JSON. Where the body may be left out, that is the same request as one with
/// `{}`.
fn json(kind: BodyKind, body: &[u8]) -> Result<Option<Checked<'_>>> {
    match kind {
        BodyKind::None | BodyKind::Raw => Ok(None),
        BodyKind::OptionalJson | BodyKind::Empty if body.is_empty() => check(b"{}").map(Some),
        BodyKind::Json | BodyKind::OptionalJson => check(body).map(Some),
        BodyKind::Empty => check(body).and_then(without_fields).map(Some),
    }
}

fn check(body: &[u8]) -> Result<Checked<'_>> {
    json::check(body).map_err(|fault| {
        let message = match body {
            [] => "the body is missing; send a JSON object".to_owned(),
            _ => format!("the body cannot be read as JSON: {fault}; correct it there"),
        };
        Error::new(ErrorKind::InvalidJson, message)
    })
}

/// Refuses everything but `{}`.
fn without_fields(body: Checked<'_>) -> Result<Checked<'_>> {
    if body.canonical() == b"{}" {
        return Ok(body);
    }
    let fields: Option<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(body.text()).ok();
    let Some(name) = fields.as_ref().and_then(|fields| fields.keys().next()) else {
        let message = "the body must be {} or nothing; this route takes no fields";
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    };
    let name: String = name.chars().take(64).collect();
    let message = format!("unknown field {name}; this route takes none");
    Err(Error::invalid(name, message))
}

fn idempotency(parts: &Parts, body_hash: BodyHash) -> Result<Idempotency> {
    let mut given = parts.headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let value = given.next().map(HeaderValue::as_bytes).unwrap_or_default();
    let refuse = |message: String| Error::invalid("Idempotency-Key", message);
    if given.next().is_some() {
        return Err(refuse("Idempotency-Key is given more than once; give it once".to_owned()));
    }
    let key = IdempotencyKey::parse(value).map_err(|error| refuse(error.to_string()))?;
    let (method, path) = (&parts.method, parts.uri.path());
    Ok(Idempotency::new(&format!("{method} {path}"), &key, body_hash))
}
