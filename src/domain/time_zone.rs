//! Days as people count them: by the clock of a time zone.

use std::{borrow::Cow, fmt, iter, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Timestamp, names};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// How much of an unknown name an error repeats, in characters.
const ECHO: usize = 40;

/// A time zone of the IANA database, whose rules are part of this program.
///
/// ```
/// use skai_server::domain::{TimeZone, Timestamp};
/// let berlin: TimeZone = "Europe/Berlin".parse().unwrap();
/// let evening: Timestamp = "2026-11-20T23:30:00Z".parse().unwrap();
/// assert_eq!(berlin.day(evening).to_string(), "2026-11-21");
/// assert_eq!(berlin.next_day(evening).to_string(), "2026-11-21T23:00:00.000Z");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeZone(jiff::tz::TimeZone);

/// The database has no time zone of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone of the IANA database; use a name such as Europe/Berlin, or UTC")]
pub struct UnknownTimeZone(String);

impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(jiff::tz::TimeZone::UTC);

    /// Its name as the database spells it.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The day that it is there.
    pub fn day(&self, at: Timestamp) -> Day {
        Day((at.millis() + self.offset(at)).div_euclid(DAY_MS))
    }

    /// When the next day begins there: the first moment of another day. Mostly that is midnight, but clocks
    /// may be put forward at midnight, and where the date line is moved a day may be left out.
    pub fn next_day(&self, at: Timestamp) -> Timestamp {
        let today = self.day(at);
        let midnight = |offset: i64| (today.0 + 1) * DAY_MS - offset;
        let mut end = midnight(self.offset(at));
        // Whoever changes the clocks moves the midnight to come, or makes another day at once.
        for change in self.0.following(instant(at)) {
            let changed = change.timestamp().as_millisecond();
            if changed > end {
                break;
            }
            if self.day(Timestamp::from_millis(changed)) != today {
                return Timestamp::from_millis(changed);
            }
            end = midnight(i64::from(change.offset().seconds()) * 1000);
        }
        Timestamp::from_millis(end)
    }

    /// Time from `at` on, cut where its clocks are changed.
    pub(super) fn stretches(&self, at: Timestamp) -> impl Iterator<Item = Stretch> {
        let mut changes = self.0.following(instant(at)).map(|change| {
            (change.timestamp().as_millisecond(), i64::from(change.offset().seconds()) * 1000)
        });
        let mut begins = Some((at.millis(), self.offset(at)));
        iter::from_fn(move || {
            let (from, offset) = begins?;
            begins = changes.next();
            let until = begins.map_or(Timestamp::LAST.millis() + 1, |change| change.0);
            Some(Stretch { from, until, offset })
        })
    }

    /// How far its clocks are ahead of UTC, in milliseconds.
    fn offset(&self, at: Timestamp) -> i64 {
        i64::from(self.0.to_offset(instant(at)).seconds()) * 1000
    }
}

/// A time in which the clocks of a zone are not changed; all in milliseconds, those of moments since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// When it begins.
    pub(super) from: i64,
    /// When the next begins, or time ends.
    pub(super) until: i64,
    /// How far the clocks are ahead of UTC.
    pub(super) offset: i64,
}

/// The same moment for the database.
fn instant(at: Timestamp) -> jiff::Timestamp {
    // Every time that can be held is one of the database's.
    jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::MAX)
}

impl FromStr for TimeZone {
    type Err = UnknownTimeZone;

    fn from_str(name: &str) -> Result<Self, UnknownTimeZone> {
        let found = jiff::tz::TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some());
        found.map(Self).ok_or_else(|| UnknownTimeZone(name.chars().take(ECHO).collect()))
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        names::read(deserializer, str::parse)
    }
}

impl JsonSchema for TimeZone {
    fn schema_name() -> Cow<'static, str> {
        "TimeZone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A time zone of the IANA database.",
            "examples": ["Europe/Berlin", "UTC"]
        })
    }
}

/// A day of the calendar, as a number: 0 is 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(i64);

impl Day {
    /// Takes the number of the day.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The day of UTC that a time is on.
    pub const fn of_utc(at: Timestamp) -> Self {
        Self(at.millis().div_euclid(86_400_000))
    }

    /// The day that is spelled like this, such as `2026-11-28`, from 1970 to 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let is_shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let date: jiff::civil::Date = text.parse().ok().filter(|_| is_shaped)?;
        let epoch = jiff::civil::Date::constant(1970, 1, 1);
        let days = epoch.until(date).ok()?.get_days();
        (days >= 0).then_some(Self(days.into()))
    }

    /// The number of the day.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The day so many days later, or earlier.
    #[must_use]
    pub const fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epoch = jiff::civil::Date::constant(1970, 1, 1);
        let days = jiff::Span::new().try_days(self.0).map_err(|_| fmt::Error)?;
        write!(out, "{}", epoch.checked_add(days).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Day {
    fn schema_name() -> Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date", "examples": ["2026-11-28"]})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        name.parse().unwrap()
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_spelled_one_way() {
        for (text, number) in [("1970-01-01", 0), ("2026-11-28", 20_785), ("9999-12-31", 2_932_896)]
        {
            let day = Day::parse(text).unwrap();
            assert_eq!((day.number(), day.to_string().as_str()), (number, text));
        }
        assert_eq!(Day::of_utc(time("2026-11-28T23:59:59.999Z")), Day::from_number(20_785));
        for bad in
            ["1969-12-31", "2026-02-29", "2026-11-28Z", "20261128", "+026-11-28", "2026-W48-6", ""]
        {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn days_follow_each_other_as_the_clocks_there_say() {
        for (name, at, day, next) in [
            ("UTC", "1970-01-01T00:00:00Z", "1970-01-01", "1970-01-02T00:00:00Z"),
            ("UTC", "2026-02-28T23:59:59.999Z", "2026-02-28", "2026-03-01T00:00:00Z"),
            ("America/New_York", "1970-01-01T00:00:00Z", "1969-12-31", "1970-01-01T05:00:00Z"),
            // Clocks are put forward and back in the night: days of 23 and of 25 hours.
            ("Europe/Berlin", "2026-03-29T00:30:00+01:00", "2026-03-29", "2026-03-29T22:00:00Z"),
            ("Europe/Berlin", "2026-10-25T00:30:00+02:00", "2026-10-25", "2026-10-25T23:00:00Z"),
            ("Europe/Berlin", "2026-10-25T02:30:00+01:00", "2026-10-25", "2026-10-25T23:00:00Z"),
            ("America/New_York", "2026-03-08T01:00:00-05:00", "2026-03-08", "2026-03-09T04:00:00Z"),
            ("America/New_York", "2026-11-01T01:00:00-04:00", "2026-11-01", "2026-11-02T05:00:00Z"),
            // At midnight: the day begins at one o'clock.
            ("America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-03", "2018-11-04T03:00:00Z"),
            ("Asia/Beirut", "2026-03-28T12:00:00Z", "2026-03-28", "2026-03-28T22:00:00Z"),
            // At midnight backwards: the last hour of the day comes twice.
            ("America/Sao_Paulo", "2018-02-17T12:00:00Z", "2018-02-17", "2018-02-18T03:00:00Z"),
            // A minute after midnight backwards: the next day begins twice.
            ("America/St_Johns", "2006-10-28T12:00:00Z", "2006-10-28", "2006-10-29T02:30:00Z"),
            ("America/St_Johns", "2006-10-29T02:30:30Z", "2006-10-29", "2006-10-29T02:31:00Z"),
            ("America/St_Johns", "2006-10-29T02:31:00Z", "2006-10-28", "2006-10-29T03:30:00Z"),
            // Over the date line: the 30th of December was left out.
            ("Pacific/Apia", "2011-12-30T09:59:59.999Z", "2011-12-29", "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31", "2011-12-31T10:00:00Z"),
            ("Pacific/Kwajalein", "1993-08-21T11:59:59Z", "1993-08-20", "1993-08-21T12:00:00Z"),
            ("Pacific/Kiritimati", "2026-06-01T09:59:59Z", "2026-06-01", "2026-06-01T10:00:00Z"),
        ] {
            let (zone, at) = (zone(name), time(at));
            assert_eq!(zone.day(at).to_string(), day, "{name} {at}");
            assert_eq!(zone.next_day(at), time(next), "{name} {at}");
        }
        let apia = zone("Pacific/Apia");
        assert_eq!(apia.day(time("2011-12-30T10:00:00Z")).to_string(), "2011-12-31");
    }

    #[test]
    fn stretches_end_where_the_clocks_are_changed() {
        let cut = |name: &str, at| {
            let zone = zone(name);
            let all = zone.stretches(time(at)).map(|it| (it.from, it.until, it.offset));
            all.take(3).collect::<Vec<_>>()
        };
        let at = ["2026-01-01T00:00:00Z", "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"];
        let [start, spring, autumn] = at.map(|at| time(at).millis());
        let berlin = cut("Europe/Berlin", "2026-01-01T00:00:00Z");
        assert_eq!(berlin[..2], [(start, spring, 3_600_000), (spring, autumn, 7_200_000)]);
        assert_eq!(cut("Europe/Berlin", "2026-03-29T01:00:00Z")[0], berlin[1]);
        let end = Timestamp::LAST.millis() + 1;
        assert_eq!(cut("Asia/Kolkata", "2026-01-01T00:00:00Z"), [(start, end, 19_800_000)]);
    }

    #[test]
    fn names_are_those_of_the_database() {
        assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
        assert_eq!(zone("UTC"), TimeZone::UTC);
        assert_eq!(TimeZone::UTC.name(), "UTC");
        for bad in ["", "Mars/Olympus", "+01:00", "Europe/Berlin ", "../etc/passwd", "Etc/Unknown"]
        {
            let error = bad.parse::<TimeZone>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{bad}` is no time zone")), "{error}");
        }
        let long = "x".repeat(1_000).parse::<TimeZone>().unwrap_err();
        assert!(long.to_string().len() < 200);
    }

    #[test]
    fn the_last_day_ends() {
        let last = Timestamp::from_millis(i64::MAX);
        for name in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
            assert!(zone(name).next_day(last) >= last);
            assert!(zone(name).day(last).to_string().starts_with("9999-12-3"));
        }
    }

    proptest! {
        #[test]
        fn a_day_lasts_until_the_next_begins(
            name in prop::sample::select(vec![
                "UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/Sao_Paulo",
                "America/St_Johns", "America/Havana", "Asia/Beirut", "Asia/Kathmandu", "Pacific/Apia",
                "Pacific/Kwajalein", "Africa/Cairo", "Africa/Monrovia", "Australia/Lord_Howe",
            ]),
            millis in 0_i64..4_102_444_800_000,
        ) {
            let (zone, at) = (zone(name), Timestamp::from_millis(millis));
            let next = zone.next_day(at);
            prop_assert!(next > at && next.millis() - millis <= 26 * 3_600_000);
            prop_assert_ne!(zone.day(next), zone.day(at));
            for part in 1..=8 {
                let between = millis + (next.millis() - 1 - millis) * part / 8;
                prop_assert_eq!(zone.day(Timestamp::from_millis(between)), zone.day(at));
            }
        }
    }
}
