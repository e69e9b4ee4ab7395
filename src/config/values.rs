//! How single values are read from a configuration, with their bounds, and written back.
//!
//! Each reader says in its error what is allowed. Where the value stands is added by `sources`.

use std::{borrow::Cow, fmt, net::IpAddr, time::Duration};

use ipnet::IpNet;
use serde::{
    Deserializer,
    de::{self, DeserializeSeed, SeqAccess, Visitor},
};

use crate::domain::{Credits, RateLimit, TimeZone, format_duration, parse_duration};

mod secrets;

pub(super) use secrets::{HIDDEN, secret, secret_line, secrets};

/// Milliseconds in a second; the bounds of durations are in milliseconds.
pub(super) const SECOND: u64 = 1_000;
/// Milliseconds in a minute.
pub(super) const MINUTE: u64 = 60 * SECOND;
/// Milliseconds in an hour.
pub(super) const HOUR: u64 = 60 * MINUTE;
/// Milliseconds in a day.
pub(super) const DAY: u64 = 24 * HOUR;
/// Bytes in a kibibyte.
pub(super) const KIB: u64 = 1 << 10;
/// Bytes in a mebibyte.
pub(super) const MIB: u64 = 1 << 20;

/// The most entries that a list may have.
const MAX_ENTRIES: usize = 1_000;

/// A single value as it was given.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    Text(&'a str),
    Whole(u64),
    Decimal(f64),
}

impl<'a> Given<'a> {
    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Whole(_) | Self::Decimal(_) => None,
        }
    }

    fn whole(self) -> Option<u64> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Text(_) | Self::Decimal(_) => None,
        }
    }
}

/// How one value is read, and the sentence for whoever gave another.
struct Rule<T> {
    allowed: Cow<'static, str>,
    /// The value is a secret, so that no message may repeat it.
    hidden: bool,
    read: fn(Given<'_>) -> Option<T>,
}

impl<T> Rule<T> {
    fn new(allowed: impl Into<Cow<'static, str>>, read: fn(Given<'_>) -> Option<T>) -> Self {
        Self { allowed: allowed.into(), hidden: false, read }
    }

    fn take<E: de::Error>(&self, given: Given<'_>, shown: impl fmt::Display) -> Result<T, E> {
        (self.read)(given).ok_or_else(|| self.refuse(shown))
    }

    fn refuse<E: de::Error>(&self, shown: impl fmt::Display) -> E {
        let allowed = &self.allowed;
        if self.hidden {
            return E::custom(format_args!("this value is not allowed; allowed: {allowed}"));
        }
        E::custom(format_args!("{shown} is not allowed; allowed: {allowed}"))
    }
}

impl<'de, T> Visitor<'de> for &Rule<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.allowed)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        self.take(Given::Text(text), format_args!("{text:?}"))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.take(Given::Whole(number), number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(self.refuse(number)),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.take(Given::Decimal(number), number)
    }

    fn visit_bool<E: de::Error>(self, given: bool) -> Result<T, E> {
        Err(self.refuse(given))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Err(self.refuse("a list"))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Err(self.refuse("a table"))
    }
}

impl<'de, T> DeserializeSeed<'de> for &Rule<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, given: D) -> Result<T, D::Error> {
        given.deserialize_any(self)
    }
}

/// A list whose entries all follow one rule.
struct Each<T>(Rule<T>);

impl<'de, T> Visitor<'de> for Each<T> {
    type Value = Vec<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list, each entry {}", self.0.allowed)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
        let mut read = Vec::new();
        while let Some(entry) = entries.next_element_seed(&self.0)? {
            if read.len() == MAX_ENTRIES {
                let message = format!("too many entries; allowed: at most {MAX_ENTRIES}");
                return Err(de::Error::custom(message));
            }
            read.push(entry);
        }
        Ok(read)
    }
}

/// Reads text with `read`; `allowed` is the end of the sentence "allowed: …".
pub(super) fn text<'de, T, D: Deserializer<'de>>(
    given: D,
    allowed: &'static str,
    read: fn(Given<'_>) -> Option<T>,
) -> Result<T, D::Error> {
    Rule::new(allowed, read).deserialize(given)
}

/// Reads a list of texts with `read`.
pub(super) fn list<'de, T, D: Deserializer<'de>>(
    given: D,
    allowed: &'static str,
    read: fn(Given<'_>) -> Option<T>,
) -> Result<Vec<T>, D::Error> {
    given.deserialize_any(Each(Rule::new(allowed, read)))
}

/// Reads a list of networks; a bare address is a network of one.
pub(super) fn networks<'de, D: Deserializer<'de>>(given: D) -> Result<Vec<IpNet>, D::Error> {
    let allowed = "a network such as \"10.0.0.0/8\" or \"fd00::/8\", or an IP address";
    list(given, allowed, |given| {
        let text = given.text()?;
        let network = text.parse::<IpNet>().ok();
        network.or_else(|| text.parse::<IpAddr>().map(IpNet::from).ok())
    })
}

/// Reads one of an enum's names. (figment by itself also takes a variant's number.)
pub(super) fn choice<'de, T: de::Deserialize<'de>, D: Deserializer<'de>>(
    given: D,
) -> Result<T, D::Error> {
    let name = <String as de::Deserialize>::deserialize(given)?;
    T::deserialize(de::value::StringDeserializer::new(name))
}

/// Reads a whole number from `MIN` to `MAX`.
pub(super) fn whole<'de, const MIN: u64, const MAX: u64, T, D>(given: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    Rule::new(format!("a whole number from {MIN} to {MAX}"), |given| {
        let number = given.whole().filter(|number| (MIN..=MAX).contains(number))?;
        T::try_from(number).ok()
    })
    .deserialize(given)
}

/// Reads a whole number up to `MAX`, where 0 means that there is none.
pub(super) fn optional_whole<'de, const MAX: u64, D: Deserializer<'de>>(
    given: D,
) -> Result<Option<u32>, D::Error> {
    let number: u32 = whole::<0, MAX, _, _>(given)?;
    Ok((number > 0).then_some(number))
}

fn duration_within<const MIN: u64, const MAX: u64>(text: &str) -> Option<Duration> {
    let bounds = Duration::from_millis(MIN)..=Duration::from_millis(MAX);
    parse_duration(text).filter(|duration| bounds.contains(duration))
}

fn durations_allowed<const MIN: u64, const MAX: u64>() -> String {
    let [min, max] = [MIN, MAX].map(|millis| format_duration(Duration::from_millis(millis)));
    format!("a duration such as \"30s\" or \"5m\", from {min} to {max}")
}

/// Reads a duration from `MIN` to `MAX` milliseconds.
pub(super) fn duration<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    given: D,
) -> Result<Duration, D::Error> {
    Rule::new(durations_allowed::<MIN, MAX>(), |given| duration_within::<MIN, MAX>(given.text()?))
        .deserialize(given)
}

/// Reads a duration of whole hours, from `MIN` to `MAX` milliseconds.
pub(super) fn hours<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    given: D,
) -> Result<Duration, D::Error> {
    let allowed = format!("{}, in whole hours", durations_allowed::<MIN, MAX>());
    Rule::new(allowed, |given| {
        let duration = duration_within::<MIN, MAX>(given.text()?)?;
        duration.as_millis().is_multiple_of(HOUR.into()).then_some(duration)
    })
    .deserialize(given)
}

/// Reads a duration from `MIN` to `MAX` milliseconds, where empty text means that there is none.
pub(super) fn optional_duration<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    given: D,
) -> Result<Option<Duration>, D::Error> {
    let allowed = format!("{}, or \"\"", durations_allowed::<MIN, MAX>());
    Rule::new(allowed, |given| match given.text()? {
        "" => Some(None),
        text => duration_within::<MIN, MAX>(text).map(Some),
    })
    .deserialize(given)
}

/// Reads a list of durations, each from `MIN` to `MAX` milliseconds.
pub(super) fn durations<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    given: D,
) -> Result<Vec<Duration>, D::Error> {
    given.deserialize_any(Each(Rule::new(durations_allowed::<MIN, MAX>(), |given| {
        duration_within::<MIN, MAX>(given.text()?)
    })))
}

/// Reads a size from `MIN` to `MAX` bytes: a whole number of bytes, or text such as `1MiB`.
pub(super) fn size<'de, const MIN: u64, const MAX: u64, T, D>(given: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let (min, max) = (format_size(MIN), format_size(MAX));
    let allowed = format!("a size such as \"64KiB\" or \"1MiB\", from {min} to {max}");
    Rule::new(allowed, |given| {
        let bytes = match given {
            Given::Text(text) => text.parse::<bytesize::ByteSize>().ok()?.as_u64(),
            Given::Whole(bytes) => bytes,
            Given::Decimal(_) => return None,
        };
        let bytes = (MIN..=MAX).contains(&bytes).then_some(bytes)?;
        T::try_from(bytes).ok()
    })
    .deserialize(given)
}

/// A size in the largest unit that divides it.
pub(super) fn format_size(bytes: u64) -> String {
    [(MIB, "MiB"), (KIB, "KiB")]
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// What a limit of requests may be.
const RATE_LIMITS: &str =
    "\"N,window\" such as \"60,1m\", with N from 1 to 1000000 and the window from 1s to 24h";

/// Reads a rate limit such as `60,1m`.
pub(super) fn rate_limit<'de, D: Deserializer<'de>>(given: D) -> Result<RateLimit, D::Error> {
    text(given, RATE_LIMITS, |given| given.text()?.parse().ok())
}

/// Reads a rate limit, where empty text means that there is none.
pub(super) fn optional_rate_limit<'de, D: Deserializer<'de>>(
    given: D,
) -> Result<Option<RateLimit>, D::Error> {
    let allowed = format!("{RATE_LIMITS}, or \"\"");
    Rule::new(allowed, |given| match given.text()? {
        "" => Some(None),
        text => text.parse().map(Some).ok(),
    })
    .deserialize(given)
}

/// Reads the name of a time zone.
pub(super) fn timezone<'de, D: Deserializer<'de>>(given: D) -> Result<TimeZone, D::Error> {
    let allowed = "a time zone of the IANA database, such as \"Europe/Berlin\" or \"UTC\"";
    text(given, allowed, |given| given.text()?.parse().ok())
}

/// What credits may be.
const CREDITS: &str = "credits from 0 to 1000000000 with at most 6 decimals, such as 12.5";

fn credits_of(given: Given<'_>) -> Option<Credits> {
    let credits: Credits = match given {
        Given::Text(text) => text.parse().ok()?,
        Given::Whole(whole) => whole.to_string().parse().ok()?,
        // The shortest decimal that gives the same float is what was written.
        Given::Decimal(decimal) => decimal.to_string().parse().ok()?,
    };
    (credits >= Credits::ZERO).then_some(credits)
}

/// Reads credits from the decimal digits that were written.
pub(super) fn credits<'de, D: Deserializer<'de>>(given: D) -> Result<Credits, D::Error> {
    text(given, CREDITS, credits_of)
}

/// Reads a price in credits, for a key that may be missing.
pub(super) fn price<'de, D: Deserializer<'de>>(given: D) -> Result<Option<Credits>, D::Error> {
    credits(given).map(Some)
}

/// Reads a price in credits, where empty text means that there is none.
pub(super) fn optional_price<'de, D: Deserializer<'de>>(
    given: D,
) -> Result<Option<Credits>, D::Error> {
    let allowed = format!("{CREDITS}, or \"\"");
    Rule::new(allowed, |given| match given {
        Given::Text("") => Some(None),
        given => credits_of(given).map(Some),
    })
    .deserialize(given)
}
