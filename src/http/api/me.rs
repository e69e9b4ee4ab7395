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
    domain::{AccountId, Result, Timestamp},
    http::{
        error::seconds_up,
        reply::Reply,
        request::Request,
        routes::{Access, Route, handler},
    },
    store::accounts::Account,
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
        let Account { id, name, created_at, .. } = account;
        Self { id: *id, object: "account", name, created_at: *created_at }
    }
}

/// The key's budgets of requests.
#[derive(Serialize, JsonSchema)]
struct Limits {
    /// Requests that change nothing.
    read: Budget,
    /// Requests that may change something.
    write: Budget,
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
        },
        balance: BalanceBody::of(&me.balance)?,
    })
}
