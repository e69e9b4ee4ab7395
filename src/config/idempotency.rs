//! `[idempotency]`: how long answers are kept for repeated requests.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    values::{self, DAY, SECOND},
    write,
};

/// The memory of `Idempotency-Key`s.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Idempotency {
    /// How long a key is remembered after its first request.
    #[serde(
        deserialize_with = "values::duration::<SECOND, { 30 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub ttl: Duration,
}
