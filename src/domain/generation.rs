//! The request for a generation job, and what is allowed in it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Message, Result, Timestamp, checks, objects};

/// `POST /v1/jobs/generations`: what a model is to continue, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerationRequest {
    /// The model, as it is configured.
    #[schemars(length(min = 1, max = 200))]
    pub model: String,
    /// The conversation so far.
    #[serde(deserialize_with = "objects::list")]
    #[schemars(length(min = 1, max = 1000))]
    pub messages: Vec<Message>,
    /// Randomness of the choice of words, 0 to 2.
    #[schemars(range(min = 0, max = 2))]
    pub temperature: Option<f64>,
    /// The most tokens to write.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_tokens: Option<u32>,
    /// Choose among the likeliest words that together reach this probability, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub top_p: Option<f64>,
    /// Texts that end the output, at most 4.
    #[schemars(length(max = 4))]
    pub stop: Option<Vec<String>>,
    /// Asks the provider for the same output to the same request.
    pub seed: Option<i64>,
    /// JSON Schema (2020-12 or draft-07) that the output has to satisfy.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub output_schema: Option<Box<RawValue>>,
    /// Models to try where the first cannot answer, in this order, at most 8.
    #[schemars(length(max = 8))]
    pub fallback_models: Option<Vec<String>>,
    /// Higher goes first among the account's own jobs, -100 to 100.
    #[schemars(range(min = -100, max = 100))]
    pub priority: Option<i32>,
    /// Not before this time, at most a year ahead.
    pub run_at: Option<Timestamp>,
    /// How long the provider may take, in milliseconds.
    #[schemars(range(min = 1, max = 600_000))]
    pub timeout_ms: Option<u64>,
    /// Your own id of the person this is for.
    #[schemars(length(min = 1, max = 256))]
    pub user: Option<String>,
    /// Comes back with the job: at most 64 keys and 16 KiB.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub metadata: Option<Box<RawValue>>,
}

/// The settings of a job's calls, kept with the job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Parameters {
    /// Randomness of the choice of words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The most tokens to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Probability that the words to choose from reach together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Texts that end the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Asks for the same output to the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Models to try where the first cannot answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback_models: Vec<String>,
    /// How long a provider may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Calls that quote the validation errors, after an answer that breaks the contract; as many as the
    /// operator decided where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_repairs: Option<u32>,
    /// Fields of a chat request that providers of OpenAI's protocol get as they are: `tools`,
    /// `tool_choice`, `response_format`, …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<String, Box<RawValue>>,
}

impl Parameters {
    /// The most calls that quote the validation errors.
    pub const MAX_REPAIRS: u32 = 10;

    /// Checks every setting; the error names the first that is wrong.
    pub fn check(&self, max_timeout_ms: u64) -> Result<()> {
        checks::number("temperature", self.temperature, 0.0, 2.0)?;
        checks::number("top_p", self.top_p, 0.0, 1.0)?;
        checks::whole("max_tokens", self.max_tokens.map(u64::from), 1, 1_000_000)?;
        checks::whole("timeout_ms", self.timeout_ms, 1, max_timeout_ms)?;
        let repairs = self.max_repairs.map(u64::from);
        checks::whole("max_repairs", repairs, 0, u64::from(Self::MAX_REPAIRS))?;
        checks::stop(&self.stop)?;
        checks::fallback_models(&self.fallback_models)
    }

    /// What is set here, and for the rest what `others` say.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        let either = |one: Vec<String>, other| if one.is_empty() { other } else { one };
        let mut extras = others.extras;
        extras.extend(self.extras);
        Self {
            temperature: self.temperature.or(others.temperature),
            max_tokens: self.max_tokens.or(others.max_tokens),
            top_p: self.top_p.or(others.top_p),
            stop: either(self.stop, others.stop),
            seed: self.seed.or(others.seed),
            fallback_models: either(self.fallback_models, others.fallback_models),
            timeout_ms: self.timeout_ms.or(others.timeout_ms),
            max_repairs: self.max_repairs.or(others.max_repairs),
            extras,
        }
    }
}

impl GenerationRequest {
    /// Checks every field; the error names the first that is wrong.
    pub fn check(&self, now: Timestamp, max_timeout_ms: u64) -> Result<()> {
        checks::bytes("model", &self.model, 200)?;
        checks::entries("messages", self.messages.len(), 1..=1000)?;
        self.parameters().check(max_timeout_ms)?;
        checks::priority(self.priority)?;
        checks::user(self.user.as_deref())?;
        checks::ahead("run_at", self.run_at, now)?;
        checks::schema("output_schema", self.output_schema.as_deref())?;
        checks::metadata(self.metadata.as_deref())
    }

    /// The settings of the calls.
    pub fn parameters(&self) -> Parameters {
        Parameters {
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            top_p: self.top_p,
            stop: self.stop.clone().unwrap_or_default(),
            seed: self.seed,
            fallback_models: self.fallback_models.clone().unwrap_or_default(),
            timeout_ms: self.timeout_ms,
            max_repairs: None,
            extras: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(change: &serde_json::Value) -> Result<()> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        let request: GenerationRequest = serde_json::from_str(&body.to_string()).unwrap();
        request.check(Timestamp::from_millis(0), 600_000)
    }

    #[test]
    fn a_message_is_an_object() {
        let read = |message: &str| {
            let body = format!(r#"{{"model":"m","messages":[{message}]}}"#);
            serde_json::from_str::<GenerationRequest>(&body).map_err(|error| error.to_string())
        };
        read(r#"{"role":"user","content":"hi"}"#).unwrap();
        for wrong in [r#"["user","hi"]"#, "[]", "null", r#""hi""#] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains("expected an object"), "{wrong}: {error}");
        }
    }

    #[test]
    fn the_limits_themselves_are_allowed() {
        for good in [
            json!({}),
            json!({"temperature": 0, "top_p": 1, "max_tokens": 1, "priority": -100}),
            json!({"temperature": 2, "timeout_ms": 600_000, "stop": ["a", "b", "c", "d"]}),
            json!({"metadata": {}, "user": "u", "run_at": "1970-12-31T00:00:00Z"}),
            json!({"priority": null, "seed": null, "stop": null, "user": null, "metadata": null}),
        ] {
            check(&good).unwrap();
        }
    }

    #[test]
    fn what_is_beyond_them_is_named() {
        for (bad, param) in [
            (json!({"model": ""}), "model"),
            (json!({"messages": []}), "messages"),
            (json!({"temperature": 2.1}), "temperature"),
            (json!({"top_p": -0.1}), "top_p"),
            (json!({"max_tokens": 0}), "max_tokens"),
            (json!({"timeout_ms": 600_001}), "timeout_ms"),
            (json!({"priority": 101}), "priority"),
            (json!({"stop": ["a", ""]}), "stop/1"),
            (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop"),
            (json!({"user": ""}), "user"),
            (json!({"run_at": "1972-01-01T00:00:00Z"}), "run_at"),
            (json!({"output_schema": false}), "output_schema"),
            (json!({"output_schema": "text"}), "output_schema"),
            (json!({"metadata": [1]}), "metadata"),
            (json!({"metadata": {"a": "x".repeat(20_000)}}), "metadata"),
        ] {
            assert_eq!(check(&bad).unwrap_err().param(), Some(param), "{bad}");
        }
    }
}
