//! `[drift]`: when an agent became so much worse that endpoints are told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    values::{self, DAY, HOUR},
    write,
};

/// From where on a change is drift.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Drift {
    /// The time, in whole hours, that is compared with as much before it.
    #[serde(
        deserialize_with = "values::hours::<HOUR, { 30 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub window: Duration,
    /// Jobs that both must have: that ended for the part of failures, that succeeded for a mean.
    #[serde(deserialize_with = "values::whole::<1, 1_000_000_000, _, _>")]
    pub min_jobs: u64,
    /// How much the part of schema failures rises, in percentage points.
    #[serde(deserialize_with = "values::whole::<1, 100, _, _>")]
    pub schema_failures: u64,
    /// How much the mean latency rises, in percent.
    #[serde(deserialize_with = "values::whole::<1, 1_000_000, _, _>")]
    pub latency: u64,
    /// How much the mean of tokens rises, in percent.
    #[serde(deserialize_with = "values::whole::<1, 1_000_000, _, _>")]
    pub tokens: u64,
    /// How much the mean of credits rises, in percent.
    #[serde(deserialize_with = "values::whole::<1, 1_000_000, _, _>")]
    pub credits: u64,
}
