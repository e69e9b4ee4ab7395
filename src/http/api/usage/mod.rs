//! `/v1/usage`: what the account used.

mod daily;
mod spending;
mod summary;

use crate::{
    app::usage,
    domain::{Cursor, Day, DaySpan, Result},
    http::{request::Request, routes::Route},
};

const FROM: &str = "The first day of UTC, such as `2026-11-01`, or a time (RFC 3339), which stands for its day; \
                    by default 29 days before the last. At most 366 days are shown at once.";
const TO: &str =
    "The last day of UTC, included, or a time, which stands for its day; today by default.";

/// What the account used.
pub(super) fn routes() -> [Route; 3] {
    [summary::route(), daily::route(), spending::route()]
}

/// The days that are asked for; those that are not named are as on the page before, where there is one.
fn days(request: &Request, after: Option<&Cursor>) -> Result<DaySpan> {
    let (from, to) = (request.query_text("from"), request.query_text("to"));
    if let Some(cursor) = after {
        return DaySpan::parse_next(from, to, usage::span(cursor)?);
    }
    let today = Day::of_utc(request.app.ambient.now());
    DaySpan::parse(from, to, today)
}
