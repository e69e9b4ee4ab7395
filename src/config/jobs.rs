//! `[jobs]`: the bounds of one generation.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    values::{self, DAY, HOUR},
    write,
};

/// What one generation may take.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Jobs {
    /// How often the model is asked again for output that fits the schema.
    #[serde(deserialize_with = "values::whole::<0, 10, _, _>")]
    pub max_repairs: u32,
    /// The most completion tokens of an answer where neither the request nor the model bounds them.
    #[serde(deserialize_with = "values::whole::<1, 10_000_000, _, _>")]
    pub default_max_tokens: u32,
    /// How many calls that clients wait for on their connections there may be at the same time.
    #[serde(deserialize_with = "values::whole::<1, 10_000, _, _>")]
    pub max_calls: usize,
    /// The same for one account.
    #[serde(deserialize_with = "values::whole::<1, 10_000, _, _>")]
    pub max_calls_per_account: usize,
    /// How many jobs of all accounts may wait.
    #[serde(deserialize_with = "values::whole::<1, 100_000_000, _, _>")]
    pub max_waiting: usize,
    /// How many jobs of one account may wait or run.
    #[serde(deserialize_with = "values::whole::<1, 100_000_000, _, _>")]
    pub max_open_per_account: u64,
    /// The longest timeout that a request may ask for.
    #[serde(
        deserialize_with = "values::duration::<1, DAY, _>",
        serialize_with = "write::duration"
    )]
    pub max_timeout: Duration,
    /// How long one call to a provider may take, unless the provider has a timeout of its own.
    #[serde(
        deserialize_with = "values::duration::<1, HOUR, _>",
        serialize_with = "write::duration"
    )]
    pub provider_timeout: Duration,
}
