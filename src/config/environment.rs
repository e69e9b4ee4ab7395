//! The environment as the topmost layer: `SKAI_…` with `__` between levels, and the names that others use.

use std::collections::BTreeMap;

use figment::value::{Dict, Num, Value};
use serde::Deserialize;

use super::sources::{ConfigError, nearest};

/// What every variable of ours begins with.
const PREFIX: &str = "SKAI_";

/// Well-known names of single keys, with the unit that is meant where the value is a bare number.
/// A `SKAI_…` variable for the same key wins.
const ALIASES: [(&str, &[&str], &str); 17] = [
    ("OPENAI_API_KEY", &["providers", "openai", "api_key"], ""),
    ("ANTHROPIC_API_KEY", &["providers", "anthropic", "api_key"], ""),
    ("STRIPE_WEBHOOK_SECRET", &["stripe", "webhook_secrets"], ""),
    ("RATE_LIMIT_DEFAULT", &["rate_limit", "default"], ""),
    ("Q_GEN_CREATE_CONCURRENCY", &["queues", "generation.create", "concurrency"], ""),
    ("Q_WEBHOOK_DELIVERY_CONCURRENCY", &["queues", "webhook.delivery", "concurrency"], ""),
    ("Q_BILLING_GRANT_CONCURRENCY", &["queues", "billing.credit_grant", "concurrency"], ""),
    ("REQUEST_TIMEOUT_MS", &["jobs", "provider_timeout"], "ms"),
    ("WEBHOOK_TOLERANCE_SEC", &["webhooks", "tolerance"], "s"),
    ("LOG_LEVEL", &["log", "level"], ""),
    ("GENERATION_JOB_TTL", &["queues", "generation.create", "ttl"], ""),
    ("WEBHOOK_TTL", &["queues", "webhook.delivery", "ttl"], ""),
    ("BILLING_TTL", &["queues", "billing.credit_grant", "ttl"], ""),
    ("OTEL_SERVICE_NAME", &["traces", "service_name"], ""),
    ("OTEL_EXPORTER_OTLP_HEADERS", &["traces", "headers"], ""),
    (COLLECTOR, &["traces", "endpoint"], ""),
    // Behind the one that it is more exact than, since the last one counts.
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &["traces", "endpoint"], ""),
];

/// The address of a collector for all that OpenTelemetry knows, to which the path for traces is added.
const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// A variable that names an algorithm instead of a key, and the only one there is.
const HASH_ALGORITHM: (&str, &str) = ("API_KEY_HASH_ALGO", "argon2id");

/// One variable, and the value that it gives to its key.
struct Override {
    variable: String,
    value: Value,
}

/// The variables that set something, by the path of their key.
pub(super) struct Overrides {
    by_path: BTreeMap<Vec<String>, Override>,
    /// The variables that could have been meant, for the hint about one that is not known.
    known: Vec<String>,
}

impl Overrides {
    /// Picks from `environment` what sets a key. `defaults` tell each key's type; names of the user's own
    /// tables come from `below`, the layers under this one.
    pub(super) fn read(
        environment: impl Iterator<Item = (String, String)>,
        defaults: &Dict,
        below: &Dict,
    ) -> Result<Self, ConfigError> {
        let environment: BTreeMap<String, String> = environment.collect();
        refuse_other_hashes(&environment)?;
        let mut by_path = aliased(&environment, defaults);
        for (variable, text) in &environment {
            let Some(name) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            let path = path_of(name, below);
            refuse_prices_of_stripe(variable, &path)?;
            let entry = Override {
                variable: variable.clone(),
                value: typed(text, default_at(defaults, &path)),
            };
            by_path.insert(path, entry);
        }
        let mut known = Vec::new();
        list_variables(defaults, PREFIX, &mut known);
        Ok(Self { by_path, known })
    }

    /// The variables as a layer of configuration.
    pub(super) fn table(&self) -> Dict {
        let mut root = Dict::new();
        for (path, entry) in &self.by_path {
            insert(&mut root, path, entry.value.clone());
        }
        root
    }

    /// The variable that set `path`, or something that `path` is a part of.
    pub(super) fn setter(&self, path: &[String]) -> Option<&str> {
        let mut prefixes = (1..=path.len()).filter_map(|depth| path.get(..depth));
        prefixes.find_map(|prefix| self.by_path.get(prefix).map(|entry| entry.variable.as_str()))
    }

    /// The variable that set something in the table `path`.
    pub(super) fn setter_within(&self, path: &[String]) -> Option<&str> {
        let mut entries = self.by_path.iter();
        entries.find_map(|(key, entry)| key.starts_with(path).then_some(entry.variable.as_str()))
    }

    /// The known variable that looks most like `variable`.
    pub(super) fn nearest(&self, variable: &str) -> Option<&str> {
        nearest(variable, self.known.iter().map(String::as_str))
    }
}

/// Puts `value` at `path`. What stands in the way stays: it is a table set to a single value, and refused for that.
fn insert(table: &mut Dict, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = table.entry(key.clone()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn refuse_other_hashes(environment: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let (variable, only) = HASH_ALGORITHM;
    match environment.get(variable) {
        Some(algorithm) if !algorithm.is_empty() && algorithm != only => {
            let what = format!("{algorithm:?} is not allowed; allowed: {only}");
            Err(ConfigError::of_variable(variable, &what))
        }
        _ => Ok(()),
    }
}

/// Stripe's ids have capitals and small letters, of which a variable's name cannot tell which.
fn refuse_prices_of_stripe(variable: &str, path: &[String]) -> Result<(), ConfigError> {
    match path {
        [table, key, ..] if table == "stripe" && key == "prices" => {
            let what = "no variable can spell the id of a price of Stripe's; write prices into the \
                        configuration file, under [stripe.prices.ID]";
            Err(ConfigError::of_variable(variable, what))
        }
        _ => Ok(()),
    }
}

/// The aliases that are set; an empty one counts as not set, as it is the usual way to pass none.
fn aliased(
    environment: &BTreeMap<String, String>,
    defaults: &Dict,
) -> BTreeMap<Vec<String>, Override> {
    let set = ALIASES.iter().filter_map(|(variable, path, unit)| {
        let text = environment.get(*variable).filter(|text| !text.is_empty())?;
        let path: Vec<String> = path.iter().map(|&key| key.to_owned()).collect();
        let text = match *variable {
            COLLECTOR => format!("{}/v1/traces", text.trim_end_matches('/')),
            _ => with_unit(text, unit),
        };
        let value = typed(&text, default_at(defaults, &path));
        let variable = (*variable).to_owned();
        Some((path, Override { variable, value }))
    });
    set.collect()
}

fn with_unit(text: &str, unit: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{text}{unit}");
    }
    text.to_owned()
}

/// The path that `A__B__C` names. A key of ours or the user's that only differs in case and punctuation is meant:
/// `MODELS__GPT_4O_MINI` is `models."gpt-4o-mini"`, which no shell could spell.
fn path_of(name: &str, below: &Dict) -> Vec<String> {
    let mut table = Some(below);
    let keys = name.split("__").map(|part| {
        let known = table.and_then(|table| table.keys().find(|key| spelled(key) == spelled(part)));
        let key = known.cloned().unwrap_or_else(|| part.to_ascii_lowercase());
        table = table.and_then(|table| table.get(&key)?.as_dict());
        key
    });
    keys.collect()
}

/// How a key is spelled in the name of a variable.
fn spelled(key: &str) -> String {
    let letters = key.chars().map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_uppercase(),
        _ => '_',
    });
    letters.collect()
}

/// The embedded value at `path`; where an entry of the user's tables has none, that of another entry.
fn default_at<'a>(defaults: &'a Dict, path: &[String]) -> Option<&'a Value> {
    match path {
        [] => None,
        [key] => defaults.get(key),
        [table, name, key] if matches!(table.as_str(), "providers" | "models") => {
            let entries = defaults.get(table)?.as_dict()?;
            let own = entries.get(name).into_iter();
            let mut candidates = own.chain(entries.values());
            candidates.find_map(|entry| entry.as_dict()?.get(key))
        }
        [table, rest @ ..] => default_at(defaults.get(table)?.as_dict()?, rest),
    }
}

/// Reads `text` as the type that the key has. What does not fit stays text and is refused with the key's bounds.
fn typed(text: &str, default: Option<&Value>) -> Value {
    let read = match default {
        // A price is read from its own digits, so it stays text.
        Some(Value::Num(_, Num::F32(_) | Num::F64(_))) => None,
        Some(Value::Num(..)) => text.parse::<i64>().map(Value::from).ok(),
        Some(Value::Bool(..)) => text.parse::<bool>().map(Value::from).ok(),
        Some(Value::Array(..)) => Some(list(text)),
        _ => None,
    };
    read.unwrap_or_else(|| Value::from(text))
}

/// A list as in TOML, or its entries with commas between them.
fn list(text: &str) -> Value {
    if text.trim_start().starts_with('[') {
        let parsed = text.parse::<toml_edit::de::ValueDeserializer>();
        let parsed = parsed.and_then(<Value as Deserialize>::deserialize);
        return parsed.unwrap_or_else(|_| Value::from(text));
    }
    let entries = text.split(',').map(str::trim);
    let entries = entries.filter(|entry| !entry.is_empty()).map(Value::from);
    Value::from(entries.collect::<Vec<_>>())
}

fn list_variables(table: &Dict, prefix: &str, into: &mut Vec<String>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", spelled(key));
        match value.as_dict() {
            Some(inner) => list_variables(inner, &format!("{name}__"), into),
            None => into.push(name),
        }
    }
}
