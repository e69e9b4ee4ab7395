//! End users: the people that an account's jobs are for, as it names them itself, and the tokens that each may
//! use in a day.

use std::time::Duration;

use super::{Credits, Day, Error, ErrorKind, Result, TimeZone, Timestamp, checks};

/// How long a client waits before it sends again what only jobs that are not over are in the way of.
const IN_FLIGHT_PAUSE: Duration = Duration::from_secs(5);
/// The most tokens that a daily cap may name.
pub const DAILY_TOKEN_CAP_MAX: u64 = 1_000_000_000_000;

/// What the operator set for an account; what is `None` follows the server's configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountSettings {
    /// Where its days begin and end.
    pub timezone: Option<TimeZone>,
    /// Whether its end users are capped that have no cap of their own.
    pub daily_token_caps: Option<bool>,
    /// The cap of those.
    pub daily_token_cap: Option<u64>,
    /// `credits.low` is told when what the account has falls below it.
    pub credits_low_mark: Option<Credits>,
    /// Whether what its jobs were asked and answered is recorded, unless their project says otherwise.
    pub record_invocations: Option<bool>,
}

/// How the end users of an account are held to their caps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CapPolicy {
    /// Where days begin and end.
    pub timezone: TimeZone,
    /// Whether end users are capped that have no cap of their own.
    pub daily_token_caps: bool,
    /// The cap of those.
    pub daily_token_cap: u64,
}

impl CapPolicy {
    /// The policy for an account, where this is what holds by default.
    #[must_use]
    pub fn of(&self, account: AccountSettings) -> Self {
        Self {
            timezone: account.timezone.unwrap_or_else(|| self.timezone.clone()),
            daily_token_caps: account.daily_token_caps.unwrap_or(self.daily_token_caps),
            daily_token_cap: account.daily_token_cap.unwrap_or(self.daily_token_cap),
        }
    }

    /// The cap of an end user who has this one of its own, if any; `None` where nothing caps it.
    pub fn cap(&self, own: Option<u64>) -> Option<u64> {
        own.or_else(|| self.daily_token_caps.then_some(self.daily_token_cap))
    }

    /// Refuses another job of an end user who has reached its cap. A job is let in as long as anything is left of the
    /// cap, so that what is above it is at most the size of one job.
    pub fn admit(&self, user: &str, tokens: DailyTokens, now: Timestamp) -> Result<()> {
        let Some(cap) = self.cap(tokens.own_cap) else { return Ok(()) };
        let DailyTokens { used, in_flight, .. } = tokens;
        if used.saturating_add(in_flight) < cap {
            return Ok(());
        }
        let next = self.timezone.next_day(now);
        let (what, wait) = if used < cap {
            let what = "send it again when some of them have ended".to_owned();
            (what, IN_FLIGHT_PAUSE.min(next.since(now)))
        } else {
            let zone = &self.timezone;
            let what = format!("send it again once the next day has begun, at {next} ({zone})");
            (what, next.since(now))
        };
        let message = format!(
            "end user `{user}` may use {cap} tokens a day and has used {used}, with up to {in_flight} more in jobs \
             that are not over; {what}, or raise the end user's daily_token_cap"
        );
        Err(Error::new(ErrorKind::DailyTokenCap, message).with_param("user").with_retry_after(wait))
    }
}

/// What an end user's cap is held against.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DailyTokens {
    /// A cap of its own, in place of the account's.
    pub own_cap: Option<u64>,
    /// Tokens of its jobs that succeeded today.
    pub used: u64,
    /// What its jobs that are not over may use at most.
    pub in_flight: u64,
}

/// What a job that succeeded adds to its end user's day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DayOfUse {
    /// When it ended.
    pub day: Day,
    /// Tokens of the prompt and the completion.
    pub tokens: u64,
    /// What it cost.
    pub charged: Credits,
}

/// Checks an account's own name for an end user: what `user` of a job may be.
pub fn check_external_id(external_id: &str) -> Result<()> {
    checks::bytes("external_id", external_id, checks::USER_BYTES)
}

/// Checks a daily cap.
pub fn check_daily_token_cap(cap: Option<u64>) -> Result<()> {
    checks::whole("daily_token_cap", cap, 0, DAILY_TOKEN_CAP_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(caps: bool) -> CapPolicy {
        CapPolicy { timezone: TimeZone::UTC, daily_token_caps: caps, daily_token_cap: 25_000 }
    }

    fn tokens(own_cap: Option<u64>, used: u64, in_flight: u64) -> DailyTokens {
        DailyTokens { own_cap, used, in_flight }
    }

    #[test]
    fn an_own_cap_goes_before_the_accounts_and_that_before_the_servers() {
        assert_eq!(policy(false).cap(None), None);
        assert_eq!(policy(true).cap(None), Some(25_000));
        assert_eq!(policy(true).cap(Some(7)), Some(7));
        assert_eq!(policy(false).cap(Some(0)), Some(0));
        let berlin: TimeZone = "Europe/Berlin".parse().unwrap();
        let account = AccountSettings {
            timezone: Some(berlin.clone()),
            daily_token_caps: Some(true),
            ..AccountSettings::default()
        };
        let of_account = policy(false).of(account);
        assert_eq!((of_account.cap(None), &of_account.timezone), (Some(25_000), &berlin));
        let off = AccountSettings { daily_token_caps: Some(false), ..AccountSettings::default() };
        assert_eq!(policy(true).of(off).cap(None), None);
        assert_eq!(policy(true).of(AccountSettings::default()), policy(true));
    }

    #[test]
    fn what_is_left_of_the_cap_lets_one_more_job_in() {
        let now: Timestamp = "2026-11-20T23:59:58.500Z".parse().unwrap();
        let admit = |caps, tokens| policy(caps).admit("u", tokens, now);
        assert!(admit(true, tokens(None, 24_999, 0)).is_ok());
        assert!(admit(true, tokens(None, 20_000, 4_999)).is_ok());
        assert!(admit(false, tokens(None, u64::MAX, u64::MAX)).is_ok());
        assert!(admit(true, tokens(Some(50_000), 25_000, 0)).is_ok());
        for (caps, over) in [
            (true, tokens(None, 25_000, 0)),
            (true, tokens(None, 20_000, 5_000)),
            (true, tokens(None, u64::MAX, u64::MAX)),
            (false, tokens(Some(0), 0, 0)),
        ] {
            let error = admit(caps, over).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DailyTokenCap);
            assert_eq!(error.param(), Some("user"));
            assert_eq!(error.retry_after(), Some(Duration::from_millis(1_500)));
        }
        let midnight = "2026-11-21T00:00:00.000Z (UTC)";
        for (over, parts) in [
            (tokens(None, 26_000, 5_000), ["`u`", "25000", "26000", "5000", midnight]),
            (tokens(None, 20_000, 5_000), ["`u`", "25000", "20000", "5000", "have ended"]),
        ] {
            let error = admit(true, over).unwrap_err();
            for part in parts {
                assert!(error.message().contains(part), "{part}: {}", error.message());
            }
        }
    }
}
