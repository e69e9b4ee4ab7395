//! `[dashboard]`: how people sign in, and for how long.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    values::{self, DAY, MIB, MINUTE},
    write,
};
use crate::domain::RateLimit;

/// Sessions and links of the dashboard.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Dashboard {
    /// After so long without a request a session is over.
    #[serde(
        deserialize_with = "values::duration::<{ 5 * MINUTE }, { 365 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub session_ttl: Duration,
    /// After so long it is over in any case.
    #[serde(
        deserialize_with = "values::duration::<{ 5 * MINUTE }, { 3650 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub session_max: Duration,
    /// How long a link to an invitation or a new password is good.
    #[serde(
        deserialize_with = "values::duration::<{ 5 * MINUTE }, { 30 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub link_ttl: Duration,
    /// How long the link of the first start is good.
    #[serde(
        deserialize_with = "values::duration::<{ 5 * MINUTE }, { 30 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub setup_ttl: Duration,
    /// Memory of one argon2id hash of a password, in bytes.
    #[serde(
        deserialize_with = "values::size::<{ 19 * MIB }, { 1024 * MIB }, _, _>",
        serialize_with = "write::size"
    )]
    pub argon2_memory: u32,
    /// Passes over that memory.
    #[serde(deserialize_with = "values::whole::<2, 100, _, _>")]
    pub argon2_passes: u32,
    /// How many requests each person may send.
    #[serde(deserialize_with = "values::rate_limit", serialize_with = "write::rate_limit")]
    pub rate_limit: RateLimit,
    /// How people reach this server; empty: as whoever asks for a link does.
    #[serde(deserialize_with = "origin")]
    pub public_url: String,
}

fn origin<'de, D: Deserializer<'de>>(given: D) -> Result<String, D::Error> {
    let allowed = "empty, or an address such as \"https://ai.example.com\" (no path)";
    values::text(given, allowed, |given| {
        let text = given.text()?;
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_host = |host: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
            !host.is_empty() && host.bytes().all(plain)
        };
        (text.is_empty() || host.is_some_and(is_host)).then(|| text.to_owned())
    })
}
