//! Where each value was written, and the message for whoever wrote a wrong one.

use std::{fs, ops::Range, path::Path};

use figment::{
    error::{Actual, Kind},
    value::Dict,
};
use serde::Deserialize;
use toml_edit::{Document, Item, TableLike, Value, de::Deserializer};

use super::environment::Overrides;

/// The configuration cannot be used. Its text is the whole message: the place, the key, what is wrong and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub(super) fn of_variable(variable: &str, what: &str) -> Self {
        Self(format!("environment variable {variable}: {what}"))
    }
}

/// What is wrong with the value at a path, before it is known where that was written.
#[derive(Debug)]
pub(super) struct Problem {
    path: Vec<String>,
    /// Another value, which may be the wrong one as well.
    other: Option<Vec<String>>,
    what: String,
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|&key| key.to_owned()).collect()
}

impl Problem {
    pub(super) fn new(path: &[&str], what: String) -> Self {
        Self { path: owned(path), other: None, what }
    }

    /// Two values that do not go together. The one to blame is that which was written, not a default.
    pub(super) fn between(path: &[&str], other: &[&str], what: String) -> Self {
        Self { path: owned(path), other: Some(owned(other)), what }
    }
}

/// A file with the places of its keys.
pub(super) struct File {
    name: String,
    document: Document<String>,
}

impl File {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("{name}: cannot be read: {error}")))?;
        Self::parse(&name, &text)
    }

    /// Takes `text` as the file called `name`.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let document = Document::parse(text.to_owned()).map_err(|error| {
            let line = line_at(text, error.span().map_or(0, |span| span.start));
            let what = error.message().trim_end().replace('\n', "; ");
            ConfigError(format!("{name}, line {line}: not TOML: {what}"))
        })?;
        let name = name.to_owned();
        Ok(Self { name, document })
    }

    /// The values of the file as a layer of configuration.
    pub(super) fn table(&self) -> Result<Dict, ConfigError> {
        Dict::deserialize(Deserializer::from(self.document.clone()))
            .map_err(|error| ConfigError(format!("{}: {}", self.name, error.message())))
    }

    /// The line of the key at `path`, counted from 1.
    fn line(&self, path: &[String]) -> Option<usize> {
        let span = span_in_table(self.document.as_table(), path)?;
        Some(line_at(self.document.raw(), span.start))
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|&&byte| byte == b'\n').count()
}

fn span_in_table(table: &dyn TableLike, path: &[String]) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    let (key, item) = table.get_key_value(first)?;
    match (rest, item) {
        ([], _) => key.span().or_else(|| item.span()),
        (_, Item::Value(Value::Array(list))) => {
            let entry = rest.first()?.parse().ok().and_then(|at: usize| list.get(at));
            entry.and_then(Value::span)
        }
        _ => span_in_table(item.as_table_like()?, rest),
    }
}

/// The layers above the embedded defaults.
pub(super) struct Sources {
    file: Option<File>,
    overrides: Overrides,
}

impl Sources {
    pub(super) fn new(file: Option<File>, overrides: Overrides) -> Self {
        Self { file, overrides }
    }

    /// Turns what figment found wrong into a message with its place.
    pub(super) fn explain(&self, error: figment::Error) -> ConfigError {
        let mut path = error.path;
        let what = match error.kind {
            Kind::UnknownField(field, known) => self.unknown_key(&path, &field, known),
            Kind::MissingField(field) => {
                path.push(field.into_owned());
                "missing, and there is no default".to_owned()
            }
            other => describe(other),
        };
        self.locate(&Problem { path, other: None, what })
    }

    /// Says where a problem's value was written: the deepest place that is known.
    pub(super) fn locate(&self, problem: &Problem) -> ConfigError {
        let path = match &problem.other {
            Some(other) if !self.wrote(&problem.path) && self.wrote(other) => other,
            _ => &problem.path,
        };
        let what = format!("{}: {}", shown(path), problem.what);
        if let Some(variable) = self.overrides.setter(path) {
            return ConfigError::of_variable(variable, &what);
        }
        for depth in (1..=path.len()).rev() {
            let part = path.get(..depth).unwrap_or_default();
            if let Some((file, line)) = self.line(part) {
                return ConfigError(format!("{file}, line {line}: {what}"));
            }
            if let Some(variable) = self.overrides.setter_within(part) {
                return ConfigError::of_variable(variable, &what);
            }
        }
        ConfigError(format!("embedded config.toml: {what}"))
    }

    fn wrote(&self, path: &[String]) -> bool {
        self.overrides.setter(path).is_some() || self.line(path).is_some()
    }

    fn line(&self, path: &[String]) -> Option<(&str, usize)> {
        let file = self.file.as_ref()?;
        Some((file.name.as_str(), file.line(path)?))
    }

    fn unknown_key(&self, path: &[String], field: &str, known: &[&str]) -> String {
        let variable = self.overrides.setter(path).or_else(|| {
            let in_file = self.line(path).is_some();
            (!in_file).then(|| self.overrides.setter_within(path)).flatten()
        });
        let meant = match variable {
            Some(variable) => self.overrides.nearest(variable),
            None => nearest(field, known.iter().copied()),
        };
        let hint = meant.map(|meant| format!("; did you mean {meant}?"));
        let hint = hint.unwrap_or_default();
        format!("unknown key{hint} (allowed here: {})", known.join(", "))
    }
}

fn describe(kind: Kind) -> String {
    match kind {
        Kind::Message(what) => what,
        // Within tables there may be secrets.
        Kind::InvalidType(Actual::Str(_), allowed) if allowed == "a table" => {
            format!("text is not allowed; allowed: {allowed}")
        }
        Kind::InvalidType(given, allowed) | Kind::InvalidValue(given, allowed) => {
            format!("{} is not allowed; allowed: {allowed}", given_as(&given))
        }
        Kind::UnknownVariant(given, allowed) => {
            let allowed: Vec<String> = allowed.iter().map(|name| format!("{name:?}")).collect();
            format!("{given:?} is not allowed; allowed: {}", allowed.join(", "))
        }
        other => other.to_string(),
    }
}

/// A wrong value, in the words of TOML.
fn given_as(given: &Actual) -> String {
    match given {
        Actual::Bool(given) => given.to_string(),
        Actual::Unsigned(given) => given.to_string(),
        Actual::Signed(given) => given.to_string(),
        Actual::Float(given) => given.to_string(),
        Actual::Str(given) => format!("{given:?}"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// A path as TOML spells it: `queues."task.run".ttl`.
fn shown(path: &[String]) -> String {
    let bare = |key: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        !key.is_empty() && key.bytes().all(plain)
    };
    let keys = path.iter().map(|key| if bare(key) { key.clone() } else { format!("{key:?}") });
    keys.collect::<Vec<_>>().join(".")
}

/// The candidate that `given` may be a slip of.
pub(super) fn nearest<'a>(
    given: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let measured = candidates.map(|name| (strsim::damerau_levenshtein(given, name), name));
    let (slips, name) = measured.min()?;
    (slips <= 1 + given.len() / 6).then_some(name)
}
