//! What handlers answer.

use hyper::{
    StatusCode,
    body::Bytes,
    header::{HeaderName, HeaderValue},
};
use serde::Serialize;

use super::body::{Body, BodySender};
use crate::domain::{Error, Result};

/// An answer: status, body and the headers that only this answer has.
pub(crate) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) body: Body,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// 200 with JSON.
    pub(crate) fn ok(body: &impl Serialize) -> Result<Self> {
        Self::json(StatusCode::OK, body)
    }

    /// 201 with JSON.
    pub(crate) fn created(body: &impl Serialize) -> Result<Self> {
        Self::json(StatusCode::CREATED, body)
    }

    /// 204.
    pub(crate) fn no_content() -> Self {
        Self::of(StatusCode::NO_CONTENT, None, Body::whole(Bytes::new()))
    }

    /// 302 to another path.
    pub(crate) fn found(location: HeaderValue) -> Self {
        let reply = Self::of(StatusCode::FOUND, None, Body::whole(Bytes::new()));
        reply.header("location", location)
    }

    /// 304: the client has it.
    pub(crate) fn not_modified() -> Self {
        Self::of(StatusCode::NOT_MODIFIED, None, Body::whole(Bytes::new()))
    }

    /// JSON with any status.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(body).map_err(Error::internal)?;
        Ok(Self::json_bytes(status, bytes))
    }

    /// JSON that was serialised before, such as a saved answer.
    pub(crate) fn json_bytes(status: StatusCode, bytes: impl Into<Bytes>) -> Self {
        let json = HeaderValue::from_static("application/json");
        Self::of(status, Some(json), Body::whole(bytes))
    }

    /// 200 with text of another media type, such as `text/csv; charset=utf-8`.
    pub(crate) fn text(content_type: &'static str, text: impl Into<Bytes>) -> Self {
        let content_type = HeaderValue::from_static(content_type);
        Self::of(StatusCode::OK, Some(content_type), Body::whole(text))
    }

    /// 200 with a body that flows as it is made, such as `text/event-stream`: a proxy is not to gather it.
    pub(crate) fn stream(content_type: &'static str) -> (BodySender, Self) {
        let (sender, reply) = Self::flowing(content_type, false);
        (sender, reply.header("x-accel-buffering", HeaderValue::from_static("no")))
    }

    /// The same of a body that is of no use in part: unless its sender says that it is finished, it breaks
    /// off for the client to see.
    pub(crate) fn file(content_type: &'static str) -> (BodySender, Self) {
        Self::flowing(content_type, true)
    }

    fn flowing(content_type: &'static str, is_file: bool) -> (BodySender, Self) {
        let (sender, body) = Body::flowing(is_file);
        let content_type = HeaderValue::from_static(content_type);
        (sender, Self::of(StatusCode::OK, Some(content_type), body))
    }

    /// Adds a header; the name is lower-case.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    /// Marks an answer that was given before to the same idempotency key.
    #[must_use]
    pub(crate) fn replayed(self, replayed: bool) -> Self {
        if replayed {
            self.header("idempotent-replayed", HeaderValue::from_static("true"))
        } else {
            self
        }
    }

    fn of(status: StatusCode, content_type: Option<HeaderValue>, body: Body) -> Self {
        Self { status, content_type, body, headers: Vec::new() }
    }
}
