//! What is counted of jobs that ended, by which words it is grouped, and over which days it is shown.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Credits, Day, Error, Result, Timestamp};

/// What the ends of jobs add up to. A job that ended, was tried again and ended again counts twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UsageTotals {
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed or expired.
    pub failed: u64,
    /// Those that were canceled.
    pub canceled: u64,
    /// Tokens read by those that succeeded.
    pub prompt_tokens: u64,
    /// Tokens written by those that succeeded.
    pub completion_tokens: u64,
    /// What those cost that succeeded.
    pub charged: Credits,
    /// Milliseconds of the last attempts of those that succeeded.
    pub latency_ms: u64,
}

impl UsageTotals {
    /// Adds others.
    pub fn add(&mut self, more: &Self) {
        let sum = |a: u64, b: u64| a.saturating_add(b);
        let charged = self.charged.checked_add(more.charged);
        *self = Self {
            succeeded: sum(self.succeeded, more.succeeded),
            failed: sum(self.failed, more.failed),
            canceled: sum(self.canceled, more.canceled),
            prompt_tokens: sum(self.prompt_tokens, more.prompt_tokens),
            completion_tokens: sum(self.completion_tokens, more.completion_tokens),
            charged: charged.unwrap_or(Credits::from_micros(i64::MAX)),
            latency_ms: sum(self.latency_ms, more.latency_ms),
        };
    }

    /// All that ended.
    pub fn jobs(&self) -> u64 {
        self.succeeded.saturating_add(self.failed).saturating_add(self.canceled)
    }

    /// Tokens read and written.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// The part that failed, from 0 to 1, of those that succeeded or failed; `None` where there are none.
    pub fn error_rate(&self) -> Option<f64> {
        part(self.failed, self.succeeded)
    }

    /// The part that succeeded, from 0 to 1, of those that succeeded or failed; `None` where there are none.
    pub fn success_rate(&self) -> Option<f64> {
        part(self.succeeded, self.failed)
    }

    /// The mean of those that succeeded, in whole milliseconds; `None` where there are none.
    pub fn mean_latency_ms(&self) -> Option<u64> {
        let half = self.succeeded / 2;
        self.latency_ms.saturating_add(half).checked_div(self.succeeded)
    }
}

/// Which part `these` are of them and the others.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rate of more than 2^52 jobs needs no more digits"
)]
fn part(these: u64, others: u64) -> Option<f64> {
    let all = these.saturating_add(others);
    (all > 0).then(|| these as f64 / all as f64)
}

/// What the jobs of a day are grouped by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// The model that was asked for.
    Model,
    /// The agent that was run.
    Agent,
    /// The project that paid.
    Project,
    /// The API key that paid; keys that replaced one another count as the first.
    ApiKey,
    /// The end user that the job was for.
    User,
}

impl UsageBy {
    /// Every group.
    pub const ALL: [Self; 5] = [Self::Model, Self::Agent, Self::Project, Self::ApiKey, Self::User];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Agent => "agent",
            Self::Project => "project",
            Self::ApiKey => "api_key",
            Self::User => "user",
        }
    }
}

/// Days of UTC, the first and the last included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DaySpan {
    /// The first.
    pub from: Day,
    /// The last.
    pub to: Day,
}

impl DaySpan {
    /// Days of a span where the first is not named.
    pub const DEFAULT_DAYS: i64 = 30;
    /// Days of a span at most.
    pub const MAX_DAYS: i64 = 366;

    /// Reads the first and the last day as a client names them: as `2026-11-01`, or as a time, which stands for its
    /// day. By default the last is today.
    ///
    /// ```
    /// use skai_server::domain::{DaySpan, Day};
    /// let today = Day::parse("2026-11-20").unwrap();
    /// let span = DaySpan::parse(None, None, today).unwrap();
    /// assert_eq!((span.from.to_string(), span.to), ("2026-10-22".to_owned(), today));
    /// ```
    pub fn parse(from: Option<&str>, to: Option<&str>, today: Day) -> Result<Self> {
        let to = given("to", to)?.unwrap_or(today);
        let from = given("from", from)?.unwrap_or(to.plus(1 - Self::DEFAULT_DAYS));
        Self::of(from, to)
    }

    /// Reads the same of a page that goes on: what is not named is as in the list that it is of.
    pub fn parse_next(from: Option<&str>, to: Option<&str>, list: Self) -> Result<Self> {
        let (to, from) = (given("to", to)?, given("from", from)?);
        Self::of(from.unwrap_or(list.from), to.unwrap_or(list.to))
    }

    fn of(from: Day, to: Day) -> Result<Self> {
        if from > to {
            let message = format!(
                "from is {from}, which is after {to}; name an earlier day, or a later one in to"
            );
            return Err(Error::invalid("from", message));
        }
        let days = to.number() - from.number() + 1;
        if days > Self::MAX_DAYS {
            let message = format!(
                "from {from} to {to} are {days} days, and at most {} are shown at once; ask for some after the others",
                Self::MAX_DAYS
            );
            return Err(Error::invalid("from", message));
        }
        Ok(Self { from, to })
    }
}

fn given(param: &str, text: Option<&str>) -> Result<Option<Day>> {
    text.map(|text| day(param, text)).transpose()
}

fn day(param: &str, text: &str) -> Result<Day> {
    let of_time = || text.parse::<Timestamp>().ok().map(Day::of_utc);
    Day::parse(text).or_else(of_time).ok_or_else(|| {
        let message = format!(
            "{param} must be a day of UTC, such as 2026-11-20, or a time (RFC 3339) on it, such as 2026-11-20T09:00:00Z"
        );
        Error::invalid(param, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, to: &str) -> Result<(String, String)> {
        let given = |text: &'static str| (!text.is_empty()).then_some(text);
        let (from, to) = (from.to_owned().leak(), to.to_owned().leak());
        let today = Day::parse("2026-11-20").unwrap();
        let span = DaySpan::parse(given(from), given(to), today)?;
        Ok((span.from.to_string(), span.to.to_string()))
    }

    #[test]
    fn spans_are_read_with_their_defaults() {
        for (from, to, first, last) in [
            ("", "", "2026-10-22", "2026-11-20"),
            ("2026-11-01", "", "2026-11-01", "2026-11-20"),
            ("", "2026-01-15", "2025-12-17", "2026-01-15"),
            ("2026-11-20", "2026-11-20", "2026-11-20", "2026-11-20"),
            ("2024-01-01", "2024-12-31", "2024-01-01", "2024-12-31"),
            ("2026-12-01", "2026-12-02", "2026-12-01", "2026-12-02"),
            // It is another day in UTC.
            ("2026-11-01T00:30:00+01:00", "2026-11-01T23:30:00-01:00", "2026-10-31", "2026-11-02"),
        ] {
            assert_eq!(span(from, to).unwrap(), (first.to_owned(), last.to_owned()), "{from} {to}");
        }
    }

    #[test]
    fn spans_that_are_none_are_refused_by_the_parameter() {
        for (from, to, param) in [
            ("2026-11-21", "", "from"),
            ("2026-11-02", "2026-11-01", "from"),
            ("2025-11-19", "", "from"),
            ("2026-1-1", "", "from"),
            ("2026-02-30", "", "from"),
            ("1969-12-31", "", "from"),
            ("20261101", "", "from"),
            ("yesterday", "", "from"),
            ("", "2026-11-01T09:00", "to"),
            ("", "10000-01-01", "to"),
        ] {
            assert_eq!(span(from, to).unwrap_err().param(), Some(param), "{from} {to}");
        }
    }

    #[test]
    fn rates_are_of_what_succeeded_or_failed() {
        let mut totals =
            UsageTotals { succeeded: 3, canceled: 9, latency_ms: 8, ..UsageTotals::default() };
        assert_eq!((totals.error_rate(), totals.mean_latency_ms()), (Some(0.0), Some(3)));
        totals.add(&UsageTotals { failed: 1, ..UsageTotals::default() });
        assert_eq!((totals.error_rate(), totals.success_rate()), (Some(0.25), Some(0.75)));
        assert_eq!(totals.jobs(), 13);
        let none = UsageTotals { canceled: 1, ..UsageTotals::default() };
        assert_eq!((none.error_rate(), none.mean_latency_ms()), (None, None));
    }
}
