//! Limits that fields of several requests share. Each error names the field.

use std::ops::RangeInclusive;

use serde_json::value::RawValue;

use super::{Error, ErrorKind, Result, Timestamp};

const METADATA_KEYS: usize = 64;
const METADATA_BYTES: usize = 16 << 10;
const YEAR_MS: i64 = 366 * 24 * 3600 * 1000;
/// The longest name of an agent, a tag, a function.
pub(super) const NAME_MAX: usize = 64;
/// The longest name of an end user.
pub(super) const USER_BYTES: usize = 256;

pub(super) fn entries(param: &str, found: usize, allowed: RangeInclusive<usize>) -> Result<()> {
    if allowed.contains(&found) {
        return Ok(());
    }
    let (least, most) = (allowed.start(), allowed.end());
    let message = format!("{param} must have {least} to {most} entries, not {found}");
    Err(Error::invalid(param, message))
}

pub(super) fn bytes(param: &str, text: &str, most: usize) -> Result<()> {
    if (1..=most).contains(&text.len()) {
        return Ok(());
    }
    let message = format!("{param} must be 1 to {most} bytes long, not {}", text.len());
    Err(Error::invalid(param, message))
}

pub(super) fn number(param: &str, value: Option<f64>, least: f64, most: f64) -> Result<()> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(Error::invalid(param, format!("{param} must be from {least} to {most}")))
        }
        _ => Ok(()),
    }
}

pub(super) fn whole(param: &str, value: Option<u64>, least: u64, most: u64) -> Result<()> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(Error::invalid(param, format!("{param} must be from {least} to {most}")))
        }
        _ => Ok(()),
    }
}

pub(super) fn stop(texts: &[String]) -> Result<()> {
    entries("stop", texts.len(), 0..=4)?;
    let mut texts = texts.iter().enumerate();
    texts.try_for_each(|(at, text)| bytes(&format!("stop/{at}"), text, 500))
}

pub(super) fn fallback_models(models: &[String]) -> Result<()> {
    entries("fallback_models", models.len(), 0..=8)
}

pub(super) fn priority(priority: Option<i32>) -> Result<()> {
    if priority.is_some_and(|priority| !(-100..=100).contains(&priority)) {
        return Err(Error::invalid("priority", "priority must be from -100 to 100"));
    }
    Ok(())
}

pub(super) fn user(user: Option<&str>) -> Result<()> {
    user.map_or(Ok(()), |user| bytes("user", user, USER_BYTES))
}

pub(super) fn ahead(param: &str, at: Option<Timestamp>, now: Timestamp) -> Result<()> {
    if at.is_some_and(|at| at.millis() - now.millis() > YEAR_MS) {
        return Err(Error::invalid(param, format!("{param} must be at most a year ahead")));
    }
    Ok(())
}

/// A name that stands in paths.
pub(super) fn slug(name: &str) -> Result<()> {
    let is_sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let is_slug = bytes.first().is_some_and(|first| is_sign(*first))
        && bytes.iter().all(|byte| is_sign(*byte) || matches!(byte, b'-' | b'_'))
        && name.len() <= NAME_MAX;
    if is_slug {
        return Ok(());
    }
    let message = format!(
        "name must be 1 to {NAME_MAX} of a-z, 0-9, - and _, and begin with a letter or digit"
    );
    Err(Error::invalid("name", message))
}

/// `true` and `false` are schemas too, but whoever sends one means something else: no schema.
pub(super) fn schema(param: &str, schema: Option<&RawValue>) -> Result<()> {
    match schema {
        Some(schema) if !schema.get().starts_with('{') => {
            let message = format!(
                "{param} must be an object that holds a JSON Schema; leave it out where anything \
                 is allowed"
            );
            Err(Error::new(ErrorKind::InvalidSchema, message).with_param(param))
        }
        _ => Ok(()),
    }
}

pub(super) fn metadata(metadata: Option<&RawValue>) -> Result<()> {
    let Some(metadata) = metadata else { return Ok(()) };
    let refuse = |message: &str| Err(Error::invalid("metadata", message));
    if metadata.get().len() > METADATA_BYTES {
        return refuse("metadata must be at most 16 KiB of JSON");
    }
    match serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(metadata.get()) {
        Ok(map) if map.len() <= METADATA_KEYS => Ok(()),
        Ok(_) => refuse("metadata must have at most 64 keys"),
        Err(_) => refuse("metadata must be a JSON object"),
    }
}
