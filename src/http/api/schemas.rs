//! `/v1/schemas`: JSON Schemas, apart from agents and jobs.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::{
    app::RateClass,
    app::schemas::{self, Report, ValidationRequest},
    domain::{ErrorKind, Result, Scope, Violation},
    http::{
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
};

/// JSON Schemas, apart from agents and jobs.
pub(super) fn routes() -> [Route; 1] {
    [Route::post("/v1/schemas/validate", "validateSchema", handler!(validate))
        .summary(
            "Checks a JSON value against a JSON Schema (draft 2020-12 or draft-07). Changes \
             nothing, and fetches nothing that the schema refers to.",
        )
        .scope(Scope::AgentsRead)
        .rate(RateClass::Read)
        .takes::<ValidationRequest>()
        .answers::<ValidationBody<'_>>(StatusCode::OK)
        .errors(&[ErrorKind::InvalidSchema])]
}

/// What came of a check.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SchemaValidation")]
pub(super) struct ValidationBody<'a> {
    /// Whether the instance satisfies the schema.
    valid: bool,
    /// In what it does not; up to 20, not necessarily all.
    errors: &'a [Violation],
}

impl<'a> ValidationBody<'a> {
    fn of(report: &'a Report) -> Self {
        Self { valid: report.violations.is_empty(), errors: &report.violations }
    }
}

fn bytes(report: &Report) -> Result<Vec<u8>> {
    json(&ValidationBody::of(report))
}

/// `POST /v1/schemas/validate`
pub(super) async fn validate(request: Request) -> Result<Reply> {
    let (body, caller) = (request.json()?, request.caller()?);
    let report = request.heavy(move |app| schemas::validate(app, &body)).await?;
    let Some(key) = request.idempotency else {
        return Reply::ok(&ValidationBody::of(&report));
    };
    let done = schemas::remember(&request.app, &caller, report, key, bytes).await?;
    Ok(Reply::json_bytes(StatusCode::OK, done.body).replayed(done.replayed))
}
