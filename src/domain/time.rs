//! Points in time as integer milliseconds since the Unix epoch, shown as RFC 3339 in UTC.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A wall-clock time in UTC with millisecond precision.
///
/// ```
/// use skai_server::domain::Timestamp;
/// let time: Timestamp = "2026-11-20T09:00:00.000Z".parse().unwrap();
/// assert_eq!(time.to_string(), "2026-11-20T09:00:00.000Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 date and time between the years 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 date and time from 1970 on, such as 2026-11-20T09:00:00.000Z")]
pub struct MalformedTime;

/// 9999-12-30T22:00:00.000Z, the last that can be shown in every time zone.
const LAST_MS: i64 = 253_402_207_200_000;

impl Timestamp {
    /// The last time that there is.
    pub const LAST: Self = Self(LAST_MS);

    /// Takes milliseconds since the Unix epoch, cut to 1970–9999.
    pub const fn from_millis(millis: i64) -> Self {
        match millis {
            ..0 => Self(0),
            LAST_MS.. => Self(LAST_MS),
            _ => Self(millis),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// The date in UTC.
    pub fn utc_date(self) -> jiff::civil::Date {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        jiff::tz::Offset::UTC.to_datetime(time).date()
    }

    /// The first moment of a date in UTC, or the last time that can be spelled where there is no such date.
    pub fn of_utc_date(year: i16, month: i8, day: i8) -> Self {
        let midnight = jiff::civil::Date::new(year, month, day)
            .ok()
            .and_then(|date| jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok());
        midnight.map_or(Self(LAST_MS), |time| Self::from_millis(time.as_millisecond()))
    }

    /// The time that is `duration` later, or the last that can be spelled.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis_of(duration)))
    }

    /// The time that is `duration` earlier, or the epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(millis_of(duration)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(out, "{time:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = MalformedTime;

    fn from_str(text: &str) -> Result<Self, MalformedTime> {
        if !is_rfc_3339(text) {
            return Err(MalformedTime);
        }
        match without_long_fraction(text).parse::<jiff::Timestamp>() {
            Ok(time) if time.as_millisecond() >= 0 => Ok(Self::from_millis(time.as_millisecond())),
            // Beyond what the parser knows, and the usual way to say never.
            Err(_) if text.starts_with("9999-12-31T") => Ok(Self(LAST_MS)),
            _ => Err(MalformedTime),
        }
    }
}

/// The text with at most nine digits of a second's fraction: RFC 3339 allows more, the parser does not.
fn without_long_fraction(text: &str) -> Cow<'_, str> {
    let Some((seconds, rest)) = text.split_once('.') else { return text.into() };
    let zone = rest.trim_start_matches(|sign: char| sign.is_ascii_digit());
    let digits = &rest[..rest.len() - zone.len()];
    format!("{seconds}.{}{zone}", &digits[..digits.len().min(9)]).into()
}

/// Whether the text has the form of RFC 3339 §5.6. The parser takes other forms of ISO 8601 too, and
/// offsets of more than a day.
fn is_rfc_3339(text: &str) -> bool {
    let shape =
        |byte: u8| if byte.is_ascii_digit() { '0' } else { byte.to_ascii_uppercase().into() };
    let shape: String = text.bytes().map(shape).collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else {
        return false;
    };
    let zone = rest.strip_prefix(".0").map_or(rest, |digits| digits.trim_start_matches('0'));
    let hours =
        |text: &str| text.len().checked_sub(5).and_then(|at| text.get(at..at + 2)) < Some("24");
    zone == "Z" || (matches!(zone, "+00:00" | "-00:00") && hours(text))
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time", "examples": ["2026-11-20T09:00:00.000Z"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_milliseconds_always() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(1_500).to_string(), "1970-01-01T00:00:01.500Z");
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
    }

    #[test]
    fn reads_offsets_and_refuses_the_rest() {
        assert_eq!("1970-01-01T01:00:00+01:00".parse(), Ok(Timestamp::from_millis(0)));
        assert_eq!("1970-01-01t00:00:00.5-00:00".parse(), Ok(Timestamp::from_millis(500)));
        assert_eq!("1970-01-02T00:59:00+23:59".parse(), Ok(Timestamp::from_millis(3_600_000)));
        assert_eq!("1970-01-01T00:00:00.5001234567891Z".parse(), Ok(Timestamp::from_millis(500)));
        assert_eq!("9999-12-31T23:59:59Z".parse(), Ok(Timestamp::from_millis(LAST_MS)));
        for bad in [
            "",
            "yesterday",
            "2026-11-20",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
            "20261120T090000Z",
            "2026-11-20T09Z",
            "2026-11-20T09:00Z",
            "2026-11-20 09:00:00Z",
            "2026-11-20T09:00:00.Z",
            "2026-11-20T09:00:00",
            "2026-11-20T09:00:00+24:00",
            "2026-11-20T09:00:00+01:00[Europe/Berlin]",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(MalformedTime), "{bad}");
        }
    }
}
