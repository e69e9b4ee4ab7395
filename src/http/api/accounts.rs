//! `/admin/v1/accounts`: the operator's view of tenants and their credits.

use std::sync::Arc;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::credits::{BalanceBody, GrantBody};
use crate::{
    app::{accounts, credits},
    domain::{AccountId, Credits, Page, ProjectId, Result, TimeZone, Timestamp},
    http::{reply::Reply, request::Request},
    store::accounts::Account,
};

/// A tenant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Account")]
pub(super) struct AccountBody<'a> {
    id: AccountId,
    #[schemars(extend("const" = "account"))]
    object: &'static str,
    name: &'a str,
    /// Whether its keys are refused.
    suspended: bool,
    suspended_at: Option<Timestamp>,
    /// Where its days begin and end; null: as the server's configuration says.
    timezone: Option<&'a TimeZone>,
    /// Whether its end users are held to a cap of tokens a day that have none of their own; null: as the server's
    /// configuration says.
    daily_token_caps: Option<bool>,
    /// The cap of those; null: as the server's configuration says.
    daily_token_cap: Option<u64>,
    /// `credits.low` is told when what the account has falls below it; null: as the server's configuration says.
    credits_low_mark: Option<Credits>,
    /// Whether what its jobs were asked and answered is recorded, unless their project says otherwise; null: as the
    /// server's configuration says.
    record_invocations: Option<bool>,
    created_at: Timestamp,
}

impl<'a> AccountBody<'a> {
    fn of(account: &'a Account) -> Self {
        Self {
            id: account.id(),
            object: "account",
            name: &account.name,
            suspended: account.suspended_at.is_some(),
            suspended_at: account.suspended_at,
            timezone: account.settings.timezone.as_ref(),
            daily_token_caps: account.settings.daily_token_caps,
            daily_token_cap: account.settings.daily_token_cap,
            credits_low_mark: account.settings.credits_low_mark,
            record_invocations: account.settings.record_invocations,
            created_at: account.created_at,
        }
    }
}

/// A new tenant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NewAccountAnswer")]
pub(super) struct CreatedBody<'a> {
    #[serde(flatten)]
    account: AccountBody<'a>,
    /// Its project `default`.
    project_id: ProjectId,
}

/// A tenant and what it can spend.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AccountWithBalance")]
pub(super) struct DetailBody<'a> {
    #[serde(flatten)]
    account: AccountBody<'a>,
    balance: BalanceBody,
    /// What its test keys can spend; null where it never had a test project.
    test_balance: Option<BalanceBody>,
}

/// `POST /admin/v1/accounts`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let created = accounts::create(&request.app, request.json()?).await?;
    let account = AccountBody::of(&created.account);
    Reply::created(&CreatedBody { account, project_id: created.project })
}

/// `GET /admin/v1/accounts`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let page = request.page()?;
    let page = request.blocking(move |app| accounts::list(app, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(AccountBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /admin/v1/accounts/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let id = request.id("id")?;
    let look = move |app: &Arc<_>| {
        let balance = credits::balance(app, accounts::scope(app, id)?)?;
        let twin = accounts::test_scope(app, id)?;
        let test_balance = twin.map(|twin| credits::balance(app, twin)).transpose()?;
        Ok((accounts::get(app, id)?, balance, test_balance))
    };
    let (account, balance, test_balance) = request.blocking(look).await?;
    Reply::ok(&DetailBody {
        account: AccountBody::of(&account),
        balance: BalanceBody::of(&balance)?,
        test_balance: test_balance.as_ref().map(BalanceBody::of).transpose()?,
    })
}

/// `PATCH /admin/v1/accounts/{id}`
pub(super) async fn update(request: Request) -> Result<Reply> {
    let (id, change) = (request.id("id")?, request.json()?);
    let account = accounts::update(&request.app, id, change).await?;
    Reply::ok(&AccountBody::of(&account))
}

/// `POST /admin/v1/accounts/{id}/credits/grants`
pub(super) async fn grant(request: Request) -> Result<Reply> {
    let (id, body) = (request.id("id")?, request.json()?);
    let (named, once) = (Some(request.id.as_str().to_owned()), request.idempotency);
    let render = |grant: &_| super::json(&GrantBody::of(grant));
    let done = credits::grant_once(&request.app, id, body, named, once, render).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// `POST /admin/v1/accounts/{id}/credits/adjust`
pub(super) async fn adjust(request: Request) -> Result<Reply> {
    let (id, body) = (request.id("id")?, request.json()?);
    let (named, once) = (Some(request.id.as_str().to_owned()), request.idempotency);
    let render = |balance: &_| super::json(&BalanceBody::of(balance)?);
    let done = credits::adjust(&request.app, id, body, named, once, render).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}
