//! `[telemetry]`: what is recorded beside the books, and for how long.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    values::{self, DAY, HOUR, KIB, MIB},
    write,
};
use crate::domain::json::Places;

const GIB: u64 = 1024 * MIB;
/// The longest that anything is kept: ten years.
const KEPT_MAX: u64 = 3_650 * DAY;

/// What is recorded beside the books.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Telemetry {
    /// Whether anything is.
    pub enabled: bool,
    /// Reports that may wait to be written.
    #[serde(deserialize_with = "values::whole::<16, 1_000_000, _, _>")]
    pub max_pending: usize,
    /// What they may hold together, in bytes.
    #[serde(
        deserialize_with = "values::size::<MIB, { 4 * GIB }, _, _>",
        serialize_with = "write::size"
    )]
    pub max_pending_size: usize,
    /// How long a report waits for others, to be written with them.
    #[serde(
        deserialize_with = "values::duration::<1, 60_000, _>",
        serialize_with = "write::duration"
    )]
    pub flush_every: Duration,
    /// Bytes of the file at most; then the oldest records go.
    #[serde(
        deserialize_with = "values::size::<MIB, { 1024 * GIB }, _, _>",
        serialize_with = "write::size"
    )]
    pub max_size: u64,
    /// How long requests are kept.
    #[serde(
        deserialize_with = "values::duration::<HOUR, KEPT_MAX, _>",
        serialize_with = "write::duration"
    )]
    pub requests: Duration,
    /// How long executions are kept.
    #[serde(
        deserialize_with = "values::duration::<HOUR, KEPT_MAX, _>",
        serialize_with = "write::duration"
    )]
    pub usage_events: Duration,
    /// What executions were asked and answered.
    pub invocations: Invocations,
}

/// What executions were asked and answered.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Invocations {
    /// Whether it is recorded where neither account nor project says otherwise.
    pub enabled: bool,
    /// How long it is kept.
    #[serde(
        deserialize_with = "values::duration::<HOUR, KEPT_MAX, _>",
        serialize_with = "write::duration"
    )]
    pub kept: Duration,
    /// Bytes of one payload at most; of a longer one only the beginning is kept.
    #[serde(
        deserialize_with = "values::size::<KIB, { 16 * MIB }, _, _>",
        serialize_with = "write::size"
    )]
    pub max_payload: usize,
    /// What is left out of payloads.
    #[serde(deserialize_with = "places")]
    pub redact: Vec<Places>,
}

fn places<'de, D: Deserializer<'de>>(given: D) -> Result<Vec<Places>, D::Error> {
    let allowed = "a JSONPath such as \"$.messages[*].content\", of at most 64 steps";
    values::list(given, allowed, |given| given.text().and_then(|text| Places::parse(text).ok()))
}
