//! What the server says of itself.

use std::sync::OnceLock;

use hyper::{StatusCode, body::Bytes};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    domain::{Error, Result},
    http::{openapi::document, reply::Reply, request::Request},
};

/// A sign of life.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    /// Always `ok`.
    #[schemars(extend("const" = "ok"))]
    status: &'static str,
}

/// `GET /healthz`
pub(super) async fn health(_: Request) -> Result<Reply> {
    Reply::ok(&Health { status: "ok" })
}

/// `GET /openapi.json`
pub(super) async fn openapi(_: Request) -> Result<Reply> {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    if DOCUMENT.get().is_none() {
        let document = document(&super::table());
        let bytes = serde_json::to_vec(&document).map_err(Error::internal)?;
        DOCUMENT.get_or_init(|| bytes.into());
    }
    let document = DOCUMENT.get().cloned().unwrap_or_default();
    Ok(Reply::json_bytes(StatusCode::OK, document))
}
