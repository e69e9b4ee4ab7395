//! `/v1/usage/summary`: what the account used over some days, in a few numbers.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::{super::credits::BalanceBody, FROM, TO, days};
use crate::{
    app::usage::{self, Summary},
    domain::{Credits, Day, DaySpan, Result, Scope},
    http::{
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
};

pub(super) fn route() -> Route {
    Route::get("/v1/usage/summary", "getUsageSummary", handler!(summary))
        .summary(
            "Sums up the jobs that ended on some days. A job counts on the day on which it ended, and twice where it \
             was retried and ended again. Sums are exact; percentiles are at most 1 % too high, and what took longer \
             than a week counts as a week.",
        )
        .scope(Scope::UsageRead)
        .query::<String>("from", FROM)
        .query::<String>("to", TO)
        .answers::<SummaryBody>(StatusCode::OK)
}

/// What an account used over some days, and where it stands now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsageSummary")]
struct SummaryBody {
    #[schemars(extend("const" = "usage_summary"))]
    object: &'static str,
    /// The first day, in UTC.
    from: Day,
    /// The last day, included.
    to: Day,
    /// What can be spent now: free and paid together.
    balance: Credits,
    /// What the jobs were charged.
    credits_used: Credits,
    /// Jobs that ended.
    jobs: u64,
    /// Those that succeeded.
    succeeded: u64,
    /// Those that failed or expired.
    failed: u64,
    /// Those that were canceled.
    canceled: u64,
    /// The part that failed, from 0 to 1, of those that succeeded or failed; null where there are none.
    error_rate: Option<f64>,
    /// In how many milliseconds half of those that succeeded ended, from when their last attempt began; at most 1 % too
    /// high, null where none succeeded.
    latency_p50_ms: Option<u64>,
    /// In how many milliseconds 95 of 100 did.
    latency_p95_ms: Option<u64>,
    /// The part that was delivered, from 0 to 1, of the webhook deliveries that ended; null where none did.
    webhook_success_rate: Option<f64>,
    /// Tokens of the jobs that succeeded.
    tokens: u64,
    /// The part of them that was read.
    prompt_tokens: u64,
    /// The part of them that was written.
    completion_tokens: u64,
    /// Jobs that are not over now.
    queue_depth: u64,
}

impl SummaryBody {
    fn of(days: DaySpan, summary: &Summary) -> Result<Self> {
        let (figures, totals) = (&summary.jobs, &summary.jobs.totals);
        Ok(Self {
            object: "usage_summary",
            from: days.from,
            to: days.to,
            balance: BalanceBody::of(&summary.balance)?.available,
            credits_used: totals.charged,
            jobs: totals.jobs(),
            succeeded: totals.succeeded,
            failed: totals.failed,
            canceled: totals.canceled,
            error_rate: totals.error_rate(),
            latency_p50_ms: figures.latency_p50_ms,
            latency_p95_ms: figures.latency_p95_ms,
            webhook_success_rate: summary.deliveries.success_rate(),
            tokens: totals.tokens(),
            prompt_tokens: totals.prompt_tokens,
            completion_tokens: totals.completion_tokens,
            queue_depth: summary.balance.open_jobs,
        })
    }
}

/// `GET /v1/usage/summary`
async fn summary(request: Request) -> Result<Reply> {
    let (scope, days) = (request.session()?.scope, days(&request, None)?);
    let summary = request.blocking(move |app| usage::summary(app, scope, days)).await?;
    Reply::ok(&SummaryBody::of(days, &summary)?)
}
