//! `[models.NAME]`: what can be asked for, and what it costs.

use serde::{Deserialize, Serialize};

use super::{sources::Problem, values, write};
use crate::domain::Credits;

/// One model: where it runs and what it costs.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Model {
    /// The name of a provider in `[providers]`.
    pub provider: String,
    /// Credits for a million prompt tokens.
    #[serde(
        default,
        deserialize_with = "values::price",
        serialize_with = "write::price",
        skip_serializing_if = "Option::is_none"
    )]
    pub input_per_million: Option<Credits>,
    /// Credits for a million completion tokens.
    #[serde(
        default,
        deserialize_with = "values::price",
        serialize_with = "write::price",
        skip_serializing_if = "Option::is_none"
    )]
    pub output_per_million: Option<Credits>,
    /// Whether it costs nothing, whatever its prices say.
    #[serde(default)]
    pub free: bool,
    /// What the provider calls it; after loading never empty.
    #[serde(default)]
    pub upstream: String,
    /// The most completion tokens of an answer where the request names no bound, in the estimate and for
    /// the provider; `None`: `jobs.default_max_tokens`.
    #[serde(
        default,
        deserialize_with = "values::optional_whole::<10_000_000, _>",
        serialize_with = "write::optional_whole"
    )]
    pub max_tokens: Option<u32>,
}

impl Model {
    pub(super) fn check(&self, name: &str, providers: &[&str]) -> Result<(), Problem> {
        if !providers.contains(&self.provider.as_str()) {
            let what =
                format!("{:?} is no provider; allowed: {}", self.provider, providers.join(", "));
            return Err(Problem::new(&["models", name, "provider"], what));
        }
        let missing = match (self.input_per_million, self.output_per_million) {
            (Some(_), None) => "output_per_million",
            (None, Some(_)) => "input_per_million",
            _ => return Ok(()),
        };
        let what = "missing; a price for prompts and one for completions go together".to_owned();
        Err(Problem::new(&["models", name, missing], what))
    }
}
