//! `[ledger]`: when the books are verified.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{values, write};

/// The proof of the books.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Ledger {
    /// The time of the day in UTC at which they are verified; `None`: never.
    #[serde(
        deserialize_with = "values::optional_time_of_day",
        serialize_with = "write::optional_time_of_day"
    )]
    pub verify_at: Option<Duration>,
}
