//! What is read, what is refused, and what is said then.

use proptest::prelude::*;

use super::super::Recurrence;
use crate::domain::{TimeZone, Timestamp};

fn error(text: &str) -> String {
    Recurrence::parse(text).unwrap_err().to_string()
}

/// Whether both are due at the same times.
fn same(one: &str, other: &str) -> bool {
    let start = Timestamp::from_millis(1_767_225_600_000);
    let due = |text| Recurrence::parse(text).unwrap().upcoming(&TimeZone::UTC, start, start, 200);
    due(one) == due(other)
}

#[test]
fn fields_are_sets() {
    assert!(same("*/15 * * * *", "*/15,0,30 * * * *"));
    assert!(same("0,15,30,45 0 * * *", "0/15 0 * * *"));
    assert!(same("10/20 0 * * *", "10,30,50 0 * * *"));
    assert!(same("10-50/20 0 * * *", "10,30-30,50 0 * * *"));
    assert!(same("00 09 01 01 *", "0 9 1 1 *"));
    assert!(same("0 0 1 jan,Jul-SEP *", "0 0 1 1,7-9 *"));
    assert!(same("0 0 1 feb/5 *", "0 0 1 2,7,12 *"));
    assert!(same("0 0 * * 7", "0 0 * * SUN"));
    assert!(same("0 0 * * 0", "0 0 * * 0-0,7"));
    assert!(same("0 0 * * 5-7", "0 0 * * Fri,sat,0"));
    assert!(same("0 0 * * 1/2", "0 0 * * 1,3,5,7"));
    assert!(same("0 0 * * 0-7", "0 0 * * sun-sat"));
    assert!(same("0 */24 * * *", "0 0 * * *"));
    assert!(same("@Weekly", "0 0 * * 0"));
    assert!(!same("0 0 * * *", "0 0,23 * * *") && !same("every 2h", "every 1h"));
}

#[test]
fn errors_name_the_part() {
    for (text, expected) in [
        ("61 * * * *", "minute: `61` is not from 0 to 59"),
        ("* 24 * * *", "hour: `24` is not from 0 to 23"),
        ("* * 0 * *", "day of month: `0` is not from 1 to 31"),
        ("* * * 13 *", "month: `13` is neither from 1 to 12 nor a name from JAN to DEC"),
        ("* * * * 8", "day of week: `8` is neither from 0 to 7 nor a name from SUN to SAT"),
        ("* * * * FOO", "day of week: `FOO` is neither from 0 to 7 nor a name from SUN to SAT"),
        (
            "* * * * MONDAY",
            "day of week: `MONDAY` is neither from 0 to 7 nor a name from SUN to SAT",
        ),
        ("-5 * * * *", "minute: `` is not from 0 to 59"),
        ("+5 * * * *", "minute: `+5` is not from 0 to 59"),
        ("1.5 * * * *", "minute: `1.5` is not from 0 to 59"),
        ("*5 * * * *", "minute: `*5` is not from 0 to 59"),
        ("? * * * *", "minute: `?` is not from 0 to 59"),
        ("99999999999 * * * *", "minute: `99999999999` is not from 0 to 59"),
        ("* * L * *", "day of month: `L` is not from 1 to 31"),
        ("1,,2 * * * *", "minute: a part of the list is empty"),
        ("* 1, * * *", "hour: a part of the list is empty"),
        ("*/0 * * * *", "minute: the step of `*/0` is not from 1 to 60"),
        ("*/61 * * * *", "minute: the step of `*/61` is not from 1 to 60"),
        ("* * * * */8", "day of week: the step of `*/8` is not from 1 to 7"),
        ("*/ * * * *", "minute: the step of `*/` is not from 1 to 60"),
        ("*/5/5 * * * *", "minute: the step of `*/5/5` is not from 1 to 60"),
        ("* 22-6 * * *", "hour: `22-6` goes backwards, make two ranges of it with a comma between"),
        (
            "* * * * FRI-SUN",
            "day of week: `FRI-SUN` goes backwards, make two ranges of it with a comma between",
        ),
        ("0 0 31 2 *", "day of month: no month of `2` has a day 31"),
        ("0 0 30 2 *", "day of month: no month of `2` has a day 30"),
        ("0 0 30-31 FEB */2", "day of month: no month of `FEB` has a day 30"),
        ("0 0 31 4,6 *", "day of month: no month of `4,6` has a day 31"),
        (
            "* * * *",
            "a cron expression has five fields (minute hour day-of-month month day-of-week), this has 4",
        ),
        (
            "0 0 0 * * *",
            "a cron expression has five fields (minute hour day-of-month month day-of-week), this has 6",
        ),
        ("@reboot", "`@reboot` names no time; write when it is due"),
        ("every", "every: write one length, such as `every 15m`"),
        ("every 15 m", "every: write one length, such as `every 15m`"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    assert!(error("").ends_with("this has 0"));
    assert!(error("@noon").starts_with("`@noon` is unknown, expected one of `@hourly`, `@daily`"));
    assert!(error(&"1".repeat(199)).ends_with("this has 1"));
    assert!(error(&format!("{} * * * *", "x".repeat(150))).len() < 100);
    assert_eq!(error(&" ".repeat(201)), "this is longer than 200 characters");
}

#[test]
fn dates_that_some_year_has_are_taken() {
    for text in ["0 0 29 2 *", "0 0 31 2 1", "0 0 31 1,2 *", "0 0 30,5 2 *", "0 0 */31 2 *"] {
        assert!(Recurrence::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn intervals_are_bounded() {
    for (short, long) in [("10s", "31622400s"), ("1m", "527040m"), ("1h", "8784h"), ("1d", "366d")]
    {
        for length in [short, long] {
            assert!(Recurrence::parse(&format!("every {length}")).is_ok(), "{length}");
        }
    }
    for length in [
        "9s",
        "0m",
        "367d",
        "8785h",
        "99999999999d",
        "1w",
        "1.5h",
        "-1h",
        "+1h",
        "15",
        "m",
        "1é",
        "1H",
    ] {
        let said =
            format!("every: `{length}` is no length such as 90s, 15m, 2h or 1d from 10s to 366d");
        assert_eq!(error(&format!("every {length}")), said);
    }
}

#[test]
fn the_text_is_kept_but_for_spaces() {
    for (text, kept) in [
        ("  0 9\t* *   mon-FRI ", "0 9 * * mon-FRI"),
        (" @daily", "@daily"),
        ("every  1h", "every 1h"),
    ] {
        let recurrence: Recurrence = text.parse().unwrap();
        assert_eq!(recurrence.to_string(), kept);
        let json = serde_json::to_string(&recurrence).unwrap();
        assert_eq!(json, format!("\"{kept}\""));
        assert_eq!(serde_json::from_str::<Recurrence>(&json).unwrap(), recurrence);
    }
    let error = serde_json::from_str::<Recurrence>("\"* * * * 9\"").unwrap_err().to_string();
    assert!(error.starts_with("day of week: `9`"), "{error}");
    assert!(serde_json::from_str::<Recurrence>("5").is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), fields in "[-0-9*/,a-zA-Z@ ]{0,40}", millis: i64) {
        let at = Timestamp::from_millis(millis);
        for text in [text, fields] {
            if let Ok(recurrence) = Recurrence::parse(&text) {
                prop_assert!(recurrence.next(&TimeZone::UTC, at, at).is_none_or(|next| next > at));
            }
        }
    }
}
