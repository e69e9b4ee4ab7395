//! `[traces]`: spans for a collector that speaks OpenTelemetry's protocol over HTTP.

use std::time::Duration;

use http::{
    HeaderName, HeaderValue, Uri,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING},
};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    sources::Problem,
    values::{self, Given, MINUTE},
    write,
};
use crate::domain::Secret;

/// The most headers.
const HEADERS_MAX: usize = 20;
/// Headers that follow from what is sent and to whom.
const OURS: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING];

/// Where spans go, and which.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Traces {
    /// The collector's address with its path; empty: nothing is exported.
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: String,
    /// What it wants to be let in, as `name=value,name=value`.
    #[serde(deserialize_with = "values::secret_line", serialize_with = "write::secret")]
    pub headers: Secret<String>,
    /// Of the traces that begin here, the part that is recorded.
    #[serde(deserialize_with = "ratio")]
    pub sample_ratio: f64,
    /// The name of this service among others.
    #[serde(deserialize_with = "name")]
    pub service_name: String,
    /// How long one request may take.
    #[serde(
        deserialize_with = "values::duration::<100, MINUTE, _>",
        serialize_with = "write::duration"
    )]
    pub timeout: Duration,
}

impl Traces {
    /// The headers by name, with what is percent-encoded in their values decoded.
    pub fn headers(&self) -> Vec<(String, Secret<String>)> {
        pairs(self.headers.expose()).flatten().collect()
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let given: Vec<_> = pairs(self.headers.expose()).collect();
        if given.len() > HEADERS_MAX || given.iter().any(Option::is_none) {
            let what =
                "this value is not allowed; allowed: headers as name=value,name=value, at most 20";
            return Err(Problem::new(&["traces", "headers"], what.to_owned()));
        }
        let mut names = given.iter().flatten().map(|(name, _)| name);
        if let Some(name) = names.find(|name| OURS.iter().any(|ours| ours == name.as_str())) {
            let what = format!("{name} is not allowed here: the server sets it itself");
            return Err(Problem::new(&["traces", "headers"], what));
        }
        Ok(())
    }
}

/// Each header, or `None` where it is none.
fn pairs(headers: &str) -> impl Iterator<Item = Option<(String, Secret<String>)>> + '_ {
    let given = headers.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    given.map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let name: HeaderName = name.trim().parse().ok()?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        HeaderValue::from_str(&value).ok()?;
        Some((name.as_str().to_owned(), Secret::new(value.into_owned())))
    })
}

fn endpoint<'de, D: Deserializer<'de>>(given: D) -> Result<String, D::Error> {
    let allowed = "an http or https URL with its path and no query, such as \"http://localhost:4318/v1/traces\", or \"\"";
    values::text(given, allowed, |given| {
        let text = given.text()?.trim();
        (text.is_empty() || is_endpoint(text)).then(|| text.to_owned())
    })
}

/// Whoever must be let in says so in headers, which are hidden, and not in the address, which is shown.
fn is_endpoint(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && !has_user
        && !text.contains(['?', '#'])
}

fn ratio<'de, D: Deserializer<'de>>(given: D) -> Result<f64, D::Error> {
    values::text(given, "a number from 0 to 1", |given| {
        let ratio = match given {
            Given::Text(text) => text.trim().parse().ok()?,
            Given::Whole(number) => f64::from(u8::try_from(number).ok()?),
            Given::Decimal(number) => number,
        };
        (0.0..=1.0).contains(&ratio).then_some(ratio)
    })
}

fn name<'de, D: Deserializer<'de>>(given: D) -> Result<String, D::Error> {
    values::text(given, "text of 1 to 100 printable characters", |given| {
        let text = given.text()?;
        let is_name = (1..=100).contains(&text.chars().count()) && !text.contains(char::is_control);
        is_name.then(|| text.to_owned())
    })
}
