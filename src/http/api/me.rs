//! `/v1/me`: what the caller is and how much it may still do.

use std::{sync::Arc, time::Duration};

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::{api_keys::KeyBody, credits::BalanceBody, projects::ProjectBody};
use crate::{
    app::{
        App, RateClass,
        auth::Session,
        me::{self, Me},
    },
    domain::{AccountId, Credits, Month, Result, Timestamp},
    http::{
        error::seconds_up,
        reply::Reply,
        request::Request,
        routes::{Access, Route, handler},
    },
    store::{accounts::Account, spending::Spent},
};

/// What the caller is.
pub(super) fn routes() -> [Route; 1] {
    [Route::get("/v1/me", "getMe", handler!(get))
        .summary(
            "Shows the account, project and key of the caller, and what is left of its limits.",
        )
        .access(Access::AnyKey)
        .answers::<MeBody<'_>>(StatusCode::OK)]
}

/// What the caller is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Me")]
pub(super) struct MeBody<'a> {
    #[schemars(extend("const" = "me"))]
    object: &'static str,
    account: OwnAccount<'a>,
    project: ProjectBody<'a>,
    key: KeyBody<'a>,
    limits: Limits,
    /// What the key can spend: credits of the account, or its test credits where the project is for tests.
    balance: BalanceBody,
}

/// The caller's account.
#[derive(Serialize, JsonSchema)]
struct OwnAccount<'a> {
    id: AccountId,
    #[schemars(extend("const" = "account"))]
    object: &'static str,
    name: &'a str,
    created_at: Timestamp,
}

impl<'a> OwnAccount<'a> {
    fn of(account: &'a Account) -> Self {
        let Account { name, created_at, .. } = account;
        Self { id: account.id(), object: "account", name, created_at: *created_at }
    }
}

/// The limits of the key, and what is left of each.
#[derive(Serialize, JsonSchema)]
struct Limits {
    /// Requests that change nothing.
    read: Budget,
    /// Requests that may change something.
    write: Budget,
    /// What the key may spend in the month, together with the keys that it replaced.
    key_credits: MonthBody,
    /// What all keys of the project may spend in the month.
    project_credits: MonthBody,
}

/// What may be spent in a month.
#[derive(Serialize, JsonSchema)]
struct MonthBody {
    /// The month in UTC, such as `2026-11`.
    month: String,
    /// What jobs that ended were charged.
    spent: Credits,
    /// What is set aside for jobs that are not over.
    reserved: Credits,
    /// Null where there is none.
    limit: Option<Credits>,
    /// What is left of the limit.
    remaining: Option<Credits>,
    /// When the next month begins.
    resets_at: Timestamp,
}

impl MonthBody {
    fn of(month: Month, spent: &Spent, limit: Option<Credits>) -> Self {
        Self {
            month: month.to_string(),
            spent: spent.charged,
            reserved: spent.reserved,
            limit,
            remaining: limit.map(|limit| spent.left_of(limit)),
            resets_at: month.end(),
        }
    }
}

/// A budget of requests.
#[derive(Serialize, JsonSchema)]
struct Budget {
    /// Requests that it allows at once.
    limit: u32,
    /// Requests that it allows now.
    remaining: u32,
    /// Seconds in which an empty budget fills.
    window_seconds: u64,
    /// Seconds until it is whole again.
    reset_seconds: u64,
}

impl Budget {
    fn of(session: &Session, class: RateClass, now: Duration) -> Self {
        let limit = session.rate_limits.of(class);
        let quota = session.buckets.quota(class, limit, now);
        Self {
            limit: quota.limit,
            remaining: quota.remaining,
            window_seconds: seconds_up(limit.window),
            reset_seconds: seconds_up(quota.reset),
        }
    }
}

/// `GET /v1/me`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let session = Arc::clone(request.session()?);
    let me = request.blocking(move |app| me::look(app, &session)).await?;
    Reply::ok(&body(&request.app, request.session()?, &me)?)
}

fn body<'a>(app: &App, session: &Session, me: &'a Me) -> Result<MeBody<'a>> {
    let now = app.ambient.monotonic();
    Ok(MeBody {
        object: "me",
        account: OwnAccount::of(&me.account),
        project: ProjectBody::of(&me.project),
        key: KeyBody::of(&me.key),
        limits: Limits {
            read: Budget::of(session, RateClass::Read, now),
            write: Budget::of(session, RateClass::Write, now),
            key_credits: MonthBody::of(me.month, &me.key_spent, me.key.monthly_credit_limit),
            project_credits: MonthBody::of(
                me.month,
                &me.project_spent,
                me.project.monthly_credit_limit,
            ),
        },
        balance: BalanceBody::of(&me.balance)?,
    })
}
