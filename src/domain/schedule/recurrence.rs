//! The text of a schedule and its meaning.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{cron::Cron, every::Every};
use crate::domain::{TimeZone, Timestamp, names};

/// The longest text, in characters.
const TEXT_MAX: usize = 200;

/// The names of expressions, and what they stand for.
const NAMED: [(&str, [&str; 5]); 7] = [
    ("@hourly", ["0", "*", "*", "*", "*"]),
    ("@daily", ["0", "0", "*", "*", "*"]),
    ("@midnight", ["0", "0", "*", "*", "*"]),
    ("@weekly", ["0", "0", "*", "*", "0"]),
    ("@monthly", ["0", "0", "1", "*", "*"]),
    ("@yearly", ["0", "0", "1", "1", "*"]),
    ("@annually", ["0", "0", "1", "1", "*"]),
];

/// When a schedule is due: five fields of cron, a name such as `@daily`, or `every 15m`.
///
/// ```
/// use skai_server::domain::{Recurrence, TimeZone, Timestamp};
/// let weekdays_at_nine = Recurrence::parse("0 9 * * mon-fri").unwrap();
/// let berlin: TimeZone = "Europe/Berlin".parse().unwrap();
/// let friday: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
/// let next = weekdays_at_nine.next(&berlin, friday, friday).unwrap();
/// assert_eq!(next.to_string(), "2026-11-23T08:00:00.000Z");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recurrence {
    text: String,
    rule: Rule,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Rule {
    Cron(Cron),
    Every(Every),
}

/// The text says no recurrence. The message is meant for whoever wrote it, and names the part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRecurrence(String);

/// The occurrences of some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The newest, oldest first.
    pub occurrences: Vec<Timestamp>,
    /// How many came before these, counted up to [`Missed::EARLIER_MAX`].
    pub earlier: u64,
}

impl Recurrence {
    /// Reads the text: 200 characters at most.
    pub fn parse(text: &str) -> Result<Self, BadRecurrence> {
        if text.chars().nth(TEXT_MAX).is_some() {
            return Err(BadRecurrence::new(format!("this is longer than {TEXT_MAX} characters")));
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let rule = match words[..] {
            ["every", length] => Rule::Every(Every::parse(length)?),
            ["every", ..] => {
                return Err(BadRecurrence::new("every: write one length, such as `every 15m`"));
            }
            [name] if name.starts_with('@') => Rule::Cron(named(name)?),
            [minute, hour, day, month, weekday] => {
                Rule::Cron(Cron::parse([minute, hour, day, month, weekday])?)
            }
            _ => return Err(not_five(words.len())),
        };
        Ok(Self { text: words.join(" "), rule })
    }

    /// The text, with one space between its parts.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first occurrence after `after`, by the clocks of `zone`; those of an interval are counted from
    /// `anchor`, which is none itself. `None` only past the end of time that can be told.
    pub fn next(&self, zone: &TimeZone, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match &self.rule {
            Rule::Cron(cron) => cron.next(zone, after),
            Rule::Every(every) => every.next(anchor, after),
        }
    }

    /// The next `count` occurrences after `after`.
    pub fn upcoming(
        &self,
        zone: &TimeZone,
        anchor: Timestamp,
        after: Timestamp,
        count: usize,
    ) -> Vec<Timestamp> {
        let next = |after: &Timestamp| self.next(zone, anchor, *after);
        std::iter::successors(next(&after), next).take(count).collect()
    }

    /// The newest `most` of the occurrences after `after` up to `until`, and how many came before these. The work
    /// is bounded by `most` and [`Missed::EARLIER_MAX`], however long the time is.
    pub fn missed(
        &self,
        zone: &TimeZone,
        anchor: Timestamp,
        after: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Missed {
        match &self.rule {
            Rule::Cron(cron) => Missed::collect(cron.newest(zone, after, until), most),
            Rule::Every(every) => Missed::collect(every.newest(anchor, after, until), most),
        }
    }
}

impl Missed {
    /// How far [`Self::earlier`] counts.
    pub const EARLIER_MAX: usize = 10_000;

    fn collect(mut newest: impl Iterator<Item = Timestamp>, most: usize) -> Self {
        let mut occurrences: Vec<_> = newest.by_ref().take(most).collect();
        occurrences.reverse();
        Self { occurrences, earlier: newest.take(Self::EARLIER_MAX).map(|_| 1).sum() }
    }
}

impl BadRecurrence {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

fn named(name: &str) -> Result<Cron, BadRecurrence> {
    if name.eq_ignore_ascii_case("@reboot") {
        return Err(BadRecurrence::new("`@reboot` names no time; write when it is due"));
    }
    let found = NAMED.iter().find(|it| it.0.eq_ignore_ascii_case(name));
    let unknown = || BadRecurrence::new(names::unknown(name, &NAMED.map(|it| it.0)));
    found.ok_or_else(unknown).and_then(|it| Cron::parse(it.1))
}

fn not_five(words: usize) -> BadRecurrence {
    BadRecurrence::new(format!(
        "a cron expression has five fields (minute hour day-of-month month day-of-week), this has {words}"
    ))
}

impl FromStr for Recurrence {
    type Err = BadRecurrence;

    fn from_str(text: &str) -> Result<Self, BadRecurrence> {
        Self::parse(text)
    }
}

impl fmt::Display for Recurrence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Serialize for Recurrence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Recurrence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        names::read(deserializer, Self::parse)
    }
}

impl JsonSchema for Recurrence {
    fn schema_name() -> Cow<'static, str> {
        "Recurrence".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": TEXT_MAX,
            "description": "When it is due: the five fields of cron (minute, hour, day of month, month, day of \
                week), a name such as @daily, or an interval such as `every 15m`.",
            "examples": ["0 9 * * MON-FRI", "@daily", "every 15m"]
        })
    }
}
