//! `[rate_limit]`: how many requests a key may send.

use serde::{Deserialize, Serialize};

use super::{values, write};
use crate::domain::RateLimit;

/// The limits of each key, by class of route.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RateLimits {
    /// The limit of every class that has none of its own.
    #[serde(deserialize_with = "values::rate_limit", serialize_with = "write::rate_limit")]
    pub default: RateLimit,
    /// The limit of routes that only read.
    #[serde(
        deserialize_with = "values::optional_rate_limit",
        serialize_with = "write::optional_rate_limit"
    )]
    pub read: Option<RateLimit>,
    /// The limit of routes that change something.
    #[serde(
        deserialize_with = "values::optional_rate_limit",
        serialize_with = "write::optional_rate_limit"
    )]
    pub write: Option<RateLimit>,
    /// The operator's limit, in each class of route.
    #[serde(deserialize_with = "values::rate_limit", serialize_with = "write::rate_limit")]
    pub operator: RateLimit,
}

impl RateLimits {
    /// The limit in force for routes that only read.
    pub fn for_reads(&self) -> RateLimit {
        self.read.unwrap_or(self.default)
    }

    /// The limit in force for routes that change something.
    pub fn for_writes(&self) -> RateLimit {
        self.write.unwrap_or(self.default)
    }
}
