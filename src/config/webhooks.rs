//! `[webhooks]`: deliveries to customers' endpoints.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    values::{self, DAY, HOUR, MINUTE, SECOND},
    write,
};

/// How webhooks are sent, and when an endpoint is given up.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Webhooks {
    /// Networks that the guard against internal addresses lets through.
    #[serde(deserialize_with = "values::networks")]
    pub allow_networks: Vec<IpNet>,
    /// How long one delivery may take, from the name's resolution to the last byte.
    #[serde(
        deserialize_with = "values::duration::<10, { 5 * MINUTE }, _>",
        serialize_with = "write::duration"
    )]
    pub timeout: Duration,
    /// How long deliveries are signed with the old secret too after a rotation.
    #[serde(
        deserialize_with = "values::duration::<0, { 7 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub rotation_overlap: Duration,
    /// How far a signature's time may be from ours.
    #[serde(
        deserialize_with = "values::duration::<SECOND, HOUR, _>",
        serialize_with = "write::duration"
    )]
    pub tolerance: Duration,
    /// How long an endpoint may fail without one success before it is disabled.
    #[serde(
        deserialize_with = "values::duration::<SECOND, { 365 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub disable_after: Duration,
    /// The pauses before retries of endpoints with the extended schedule.
    #[serde(
        deserialize_with = "values::durations::<1, { 7 * DAY }, _>",
        serialize_with = "write::durations"
    )]
    pub extended_backoff: Vec<Duration>,
}
