//! `[stripe]`: credits for payments.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{sources::Problem, values, write};
use crate::domain::{Credits, Secret};

/// The most secrets: each is tried for every event.
const SECRETS_MAX: usize = 10;

/// Who may tell of payments, and what they buy.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Stripe {
    /// What Stripe signs events with; none: top-ups are off.
    #[serde(deserialize_with = "values::secrets", serialize_with = "write::secrets")]
    pub webhook_secrets: Vec<Secret<String>>,
    /// Whether events of Stripe's test mode buy credits too.
    pub accept_test_events: bool,
    /// Credits for one smallest unit of a currency, by its lower-case ISO code.
    #[serde(default)]
    pub credits_per_unit: BTreeMap<String, ExactCredits>,
    /// What is sold at prices of Stripe's, by the price's id.
    #[serde(default)]
    pub prices: BTreeMap<String, StripePrice>,
}

/// One price of Stripe's.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct StripePrice {
    /// Credits for one piece.
    pub credits: ExactCredits,
}

/// Credits, read from the digits that were written.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ExactCredits(pub Credits);

impl<'de> Deserialize<'de> for ExactCredits {
    fn deserialize<D: Deserializer<'de>>(given: D) -> Result<Self, D::Error> {
        values::credits(given).map(Self)
    }
}

impl Serialize for ExactCredits {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        write::credits(&self.0, out)
    }
}

impl Stripe {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.webhook_secrets.len() > SECRETS_MAX {
            let what = format!("too many entries; allowed: at most {SECRETS_MAX}");
            return Err(Problem::new(&["stripe", "webhook_secrets"], what));
        }
        let is_code =
            |name: &str| name.len() == 3 && name.bytes().all(|it| it.is_ascii_lowercase());
        if let Some(name) = self.credits_per_unit.keys().find(|name| !is_code(name)) {
            let what =
                "no currency; allowed: the three letters of its ISO code in lower case".to_owned();
            return Err(Problem::new(&["stripe", "credits_per_unit", name], what));
        }
        Ok(())
    }
}
