//! `[cleanup]`: how long the task `cleanup-expired-tokens` keeps what nobody needs any more.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    values::{self, DAY, HOUR},
    write,
};

/// How long things are kept.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Cleanup {
    /// API keys, from when they ended.
    #[serde(
        deserialize_with = "values::duration::<HOUR, { 3650 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub api_keys: Duration,
    /// Canceled jobs, from when they ended.
    #[serde(
        deserialize_with = "values::duration::<HOUR, { 3650 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub canceled_jobs: Duration,
    /// What end users used, day by day.
    #[serde(
        deserialize_with = "values::duration::<{ 7 * DAY }, { 3650 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub usage: Duration,
    /// What telemetry recorded.
    #[serde(
        deserialize_with = "values::duration::<HOUR, { 3650 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub telemetry: Duration,
}
