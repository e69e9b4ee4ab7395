//! `/v1/api-keys`, and `/admin/v1/keys` for the operator.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json;
use crate::{
    app::{
        accounts,
        api_keys::{self, CreatedKey, KeyRequest, RotateRequest},
    },
    domain::{
        AccountId, ApiKeyId, Credits, Error, ErrorKind, Page, ProjectId, Result, Scope, ScopeSet,
        Timestamp,
    },
    http::{
        reply::Reply,
        request::{AN_ID, Request},
        routes::{Route, handler},
    },
    store::api_keys::ApiKey,
};

/// The account's keys.
pub(super) fn routes() -> [Route; 5] {
    [
        Route::post("/v1/api-keys", "createApiKey", handler!(create))
            .summary(
                "Makes a key with scopes that your key has. Its secret is in this answer alone.",
            )
            .scope(Scope::KeysWrite)
            .takes::<KeyRequest>()
            .answers::<NewKeyBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::Conflict]),
        Route::get("/v1/api-keys", "listApiKeys", handler!(list))
            .summary("Lists keys, newest first, revoked ones included.")
            .scope(Scope::KeysRead)
            .paged()
            .answers::<Page<KeyBody<'_>>>(StatusCode::OK),
        Route::get("/v1/api-keys/{id}", "getApiKey", handler!(get))
            .summary("Shows a key.")
            .scope(Scope::KeysRead)
            .answers::<KeyBody<'_>>(StatusCode::OK),
        Route::delete("/v1/api-keys/{id}", "revokeApiKey", handler!(revoke))
            .summary(
                "Revokes a key. It is refused at once. It can still be shown, so another DELETE \
                 answers 204 and changes nothing.",
            )
            .scope(Scope::KeysWrite)
            .answers_nothing()
            .errors(&[ErrorKind::Conflict]),
        Route::post("/v1/api-keys/{id}/rotate", "rotateApiKey", handler!(rotate))
            .summary(
                "Makes a key with the settings of another, which works until the overlap ends.",
            )
            .scope(Scope::KeysWrite)
            .may_take::<RotateRequest>()
            .answers::<NewKeyBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::Conflict]),
    ]
}

/// An API key; without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub(super) struct KeyBody<'a> {
    id: ApiKeyId,
    #[schemars(extend("const" = "api_key"))]
    object: &'static str,
    name: &'a str,
    project_id: ProjectId,
    /// The part of the key that may be shown, to tell it from others.
    prefix: &'a str,
    /// What it may do.
    #[schemars(with = "ScopeSet")]
    scopes: Vec<&'a str>,
    /// Its own rate limit, such as `600,1m`; null where the server's holds.
    rate_limit: Option<&'a str>,
    /// Credits that its jobs may be charged in a calendar month (UTC), together with those of the keys that it
    /// replaces; null where it has no limit of its own.
    monthly_credit_limit: Option<Credits>,
    /// Networks that it may be used from; null for any.
    allowed_cidrs: Option<Vec<&'a str>>,
    /// When it ends or ended.
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    /// When it was last used, at most a minute old.
    last_used_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl<'a> KeyBody<'a> {
    pub(super) fn of(key: &'a ApiKey) -> Self {
        Self {
            id: key.id,
            object: "api_key",
            name: &key.name,
            project_id: key.project.1,
            prefix: &key.prefix,
            scopes: key.scopes.split(' ').collect(),
            rate_limit: key.rate_limit.as_deref(),
            monthly_credit_limit: key.monthly_credit_limit,
            allowed_cidrs: key.allowed_cidrs.as_deref().map(|all| all.split(' ').collect()),
            expires_at: key.ends_at(),
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            created_at: key.created_at,
        }
    }
}

/// A new API key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKeyWithSecret")]
pub(super) struct NewKeyBody<'a> {
    #[serde(flatten)]
    api_key: KeyBody<'a>,
    /// `sk_live_…` or `sk_test_…`; shown this once.
    key: &'a str,
}

fn with_secret(created: &CreatedKey) -> Result<Vec<u8>> {
    json(&NewKeyBody { api_key: KeyBody::of(&created.key), key: created.secret.expose() })
}

/// `POST /v1/api-keys`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let body: KeyRequest = request.json()?;
    let (scope, granted) = (request.session()?.home, request.session()?.scopes);
    let prepared = request.hashing_key(move |app| api_keys::prepare(app, scope, granted, &body));
    let prepared = prepared.await?;
    let idempotency = request.idempotency;
    let done = api_keys::create(&request.app, prepared, idempotency, with_secret).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// `GET /v1/api-keys`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, scope) = (request.page()?, request.session()?.home);
    let page = request.blocking(move |app| api_keys::list(app, scope, &page)).await?;
    keys(&page)
}

fn keys(page: &Page<ApiKey>) -> Result<Reply> {
    let bodies: Vec<_> = page.data.iter().map(KeyBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor.clone()))
}

/// `GET /v1/api-keys/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (id, scope) = (request.id("id")?, request.session()?.home);
    let key = request.blocking(move |app| api_keys::get(app, scope, id)).await?;
    Reply::ok(&KeyBody::of(&key))
}

/// `DELETE /v1/api-keys/{id}`
pub(super) async fn revoke(request: Request) -> Result<Reply> {
    let (id, session) = (request.id("id")?, request.session()?);
    api_keys::revoke(&request.app, session.home, id).await?;
    Ok(Reply::no_content())
}

/// `POST /v1/api-keys/{id}/rotate`
pub(super) async fn rotate(request: Request) -> Result<Reply> {
    let (id, body): (_, RotateRequest) = (request.id("id")?, request.json()?);
    let (scope, granted) = (request.session()?.home, request.session()?.scopes);
    let rotation = request
        .hashing_key(move |app| api_keys::prepare_rotation(app, scope, granted, id, &body))
        .await?;
    let idempotency = request.idempotency;
    let done = api_keys::rotate(&request.app, rotation, idempotency, with_secret).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// A key that the operator makes for an account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OperatorKeyRequest")]
pub(super) struct IssueRequest {
    account_id: AccountId,
    /// What people call it.
    #[schemars(length(min = 1, max = 200))]
    name: String,
    /// Its project; the project `default` where none is named.
    project_id: Option<ProjectId>,
    /// What it may do.
    #[schemars(with = "ScopeSet")]
    scopes: Vec<String>,
    /// When it ends.
    expires_at: Option<Timestamp>,
    /// Its own rate limit, such as `600,1m`.
    rate_limit: Option<String>,
    /// Credits that its jobs may be charged in a calendar month (UTC), together with those of the keys that
    /// replace it; above zero, or null for no limit.
    monthly_credit_limit: Option<Credits>,
    /// Addresses and networks (CIDR) that it may be used from; null for any.
    #[schemars(length(min = 1, max = 50))]
    allowed_cidrs: Option<Vec<String>>,
}

impl IssueRequest {
    /// Whose key it is to be, and what it is to be.
    fn split(self) -> (AccountId, KeyRequest) {
        let Self {
            account_id,
            name,
            project_id,
            scopes,
            expires_at,
            rate_limit,
            monthly_credit_limit,
            allowed_cidrs,
        } = self;
        let request = KeyRequest {
            name,
            project_id,
            scopes,
            expires_at,
            rate_limit,
            monthly_credit_limit,
            allowed_cidrs,
        };
        (account_id, request)
    }
}

/// `POST /admin/v1/keys`
pub(super) async fn issue(request: Request) -> Result<Reply> {
    let (account_id, body) = request.json::<IssueRequest>()?.split();
    let prepared = request
        .hashing_key(move |app| {
            let scope = accounts::scope(app, account_id)?;
            api_keys::prepare(app, scope, ScopeSet::ALL, &body)
        })
        .await?;
    let created = api_keys::issue(&request.app, prepared).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, with_secret(&created)?))
}

/// `GET /admin/v1/keys`
pub(super) async fn list_of_account(request: Request) -> Result<Reply> {
    let page = request.page()?;
    let account: AccountId = request.query("account_id", AN_ID)?.ok_or_else(|| {
        Error::invalid("account_id", "account_id must name the account whose keys to list")
    })?;
    let listed = request
        .blocking(move |app| api_keys::list(app, accounts::scope(app, account)?, &page))
        .await?;
    keys(&listed)
}

/// `DELETE /admin/v1/keys/{id}`
pub(super) async fn revoke_any(request: Request) -> Result<Reply> {
    api_keys::revoke_any(&request.app, request.id("id")?).await?;
    Ok(Reply::no_content())
}
