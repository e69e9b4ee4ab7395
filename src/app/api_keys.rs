//! What can be done with API keys.
//!
//! Making one takes two steps: [`prepare`] (or [`prepare_rotation`]) draws it and hashes its secret,
//! which takes some 20 ms of a core and belongs on one of the few threads for that; [`create`] and
//! [`rotate`] then store it in a short transaction. The secret is in the answer to that and nowhere else.
//!
//! The operator's variants are the same deeds, with a scope from
//! [`accounts::scope`](super::accounts::scope) and all scopes to give.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{App, Reply, Secrecy, once};
use crate::{
    domain::{
        ApiKey as WholeKey, ApiKeyId, Credits, Cursor, DEFAULT_PROJECT, Environment, Error,
        ErrorKind, Idempotency, Networks, Page, PageRequest, ProjectId, RateLimit, RefusedScope,
        Result, ScopeSet, Secret, Timestamp,
    },
    store::{
        AccountScope, Commit, Snapshot, SystemScope, Tx,
        api_keys::{self, ApiKey, NewApiKey},
        projects::{self, Project},
    },
};

/// Keys of an account that work, at most, when another is made. What a project spends in a month is summed over the
/// keys that spent in it, revoked ones too.
const KEYS_MAX: u32 = 1_000;
/// The longest overlap of a rotation: 30 days.
const OVERLAP_MAX: u64 = 30 * 24 * 3600;
/// Networks of one key.
const NETWORKS_MAX: usize = 50;

/// What a key is to be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// What people call it.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Its project; the project `default` where none is named.
    pub project_id: Option<ProjectId>,
    /// What it may do: at least one scope, and none that the key which makes it lacks.
    #[schemars(with = "ScopeSet")]
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Its own rate limit, such as `600,1m`.
    pub rate_limit: Option<String>,
    /// Credits that its jobs may be charged in a calendar month (UTC), together with those of the keys that
    /// replace it; above zero, or null for no limit.
    pub monthly_credit_limit: Option<Credits>,
    /// Addresses and networks (CIDR) that it may be used from; null for any.
    #[schemars(length(min = 1, max = 50))]
    pub allowed_cidrs: Option<Vec<String>>,
}

/// How a key is to be replaced.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// For how many seconds the old key still works; 0 ends it at once.
    #[serde(default = "a_day")]
    #[schemars(range(max = 2_592_000))]
    pub overlap_seconds: u64,
}

fn a_day() -> u64 {
    86_400
}

impl Default for RotateRequest {
    fn default() -> Self {
        Self { overlap_seconds: a_day() }
    }
}

/// A key that is drawn and hashed, ready to be stored.
#[derive(Clone, Debug)]
pub struct Prepared {
    scope: AccountScope,
    new: NewApiKey,
    secret: Secret<String>,
}

/// A replacement that is ready to be stored, and the key that it replaces.
#[derive(Clone, Debug)]
pub struct PreparedRotation {
    prepared: Prepared,
    replaced: ApiKeyId,
    overlap: Duration,
}

/// A new key, with its secret for the only time.
#[derive(Clone, Debug)]
pub struct CreatedKey {
    /// The key as it is stored.
    pub key: ApiKey,
    /// The whole key.
    pub secret: Secret<String>,
}

/// Draws and hashes a key. `granted` is what the key may be given at most: the scopes of the
/// caller's own. Takes some 20 ms.
pub fn prepare(
    app: &App,
    scope: AccountScope,
    granted: ScopeSet,
    request: &KeyRequest,
) -> Result<Prepared> {
    super::text("name", &request.name, 200)?;
    let scopes = named(&request.scopes)?;
    if scopes.is_empty() {
        return Err(Error::invalid("scopes", "scopes must name at least one scope"));
    }
    covered(scopes, granted)?;
    if request.expires_at.is_some_and(|at| at <= app.ambient.now()) {
        return Err(Error::invalid("expires_at", "expires_at must be in the future"));
    }
    super::monthly_credit_limit(request.monthly_credit_limit)?;
    let rate_limit = request.rate_limit.as_deref().map(rate_limit).transpose()?;
    let allowed_cidrs = request.allowed_cidrs.as_deref().map(networks).transpose()?;
    let project = app.store.read(scope, |snapshot| project(snapshot, request.project_id))?;
    let draft = Draft {
        project: project.seq,
        environment: project.environment,
        name: request.name.clone(),
        scopes: scopes.to_string(),
        rate_limit,
        monthly_credit_limit: request.monthly_credit_limit,
        allowed_cidrs,
        origin: None,
        expires_at: request.expires_at,
    };
    draft.draw(app, scope)
}

/// Everything of a key but what is drawn.
struct Draft {
    project: i64,
    environment: Environment,
    name: String,
    scopes: String,
    rate_limit: Option<String>,
    monthly_credit_limit: Option<Credits>,
    allowed_cidrs: Option<String>,
    origin: Option<i64>,
    expires_at: Option<Timestamp>,
}

impl Draft {
    fn draw(self, app: &App, scope: AccountScope) -> Result<Prepared> {
        let key = WholeKey::generate(self.environment, &app.ambient.random());
        let hash = app.auth.hash(&key, &app.ambient.random())?;
        let new = NewApiKey {
            id: ApiKeyId::from_uuid(app.ambient.uuid()),
            project: self.project,
            name: self.name,
            prefix: key.prefix().to_owned(),
            hash,
            scopes: self.scopes,
            rate_limit: self.rate_limit,
            monthly_credit_limit: self.monthly_credit_limit,
            allowed_cidrs: self.allowed_cidrs,
            origin: self.origin,
            expires_at: self.expires_at,
        };
        Ok(Prepared { scope, new, secret: key.text().clone() })
    }
}

/// `credits:write` is a scope that no caller has, so that asking for it is refused like one.
fn named(names: &[String]) -> Result<ScopeSet> {
    ScopeSet::parse(names.iter().map(String::as_str)).map_err(|refused| {
        let kind = match refused {
            RefusedScope::OperatorOnly => ErrorKind::InsufficientScope,
            RefusedScope::Unknown(_) => ErrorKind::InvalidRequest,
        };
        Error::new(kind, refused.to_string()).with_param("scopes")
    })
}

/// Nobody gives away what he does not have.
fn covered(scopes: ScopeSet, granted: ScopeSet) -> Result<()> {
    if scopes.is_subset(granted) {
        return Ok(());
    }
    let message = format!("a key can only give scopes that it has; yours has {granted}");
    Err(Error::new(ErrorKind::InsufficientScope, message).with_param("scopes"))
}

fn rate_limit(text: &str) -> Result<String> {
    let limit: std::result::Result<RateLimit, _> = text.parse();
    let limit =
        limit.map_err(|bad| Error::invalid("rate_limit", format!("rate_limit is {bad}")))?;
    Ok(limit.to_string())
}

/// The networks as they are stored.
fn networks(texts: &[String]) -> Result<String> {
    if texts.is_empty() || texts.len() > NETWORKS_MAX {
        let message = format!(
            "allowed_cidrs must name 1 to {NETWORKS_MAX} addresses or networks; leave it out to allow all"
        );
        return Err(Error::invalid("allowed_cidrs", message));
    }
    let networks = Networks::parse(texts.iter().map(String::as_str));
    let networks = networks.map_err(|bad| {
        let param = format!("allowed_cidrs/{}", bad.at);
        let message = format!("{param}: {bad}");
        Error::invalid(param, message)
    })?;
    Ok(networks.to_string())
}

fn project(snapshot: &Snapshot<'_, AccountScope>, id: Option<ProjectId>) -> Result<Project> {
    match id {
        Some(id) => projects::find(snapshot, id)?.ok_or_else(|| {
            Error::invalid("project_id", "project_id names no project of this account")
        }),
        None => projects::by_name(snapshot, DEFAULT_PROJECT)?
            .ok_or_else(|| Error::internal("an account has no default project")),
    }
}

/// Draws and hashes a key with the settings of another, which it is to replace. Takes some 20 ms.
pub fn prepare_rotation(
    app: &App,
    scope: AccountScope,
    granted: ScopeSet,
    id: ApiKeyId,
    request: &RotateRequest,
) -> Result<PreparedRotation> {
    if request.overlap_seconds > OVERLAP_MAX {
        let message = format!("overlap_seconds must be from 0 to {OVERLAP_MAX}");
        return Err(Error::invalid("overlap_seconds", message));
    }
    let (old, project) = app.store.read(scope, |snapshot| {
        let old = must_find(snapshot, id)?;
        is_somebodys(&old)?;
        let project = project(snapshot, Some(old.project.1))?;
        Ok((old, project))
    })?;
    covered(old.scopes.parse().map_err(Error::internal)?, granted)?;
    let draft = Draft {
        project: project.seq,
        environment: project.environment,
        name: old.name,
        scopes: old.scopes,
        rate_limit: old.rate_limit,
        monthly_credit_limit: old.monthly_credit_limit,
        allowed_cidrs: old.allowed_cidrs,
        origin: old.origin.or(Some(old.seq)),
        expires_at: old.expires_at,
    };
    let prepared = draft.draw(app, scope)?;
    let overlap = Duration::from_secs(request.overlap_seconds);
    Ok(PreparedRotation { prepared, replaced: id, overlap })
}

fn works(key: &ApiKey, now: Timestamp) -> Result<()> {
    if key.revoked_at.is_some() || key.ends_at().is_some_and(|at| at <= now) {
        let message = "the key is revoked or expired and cannot be rotated; create a new one";
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    Ok(())
}

/// Stores a new key.
pub fn create(
    app: &Arc<App>,
    prepared: Prepared,
    request: Option<Idempotency>,
    render: once::Render<CreatedKey>,
) -> Commit<Reply> {
    let scope = prepared.scope;
    once::once(app, scope, request, Secrecy::Secret, render, move |tx| add(tx, &prepared))
}

/// Stores a new key on behalf of the operator.
pub fn issue(app: &Arc<App>, prepared: Prepared) -> Commit<CreatedKey> {
    app.store.write(prepared.scope, move |tx| add(tx, &prepared))
}

/// Stores the replacement; the old key ends after the overlap.
pub fn rotate(
    app: &Arc<App>,
    rotation: PreparedRotation,
    request: Option<Idempotency>,
    render: once::Render<CreatedKey>,
) -> Commit<Reply> {
    let scope = rotation.prepared.scope;
    once::once(app, scope, request, Secrecy::Secret, render, move |tx| replace(tx, &rotation))
}

/// Stores a key beside those that there are.
fn add(tx: &Tx<'_, AccountScope>, prepared: &Prepared) -> Result<CreatedKey> {
    if api_keys::count(tx)? >= KEYS_MAX {
        let message = format!("the account has {KEYS_MAX} keys that work; revoke one first");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    store(tx, prepared)
}

fn store(tx: &Tx<'_, AccountScope>, prepared: &Prepared) -> Result<CreatedKey> {
    api_keys::insert(tx, &prepared.new)?;
    let key = must_find(tx, prepared.new.id)?;
    Ok(CreatedKey { key, secret: prepared.secret.clone() })
}

fn replace(tx: &Tx<'_, AccountScope>, rotation: &PreparedRotation) -> Result<CreatedKey> {
    // It may have been revoked since the replacement was prepared.
    works(&must_find(tx, rotation.replaced)?, tx.now())?;
    let created = store(tx, &rotation.prepared)?;
    api_keys::retire(tx, rotation.replaced, tx.now().plus(rotation.overlap))?;
    Ok(created)
}

/// The account's keys, newest first, revoked ones included.
pub fn list(app: &App, scope: AccountScope, page: &PageRequest) -> Result<Page<ApiKey>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(ApiKeyId::from_uuid);
    let rows = app
        .store
        .read(scope, |snapshot| api_keys::list(snapshot, before, super::one_more(page)))?;
    Ok(Page::cut(rows, page.limit, |key| Cursor::from_uuid(key.id.uuid())))
}

/// The account's key of that id.
pub fn get(app: &App, scope: AccountScope, id: ApiKeyId) -> Result<ApiKey> {
    app.store.read(scope, |snapshot| must_find(snapshot, id))
}

/// Ends a key at once; one that was revoked before stays so. Whoever manages keys ends every key, also one that may do
/// more than they: a key that leaked must end at once, and nobody gains anything by it.
pub fn revoke(app: &App, scope: AccountScope, id: ApiKeyId) -> Commit<ApiKey> {
    app.store.write(scope, move |tx| {
        let key = must_find(tx, id)?;
        is_somebodys(&key)?;
        api_keys::revoke(tx, id)?;
        must_find(tx, id)
    })
}

/// Ends a key of any account at once, on behalf of the operator.
pub fn revoke_any(app: &App, id: ApiKeyId) -> Commit<()> {
    app.store.write(SystemScope::new(), move |tx| {
        let account = api_keys::account_of(tx, id)?;
        let account = account.ok_or_else(|| Error::none_on_server("API key"))?;
        tx.within(account, |tx| {
            is_somebodys(&must_find(tx, id)?)?;
            api_keys::revoke(tx, id).map(drop)
        })
    })
}

/// Refuses the dashboard's keys, which nobody holds.
fn is_somebodys(key: &ApiKey) -> Result<()> {
    if !key.is_dashboard {
        return Ok(());
    }
    let message = "this key is the dashboard's: nobody holds it, and it pays for what people start there; \
                   give members another role, or pause schedules, where they should start nothing";
    Err(Error::new(ErrorKind::Conflict, message))
}

fn not_found() -> Error {
    Error::not_found("API key")
}

fn must_find(snapshot: &Snapshot<'_, AccountScope>, id: ApiKeyId) -> Result<ApiKey> {
    api_keys::find(snapshot, id)?.ok_or_else(not_found)
}
