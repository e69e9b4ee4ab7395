//! The request for a generation job, and what is allowed in it.

use std::{collections::BTreeMap, ops::RangeInclusive};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Error, ErrorKind, Message, Result, Timestamp, objects};

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
    /// Fields of a chat request that providers of OpenAI's protocol get as they are: `tools`,
    /// `tool_choice`, `response_format`, …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<String, Box<RawValue>>,
}

const METADATA_KEYS: usize = 64;
const METADATA_BYTES: usize = 16 << 10;
const YEAR_MS: i64 = 366 * 24 * 3600 * 1000;

impl GenerationRequest {
    /// Checks every field; the error names the first that is wrong.
    pub fn check(&self, now: Timestamp, max_timeout_ms: u64) -> Result<()> {
        bytes("model", &self.model, 200)?;
        entries("messages", self.messages.len(), 1..=1000)?;
        number("temperature", self.temperature, 0.0, 2.0)?;
        number("top_p", self.top_p, 0.0, 1.0)?;
        whole("max_tokens", self.max_tokens.map(u64::from), 1, 1_000_000)?;
        whole("timeout_ms", self.timeout_ms, 1, max_timeout_ms)?;
        if self.priority.is_some_and(|priority| !(-100..=100).contains(&priority)) {
            return Err(Error::invalid("priority", "priority must be from -100 to 100"));
        }
        check_stop(self.stop.as_deref().unwrap_or_default())?;
        check_fallbacks(self.fallback_models.as_deref())?;
        if let Some(user) = &self.user {
            bytes("user", user, 256)?;
        }
        if self.run_at.is_some_and(|at| at.millis() - now.millis() > YEAR_MS) {
            return Err(Error::invalid("run_at", "run_at must be at most a year ahead"));
        }
        self.check_schema()?;
        check_metadata(self.metadata.as_deref())
    }

    /// `true` and `false` are schemas too, but whoever sends one means something else: no schema.
    fn check_schema(&self) -> Result<()> {
        match &self.output_schema {
            Some(schema) if !schema.get().starts_with('{') => {
                let message = "output_schema must be an object that holds a JSON Schema; leave it \
                               out for free text";
                Err(Error::new(ErrorKind::InvalidSchema, message).with_param("output_schema"))
            }
            _ => Ok(()),
        }
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
            extras: BTreeMap::new(),
        }
    }
}

/// Refuses too many texts that end the output, and empty ones.
pub(super) fn check_stop(stop: &[String]) -> Result<()> {
    entries("stop", stop.len(), 0..=4)?;
    let mut texts = stop.iter().enumerate();
    texts.try_for_each(|(at, text)| bytes(&format!("stop/{at}"), text, 500))
}

/// Refuses too many models to fall back to.
pub(super) fn check_fallbacks(models: Option<&[String]>) -> Result<()> {
    entries("fallback_models", models.unwrap_or_default().len(), 0..=8)
}

/// Refuses what is not a small object.
pub(super) fn check_metadata(metadata: Option<&RawValue>) -> Result<()> {
    let Some(metadata) = metadata else { return Ok(()) };
    let refuse = |message: &str| Err(Error::invalid("metadata", message));
    if metadata.get().len() > METADATA_BYTES {
        return refuse("metadata must be at most 16 KiB of JSON");
    }
    match serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(metadata.get()) {
        Ok(map) if map.len() <= METADATA_KEYS => Ok(()),
        Ok(_) => refuse("metadata must have at most 64 keys"),
        Err(_) => refuse("metadata must be a JSON object"),
    }
}

/// Refuses too few entries and too many.
pub(super) fn entries(param: &str, found: usize, allowed: RangeInclusive<usize>) -> Result<()> {
    if allowed.contains(&found) {
        return Ok(());
    }
    let (least, most) = (allowed.start(), allowed.end());
    let message = format!("{param} must have {least} to {most} entries, not {found}");
    Err(Error::invalid(param, message))
}

/// Refuses a text that is empty or too long.
pub(super) fn bytes(param: &str, text: &str, most: usize) -> Result<()> {
    if (1..=most).contains(&text.len()) {
        return Ok(());
    }
    let message = format!("{param} must be 1 to {most} bytes long, not {}", text.len());
    Err(Error::invalid(param, message))
}

/// Refuses a number out of its range.
pub(super) fn number(param: &str, value: Option<f64>, least: f64, most: f64) -> Result<()> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(Error::invalid(param, format!("{param} must be from {least} to {most}")))
        }
        _ => Ok(()),
    }
}

/// Refuses a whole number out of its range.
pub(super) fn whole(param: &str, value: Option<u64>, least: u64, most: u64) -> Result<()> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(Error::invalid(param, format!("{param} must be from {least} to {most}")))
        }
        _ => Ok(()),
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
