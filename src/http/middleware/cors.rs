//! Browsers of other origins (the Fetch standard, §3.2): refused unless they are configured.

use hyper::{
    HeaderMap, Method,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
    },
};

/// Lets a configured origin read the answer.
pub(super) fn allow_origin(request: &HeaderMap, origins: &[HeaderValue], answer: &mut HeaderMap) {
    if origins.is_empty() {
        return;
    }
    answer.insert(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = request.get(ORIGIN) else {
        return;
    };
    if origins.iter().any(|known| known == origin || known == "*") {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let exposed = "X-Request-Id, Idempotent-Replayed, Retry-After, RateLimit-Limit, \
                       RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, RateLimit, \
                       x-ratelimit-limit-requests, x-ratelimit-remaining-requests, \
                       x-ratelimit-reset-requests, x-should-retry";
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    }
}

/// True for a question of an allowed origin whether it may ask; `answer` then says yes.
pub(super) fn is_preflight(
    method: &Method,
    request: &HeaderMap,
    allowed: &HeaderValue,
    answer: &mut HeaderMap,
) -> bool {
    let asks = *method == Method::OPTIONS && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !asks || !answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return false;
    }
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, allowed.clone());
    // Whatever it wants to send: what is not known is not read. SDKs send many of their own.
    if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    true
}
