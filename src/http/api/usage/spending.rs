//! `/v1/usage/spending`: what keys spent in a month.

use std::sync::Arc;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::usage,
    domain::{ApiKeyId, Credits, Error, Month, Page, ProjectId, Result, Scope},
    http::{
        csv::{self, Csv},
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
    store::spending::KeySpent,
};

/// What keys spent.
pub(super) fn route() -> Route {
    Route::get("/v1/usage/spending", "listSpending", handler!(spending))
        .summary(
            "Lists what each key spent in a month, newest first by when it first spent something. Also as CSV, up \
             to 10,000 rows where no limit is given; the header `Link` then says where it goes on.",
        )
        .scope(Scope::UsageRead)
        .paged()
        .query::<String>("month", "The month in UTC, such as `2026-11`; the current one if left out.")
        .media_types(&["text/csv"])
        .headers(&["Link", "Content-Disposition"])
        .answers::<Page<SpendingBody>>(StatusCode::OK)
}

/// What a key spent in a month.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Spending")]
struct SpendingBody {
    /// The month in UTC. A job counts in the month in which it was accepted.
    month: String,
    project_id: ProjectId,
    /// The key; where it replaced others, the first of them, which it shares a budget with.
    api_key_id: ApiKeyId,
    /// What jobs that ended were charged.
    spent: Credits,
    /// What is set aside for jobs that are not over.
    reserved: Credits,
}

impl SpendingBody {
    fn of(month: Month, row: &KeySpent) -> Self {
        Self {
            month: month.to_string(),
            project_id: row.project,
            api_key_id: row.key,
            spent: row.spent.charged,
            reserved: row.spent.reserved,
        }
    }
}

/// `GET /v1/usage/spending`
async fn spending(request: Request) -> Result<Reply> {
    let scope = request.session()?.scope;
    let (month, (page, is_csv)) = (month(&request)?, csv::page(&request)?);
    let list = move |app: &Arc<_>| {
        let page = usage::spending(app, scope, month, &page);
        page.map(|page| page.map(|row| SpendingBody::of(month, &row)))
    };
    if is_csv {
        return csv::reply(&request, "spending.csv", list, file).await;
    }
    Reply::ok(&request.blocking(list).await?)
}

fn month(request: &Request) -> Result<Month> {
    let Some(text) = request.query_text("month") else {
        return Ok(Month::of(request.app.ambient.now()));
    };
    Month::parse(text).ok_or_else(|| {
        Error::invalid("month", "month must be a month from 1970-01 to 9999-12, such as 2026-11")
    })
}

fn file(rows: &[SpendingBody]) -> Result<Csv> {
    let mut file = Csv::of(&["month", "project_id", "api_key_id", "spent", "reserved"])?;
    for row in rows {
        file.row([
            row.month.clone(),
            row.project_id.to_string(),
            row.api_key_id.to_string(),
            row.spent.to_string(),
            row.reserved.to_string(),
        ])?;
    }
    Ok(file)
}
