//! How many in how long.

use std::{fmt, str::FromStr, time::Duration};

use super::{format_duration, parse_duration};

/// The largest count that a limit may name.
const MAX_LIMIT: u32 = 1_000_000;

/// The longest window: a day.
const MAX_WINDOW: Duration = Duration::from_hours(24);

/// So many requests, or attempts, in a window of time; written `60,1m`.
///
/// ```
/// use skai_server::domain::RateLimit;
/// let limit: RateLimit = "60,1m".parse().unwrap();
/// assert_eq!((limit.limit, limit.window.as_secs()), (60, 60));
/// assert_eq!(limit.to_string(), "60,1m");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RateLimit {
    /// How many are let through in one window: 1 to 1,000,000.
    pub limit: u32,
    /// The length of the window: a second to a day.
    pub window: Duration,
}

/// The text is not a count and a window within their bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not \"N,window\" such as \"60,1m\", with N from 1 to 1000000 and the window from 1s to 24h"
)]
pub struct MalformedRateLimit;

impl FromStr for RateLimit {
    type Err = MalformedRateLimit;

    fn from_str(text: &str) -> Result<Self, MalformedRateLimit> {
        let (limit, window) = text.split_once(',').ok_or(MalformedRateLimit)?;
        let limit = limit.trim().parse().map_err(|_| MalformedRateLimit)?;
        let window = parse_duration(window.trim()).ok_or(MalformedRateLimit)?;
        let bounded = (1..=MAX_LIMIT).contains(&limit)
            && (Duration::from_secs(1)..=MAX_WINDOW).contains(&window);
        bounded.then_some(Self { limit, window }).ok_or(MalformedRateLimit)
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{},{}", self.limit, format_duration(self.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_count_and_a_window() {
        for (text, limit, seconds) in
            [("60,1m", 60, 60), ("1, 1s", 1, 1), ("1000000,24h", 1_000_000, 86_400)]
        {
            let read: RateLimit = text.parse().unwrap();
            assert_eq!((read.limit, read.window.as_secs()), (limit, seconds));
            assert_eq!(read.to_string().parse(), Ok(read));
        }
    }

    #[test]
    fn refuses_what_is_out_of_bounds() {
        for text in
            ["", "60", "60,", ",1m", "0,1m", "1000001,1m", "5,500ms", "5,25h", "-1,1m", "60,1"]
        {
            assert_eq!(text.parse::<RateLimit>(), Err(MalformedRateLimit), "{text}");
        }
    }
}
