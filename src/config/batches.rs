//! `[batches]`: jobs that are accepted together.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    values::{self, DAY, KIB, MIB},
    write,
};

/// The bounds of a batch.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Batches {
    /// How many requests one batch may have.
    #[serde(deserialize_with = "values::whole::<1, 100_000, _, _>")]
    pub max_requests: usize,
    /// The largest body of a batch, in bytes.
    #[serde(
        deserialize_with = "values::size::<KIB, { 256 * MIB }, _, _>",
        serialize_with = "write::size"
    )]
    pub body_limit: usize,
    /// How long after it was accepted a job of a batch is still started.
    #[serde(
        deserialize_with = "values::duration::<100, { 30 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub ttl: Duration,
}
