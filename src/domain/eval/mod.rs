//! Evals: cases with inputs for an agent, and what is expected of each.

mod score;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, value::RawValue};

use super::{Contract, Credits, Error, ErrorKind, Result, checks, json::Path, objects};

pub use score::CaseOutcome;

/// Cases of an eval.
const CASES_MAX: usize = 1_000;
/// What all of them may hold, in bytes of JSON.
const CASES_BYTES: usize = 1 << 20;
/// Bytes of the name of an eval or case.
const NAME_MAX: usize = 200;

/// `POST /v1/agents/{name}/evals`: cases that an agent is judged by.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvalRequest {
    /// A name for yourself.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// The cases, at most 1 MiB together.
    #[serde(deserialize_with = "objects::list")]
    #[schemars(length(min = 1, max = 1000))]
    pub cases: Vec<EvalCase>,
}

/// An input, and what is expected of the agent's run.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvalCase {
    /// A name for yourself.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// The input of the run. One that the version of the agent does not take fails the case.
    #[schemars(with = "Value")]
    pub input: Box<RawValue>,
    /// What must hold.
    pub expect: Expect,
}

/// What must hold of a run: all that is given. Without an `output_schema` of the agent, `equals`, `schema` and
/// `json_path` look at its text, as JSON where it is JSON.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The output is equal to this; numbers by their value.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub equals: Option<Value>,
    /// A string: it stands in `output_text`. An object or array: the output has all that it has.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub contains: Option<Value>,
    /// JSON Schema (2020-12 or draft-07) that the output satisfies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub schema: Option<Box<RawValue>>,
    /// Something about one value within the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_path: Option<ExpectAt>,
    /// How the job ends; `succeeded` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ExpectedStatus>,
    /// The longest time of the attempt that ended the job, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_latency_ms: Option<u64>,
    /// What the job costs at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_credits: Option<Credits>,
}

/// What must hold of one value within the output: all that is given.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectAt {
    /// The way to the value: a `JSONPath` that leads to one value at most, such as `$.a[0].b`.
    pub path: String,
    /// The value is equal to this; numbers by their value.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub equals: Option<Value>,
    /// A string: it stands in the value, which is one. An object or array: the value has all that it has.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub contains: Option<Value>,
    /// JSON Schema (2020-12 or draft-07) that the value satisfies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub schema: Option<Box<RawValue>>,
    /// Whether there is a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

/// How a job is expected to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedStatus {
    /// With an output.
    Succeeded,
    /// With an error.
    Failed,
}

/// Compiles a schema of an expectation; the error names it as `schema`.
pub type Compile<'a> = dyn Fn(&RawValue) -> Result<Arc<Contract>> + 'a;

/// Tells null from nothing.
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl EvalRequest {
    /// Checks every field and compiles the schemas; the error names the first that is wrong.
    pub fn check(&self, compile: &Compile<'_>) -> Result<()> {
        checks::bytes("name", &self.name, NAME_MAX)?;
        checks::entries("cases", self.cases.len(), 1..=CASES_MAX)?;
        for (at, case) in self.cases.iter().enumerate() {
            case.check(compile).map_err(|error| error.within(&format!("cases/{at}")))?;
        }
        Ok(())
    }

    /// The cases as JSON.
    pub fn cases_json(&self) -> Result<String> {
        let json = serde_json::to_string(&self.cases).map_err(Error::internal)?;
        if json.len() > CASES_BYTES {
            return Err(Error::invalid("cases", "cases must be at most 1 MiB of JSON together"));
        }
        Ok(json)
    }
}

impl EvalCase {
    fn check(&self, compile: &Compile<'_>) -> Result<()> {
        if let Some(name) = &self.name {
            checks::bytes("name", name, NAME_MAX)?;
        }
        self.expect.check(compile).map_err(|error| error.within("expect"))
    }
}

impl Expect {
    fn check(&self, compile: &Compile<'_>) -> Result<()> {
        let is_empty = self.equals.is_none()
            && self.contains.is_none()
            && self.schema.is_none()
            && self.json_path.is_none()
            && self.status.is_none()
            && self.max_latency_ms.is_none()
            && self.max_credits.is_none();
        if is_empty {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "give one or more of equals, contains, schema, json_path, status, max_latency_ms and \
                 max_credits",
            ));
        }
        check_contains(self.contains.as_ref())?;
        self.schema.as_deref().map(compile).transpose()?;
        let Some(at) = &self.json_path else { return Ok(()) };
        at.check(compile).map_err(|error| error.within("json_path"))
    }
}

impl ExpectAt {
    fn check(&self, compile: &Compile<'_>) -> Result<()> {
        Path::parse(&self.path).map_err(|fault| Error::invalid("path", format!("path {fault}")))?;
        let has_value = self.equals.is_some() || self.contains.is_some() || self.schema.is_some();
        if !has_value && self.exists.is_none() || has_value && self.exists == Some(false) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "give one or more of equals, contains, schema and exists; where exists is false, it alone",
            ));
        }
        check_contains(self.contains.as_ref())?;
        self.schema.as_deref().map(compile).transpose().map(drop)
    }
}

fn check_contains(contains: Option<&Value>) -> Result<()> {
    match contains {
        None | Some(Value::String(_) | Value::Array(_) | Value::Object(_)) => Ok(()),
        Some(_) => {
            let message = "contains must be a string, an array or an object; use equals for others";
            Err(Error::invalid("contains", message))
        }
    }
}
