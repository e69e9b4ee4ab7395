//! Lengths of time as people write them: `30s`, `5m`, `24h`.

use std::time::Duration;

/// The units in which a length is shown, longest first, with their milliseconds.
const UNITS: [(u128, &str); 3] = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];

/// Reads a length such as `30s`, `1h 30m` or `250ms`; `None` when it is none or finer than a millisecond.
///
/// ```
/// use std::time::Duration;
/// use skai_server::domain::parse_duration;
/// assert_eq!(parse_duration("2m"), Some(Duration::from_secs(120)));
/// assert_eq!(parse_duration("2"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    let duration = humantime::parse_duration(text).ok()?;
    duration.subsec_nanos().is_multiple_of(1_000_000).then_some(duration)
}

/// Shows a length in the longest unit that divides it, as [`parse_duration`] reads it.
///
/// ```
/// use std::time::Duration;
/// use skai_server::domain::format_duration;
/// assert_eq!(format_duration(Duration::from_secs(120)), "2m");
/// assert_eq!(format_duration(Duration::from_millis(1500)), "1500ms");
/// ```
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    UNITS
        .iter()
        .find(|(unit, _)| millis.is_multiple_of(*unit))
        .map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again() {
        for text in ["0s", "1ms", "1500ms", "1s", "90s", "2m", "24h", "120h"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(format_duration(duration), text);
        }
    }

    #[test]
    fn refuses_what_has_no_unit_or_is_too_fine() {
        for text in ["", "30", "s", "-5s", "1us", "soon"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
