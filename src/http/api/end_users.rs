//! `/v1/end-users`: the people that an account's jobs are for, and what they use.

use std::sync::Arc;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::end_users::{self, EndUserPatch, EndUserView},
    domain::{Credits, Day, EndUserId, Page, Result, Scope, Timestamp},
    http::{
        csv::{self, Csv},
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
};

/// End users and their caps.
pub(super) fn routes() -> [Route; 3] {
    const ONE: &str = "/v1/end-users/{external_id}";
    [
        Route::get("/v1/end-users", "listEndUsers", handler!(list))
            .summary(
                "Lists the people that jobs name in `user`, newest first. As CSV, up to 10,000 rows where no limit \
                 is given; the header `Link` then says where it goes on.",
            )
            .scope(Scope::UsageRead)
            .paged()
            .media_types(&["text/csv"])
            .headers(&["Link", "Content-Disposition"])
            .answers::<Page<EndUserBody<'_>>>(StatusCode::OK),
        Route::get(ONE, "getEndUser", handler!(get))
            .summary("Shows an end user, by what jobs name it in `user`.")
            .scope(Scope::UsageRead)
            .answers::<EndUserBody<'_>>(StatusCode::OK),
        Route::patch(ONE, "updateEndUser", handler!(update))
            .summary(
                "Sets how many tokens an end user may use in a day. It is made where no job has named it yet. What \
                 is left out stays.",
            )
            .scope(Scope::JobsWrite)
            .takes::<EndUserPatch>()
            .answers::<EndUserBody<'_>>(StatusCode::OK),
    ]
}

/// Somebody whom jobs are for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EndUser")]
struct EndUserBody<'a> {
    id: EndUserId,
    #[schemars(extend("const" = "end_user"))]
    object: &'static str,
    /// What jobs name it in `user`.
    external_id: &'a str,
    /// Tokens of its jobs that succeeded today, in the account's time zone. Those that do not succeed count for
    /// nothing.
    tokens_today: u64,
    /// What its jobs that are not over may use at most; the cap counts it too.
    tokens_in_flight: u64,
    /// How many tokens it may use in a day: its own cap, or the account's; null where nothing caps it.
    daily_token_cap: Option<u64>,
    /// The cap that was set for it alone.
    own_daily_token_cap: Option<u64>,
    /// When its next day begins.
    resets_at: Timestamp,
    /// Tokens of all its jobs that succeeded.
    tokens: u64,
    /// What those cost.
    credits: Credits,
    /// How many those are.
    jobs: u64,
    /// Days in a row with such a job, as they were last counted; 0 where nobody counted them.
    streak_count: u64,
    /// The day on which the last of them ended.
    last_active_on: Option<Day>,
    created_at: Timestamp,
}

impl<'a> EndUserBody<'a> {
    fn of(EndUserView { user, daily_token_cap, resets_at }: &'a EndUserView) -> Self {
        Self {
            id: user.id,
            object: "end_user",
            external_id: &user.external_id,
            tokens_today: user.tokens_today,
            tokens_in_flight: user.open_tokens,
            daily_token_cap: *daily_token_cap,
            own_daily_token_cap: user.daily_token_cap,
            resets_at: *resets_at,
            tokens: user.tokens,
            credits: user.charged,
            jobs: user.jobs,
            streak_count: user.streak_count,
            last_active_on: user.last_active_on,
            created_at: user.created_at,
        }
    }
}

/// `GET /v1/end-users`
async fn list(request: Request) -> Result<Reply> {
    let scope = request.session()?.scope;
    let (page, is_csv) = csv::page(&request)?;
    let list = move |app: &Arc<_>| end_users::list(app, scope, &page);
    if is_csv {
        return csv::reply(&request, "end-users.csv", list, file).await;
    }
    let page = request.blocking(list).await?;
    let bodies: Vec<_> = page.data.iter().map(EndUserBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// The names of the JSON fields as the first row.
fn file(users: &[EndUserView]) -> Result<Csv> {
    let mut csv = Csv::of(&[
        "id",
        "external_id",
        "tokens_today",
        "tokens_in_flight",
        "daily_token_cap",
        "own_daily_token_cap",
        "resets_at",
        "tokens",
        "credits",
        "jobs",
        "streak_count",
        "last_active_on",
        "created_at",
    ])?;
    for user in users.iter().map(EndUserBody::of) {
        csv.row([
            user.id.to_string(),
            csv::text(user.external_id),
            user.tokens_today.to_string(),
            user.tokens_in_flight.to_string(),
            csv::some(user.daily_token_cap),
            csv::some(user.own_daily_token_cap),
            user.resets_at.to_string(),
            user.tokens.to_string(),
            user.credits.to_string(),
            user.jobs.to_string(),
            user.streak_count.to_string(),
            csv::some(user.last_active_on),
            user.created_at.to_string(),
        ])?;
    }
    Ok(csv)
}

/// `GET /v1/end-users/{external_id}`
async fn get(request: Request) -> Result<Reply> {
    let scope = request.session()?.scope;
    let external_id = request.segment("external_id")?.to_owned();
    let user = request.blocking(move |app| end_users::get(app, scope, &external_id)).await?;
    Reply::ok(&EndUserBody::of(&user))
}

/// `PATCH /v1/end-users/{external_id}`
async fn update(request: Request) -> Result<Reply> {
    let (scope, patch) = (request.session()?.scope, request.json()?);
    let external_id = request.segment("external_id")?.to_owned();
    let user = end_users::update(&request.app, scope, external_id, patch).await?;
    Reply::ok(&EndUserBody::of(&user))
}
