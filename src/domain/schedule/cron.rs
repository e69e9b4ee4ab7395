//! Five fields as sets of numbers, and which minutes of the calendar they match.
//!
//! A minute is what clocks show, as a number: 0 is 1970-01-01 00:00.

use jiff::{SignedDuration, civil::Date};

use super::{
    BadRecurrence,
    field::{DAY, HOUR, MINUTE, MONTH, WEEKDAY},
};

const DAY_MINUTES: i64 = 24 * 60;

const EPOCH: Date = Date::constant(1970, 1, 1);

/// The weekday of day 0, a Thursday.
const EPOCH_WEEKDAY: i64 = 4;

/// The first bit of each of five weeks.
const WEEKS: u64 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;

/// Five fields: in each number the bit of what matches is set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Sunday is 0 alone.
    weekdays: u64,
    /// Whether a day need match only one of `days` and `weekdays`.
    either_day: bool,
    /// Whether it follows elapsed time: else its times are fixed.
    pub(super) is_elapsed: bool,
}

impl Cron {
    /// Reads the fields: minute, hour, day of month, month, day of week.
    pub(super) fn parse(fields: [&str; 5]) -> Result<Self, BadRecurrence> {
        let [minute, hour, day, month, weekday] = fields;
        let weekdays = WEEKDAY.parse(weekday)?;
        let cron = Self {
            minutes: MINUTE.parse(minute)?,
            hours: HOUR.parse(hour)?,
            days: DAY.parse(day)?,
            months: MONTH.parse(month)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            is_elapsed: minute.starts_with('*') || hour.starts_with('*'),
        };
        let first = cron.days.trailing_zeros();
        if !cron.either_day && first > cron.longest_month() {
            return Err(DAY.bad(format!("no month of `{month}` has a day {first}")));
        }
        Ok(cron)
    }

    fn longest_month(&self) -> u32 {
        const FEBRUARY: u64 = 1 << 2;
        const THIRTY: u64 = 1 << 4 | 1 << 6 | 1 << 9 | 1 << 11;
        match self.months {
            FEBRUARY => 29,
            months if months & !(FEBRUARY | THIRTY) == 0 => 30,
            _ => 31,
        }
    }

    /// The first minute that matches from this one on. `None` past the year 9999.
    pub(super) fn first(&self, from: i64) -> Option<i64> {
        let (today, time) = (from.div_euclid(DAY_MINUTES), from.rem_euclid(DAY_MINUTES));
        let day = self.day_from(today)?;
        if day > today {
            return Some(day * DAY_MINUTES + self.time_from(0)?);
        }
        match self.time_from(time) {
            Some(time) => Some(day * DAY_MINUTES + time),
            None => Some(self.day_from(today + 1)? * DAY_MINUTES + self.time_from(0)?),
        }
    }

    /// The last minute that matches up to this one. `None` before the year 1969.
    pub(super) fn last(&self, to: i64) -> Option<i64> {
        const END: i64 = DAY_MINUTES - 1;
        let (today, time) = (to.div_euclid(DAY_MINUTES), to.rem_euclid(DAY_MINUTES));
        let day = self.day_to(today)?;
        if day < today {
            return Some(day * DAY_MINUTES + self.time_to(END)?);
        }
        match self.time_to(time) {
            Some(time) => Some(day * DAY_MINUTES + time),
            None => Some(self.day_to(today - 1)? * DAY_MINUTES + self.time_to(END)?),
        }
    }

    /// The first time of a day, in minutes, from this one on.
    fn time_from(&self, time: i64) -> Option<i64> {
        let (hour, minute) = (time / 60, time % 60);
        if let Some(minute) = lowest(self.minutes, minute).filter(|_| has(self.hours, hour)) {
            return Some(hour * 60 + minute);
        }
        Some(lowest(self.hours, hour + 1)? * 60 + lowest(self.minutes, 0)?)
    }

    /// The last time of a day, in minutes, up to this one.
    fn time_to(&self, time: i64) -> Option<i64> {
        let (hour, minute) = (time / 60, time % 60);
        if let Some(minute) = highest(self.minutes, minute).filter(|_| has(self.hours, hour)) {
            return Some(hour * 60 + minute);
        }
        Some(highest(self.hours, hour - 1)? * 60 + highest(self.minutes, 59)?)
    }

    /// The first day from this one on.
    fn day_from(&self, day: i64) -> Option<i64> {
        let (mut year, mut month, mut least) = date(day)?;
        loop {
            let Some(next) = lowest(self.months, month) else {
                (year, month, least) = (year + 1, 1, 1);
                continue;
            };
            let first = first_of(year, next)?;
            if let Some(found) = lowest(self.days_of(first), if next == month { least } else { 1 })
            {
                return Some(number(first) + found - 1);
            }
            (month, least) = (next + 1, 1);
        }
    }

    /// The last day up to this one.
    fn day_to(&self, day: i64) -> Option<i64> {
        let (mut year, mut month, mut most) = date(day)?;
        while year >= 1969 {
            let Some(next) = highest(self.months, month) else {
                (year, month, most) = (year - 1, 12, 31);
                continue;
            };
            let first = first_of(year, next)?;
            if let Some(found) = highest(self.days_of(first), if next == month { most } else { 31 })
            {
                return Some(number(first) + found - 1);
            }
            (month, most) = (next - 1, 31);
        }
        None
    }

    /// The days of a month that match, by its first day.
    fn days_of(&self, first: Date) -> u64 {
        let begins = (number(first) + EPOCH_WEEKDAY).rem_euclid(7);
        // Bit 0 is the weekday of the first.
        let week = (self.weekdays | self.weekdays << 7) >> begins & 0x7f;
        let by_weekday = (week * WEEKS) << 1;
        let days = if self.either_day { self.days | by_weekday } else { self.days & by_weekday };
        days & ((2 << first.days_in_month()) - 2)
    }
}

/// Year, month and day of the month.
fn date(day: i64) -> Option<(i64, i64, i64)> {
    let date = EPOCH.checked_add(SignedDuration::from_hours(day * 24)).ok()?;
    Some((date.year().into(), date.month().into(), date.day().into()))
}

fn first_of(year: i64, month: i64) -> Option<Date> {
    Date::new(year.try_into().ok()?, month.try_into().ok()?, 1).ok()
}

fn number(date: Date) -> i64 {
    date.duration_since(EPOCH).as_hours() / 24
}

/// Whether the number, from 0 to 63, is in the set.
fn has(set: u64, number: i64) -> bool {
    set >> number & 1 == 1
}

/// The lowest in the set from this number on, which is from 0 to 63.
fn lowest(set: u64, from: i64) -> Option<i64> {
    let rest = set >> from << from;
    (rest != 0).then(|| rest.trailing_zeros().into())
}

/// The highest in the set up to this number, which is from −1 to 62.
fn highest(set: u64, to: i64) -> Option<i64> {
    let rest = set & ((1 << (to + 1)) - 1);
    (rest != 0).then(|| rest.ilog2().into())
}
