//! Amounts of credits, exact to a millionth.

use std::{borrow::Cow, fmt, iter, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;

/// How many microcredits make a credit.
const MICROS: i64 = 1_000_000;

/// The largest amount that may be given in one request: a billion credits.
const MAX_WHOLE: i64 = 1_000_000_000;

/// An amount of credits, stored as integer microcredits; never a float.
///
/// ```
/// use skai_server::domain::Credits;
/// let price: Credits = "0.25".parse().unwrap();
/// assert_eq!(price.checked_add(price).unwrap().to_string(), "0.5");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Credits(i64);

/// The text is not an amount of credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCredits {
    /// Not a plain decimal number.
    #[error("not a decimal number of credits such as 12.5")]
    NotDecimal,
    /// A digit after the sixth decimal place.
    #[error("credits are exact to 6 decimals; round to 6 decimals or fewer")]
    TooPrecise,
    /// Beyond a billion.
    #[error("at most 1000000000 credits at once")]
    TooLarge,
}

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);

    /// Takes an amount in microcredits.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The amount in microcredits.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The sum, or `None` where it cannot be held.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// The difference, or `None` where it cannot be held.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// The amount with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// True above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// True at exactly zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl iter::Sum for Credits {
    /// Saturates instead of wrapping; a ledger that came near would have failed its checks long before.
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.fold(0i64, |total, amount| total.saturating_add(amount.0)))
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let (whole, part) = (micros / MICROS.unsigned_abs(), micros % MICROS.unsigned_abs());
        if part == 0 {
            return write!(out, "{sign}{whole}");
        }
        let digits = format!("{part:06}");
        write!(out, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl FromStr for Credits {
    type Err = MalformedCredits;

    fn from_str(text: &str) -> Result<Self, MalformedCredits> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(part) {
            return Err(MalformedCredits::NotDecimal);
        }
        let micros = micros_of(whole, part)?;
        Ok(Self(if negative { micros.saturating_neg() } else { micros }))
    }
}

fn micros_of(whole: &str, part: &str) -> Result<i64, MalformedCredits> {
    let significant = part.trim_end_matches('0');
    if significant.len() > 6 {
        return Err(MalformedCredits::TooPrecise);
    }
    let whole: i64 = whole.parse().map_err(|_| MalformedCredits::TooLarge)?;
    let part: i64 =
        format!("{significant:0<6}").parse().map_err(|_| MalformedCredits::NotDecimal)?;
    match whole.checked_mul(MICROS).and_then(|micros| micros.checked_add(part)) {
        Some(micros) if micros <= MAX_WHOLE.saturating_mul(MICROS) => Ok(micros),
        _ => Err(MalformedCredits::TooLarge),
    }
}

impl Serialize for Credits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % MICROS == 0 {
            return serializer.serialize_i64(self.0 / MICROS);
        }
        let number = RawValue::from_string(self.to_string()).map_err(ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Credits {
    /// Reads the number's own digits, never a float made of them.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let text = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Credits {
    fn schema_name() -> Cow<'static, str> {
        "Credits".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "description": "Credits, exact to 6 decimals. Requests may give a decimal string instead.",
            "examples": [12.5]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_strings_exactly() {
        for (json, micros) in [
            ("1", 1_000_000),
            ("0.1", 100_000),
            ("\"0.000001\"", 1),
            ("-2.5", -2_500_000),
            ("1.1000000", 1_100_000),
            ("1000000000", 1_000_000_000_000_000),
        ] {
            let credits: Credits = serde_json::from_str(json).unwrap();
            assert_eq!(credits.micros(), micros, "{json}");
        }
    }

    #[test]
    fn refuses_what_is_not_exact() {
        for json in
            ["0.0000001", "1e3", "\"\"", "\"1.\"", "\".5\"", "\"+1\"", "1000000001", "null", "[1]"]
        {
            assert!(serde_json::from_str::<Credits>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn writes_the_shortest_number() {
        for (micros, json) in [(0, "0"), (1, "0.000001"), (2_500_000, "2.5"), (-10, "-0.00001")] {
            assert_eq!(serde_json::to_string(&Credits::from_micros(micros)).unwrap(), json);
        }
    }
}
