//! Intervals: `every 15m`.

use std::iter;

use super::{BadRecurrence, field};
use crate::domain::Timestamp;

/// The units of an interval, with their milliseconds.
const UNITS: [(char, i64); 4] = [('s', 1_000), ('m', 60_000), ('h', 3_600_000), ('d', DAY_MS)];

const DAY_MS: i64 = 24 * 3_600_000;

/// The shortest interval: 10 s.
const SHORTEST_MS: i64 = 10_000;

/// The longest interval: 366 days.
const LONGEST_MS: i64 = 366 * DAY_MS;

/// A length of time after which it is due again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Every {
    period_ms: i64,
}

impl Every {
    /// Reads what stands after `every`.
    pub(super) fn parse(length: &str) -> Result<Self, BadRecurrence> {
        let bad = || {
            let length = field::echo(length);
            BadRecurrence::new(format!(
                "every: `{length}` is no length such as 90s, 15m, 2h or 1d from 10s to 366d"
            ))
        };
        let unit = UNITS.iter().find(|(unit, _)| length.ends_with(*unit)).ok_or_else(bad)?;
        let count = field::digits(&length[..length.len() - 1]).ok_or_else(bad)?;
        let period_ms = i64::from(count).saturating_mul(unit.1);
        let bounded = (SHORTEST_MS..=LONGEST_MS).contains(&period_ms);
        bounded.then_some(Self { period_ms }).ok_or_else(bad)
    }

    /// The first after `after`.
    pub(super) fn next(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        self.at(anchor, self.passed(anchor, after) + 1)
    }

    /// Those after `after` up to `until`, newest first.
    pub(super) fn newest(
        &self,
        anchor: Timestamp,
        after: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = Timestamp> {
        let (mut number, first) = (self.passed(anchor, until), self.passed(anchor, after));
        iter::from_fn(move || {
            let at = (number > first).then(|| self.at(anchor, number)).flatten();
            number -= 1;
            at
        })
    }

    /// How many there are up to `at`.
    fn passed(&self, anchor: Timestamp, at: Timestamp) -> i64 {
        (at.millis() - anchor.millis()).div_euclid(self.period_ms).max(0)
    }

    /// The one of this number, counted from 1.
    fn at(&self, anchor: Timestamp, number: i64) -> Option<Timestamp> {
        let millis = anchor.millis() + number * self.period_ms;
        (millis <= Timestamp::LAST.millis()).then(|| Timestamp::from_millis(millis))
    }
}
