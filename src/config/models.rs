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
    /// Credits for a million prompt tokens that the provider kept from earlier calls; `None`: as
    /// `input_per_million`.
    #[serde(
        default,
        deserialize_with = "values::optional_price",
        serialize_with = "write::optional_price"
    )]
    pub cached_input_per_million: Option<Credits>,
    /// Credits for a million completion tokens.
    #[serde(
        default,
        deserialize_with = "values::price",
        serialize_with = "write::price",
        skip_serializing_if = "Option::is_none"
    )]
    pub output_per_million: Option<Credits>,
    /// The least that a job costs which succeeded; `None`: nothing.
    #[serde(
        default,
        deserialize_with = "values::price",
        serialize_with = "write::price",
        skip_serializing_if = "Option::is_none"
    )]
    pub minimum_charge: Option<Credits>,
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
    /// `running`: the providers of the server that this is for, where it runs already.
    pub(super) fn check(
        &self,
        name: &str,
        providers: &[&str],
        running: Option<&[&str]>,
    ) -> Result<(), Problem> {
        let provider = self.provider.as_str();
        if !providers.contains(&provider) {
            let what = format!("{provider:?} is no provider; allowed: {}", providers.join(", "));
            return Err(Problem::new(&["models", name, "provider"], what));
        }
        if let Some(running) = running.filter(|running| !running.contains(&provider)) {
            let what = format!(
                "the provider {provider:?} is there after a restart; allowed until then: {}",
                running.join(", ")
            );
            return Err(Problem::new(&["models", name, "provider"], what));
        }
        self.check_price()
            .map_err(|(key, what)| Problem::new(&["models", name, key], what.to_owned()))
    }

    /// The key at fault, and what is wrong with it.
    fn check_price(&self) -> Result<(), (&'static str, &'static str)> {
        let both = "missing; a price for prompts and one for completions go together";
        let alone = "of no use without input_per_million and output_per_million";
        match (self.input_per_million, self.output_per_million) {
            (Some(_), None) => Err(("output_per_million", both)),
            (None, Some(_)) => Err(("input_per_million", both)),
            (None, None) if self.cached_input_per_million.is_some() => {
                Err(("cached_input_per_million", alone))
            }
            (None, None) if self.minimum_charge.is_some() => Err(("minimum_charge", alone)),
            _ => Ok(()),
        }
    }
}
