//! Counts the request and says what is left.

use std::time::Duration;

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

use crate::{
    app::{RateClass, auth::Authenticator, exceeded},
    domain::{Quota, RateLimit, Result},
    http::{
        error::{Dialect, seconds_up},
        request::Identity,
        routes::Route,
    },
};

/// Takes a token of the caller's; the headers of both families are set either way.
pub(super) fn take(
    auth: &Authenticator,
    now: Duration,
    route: &Route,
    identity: &Identity,
    headers: &mut HeaderMap,
) -> Result<()> {
    let class = route.rate;
    let (quota, limit) = match identity {
        Identity::Anyone => return Ok(()),
        Identity::Tenant(session) => {
            let limit = session.rate_limits.of(class);
            (session.buckets.take(class, limit, now), limit)
        }
        Identity::Operator(_) => {
            if let Some(user) = identity.user() {
                let (buckets, limit) = auth.user_budget(user.id);
                (buckets.take(class, limit, now), limit)
            } else {
                let (buckets, limit) = auth.operator_budget();
                (buckets.take(class, limit, now), limit)
            }
        }
    };
    show_all(route, limit, quota, headers);
    if quota.allowed {
        return Ok(());
    }
    Err(exceeded(class, limit, quota))
}

/// Sets the headers and takes nothing: for a request that must not count.
pub(super) fn look(now: Duration, route: &Route, identity: &Identity, headers: &mut HeaderMap) {
    if let Identity::Tenant(session) = identity {
        let limit = session.rate_limits.of(route.rate);
        show_all(route, limit, session.buckets.quota(route.rate, limit, now), headers);
    }
}

fn show_all(route: &Route, limit: RateLimit, quota: Quota, headers: &mut HeaderMap) {
    show(route.rate, limit, quota, headers);
    if route.dialect == Dialect::OpenAi {
        show_like_openai(quota, headers);
    }
}

/// The widespread three headers, and the two of draft-ietf-httpapi-ratelimit-headers-10.
fn show(class: RateClass, limit: RateLimit, quota: Quota, headers: &mut HeaderMap) {
    const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
    const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
    const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
    const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
    const STATE: HeaderName = HeaderName::from_static("ratelimit");
    let (name, reset) = (class.as_str(), seconds_up(quota.reset));
    headers.insert(LIMIT, HeaderValue::from(quota.limit));
    headers.insert(REMAINING, HeaderValue::from(quota.remaining));
    headers.insert(RESET, HeaderValue::from(reset));
    let window = seconds_up(limit.window);
    let policy = format!("\"{name}\";q={};w={window}", quota.limit);
    let state = format!("\"{name}\";r={};t={reset}", quota.remaining);
    for (header, value) in [(POLICY, policy), (STATE, state)] {
        // Digits, letters and punctuation are always valid in a header.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(header, value);
        }
    }
}

/// The three headers by which clients of OpenAI's API pace themselves. This server counts requests; the
/// tokens that they may cost are bounded by the credits.
fn show_like_openai(quota: Quota, headers: &mut HeaderMap) {
    const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
    const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
    const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
    headers.insert(LIMIT, HeaderValue::from(quota.limit));
    headers.insert(REMAINING, HeaderValue::from(quota.remaining));
    if let Ok(reset) = HeaderValue::try_from(format!("{}s", seconds_up(quota.reset))) {
        headers.insert(RESET, reset);
    }
}
