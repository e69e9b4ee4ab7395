//! The configuration as it may be shown to the operator: everything but secrets.

use serde_json::{Map, Value};

use super::Config;

/// A configuration without its secrets.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Section by section, as in `config.toml`.
    pub settings: Map<String, Value>,
    /// The keys that are not as they come, such as `http.listen`.
    pub changed: Vec<String>,
}

impl Config {
    /// What may be shown of it.
    pub fn shown(&self) -> Shown {
        let settings = self.without_secrets();
        let defaults = Self::embedded().map(|defaults| defaults.without_secrets());
        let mut changed = Vec::new();
        differing("", &settings, &defaults.unwrap_or_default(), &mut changed);
        Shown { settings, changed }
    }

    fn without_secrets(&self) -> Map<String, Value> {
        // Every field is text, a number, a boolean, a list or a table, and a secret writes itself as hidden.
        match serde_json::to_value(self).unwrap_or_default() {
            Value::Object(settings) => settings,
            _ => Map::new(),
        }
    }
}

/// Collects the paths of values that are others, or that only the first has.
fn differing(
    within: &str,
    of: &Map<String, Value>,
    other: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    for (key, value) in of {
        let path = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
        match (value, other.get(key)) {
            (Value::Object(of), Some(Value::Object(other))) => differing(&path, of, other, found),
            (value, other) if Some(value) != other => found.push(path),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::values::HIDDEN, domain::Secret};

    const CANARY: &str = "canary-7f3a9";

    /// A configuration with every secret set.
    fn secretive() -> Config {
        let canary = || Secret::new(CANARY.to_owned());
        let mut config = Config::embedded().unwrap();
        config.operator_token = canary();
        config.stripe.webhook_secrets = vec![canary(), canary()];
        config.traces.headers = canary();
        for provider in config.providers.values_mut() {
            provider.api_key = canary();
        }
        config
    }

    #[test]
    fn no_secret_is_shown() {
        let shown = secretive().shown();
        let text = serde_json::to_string(&shown.settings).unwrap();
        assert!(!text.contains(CANARY), "{text}");
        let settings = Value::Object(shown.settings);
        assert_eq!(settings["operator_token"], HIDDEN);
        assert_eq!(settings["stripe"]["webhook_secrets"][1], HIDDEN);
        assert_eq!(settings["providers"]["openai"]["api_key"], HIDDEN);
        for changed in ["operator_token", "traces.headers", "providers.openai.api_key"] {
            assert!(shown.changed.iter().any(|path| path == changed), "{:?}", shown.changed);
        }
    }

    #[test]
    fn a_new_secret_is_tried_too() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let code: String = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
        let is_field = |line: &&str| {
            let line = line.trim();
            line.starts_with("pub ")
                && line.contains(": ")
                && line.contains("Secret<")
                && line.ends_with(',')
        };
        let fields = code.lines().filter(is_field).count();
        assert_eq!(fields, 4, "set the new one in `secretive` and count it here");
    }

    #[test]
    fn what_comes_is_not_changed_and_nothing_is_set() {
        let shown = Config::embedded().unwrap().shown();
        assert!(shown.changed.is_empty(), "{:?}", shown.changed);
        assert_eq!(shown.settings["operator_token"], "");
        assert_eq!(shown.settings["http"]["keep_alive"], "15s");
    }
}
