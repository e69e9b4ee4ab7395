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
    /// Not a number as JSON writes it.
    #[error("must be a decimal number of credits, such as 12.5")]
    NotDecimal,
    /// A digit after the sixth decimal place.
    #[error("credits are exact to 6 decimals; round to 6 decimals or fewer")]
    TooPrecise,
    /// Beyond a billion.
    #[error("at most 1000000000 credits at once; give them in several requests")]
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

    /// The amount without its sign.
    #[must_use]
    pub const fn magnitude(self) -> Self {
        Self(self.0.saturating_abs())
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
        let (mantissa, power) = match digits.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, Some(power_of_ten(power)?)),
            None => (digits, None),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        if !all_digits(whole) || !all_digits(part) {
            return Err(MalformedCredits::NotDecimal);
        }
        // Digits that are written out are counted even where they are zeros.
        if power.is_none() && part.len() > 6 {
            return Err(MalformedCredits::TooPrecise);
        }
        let micros = micros_of(whole, part, power.unwrap_or(0))?;
        Ok(Self(if negative { micros.saturating_neg() } else { micros }))
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The exponent of a JSON number (RFC 8259 §6).
fn power_of_ten(text: &str) -> Result<i64, MalformedCredits> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if !all_digits(digits) {
        return Err(MalformedCredits::NotDecimal);
    }
    let beyond = if negative { MalformedCredits::TooPrecise } else { MalformedCredits::TooLarge };
    let power: i32 = digits.parse().map_err(|_| beyond)?;
    Ok(i64::from(if negative { power.saturating_neg() } else { power }))
}

/// `whole.part` × 10^`power` in microcredits. Only shifts the decimal point, so that an absurd power
/// costs nothing.
fn micros_of(whole: &str, part: &str, power: i64) -> Result<i64, MalformedCredits> {
    let digits = format!("{whole}{part}");
    let significant = digits.trim_end_matches('0');
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let zeros = length(&digits).saturating_sub(length(significant));
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let shift = power.saturating_add(6).saturating_sub(length(part)).saturating_add(zeros);
    let shift = u32::try_from(shift).map_err(|_| {
        if shift < 0 { MalformedCredits::TooPrecise } else { MalformedCredits::TooLarge }
    })?;
    let significant: i64 = significant.parse().map_err(|_| MalformedCredits::TooLarge)?;
    let micros = 10i64.checked_pow(shift).and_then(|power| significant.checked_mul(power));
    micros
        .filter(|micros| *micros <= MAX_WHOLE.saturating_mul(MICROS))
        .ok_or(MalformedCredits::TooLarge)
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
            ("1.100000", 1_100_000),
            ("0", 0),
            ("0.000000", 0),
            ("-0", 0),
            ("1e2", 100_000_000),
            ("1E-6", 1),
            ("1e-05", 10),
            ("-2.5E+1", -25_000_000),
            ("\"1.5e0\"", 1_500_000),
            ("0e-999", 0),
            ("1.25000000e3", 1_250_000_000),
            ("123456700000e-11", 1_234_567),
            ("1000000000", 1_000_000_000_000_000),
        ] {
            let credits: Credits = serde_json::from_str(json).unwrap();
            assert_eq!(credits.micros(), micros, "{json}");
        }
    }

    #[test]
    fn refuses_what_is_not_exact() {
        use MalformedCredits::{TooLarge, TooPrecise};
        for json in
            ["\"\"", "\"1.\"", "\".5\"", "\"+1\"", "\"1e\"", "\"1e+-1\"", "\"e1\"", "null", "[1]"]
        {
            assert!(serde_json::from_str::<Credits>(json).is_err(), "{json}");
        }
        let zeros = "0".repeat(100_000);
        for (text, error) in [
            ("0.0000001", TooPrecise),
            ("1.0000000", TooPrecise),
            ("0.0000000", TooPrecise),
            ("1e-7", TooPrecise),
            ("1.5e-6", TooPrecise),
            ("1e-999999999", TooPrecise),
            ("1e-99999999999999999999", TooPrecise),
            ("1000000001", TooLarge),
            ("1.000000001e9", TooLarge),
            ("1e10", TooLarge),
            ("1e999999999", TooLarge),
            ("1e99999999999999999999", TooLarge),
            (&format!("1{zeros}"), TooLarge),
        ] {
            assert_eq!(text.parse::<Credits>(), Err(error), "{text:.40}");
        }
    }

    #[test]
    fn writes_the_shortest_number() {
        for (micros, json) in [(0, "0"), (1, "0.000001"), (2_500_000, "2.5"), (-10, "-0.00001")] {
            assert_eq!(serde_json::to_string(&Credits::from_micros(micros)).unwrap(), json);
        }
    }
}
