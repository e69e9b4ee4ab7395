//! Strict JSON, and the header that makes a POST safe to repeat.

use hyper::{header::HeaderName, http::request::Parts};
use sha2::{Digest as _, Sha256};

use crate::{
    domain::{
        Error, ErrorKind, Idempotency, IdempotencyKey, Result,
        json::{self, Checked},
    },
    http::routes::{BodyKind, Route},
};

/// Refuses what is not strictly JSON. `None` where the body is not JSON at all, and need not be.
pub(super) fn json(kind: BodyKind, body: &[u8]) -> Result<Option<Checked<'_>>> {
    match kind {
        BodyKind::None | BodyKind::Raw => Ok(None),
        BodyKind::OptionalJson if body.is_empty() => Ok(None),
        BodyKind::Json | BodyKind::OptionalJson => json::check(body)
            .map(Some)
            .map_err(|fault| Error::new(ErrorKind::InvalidJson, fault.to_string())),
    }
}

/// Reads the `Idempotency-Key` of a POST under `/v1`. The body is hashed only where there is one.
pub(super) fn idempotency(
    route: &Route,
    parts: &Parts,
    body: Option<&Checked<'_>>,
) -> Result<Option<Idempotency>> {
    const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
    if !route.is_idempotent() {
        return Ok(None);
    }
    let mut given = parts.headers.get_all(HEADER).into_iter();
    let Some(value) = given.next() else {
        return Ok(None);
    };
    let refuse = |message: String| Error::invalid("Idempotency-Key", message);
    if given.next().is_some() {
        return Err(refuse("Idempotency-Key is given more than once".to_owned()));
    }
    let key = IdempotencyKey::parse(value.as_bytes()).map_err(|error| refuse(error.to_string()))?;
    let (method, path) = (&parts.method, parts.uri.path());
    Ok(Some(Idempotency {
        key,
        route: format!("{method} {path}"),
        body_hash: body.map_or_else(|| Sha256::digest(b"").into(), Checked::canonical_hash),
    }))
}
