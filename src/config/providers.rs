//! `[providers.NAME]`: who runs the models.

use std::time::Duration;

use hyper::Uri;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    sources::Problem,
    values::{self, HOUR},
    write,
};
use crate::domain::Secret;

/// One provider and the way to it.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Provider {
    /// The protocol that it speaks.
    #[serde(deserialize_with = "values::choice")]
    pub kind: ProviderKind,
    /// Where its API begins, without a slash at the end; empty for `sandbox`, and for Anthropic itself.
    #[serde(default, deserialize_with = "base_url")]
    pub base_url: String,
    /// The key for it; empty when it needs none, or has none yet.
    #[serde(default, deserialize_with = "values::secret", serialize_with = "write::secret")]
    pub api_key: Secret<String>,
    /// How long one call may take, if not `jobs.provider_timeout`.
    #[serde(
        default,
        deserialize_with = "values::optional_duration::<1, HOUR, _>",
        serialize_with = "write::optional_duration"
    )]
    pub timeout: Option<Duration>,
    /// Failures in a row after which it is left alone; 0: it never is. `None`: 10, and 0 for `sandbox`.
    #[serde(
        default,
        deserialize_with = "breaker_failures",
        skip_serializing_if = "Option::is_none"
    )]
    pub breaker_failures: Option<u32>,
    /// For how long it is left alone then.
    #[serde(
        default = "breaker_pause",
        deserialize_with = "values::duration::<1, HOUR, _>",
        serialize_with = "write::duration"
    )]
    pub breaker_pause: Duration,
    /// The most calls to it at the same time; 0: any number.
    #[serde(default, deserialize_with = "values::whole::<0, 10_000, _, _>")]
    pub max_concurrency: u32,
    /// Whether messages may name addresses of images and the like, which it fetches. `OpenAI` and Anthropic
    /// themselves may always be sent some.
    #[serde(default)]
    pub allow_media_urls: bool,
}

/// Where Anthropic itself is.
const ANTHROPIC: &str = "https://api.anthropic.com/v1";

const fn breaker_pause() -> Duration {
    Duration::from_secs(30)
}

fn breaker_failures<'de, D: Deserializer<'de>>(given: D) -> Result<Option<u32>, D::Error> {
    values::whole::<0, 1_000, _, _>(given).map(Some)
}

/// The protocol that a provider speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// `OpenAI`'s chat completions, and whatever speaks them.
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// The embedded provider: no network, no key, the same answer every time.
    Sandbox,
}

impl Provider {
    /// Where its API begins, also where that goes without saying.
    pub fn base_url(&self) -> &str {
        match self.kind {
            ProviderKind::Anthropic if self.base_url.is_empty() => ANTHROPIC,
            _ => &self.base_url,
        }
    }

    pub(super) fn check(&self, name: &str) -> Result<(), Problem> {
        if self.base_url.is_empty() && self.kind == ProviderKind::OpenAi {
            let path = ["providers", name, "base_url"];
            return Err(Problem::new(&path, format!("missing; allowed: {BASE_URLS}")));
        }
        Ok(())
    }
}

const BASE_URLS: &str = "an address such as \"https://api.openai.com/v1\", \
                         without user, query or fragment";

fn base_url<'de, D: Deserializer<'de>>(given: D) -> Result<String, D::Error> {
    values::text(given, BASE_URLS, |given| {
        let url = given.text()?.trim_end_matches('/');
        (url.is_empty() || is_base_url(url)).then(|| url.to_owned())
    })
}

fn is_base_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.host().is_some_and(|host| !host.is_empty());
    web && host && !url.contains(['@', '?', '#'])
}
