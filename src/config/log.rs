//! `[log]`: what is written to standard error.

use serde::{Deserialize, Deserializer, Serialize};
use tracing_subscriber::EnvFilter;

use super::values;

/// Which events are logged, and how they look.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Log {
    /// A level, or directives as `tracing_subscriber::EnvFilter` reads them.
    #[serde(deserialize_with = "directives")]
    pub level: String,
    /// How a line looks.
    #[serde(deserialize_with = "values::choice")]
    pub format: LogFormat,
}

/// How a line of log looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

fn directives<'de, D: Deserializer<'de>>(given: D) -> Result<String, D::Error> {
    let allowed = "off, error, warn, info, debug, trace, \
                   or directives such as \"info,skai_server::queue=debug\"";
    values::text(given, allowed, |given| {
        let directives = given.text()?;
        are_directives(directives).then(|| directives.to_owned())
    })
}

/// `EnvFilter` takes a bare word that is no level for the name of a module, so `inof` would pass for one.
fn are_directives(directives: &str) -> bool {
    let bare_words_are_levels = directives.split(',').all(|directive| {
        let word = directive.trim().to_ascii_lowercase();
        LEVELS.contains(&word.as_str()) || directive.contains(['=', '[', ']'])
    });
    bare_words_are_levels && EnvFilter::try_new(directives).is_ok()
}
