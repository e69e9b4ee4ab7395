//! `[tasks]`: what scheduled tasks do.

use serde::{Deserialize, Serialize};

use super::values;

/// Policy for scheduled tasks.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Tasks {
    /// Functions of one account.
    #[serde(deserialize_with = "values::whole::<1, 10_000, _, _>")]
    pub max_functions: u32,
    /// Schedules of one account.
    #[serde(deserialize_with = "values::whole::<1, 100_000, _, _>")]
    pub max_schedules: u32,
    /// Tasks of one account that wait or run.
    #[serde(deserialize_with = "values::whole::<1, 1_000_000, _, _>")]
    pub max_open: u32,
    /// How many requests of batches `batch-ai-processor` brings forward at a time.
    #[serde(deserialize_with = "values::whole::<1, 1_000, _, _>")]
    pub batch_size: usize,
}
