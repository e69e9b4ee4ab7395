//! What can be done with JSON Schemas, apart from agents and jobs.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{App, Caller, Render, Reply, Secrecy, once};
use crate::{
    domain::{Error, Idempotency, Result, Violation, json, schema},
    store::{AccountScope, Commit, Tx},
};

/// A JSON value to be checked against a JSON Schema.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidationRequest {
    /// The schema: an object, or `true` or `false`.
    #[schemars(schema_with = "object_or_boolean")]
    pub schema: Box<RawValue>,
    /// Any JSON value, null included.
    #[schemars(with = "serde_json::Value")]
    pub instance: Box<RawValue>,
}

fn object_or_boolean(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": ["object", "boolean"]})
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In what the instance breaks the schema; none if it satisfies it.
    pub violations: Vec<Violation>,
}

/// Checks a value against a schema. May take some milliseconds, and changes nothing.
///
/// # Errors
///
/// `INVALID_SCHEMA` for a schema that is none or refers to something outside, `INVALID_REQUEST` for
/// an instance that would take too much memory or time.
pub fn validate(app: &App, request: &ValidationRequest) -> Result<Report> {
    let contract = app.contracts.compile(&request.schema, "schema")?;
    let refused = |why: &str| Error::invalid("instance", format!("instance: {why}"));
    let instance = json::value(request.instance.get()).map_err(|fault| refused(&fault.problem))?;
    let violations = contract.violations(&instance).ok_or_else(|| refused(schema::TOO_LARGE))?;
    Ok(Report { violations })
}

/// Saves the answer to a request for a check under its idempotency key, or gives the one that was
/// saved. It is the same either way; but the key then stands for this request and for no other.
pub fn remember(
    app: &Arc<App>,
    caller: &Caller,
    report: Report,
    request: Idempotency,
    render: Render<Report>,
) -> Commit<Reply> {
    let deed = move |_: &Tx<'_, AccountScope>| Ok(report.clone());
    once::once(app, caller.scope, Some(request), Secrecy::Plain, render, deed)
}
