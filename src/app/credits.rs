//! What can be done with credits, apart from jobs: look, give, correct, and let expire.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{App, Reply, Secrecy, accounts, once};
use crate::{
    domain::{
        AccountId, Bucket, Credits, Cursor, EntryKind, Environment, Error, EventType, GrantId,
        Idempotency, JobId, Page, PageRequest, Result, Timestamp,
    },
    store::{
        AccountScope, Commit, SystemScope, Tx,
        grants::{self, Correction, NewGrant},
        ledger::{self, Balance, Change},
        ledger_entries::{self, Grant, LedgerEntry, LedgerFilter},
    },
};

/// Accounts whose grants one round of maintenance lets expire.
const ACCOUNTS_PER_ROUND: u32 = 10_000;
/// Their writes that wait for the writer at the same time.
const WRITES_AT_ONCE: usize = 64;

/// Which entries of the ledger to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct EntryFilter {
    /// Only this kind.
    pub kind: Option<EntryKind>,
    /// Only this job's.
    pub job: Option<JobId>,
    /// Only made at this time or later.
    pub created_after: Option<Timestamp>,
    /// Only made before this time.
    pub created_before: Option<Timestamp>,
}

/// Credits that the operator gives.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// How many; above zero.
    pub amount: Credits,
    /// Where they go.
    #[serde(default = "paid")]
    pub bucket: Bucket,
    /// Why, for the ledger.
    #[serde(default = "by_the_operator")]
    #[schemars(length(min = 1, max = 500))]
    pub reason: String,
    /// When what is left of them expires.
    pub expires_at: Option<Timestamp>,
    /// Live credits, or those that the account's test keys spend.
    #[serde(default)]
    pub environment: Environment,
}

/// A correction of the balance by the operator.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustRequest {
    /// By how much; below zero to take credits away, also beyond the balance.
    pub amount: Credits,
    /// The bucket that changes.
    #[serde(default = "paid")]
    pub bucket: Bucket,
    /// Why, for the ledger.
    #[serde(default = "by_the_operator")]
    #[schemars(length(min = 1, max = 500))]
    pub reason: String,
    /// Live credits, or those that the account's test keys spend.
    #[serde(default)]
    pub environment: Environment,
}

fn paid() -> Bucket {
    Bucket::Paid
}

fn by_the_operator() -> String {
    "by the operator".to_owned()
}

/// The data of `credits.granted`.
#[derive(Serialize)]
struct Granted<'a> {
    amount: Credits,
    account_id: AccountId,
    source: &'a str,
}

/// The data of `credits.low`.
#[derive(Serialize)]
struct Low {
    account_id: AccountId,
    available: Credits,
    reserved: Credits,
    mark: Credits,
}

/// What the account can spend and what is set aside.
pub fn balance(app: &App, scope: AccountScope) -> Result<Balance> {
    app.store.read(scope, ledger::balance)
}

/// The account's ledger, newest first: up to the page's limit, fewer where entries are hard to find.
pub fn entries(
    app: &App,
    scope: AccountScope,
    filter: EntryFilter,
    page: &PageRequest,
) -> Result<Page<LedgerEntry>> {
    let EntryFilter { kind, job, created_after, created_before } = filter;
    let before = page.after.as_ref().map(Cursor::number).transpose()?;
    let filter = LedgerFilter { kind, job, created_after, created_before, before };
    let found =
        app.store.read(scope, |snapshot| ledger_entries::entries(snapshot, &filter, page.limit))?;
    Ok(super::page_of(found, |n| Cursor::from_number(*n)))
}

/// The account's grants, newest first.
pub fn grants(app: &App, scope: AccountScope, page: &PageRequest) -> Result<Page<Grant>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(GrantId::from_uuid);
    let rows = app
        .store
        .read(scope, |snapshot| ledger_entries::grants(snapshot, before, super::one_more(page)))?;
    Ok(Page::cut(rows, page.limit, |grant| Cursor::from_uuid(grant.id.uuid())))
}

/// Gives an account credits, and tells its endpoints.
pub fn grant(
    app: &Arc<App>,
    account: AccountId,
    request: GrantRequest,
    request_id: Option<String>,
) -> Commit<Grant> {
    let environment = request.environment;
    let new = match prepare_grant(app, request, request_id) {
        Ok(new) => new,
        Err(error) => return Commit::refused(error),
    };
    let this = Arc::clone(app);
    app.store.write(SystemScope::new(), move |tx| {
        accounts::within(tx, account, environment, |tx| give(&this, tx, &new, "operator"))
    })
}

/// The same, once for each `Idempotency-Key`, which the account has for itself.
pub fn grant_once(
    app: &Arc<App>,
    account: AccountId,
    request: GrantRequest,
    request_id: Option<String>,
    idempotency: Option<Idempotency>,
    render: once::Render<Grant>,
) -> Commit<Reply> {
    let account = (account, request.environment);
    let new = match prepare_grant(app, request, request_id) {
        Ok(new) => new,
        Err(error) => return Commit::refused(error),
    };
    once_within(app, account, idempotency, render, move |app, tx| give(app, tx, &new, "operator"))
}

/// A deed of the operator's for an account. What it answers is no secret.
fn once_within<T: 'static>(
    app: &Arc<App>,
    (account, environment): (AccountId, Environment),
    idempotency: Option<Idempotency>,
    render: once::Render<T>,
    mut deed: impl FnMut(&App, &Tx<'_, AccountScope>) -> Result<T> + Send + 'static,
) -> Commit<Reply> {
    let this = Arc::clone(app);
    app.store.write(SystemScope::new(), move |tx| {
        let scope = accounts::find_scope(tx, account, environment)?;
        let deed = |tx: &Tx<'_, SystemScope>| tx.within(scope, |tx| deed(&this, tx));
        once::within(&this, tx, scope, idempotency.as_ref(), Secrecy::Plain, render, deed)
    })
}

fn prepare_grant(app: &App, request: GrantRequest, request_id: Option<String>) -> Result<NewGrant> {
    check_grant(&request)?;
    let GrantRequest { amount, bucket, reason, expires_at, .. } = request;
    let id = GrantId::from_uuid(app.ambient.uuid());
    Ok(NewGrant { id, bucket, amount, reason, expires_at, request_id, stripe_event: None })
}

fn check_grant(request: &GrantRequest) -> Result<()> {
    if !request.amount.is_positive() {
        return Err(Error::invalid("amount", "amount must be above zero"));
    }
    super::text("reason", &request.reason, 500)
}

/// The transaction of every grant, whatever its source.
pub(super) fn give(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    new: &NewGrant,
    source: &str,
) -> Result<Grant> {
    if new.expires_at.is_some_and(|at| at <= tx.now()) {
        return Err(Error::invalid("expires_at", "expires_at must be in the future"));
    }
    grants::grant(tx, new)?;
    let account_id = tx.scope().account_id();
    let granted = Granted { amount: new.amount, account_id, source };
    app.emit(tx, EventType::CreditsGranted, &granted)?;
    ledger_entries::grant(tx, new.id)?.ok_or_else(|| Error::internal("a new grant is gone"))
}

/// Corrects an account's balance, once for each `Idempotency-Key`, which the account has for itself;
/// gives the new balance.
pub fn adjust(
    app: &Arc<App>,
    account: AccountId,
    request: AdjustRequest,
    request_id: Option<String>,
    idempotency: Option<Idempotency>,
    render: once::Render<Balance>,
) -> Commit<Reply> {
    if let Err(error) = check_adjustment(&request) {
        return Commit::refused(error);
    }
    let account = (account, request.environment);
    let id = GrantId::from_uuid(app.ambient.uuid());
    once_within(app, account, idempotency, render, move |app, tx| {
        let AdjustRequest { amount, bucket, reason, .. } = &request;
        let by = Correction {
            bucket: *bucket,
            amount: amount.magnitude(),
            reason,
            request_id: request_id.as_deref(),
            stripe_event: None,
        };
        if amount.is_positive() {
            grants::add(tx, id, &by)?;
        } else {
            let change = grants::remove(tx, None, &by)?;
            tell_low(app, tx, &change)?;
        }
        ledger::balance(tx)
    })
}

fn check_adjustment(request: &AdjustRequest) -> Result<()> {
    if request.amount.is_zero() {
        return Err(Error::invalid("amount", "amount must not be zero"));
    }
    super::text("reason", &request.reason, 500)
}

/// Tells endpoints where the account just fell below its mark.
pub(super) fn tell_low(app: &App, tx: &Tx<'_, AccountScope>, change: &Change) -> Result<()> {
    let mark = change.after.low_mark.unwrap_or(app.settings.low_mark);
    if !change.falls_below(mark) {
        return Ok(());
    }
    let Balance { available, reserved, .. } = change.after;
    let low = Low {
        account_id: tx.scope().account_id(),
        available: available.total().unwrap_or_default(),
        reserved: reserved.total().unwrap_or_default(),
        mark,
    };
    app.emit(tx, EventType::CreditsLow, &low)
}

/// Takes back what is left of grants past their date, one write for each account; gives how many
/// grants it touched.
pub fn expire_due_grants(app: &Arc<App>) -> Result<usize> {
    let due = app.store.read(SystemScope::new(), |snapshot| {
        grants::accounts_with_expired(snapshot, ACCOUNTS_PER_ROUND)
    })?;
    super::total(due.chunks(WRITES_AT_ONCE).flat_map(|some| {
        let writes: Vec<_> = some.iter().map(|scope| expire(app, *scope)).collect();
        writes.into_iter().map(Commit::wait)
    }))
}

fn expire(app: &Arc<App>, scope: AccountScope) -> Commit<usize> {
    let this = Arc::clone(app);
    app.store.write(scope, move |tx| {
        let Some((touched, change)) = grants::expire(tx)? else { return Ok(0) };
        tell_low(&this, tx, &change)?;
        Ok(touched)
    })
}
