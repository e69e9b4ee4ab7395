//! Monthly budgets: who pays for a job, in which month, and when endpoints are told how far a budget is spent.

use std::fmt;

use super::{ApiKeyId, Credits, ProjectId, Timestamp};

/// A calendar month in UTC. Budgets begin anew with each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month of that time.
    ///
    /// ```
    /// use skai_server::domain::{Month, Timestamp};
    /// let time: Timestamp = "2026-12-31T23:59:59.999Z".parse().unwrap();
    /// assert_eq!(Month::of(time).to_string(), "2026-12");
    /// assert_eq!(Month::of(time).end().to_string(), "2027-01-01T00:00:00.000Z");
    /// ```
    pub fn of(time: Timestamp) -> Self {
        let date = time.utc_date();
        Self { year: date.year(), month: date.month() }
    }

    /// The month as one number, such as 202612.
    pub fn number(self) -> i64 {
        i64::from(self.year) * 100 + i64::from(self.month)
    }

    /// The month of that number, such as 202612.
    pub fn from_number(number: i64) -> Option<Self> {
        let year = i16::try_from(number / 100).ok()?;
        let month = i8::try_from(number % 100).ok()?;
        ((1970..=9999).contains(&year) && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// The month that is spelled like `2026-12`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if (year.len(), month.len()) != (4, 2) || !is_number(year) || !is_number(month) {
            return None;
        }
        Self::from_number(format!("{year}{month}").parse().ok()?)
    }

    /// When the next month begins.
    pub fn end(self) -> Timestamp {
        let (year, month) = match self.month {
            12 => (self.year.saturating_add(1), 1),
            month => (self.year, month.saturating_add(1)),
        };
        Timestamp::of_utc_date(year, month, 1)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}-{:02}", self.year, self.month)
    }
}

/// Who pays for a job: the key that it is accepted with, and the key's project. What either may spend in a month
/// has a limit, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payer {
    /// The project.
    pub project: ProjectId,
    /// What all its keys may spend together.
    pub project_limit: Option<Credits>,
    /// The key; where it replaced others, the first of them, as they share one budget.
    pub key: ApiKeyId,
    /// What it may spend.
    pub key_limit: Option<Credits>,
}

/// Parts of a budget, in percent, whose spending endpoints are told of.
const THRESHOLDS: [u8; 4] = [50, 80, 95, 100];

/// The thresholds that are reached and were not told: each is told once in a month, also where the limit changes.
pub fn thresholds_reached(
    told: u8,
    spent: Credits,
    limit: Credits,
) -> impl Iterator<Item = u8> + use<> {
    let is_reached = move |percent: u8| {
        let (spent, limit) = (i128::from(spent.micros()), i128::from(limit.micros()));
        spent.saturating_mul(100) >= limit.saturating_mul(i128::from(percent))
    };
    THRESHOLDS.into_iter().filter(move |percent| *percent > told && is_reached(*percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_spelled_and_numbered_and_ends() {
        let month = Month::parse("2026-02").unwrap();
        assert_eq!((month.number(), month.to_string()), (202_602, "2026-02".to_owned()));
        assert_eq!(Month::from_number(202_602), Some(month));
        assert_eq!(month.end().to_string(), "2026-03-01T00:00:00.000Z");
        let last = month.end().minus(std::time::Duration::from_millis(1));
        assert_eq!(Month::of(last), month);
        assert_eq!(Month::of(month.end()), Month::parse("2026-03").unwrap());
        for bad in ["2026-13", "2026-00", "2026-1", "26-01", "+026-01", "2026-01-01", "", "1969-12"]
        {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_threshold_is_told_once() {
        let reached = |told, spent| {
            let credits = Credits::from_micros;
            thresholds_reached(told, credits(spent), credits(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(reached(0, 499), Vec::<u8>::new());
        assert_eq!(reached(0, 500), [50]);
        assert_eq!(reached(50, 799), Vec::<u8>::new());
        assert_eq!(reached(50, 960), [80, 95]);
        assert_eq!(reached(0, 5_000), [50, 80, 95, 100]);
        assert_eq!(reached(100, 5_000), Vec::<u8>::new());
    }
}
