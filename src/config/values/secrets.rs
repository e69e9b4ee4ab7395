//! Secrets: no message repeats one, whatever was written in its place.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, SeqAccess, Visitor},
};

use super::{Each, Rule};
use crate::domain::Secret;

/// What stands for a secret where the configuration is shown; never one itself.
pub(in crate::config) const HIDDEN: &str = "[hidden]";

/// Reads a secret that will stand in an HTTP header; no message repeats it.
pub(in crate::config) fn secret<'de, D: Deserializer<'de>>(
    given: D,
) -> Result<Secret<String>, D::Error> {
    let secret = secret_rule().deserialize(given)?;
    refuse_placeholder(&secret)?;
    Ok(secret)
}

/// The same for one that may have spaces.
pub(in crate::config) fn secret_line<'de, D: Deserializer<'de>>(
    given: D,
) -> Result<Secret<String>, D::Error> {
    let allowed = "text in quotes, at most 4096 visible ASCII characters and spaces";
    let mut rule = Rule::new(allowed, |given| {
        let secret = given.text()?;
        let is_visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        let is_line = secret.len() <= 4096 && secret.bytes().all(is_visible);
        is_line.then(|| Secret::new(secret.to_owned()))
    });
    rule.hidden = true;
    let secret = rule.deserialize(given)?;
    refuse_placeholder(&secret)?;
    Ok(secret)
}

/// Reads a list of secrets, none of them empty, or one alone; no message repeats one.
pub(in crate::config) fn secrets<'de, D: Deserializer<'de>>(
    given: D,
) -> Result<Vec<Secret<String>>, D::Error> {
    let secrets = given.deserialize_any(OneOrEach(secret_rule()))?;
    for secret in &secrets {
        refuse_placeholder(secret)?;
        if secret.expose().is_empty() {
            return Err(de::Error::custom("an entry is empty; leave it out"));
        }
    }
    Ok(secrets)
}

/// A list of secrets. A text alone is a list of one, unless it looks like a list that was written wrongly.
struct OneOrEach(Rule<Secret<String>>);

impl<'de> Visitor<'de> for OneOrEach {
    type Value = Vec<Secret<String>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list, each entry {}", self.0.allowed)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<Secret<String>>, E> {
        if text != HIDDEN && text.contains(['[', ',']) {
            return Err(self.0.refuse(format_args!("{text:?}")));
        }
        Ok(vec![self.0.visit_str(text)?])
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Vec<Secret<String>>, E> {
        Err(self.0.refuse(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Vec<Secret<String>>, E> {
        Err(self.0.refuse(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Vec<Secret<String>>, E> {
        Err(self.0.refuse(number))
    }

    fn visit_bool<E: de::Error>(self, given: bool) -> Result<Vec<Secret<String>>, E> {
        Err(self.0.refuse(given))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<Vec<Secret<String>>, A::Error> {
        Each(self.0).visit_seq(entries)
    }
}

/// Refuses what `config check` prints in the place of a secret.
fn refuse_placeholder<E: de::Error>(secret: &Secret<String>) -> Result<(), E> {
    if secret.expose() != HIDDEN {
        return Ok(());
    }
    let what = "is a placeholder, no secret; give the secret itself, or leave the key out";
    Err(E::custom(format_args!("{HIDDEN:?} {what}")))
}

fn secret_rule() -> Rule<Secret<String>> {
    let allowed = "text in quotes, at most 4096 visible ASCII characters without spaces";
    let mut rule = Rule::new(allowed, |given| {
        let secret = given.text()?;
        let plain = secret.len() <= 4096 && secret.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| Secret::new(secret.to_owned()))
    });
    rule.hidden = true;
    rule
}
