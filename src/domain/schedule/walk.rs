//! From what clocks show to moments and back: time cut where the clocks of a zone are changed.

use std::iter;

use super::cron::Cron;
use crate::domain::{TimeZone, Timestamp};

const MINUTE_MS: i64 = 60_000;

/// Two days. However far clocks are put, and in whatever zone, they show no less than the time that is so far
/// back, and no more than the time that is so far ahead.
const SWAY_MINUTES: i64 = 2 * 24 * 60;

/// A time in which the clocks are not changed, as the minutes that they show.
#[derive(Clone, Copy)]
struct Span {
    /// The first minute that is due in it. It may be one that the clocks have left out just before, or, past
    /// `last`, one that they come to later.
    due: i64,
    /// The first minute that they show from its beginning.
    first: i64,
    /// The last.
    last: i64,
    /// How far they are ahead of UTC, in milliseconds.
    offset: i64,
}

impl Span {
    /// When a minute that is due is run: those left out, in the first that there is.
    fn moment(&self, minute: i64) -> i64 {
        minute.max(self.first) * MINUTE_MS - self.offset
    }

    /// The same, as far as `until`.
    fn cut(self, until: Timestamp) -> Option<Self> {
        let last = (until.millis() + self.offset).div_euclid(MINUTE_MS);
        (self.first <= last).then_some(Self { last: self.last.min(last), ..self })
    }

    /// What matches, newest first.
    fn newest(self, cron: &Cron) -> impl Iterator<Item = Timestamp> {
        let find = move |to| cron.last(to).filter(|minute| *minute >= self.due);
        // All those left out are one occurrence, which may be that of the first minute.
        let before = move |minute: &i64| (*minute > self.first).then(|| find(minute - 1)).flatten();
        iter::successors(find(self.last), before)
            .map(move |minute| Timestamp::from_millis(self.moment(minute)))
    }
}

impl Cron {
    /// The first occurrence after `after`.
    pub(super) fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let mut spans = self.spans(zone, after);
        loop {
            let span = spans.next()?;
            let minute = self.first(span.due)?;
            if minute <= span.last {
                return Some(Timestamp::from_millis(span.moment(minute)));
            }
            // Nothing that the clocks show until shortly before that minute can match, unless they are put
            // back to where this span began.
            if span.last - span.due > SWAY_MINUTES && minute - span.last > 2 * SWAY_MINUTES {
                let before = Timestamp::from_millis((minute - SWAY_MINUTES) * MINUTE_MS);
                spans = self.spans(zone, before);
            }
        }
    }

    /// The occurrences after `after` up to `until`, newest first.
    pub(super) fn newest(
        &self,
        zone: &TimeZone,
        after: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = Timestamp> {
        let spans: Vec<_> = self.spans(zone, after).map_while(|span| span.cut(until)).collect();
        spans.into_iter().rev().flat_map(|span| span.newest(self))
    }

    /// The time after `after`. Fixed times are due once the clocks reach them or go past, which is told
    /// by the latest minute that they have shown.
    fn spans(&self, zone: &TimeZone, after: Timestamp) -> impl Iterator<Item = Span> {
        let start = after.millis() + 1;
        let sway = if self.is_elapsed { 0 } else { SWAY_MINUTES * MINUTE_MS };
        let mut latest = None;
        zone.stretches(Timestamp::from_millis(start - sway)).filter_map(move |stretch| {
            let (from, until, offset) = (stretch.from, stretch.until, stretch.offset);
            let latest = latest.get_or_insert_with(|| shown_by(from - 1, offset));
            if let Some((_, last)) = minutes(from, until.min(start), offset) {
                *latest = last.max(*latest);
            }
            let (first, last) = minutes(from.max(start), until, offset)?;
            let due = if self.is_elapsed { first } else { *latest + 1 };
            *latest = last.max(*latest);
            Some(Span { due, first, last, offset })
        })
    }
}

/// The first and last whole minute that clocks show from `from` on and before `until`.
fn minutes(from: i64, until: i64, offset: i64) -> Option<(i64, i64)> {
    let (first, last) = (shown_by(from - 1, offset) + 1, shown_by(until - 1, offset));
    (first <= last).then_some((first, last))
}

/// The last whole minute that clocks have shown by then.
fn shown_by(at: i64, offset: i64) -> i64 {
    (at + offset).div_euclid(MINUTE_MS)
}
