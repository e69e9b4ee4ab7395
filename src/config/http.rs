//! `[http]`: the door.

use std::{net::SocketAddr, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    values::{self, DAY, HOUR, KIB, MIB},
    write,
};

/// Where and how the server listens.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Http {
    /// The address to listen on; port 0 takes a free one.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// The largest request body, in bytes.
    #[serde(
        deserialize_with = "values::size::<KIB, { 256 * MIB }, _, _>",
        serialize_with = "write::size"
    )]
    pub body_limit: usize,
    /// How long a client may take to send its request's headers.
    #[serde(
        deserialize_with = "values::duration::<100, HOUR, _>",
        serialize_with = "write::duration"
    )]
    pub header_timeout: Duration,
    /// How long a client may take to send its request's body.
    #[serde(
        deserialize_with = "values::duration::<100, HOUR, _>",
        serialize_with = "write::duration"
    )]
    pub body_timeout: Duration,
    /// How long a connection may stay open without a request.
    #[serde(
        deserialize_with = "values::duration::<100, HOUR, _>",
        serialize_with = "write::duration"
    )]
    pub idle_timeout: Duration,
    /// How often a silent stream says that it is alive; so long its first piece may take before it begins
    /// without.
    #[serde(
        deserialize_with = "values::duration::<10, HOUR, _>",
        serialize_with = "write::duration"
    )]
    pub keep_alive: Duration,
    /// The most connections at the same time.
    #[serde(deserialize_with = "values::whole::<1, 1_000_000, _, _>")]
    pub max_connections: usize,
    /// How long a shutdown waits for requests and jobs in flight.
    #[serde(
        deserialize_with = "values::duration::<0, DAY, _>",
        serialize_with = "write::duration"
    )]
    pub drain_timeout: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "values::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Web origins whose scripts may call the API, or `*` for all.
    #[serde(deserialize_with = "origins")]
    pub cors_origins: Vec<String>,
    /// Whether `/metrics` answers without the operator token.
    pub metrics_open: bool,
}

fn address<'de, D: Deserializer<'de>>(given: D) -> Result<SocketAddr, D::Error> {
    let allowed = "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
    values::text(given, allowed, |given| given.text()?.parse().ok())
}

fn origins<'de, D: Deserializer<'de>>(given: D) -> Result<Vec<String>, D::Error> {
    let allowed = "an origin such as \"https://app.example.com\" (no path), or \"*\"";
    values::list(given, allowed, |given| {
        let origin = given.text()?;
        (origin == "*" || is_origin(origin)).then(|| origin.to_owned())
    })
}

/// True of `scheme://host[:port]`, as browsers send it (RFC 6454 §7).
fn is_origin(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else {
        return false;
    };
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    matches!(scheme, "http" | "https") && !host.is_empty() && host.bytes().all(plain)
}
