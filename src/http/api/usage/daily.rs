//! `/v1/usage/daily`: what the account used, day by day.

use std::sync::Arc;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::{FROM, TO, days};
use crate::{
    app::usage::{self, DayOfUsage},
    domain::{Credits, Day, Page, Result, Scope, UsageBy},
    http::{
        csv::{self, Csv},
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
};

pub(super) fn route() -> Route {
    Route::get("/v1/usage/daily", "listUsageByDay", handler!(daily))
        .summary(
            "Lists what ended on each day of UTC, in all or by group, newest days first. A job counts on the day on \
             which it ended, and twice where it was retried and ended again. Days and groups without jobs have no \
             row, and what each end user used is forgotten after a time that the operator sets. Sums are exact; \
             percentiles are at most 1 % too high, and what took longer than a week counts as a week. A cursor goes on \
             with the days and the group of its list. Days on which only deliveries \
             ended have no row. Also as CSV, up to 10,000 rows where no limit is given; the \
             header `Link` then says where it goes on.",
        )
        .scope(Scope::UsageRead)
        .paged()
        .query::<String>("from", FROM)
        .query::<String>("to", TO)
        .query::<UsageBy>("group_by", "What to group the jobs of a day by; a row for each day if left out.")
        .media_types(&["text/csv"])
        .headers(&["Link", "Content-Disposition"])
        .answers::<Page<DailyBody>>(StatusCode::OK)
}

/// What ended on a day. Which group it is of is said where rows are grouped; null there stands for jobs that have none.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DailyUsage")]
#[expect(clippy::option_option, reason = "what is left out, null or there")]
struct DailyBody {
    /// The day in UTC.
    day: Day,
    /// The model that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Option<String>>,
    /// The agent's name as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Option<String>>,
    /// The project that paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<Option<String>>,
    /// The key that paid; where it replaced others, the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_id: Option<Option<String>>,
    /// The end user.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Option<String>>,
    /// What the jobs were charged.
    credits_used: Credits,
    /// Jobs that ended.
    jobs_count: u64,
    /// Those that succeeded.
    succeeded: u64,
    /// Those that failed or expired.
    failed: u64,
    /// Those that were canceled.
    canceled: u64,
    /// Tokens of those that succeeded.
    tokens: u64,
    /// The part of them that was read.
    prompt_tokens: u64,
    /// The part of them that was written.
    completion_tokens: u64,
    /// How long those took on average that succeeded, in milliseconds from when their last attempt began; null where
    /// none did.
    avg_latency_ms: Option<u64>,
    /// In how many milliseconds half of them ended; at most 1 % too high.
    p50: Option<u64>,
    /// In how many milliseconds 95 of 100 did.
    p95: Option<u64>,
    /// The part that failed, from 0 to 1, of those that succeeded or failed; null where there are none.
    error_rate: Option<f64>,
    /// Webhook deliveries that ended on the day; left out where rows are grouped.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<u64>,
    /// The part of them that was delivered, from 0 to 1; null where none ended, left out where rows are grouped.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_success_rate: Option<Option<f64>>,
}

impl DailyBody {
    fn of(by: Option<UsageBy>, row: &DayOfUsage) -> Self {
        let (figures, totals) = (&row.figures, &row.figures.totals);
        let group = |which| (by == Some(which)).then(|| row.group.clone());
        Self {
            day: row.day,
            model: group(UsageBy::Model),
            agent: group(UsageBy::Agent),
            project_id: group(UsageBy::Project),
            api_key_id: group(UsageBy::ApiKey),
            user: group(UsageBy::User),
            credits_used: totals.charged,
            jobs_count: totals.jobs(),
            succeeded: totals.succeeded,
            failed: totals.failed,
            canceled: totals.canceled,
            tokens: totals.tokens(),
            prompt_tokens: totals.prompt_tokens,
            completion_tokens: totals.completion_tokens,
            avg_latency_ms: totals.mean_latency_ms(),
            p50: figures.latency_p50_ms,
            p95: figures.latency_p95_ms,
            error_rate: totals.error_rate(),
            deliveries: row.deliveries.map(|totals| totals.jobs()),
            delivery_success_rate: row.deliveries.map(|totals| totals.success_rate()),
        }
    }

    /// What its group is called; nothing for jobs that have none, `None` where rows are not grouped.
    fn group(&self) -> Option<&str> {
        let groups = [&self.model, &self.agent, &self.project_id, &self.api_key_id, &self.user];
        let group = groups.into_iter().flatten().next()?;
        Some(group.as_deref().unwrap_or_default())
    }

    /// Its cells that stand at the end where rows are not grouped.
    fn delivered(&self) -> [String; 2] {
        [csv::some(self.deliveries), csv::some(self.delivery_success_rate.flatten())]
    }

    /// Its cells, without that of the group.
    fn cells(&self) -> [String; 13] {
        [
            self.day.to_string(),
            self.credits_used.to_string(),
            self.jobs_count.to_string(),
            self.succeeded.to_string(),
            self.failed.to_string(),
            self.canceled.to_string(),
            self.tokens.to_string(),
            self.prompt_tokens.to_string(),
            self.completion_tokens.to_string(),
            csv::some(self.avg_latency_ms),
            csv::some(self.p50),
            csv::some(self.p95),
            csv::some(self.error_rate),
        ]
    }
}

/// The names of the JSON fields.
const COLUMNS: [&str; 13] = [
    "day",
    "credits_used",
    "jobs_count",
    "succeeded",
    "failed",
    "canceled",
    "tokens",
    "prompt_tokens",
    "completion_tokens",
    "avg_latency_ms",
    "p50",
    "p95",
    "error_rate",
];

/// What follows where rows are not grouped.
const DELIVERED: [&str; 2] = ["deliveries", "delivery_success_rate"];

/// The name of the group's field.
const fn column(by: UsageBy) -> &'static str {
    match by {
        UsageBy::Model | UsageBy::Agent | UsageBy::User => by.as_str(),
        UsageBy::Project => "project_id",
        UsageBy::ApiKey => "api_key_id",
    }
}

/// `GET /v1/usage/daily`
async fn daily(request: Request) -> Result<Reply> {
    let (scope, (page, is_csv)) = (request.session()?.scope, csv::page(&request)?);
    let days = days(&request, page.after.as_ref())?;
    let by = request.choice("group_by", UsageBy::ALL, UsageBy::as_str)?;
    let list = move |app: &Arc<_>| {
        let page = usage::daily(app, scope, days, by, &page)?;
        Ok(page.map(|row| DailyBody::of(by, &row)))
    };
    if is_csv {
        let write = move |rows: &[DailyBody]| file(by, rows);
        let file = csv::file("usage.csv", list, write);
        return request.heavy(file).await?.reply(&request);
    }
    Reply::ok(&request.blocking(list).await?)
}

/// The names of the JSON fields as the first row; the group comes after the day.
fn file(by: Option<UsageBy>, rows: &[DailyBody]) -> Result<Csv> {
    let mut columns = COLUMNS.to_vec();
    match by {
        Some(by) => columns.insert(1, column(by)),
        None => columns.extend(DELIVERED),
    }
    let mut csv = Csv::of(&columns)?;
    for row in rows {
        let mut cells = row.cells().to_vec();
        match row.group() {
            Some(group) => cells.insert(1, csv::text(group)),
            None => cells.extend(row.delivered()),
        }
        csv.row(cells)?;
    }
    Ok(csv)
}
