//! `[credits]`: policy for balances.

use serde::{Deserialize, Serialize};

use super::{values, write};
use crate::domain::Credits;

/// Policy for balances.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct CreditsPolicy {
    /// `credits.low` is told when an account falls below it that has no mark of its own.
    #[serde(deserialize_with = "values::credits", serialize_with = "write::credits")]
    pub low_mark: Credits,
    /// What test keys of an account have to spend at first.
    #[serde(deserialize_with = "values::credits", serialize_with = "write::credits")]
    pub test_credits: Credits,
}
