//! `[tasks]`: what scheduled tasks do.

use serde::{Deserialize, Serialize};

use super::values;

/// Policy for scheduled tasks.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Tasks {
    /// How many requests of batches `batch-ai-processor` brings forward at a time.
    #[serde(deserialize_with = "values::whole::<1, 1_000, _, _>")]
    pub batch_size: usize,
}
