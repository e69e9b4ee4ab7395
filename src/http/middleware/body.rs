//! Reads the body, within its limits.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap,
    body::{Body as _, Bytes, Incoming},
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{
    domain::{Error, ErrorKind, Result},
    http::{
        Edge,
        routes::{BodyKind, Route},
    },
};

/// What is read and thrown away of a body that is refused, so that a client that is still sending
/// sees the answer and not a broken connection.
const DISCARDED_MAX: usize = 8 << 20;
/// For how long.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Waits for a place for a body that may be larger than usual or that anybody may send, until its request is
/// answered: a client with many connections must not fill the memory. 503 where none gets free in time.
pub(super) async fn place(
    edge: &Edge,
    route: &Route,
    limit: usize,
    body: &Incoming,
) -> Result<Option<OwnedSemaphorePermit>> {
    if route.gate.is_some() {
        return edge.gated_bodies.enter().await.map(Some);
    }
    let usual = edge.settings.body_limit;
    let is_usual = |most| usize::try_from(most).is_ok_and(|most: usize| most <= usual);
    if limit <= usual || body.size_hint().upper().is_some_and(is_usual) {
        return Ok(None);
    }
    edge.large_bodies.enter().await.map(Some)
}

/// True of a body that is announced as too long: nothing of it is read.
pub(super) fn is_too_long(body: &Incoming, limit: usize) -> bool {
    body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX)
}

/// Reads the body whole. 415 where it is not declared as JSON, 413 where it is too long, 400 where
/// it ends early or takes too long. Adds the bytes that were read to `taken` either way.
pub(super) async fn read(
    kind: BodyKind,
    headers: &HeaderMap,
    body: &mut Incoming,
    limit: usize,
    time: Duration,
    taken: &mut u64,
) -> Result<Bytes> {
    if kind == BodyKind::None || body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // A body of unknown length may turn out to be none, which needs no declaration.
    let is_there = body.size_hint().lower() > 0;
    if is_there && kind != BodyKind::Raw {
        check_media_type(headers)?;
    }
    if is_too_long(body, limit) {
        return Err(too_large(limit));
    }
    let read = timeout(time, collect(body, limit, taken)).await;
    let read = read.map_err(|_| broken("the body took too long to arrive; send it faster"))??;
    if !is_there && !read.is_empty() && kind != BodyKind::Raw {
        check_media_type(headers)?;
    }
    Ok(read)
}

/// Joins the frames of a body. The usual body is a single frame, which is passed on as it is.
async fn collect(body: &mut Incoming, limit: usize, taken: &mut u64) -> Result<Bytes> {
    let mut first = Bytes::new();
    let mut whole: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            broken("the body broke off; send as many bytes as were announced").with_source(error)
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        *taken += data.len() as u64;
        if first.len() + whole.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
}

/// Reads and forgets what a refused request still sends, within limits. Not for clients that wait
/// to be told to continue: they are sending nothing. Adds the bytes to `taken`.
pub(super) async fn discard(body: &mut Incoming, taken: &mut u64) {
    let announced = body.size_hint().lower();
    let is_small = announced <= u64::try_from(DISCARDED_MAX).unwrap_or(u64::MAX);
    if body.is_end_stream() || !is_small {
        return;
    }
    let discarding = async {
        let mut left = DISCARDED_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            *taken += length as u64;
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Whether it ended or not, the answer is sent now.
    drop(timeout(DISCARD_TIME, discarding).await);
}

/// JSON in UTF-8, not compressed.
fn check_media_type(headers: &HeaderMap) -> Result<()> {
    let is_plain = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    // Of two declarations, others may believe the other one.
    let mut declared = headers.get_all(CONTENT_TYPE).into_iter();
    if let (true, Some(one), None) = (is_plain, declared.next(), declared.next())
        && one.to_str().is_ok_and(is_json)
    {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::UnsupportedMediaType,
        "send the body as JSON in UTF-8, uncompressed, with one Content-Type: application/json",
    ))
}

fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let is_json =
        parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| {
            parameter.is_empty()
                || parameter.split_once('=').is_some_and(|(name, value)| {
                    !name.eq_ignore_ascii_case("charset")
                        || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
                })
        })
}

fn too_large(limit: usize) -> Error {
    let message = format!("the body is larger than {limit} bytes; send less at once");
    Error::new(ErrorKind::BodyTooLarge, message)
}

fn broken(message: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_json() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\";",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/json",
            "application/jsonl",
            "application/json; charset=latin1",
            "application/json, text/plain",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
