//! How single values are written by `Config::effective_toml`, as `values` reads them again; but for secrets.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "serde hands fields by reference"
)]

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::values::{HIDDEN, format_size};
use crate::domain::{Credits, RateLimit, Recurrence, Secret, format_duration};

pub(super) fn duration<S: Serializer>(value: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&format_duration(*value))
}

pub(super) fn optional_duration<S: Serializer>(
    value: &Option<Duration>,
    out: S,
) -> Result<S::Ok, S::Error> {
    out.serialize_str(&value.map(format_duration).unwrap_or_default())
}

pub(super) fn durations<S: Serializer>(value: &[Duration], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(value.iter().copied().map(format_duration))
}

pub(super) fn size<T: Copy + TryInto<u64>, S: Serializer>(
    value: &T,
    out: S,
) -> Result<S::Ok, S::Error> {
    out.serialize_str(&format_size((*value).try_into().unwrap_or(u64::MAX)))
}

pub(super) fn optional_whole<S: Serializer>(
    value: &Option<u32>,
    out: S,
) -> Result<S::Ok, S::Error> {
    out.serialize_u32(value.unwrap_or(0))
}

pub(super) fn optional_schedule<S: Serializer>(
    value: &Option<Recurrence>,
    out: S,
) -> Result<S::Ok, S::Error> {
    out.serialize_str(&value.as_ref().map(ToString::to_string).unwrap_or_default())
}

pub(super) fn rate_limit<S: Serializer>(value: &RateLimit, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(value)
}

pub(super) fn optional_rate_limit<S: Serializer>(
    value: &Option<RateLimit>,
    out: S,
) -> Result<S::Ok, S::Error> {
    out.serialize_str(&value.map(|limit| limit.to_string()).unwrap_or_default())
}

pub(super) fn price<S: Serializer>(value: &Option<Credits>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(price) => credits(price, out),
        None => out.serialize_none(),
    }
}

/// Credits as a TOML float, exact because none that is read has more than 15 digits and one to spare.
pub(super) fn credits<S: Serializer>(value: &Credits, out: S) -> Result<S::Ok, S::Error> {
    value.to_string().parse::<f64>().map_err(serde::ser::Error::custom)?.serialize(out)
}

/// The same, where no price is empty text.
pub(super) fn optional_price<S: Serializer>(
    value: &Option<Credits>,
    out: S,
) -> Result<S::Ok, S::Error> {
    if value.is_none() { out.serialize_str("") } else { price(value, out) }
}

pub(super) fn secret<S: Serializer>(value: &Secret<String>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(if value.expose().is_empty() { "" } else { HIDDEN })
}

pub(super) fn secrets<S: Serializer>(value: &[Secret<String>], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(value.iter().map(|_| HIDDEN))
}
