//! What each rule means, by example.

mod clocks;
mod texts;
mod walked;

use std::time::Duration;

use super::{Missed, Recurrence};
use crate::domain::{TimeZone, Timestamp};

fn zone(name: &str) -> TimeZone {
    name.parse().unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn recurrence(text: &str) -> Recurrence {
    Recurrence::parse(text).unwrap()
}

fn next(text: &str, zone_name: &str, after: &str) -> String {
    let after = time(after);
    recurrence(text).next(&zone(zone_name), after, after).unwrap().to_string()
}

/// All occurrences after `after` up to `until`, by `next` and by `missed`.
fn between(
    recurrence: &Recurrence,
    zone: &TimeZone,
    after: Timestamp,
    until: Timestamp,
) -> Vec<Timestamp> {
    let next = |at: &Timestamp| recurrence.next(zone, after, *at);
    let found = std::iter::successors(next(&after), next).take_while(|at| *at <= until);
    let found: Vec<_> = found.collect();
    let missed = recurrence.missed(zone, after, after, until, usize::MAX);
    assert_eq!(missed, Missed { occurrences: found.clone(), earlier: 0 }, "{recurrence}");
    found
}

#[test]
fn the_next_occurrence_is_the_next_minute_that_matches() {
    for (text, zone, after, at) in [
        ("* * * * *", "UTC", "2026-11-20T09:00:00Z", "2026-11-20T09:01:00.000Z"),
        ("* * * * *", "UTC", "2026-11-20T08:59:59.999Z", "2026-11-20T09:00:00.000Z"),
        ("*/15 * * * *", "UTC", "2026-11-20T09:46:00Z", "2026-11-20T10:00:00.000Z"),
        ("*/15 * * * *", "Asia/Kathmandu", "2026-11-20T09:46:00Z", "2026-11-20T10:00:00.000Z"),
        ("0 * * * *", "Asia/Kathmandu", "2026-11-20T09:46:00Z", "2026-11-20T10:15:00.000Z"),
        ("5/20 9-17/4 * * *", "UTC", "2026-11-20T09:46:00Z", "2026-11-20T13:05:00.000Z"),
        ("0 9 * * MON-FRI", "Europe/Berlin", "2026-11-20T09:00:00Z", "2026-11-23T08:00:00.000Z"),
        ("0 9 * * 5-7", "UTC", "2026-11-21T10:00:00Z", "2026-11-22T09:00:00.000Z"),
        ("59 23 31 12 *", "UTC", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00.000Z"),
        ("0 0 31 * *", "UTC", "2026-04-01T00:00:00Z", "2026-05-31T00:00:00.000Z"),
        ("0 0 29 2 *", "UTC", "2026-11-01T09:00:00Z", "2028-02-29T00:00:00.000Z"),
        ("0 0 29 2 *", "UTC", "2096-11-01T09:00:00Z", "2104-02-29T00:00:00.000Z"),
        ("0 0 29 2 */7", "UTC", "2088-03-01T09:00:00Z", "2128-02-29T00:00:00.000Z"),
        ("@hourly", "UTC", "2026-11-20T09:00:00Z", "2026-11-20T10:00:00.000Z"),
        ("@daily", "America/New_York", "2026-11-20T09:00:00Z", "2026-11-21T05:00:00.000Z"),
        ("@midnight", "UTC", "2026-11-20T09:00:00Z", "2026-11-21T00:00:00.000Z"),
        ("@weekly", "UTC", "2026-11-20T09:00:00Z", "2026-11-22T00:00:00.000Z"),
        ("@monthly", "UTC", "2026-11-20T09:00:00Z", "2026-12-01T00:00:00.000Z"),
        ("@yearly", "America/New_York", "2026-03-01T09:00:00Z", "2027-01-01T05:00:00.000Z"),
        ("@annually", "UTC", "2026-03-01T09:00:00Z", "2027-01-01T00:00:00.000Z"),
    ] {
        assert_eq!(next(text, zone, after), at, "{text} {zone}");
    }
}

#[test]
fn a_day_matches_either_field_where_both_are_restricted() {
    let month = |text| {
        let until = time("2026-11-30T23:00:00Z");
        let found = between(&recurrence(text), &TimeZone::UTC, time("2026-10-31T23:00:00Z"), until);
        found.iter().map(|at| at.to_string()[8..10].parse().unwrap()).collect::<Vec<u32>>()
    };
    assert_eq!(month("0 0 13 * FRI"), [6, 13, 20, 27]);
    assert_eq!(month("0 0 1,15 * 3"), [1, 4, 11, 15, 18, 25]);
    assert_eq!(month("0 0 31 2,11 SUN"), [1, 8, 15, 22, 29]);
    // One of them begins with `*`: both must match, also where there is a step.
    assert_eq!(month("0 0 */2 * FRI"), [13, 27]);
    assert_eq!(month("0 0 1-7 * */5"), [1, 6]);
    assert_eq!(month("0 0 13 * *"), [13]);
    assert_eq!(month("0 0 * * FRI"), [6, 13, 20, 27]);
    assert_eq!(month("0 0 *,5 * FRI"), [6, 13, 20, 27]);
}

#[test]
fn intervals_are_counted_from_their_anchor() {
    let every = recurrence("every 90m");
    let anchor = time("2026-03-28T23:10:00Z");
    let berlin = zone("Europe/Berlin");
    let next = |after| every.next(&berlin, anchor, time(after)).unwrap();
    assert_eq!(next("2020-01-01T00:00:00Z"), time("2026-03-29T00:40:00Z"));
    assert_eq!(next("2026-03-28T23:10:00Z"), time("2026-03-29T00:40:00Z"));
    assert_eq!(next("2026-03-29T00:39:59.999Z"), time("2026-03-29T00:40:00Z"));
    assert_eq!(next("2026-03-29T00:40:00Z"), time("2026-03-29T02:10:00Z"));
    assert_eq!(next("2026-03-29T23:00:00Z"), time("2026-03-29T23:10:00Z"));
    let upcoming = every.upcoming(&berlin, anchor, anchor, 3);
    let hours = ["2026-03-29T00:40:00Z", "2026-03-29T02:10:00Z", "2026-03-29T03:40:00Z"];
    assert_eq!(upcoming, hours.map(time));
}

#[test]
fn only_the_newest_of_what_was_missed_are_told() {
    let (after, until) = (time("2026-01-01T00:00:00Z"), time("2026-01-03T00:00:00Z"));
    for text in ["0 */6 * * *", "0 0,6,12,18 * * *", "every 6h"] {
        let missed = |most| recurrence(text).missed(&TimeZone::UTC, after, after, until, most);
        let newest = [time("2026-01-02T18:00:00Z"), until];
        assert_eq!(missed(2), Missed { occurrences: newest.to_vec(), earlier: 6 }, "{text}");
        assert_eq!(missed(0), Missed { occurrences: Vec::new(), earlier: 8 }, "{text}");
        assert_eq!(missed(8).earlier, 0);
        assert_eq!(missed(9), missed(8));
        let none = recurrence(text).missed(&TimeZone::UTC, after, until, until, 5);
        assert_eq!(none, Missed { occurrences: Vec::new(), earlier: 0 });
        let back = recurrence(text).missed(&TimeZone::UTC, after, until, after, 5);
        assert_eq!(back, none);
    }
}

#[test]
fn what_was_missed_in_years_is_bounded_work() {
    let (after, until) = (time("1990-01-01T00:00:00Z"), time("2190-01-01T00:00:00Z"));
    // Some ten thousand steps each, where all would be hundreds of millions.
    for text in ["every 10s", "* * * * *", "0 */2 * * *", "0,1 5 * * *", "0 0 29 2 */7"] {
        let missed = recurrence(text).missed(&zone("Europe/Berlin"), after, after, until, 3);
        assert_eq!(missed.occurrences.len(), 3);
        assert_eq!(missed.earlier == 10_000, text != "0 0 29 2 */7");
    }
}

#[test]
fn there_is_nothing_past_the_end_of_time() {
    let last = Timestamp::LAST;
    for name in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"] {
        for text in ["* * * * *", "30 2 * * *", "0 0 29 2 *", "every 10s", "@yearly"] {
            let next = |after| recurrence(text).next(&zone(name), Timestamp::default(), after);
            assert_eq!(next(last), None, "{text}");
            let mut at = last.minus(Duration::from_hours(48));
            while let Some(after) = next(at).filter(|_| text.contains("2 * * *")) {
                assert!(after > at && after <= last);
                at = after;
            }
        }
    }
    let minute = recurrence("* * * * *");
    let before = last.minus(Duration::from_millis(1));
    assert_eq!(minute.next(&TimeZone::UTC, last, before), Some(last));
    assert_eq!(minute.missed(&TimeZone::UTC, last, before, last, 5).occurrences, [last]);
}

#[test]
fn time_begins_with_the_epoch() {
    let epoch = Timestamp::default();
    for name in ["UTC", "Africa/Monrovia", "America/New_York", "Pacific/Apia", "Asia/Kathmandu"] {
        for text in ["* * * * *", "0 0 * * *", "0 0 29 2 *", "*/5 1 1 1 *"] {
            let first = recurrence(text).next(&zone(name), epoch, epoch).unwrap();
            let missed = recurrence(text).missed(&zone(name), epoch, epoch, first, 5);
            assert_eq!(missed.occurrences, [first]);
        }
    }
}
