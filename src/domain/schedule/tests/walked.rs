//! Random expressions next to a walk that looks at each minute, as the rules are written.

use jiff::civil::{Date, DateTime};
use proptest::prelude::*;

use super::{super::Recurrence, between, zone};
use crate::domain::Timestamp;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 3_600_000;

const ZONES: [&str; 22] = [
    "UTC",
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/Istanbul",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
];

/// A part of a field.
#[derive(Clone, Debug)]
enum Part {
    All(Option<i8>),
    From(i8, Option<i8>),
    Range(i8, i8, Option<i8>),
}

/// A field as a list of parts, whose numbers end at `high`.
#[derive(Clone, Debug)]
struct Field {
    parts: Vec<Part>,
    high: i8,
}

impl Field {
    fn text(&self) -> String {
        let step = |step: &Option<i8>| step.map_or(String::new(), |step| format!("/{step}"));
        let text = |part: &Part| match part {
            Part::All(n) => format!("*{}", step(n)),
            Part::From(first, n) => format!("{first}{}", step(n)),
            Part::Range(first, last, n) => format!("{first}-{last}{}", step(n)),
        };
        self.parts.iter().map(text).collect::<Vec<_>>().join(",")
    }

    fn begins_with_star(&self) -> bool {
        matches!(self.parts[0], Part::All(_))
    }

    /// Whether a number is in it; `low` is the lowest that a `*` takes.
    fn has(&self, number: i8, low: i8) -> bool {
        let steps = |first: i8, last: i8, step: i8| {
            (first..=last).contains(&number) && (number - first) % step == 0
        };
        self.parts.iter().any(|part| match part {
            Part::All(n) => steps(low, self.high, n.unwrap_or(1)),
            Part::From(first, None) => number == *first,
            Part::From(first, Some(n)) => steps(*first, self.high, *n),
            Part::Range(first, last, n) => steps(*first, *last, n.unwrap_or(1)),
        })
    }
}

/// Stars are as frequent as all else together.
fn field(low: i8, high: i8, most: i8) -> impl Strategy<Value = Field> {
    let step = move || prop::option::of(1..=most);
    let part = prop_oneof![
        3 => step().prop_map(Part::All),
        2 => (low..=high, step()).prop_map(|(first, step)| Part::From(first, step)),
        2 => (low..=high, low..=high, step())
            .prop_map(|(one, other, step)| Part::Range(one.min(other), one.max(other), step)),
    ];
    let all = Just(vec![Part::All(None)]);
    let parts = prop_oneof![all, prop::collection::vec(part, 1..3)];
    parts.prop_map(move |parts| Field { parts, high })
}

#[derive(Clone, Debug)]
struct Expression([Field; 5]);

impl Expression {
    fn any() -> impl Strategy<Value = Self> {
        let times = (field(0, 59, 60), field(0, 23, 24));
        (times, field(1, 31, 31), field(1, 12, 12), field(0, 7, 7)).prop_map(
            |((minute, hour), day, month, weekday)| Self([minute, hour, day, month, weekday]),
        )
    }

    fn text(&self) -> String {
        self.0.each_ref().map(Field::text).join(" ")
    }

    fn is_elapsed(&self) -> bool {
        self.0[0].begins_with_star() || self.0[1].begins_with_star()
    }

    fn has_day(&self, date: Date) -> bool {
        let [_, _, day, month, weekday] = &self.0;
        let by_day = day.has(date.day(), 1);
        let number = date.weekday().to_sunday_zero_offset();
        let by_weekday = weekday.has(number, 0) || (number == 0 && weekday.has(7, 0));
        let both = day.begins_with_star() || weekday.begins_with_star();
        let matches = if both { by_day && by_weekday } else { by_day || by_weekday };
        matches && month.has(date.month(), 1)
    }

    fn has(&self, shown: DateTime) -> bool {
        self.0[0].has(shown.minute(), 0)
            && self.0[1].has(shown.hour(), 0)
            && self.has_day(shown.date())
    }

    /// Each minute of elapsed time; or, where times are fixed, each that the clocks come to or pass over.
    fn walk(&self, zone: &str, after: i64, until: i64) -> Vec<i64> {
        let zone = jiff::tz::TimeZone::get(zone).unwrap();
        let shown = |at| zone.to_datetime(jiff::Timestamp::from_millisecond(at).unwrap());
        let begin = (after - 3 * DAY_MS).div_euclid(MINUTE_MS) * MINUTE_MS;
        let mut latest = shown(begin);
        let mut found = Vec::new();
        let mut at = begin;
        while at <= until {
            let now = shown(at);
            let mut is_due = self.is_elapsed() && self.has(now);
            while latest < now {
                latest = latest.checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
                is_due |= !self.is_elapsed() && self.has(latest);
            }
            if is_due && at > after {
                found.push(at);
            }
            at += MINUTE_MS;
        }
        found
    }
}

/// The first change of the clocks after a time, or the time itself.
fn change_after(zone: &str, millis: i64) -> i64 {
    let at = jiff::Timestamp::from_millisecond(millis).unwrap();
    let zone = jiff::tz::TimeZone::get(zone).unwrap();
    zone.following(at).next().map_or(millis, |change| change.timestamp().as_millisecond())
}

proptest! {
    #[test]
    fn all_that_is_due_around_a_change_of_the_clocks(
        name in prop::sample::select(ZONES.to_vec()),
        expression in Expression::any(),
        millis in 100_000_000_000_i64..2_200_000_000_000,
        before in -DAY_MS..2 * DAY_MS,
        length in 0..3 * DAY_MS,
    ) {
        if let Ok(recurrence) = Recurrence::parse(&expression.text()) {
            let after = change_after(name, millis) - before;
            let expected = expression.walk(name, after, after + length);
            let [after, until] = [after, after + length].map(Timestamp::from_millis);
            let found = between(&recurrence, &zone(name), after, until);
            let found: Vec<i64> = found.into_iter().map(Timestamp::millis).collect();
            prop_assert_eq!(found, expected, "{} {} {}", expression.text(), name, after);
        }
    }

    #[test]
    fn the_next_day_is_the_first_that_matches(
        expression in Expression::any(),
        day in 0_i64..60_000,
        name in prop::sample::select(ZONES.to_vec()),
        hour in prop::sample::select(vec!["*", "12"]),
    ) {
        // At noon the clocks are hardly ever changed.
        let [_, _, day_of_month, month, weekday] = expression.0.each_ref().map(Field::text);
        let text = format!("0 {hour} {day_of_month} {month} {weekday}");
        if let Ok(recurrence) = Recurrence::parse(&text) {
            let after = Timestamp::from_millis(day * DAY_MS);
            let next = recurrence.next(&zone(name), after, after).unwrap();
            let tz = jiff::tz::TimeZone::get(name).unwrap();
            let date = |at: Timestamp| {
                tz.to_datetime(jiff::Timestamp::from_millisecond(at.millis()).unwrap()).date()
            };
            let mut between = date(after).tomorrow().unwrap();
            let found = date(next);
            prop_assert!(next > after && expression.has_day(found), "{text} {next}");
            while between < found {
                prop_assert!(!expression.has_day(between), "{text} {next} {between}");
                between = between.tomorrow().unwrap();
            }
        }
    }
}
