//! What each rule means, by example.

use super::Recurrence;
use crate::domain::{TimeZone, Timestamp};

fn zone(name: &str) -> TimeZone {
    name.parse().unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn next(text: &str, zone_name: &str, after: &str) -> String {
    let recurrence = Recurrence::parse(text).unwrap();
    recurrence.next(&zone(zone_name), time(after), time(after)).unwrap().to_string()
}

/// All occurrences after `after` up to `until`.
fn all(text: &str, zone_name: &str, after: &str, until: &str) -> Vec<String> {
    let (zone, after, until) = (zone(zone_name), time(after), time(until));
    let recurrence = Recurrence::parse(text).unwrap();
    let next = |after: &Timestamp| recurrence.next(&zone, *after, *after);
    let found: Vec<_> =
        std::iter::successors(next(&after), next).take_while(|at| *at <= until).collect();
    let missed = recurrence.missed(&zone, after, after, until, usize::MAX);
    assert_eq!(missed.occurrences, found, "{text}");
    let shown = |at: &Timestamp| at.to_string().replace(":00.000Z", "Z");
    found.iter().map(shown).collect()
}

#[test]
fn changes_of_the_clocks() {
    let berlin = |text, after, until| all(text, "Europe/Berlin", after, until);
    let (spring, monday) = ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
    assert_eq!(berlin("30 2 * * *", spring, monday), ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]);
}

#[test]
fn typical_expressions() {
    for (text, zone, after, at) in [
        ("* * * * *", "UTC", "2026-11-20T09:00:00Z", "2026-11-20T09:01:00.000Z"),
        ("* * * * *", "UTC", "2026-11-20T08:59:59.999Z", "2026-11-20T09:00:00.000Z"),
        ("*/15 * * * *", "UTC", "2026-11-20T09:46:00Z", "2026-11-20T10:00:00.000Z"),
        ("5/20 9-17/4 * * *", "UTC", "2026-11-20T09:46:00Z", "2026-11-20T13:05:00.000Z"),
        ("0 9 * * MON-FRI", "Europe/Berlin", "2026-11-20T09:00:00Z", "2026-11-23T08:00:00.000Z"),
        ("30 4 1,15 * 5", "UTC", "2026-11-01T09:00:00Z", "2026-11-06T04:30:00.000Z"),
        ("0 0 29 2 *", "UTC", "2026-11-01T09:00:00Z", "2028-02-29T00:00:00.000Z"),
        ("0 0 29 2 */7", "UTC", "2088-03-01T09:00:00Z", "2128-02-29T00:00:00.000Z"),
        ("@yearly", "America/New_York", "2026-03-01T09:00:00Z", "2027-01-01T05:00:00.000Z"),
    ] {
        assert_eq!(next(text, zone, after), at, "{text} {zone}");
    }
}
