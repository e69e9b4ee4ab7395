//! `[end_users]`: how many tokens the people may use whom accounts' jobs are for.

use serde::{Deserialize, Serialize};

use super::values;
use crate::domain::TimeZone;

/// What holds for accounts of which the operator says nothing else.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct EndUsers {
    /// Whether an end user without a cap of its own is capped.
    pub daily_token_caps: bool,
    /// The cap.
    #[serde(deserialize_with = "values::whole::<0, { crate::domain::DAILY_TOKEN_CAP_MAX }, _, _>")]
    pub daily_token_cap: u64,
    /// Where days begin and end.
    #[serde(deserialize_with = "values::timezone")]
    pub timezone: TimeZone,
}
