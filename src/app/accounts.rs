//! The operator's deeds with accounts.

mod settings;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use settings::cap_policy;

use super::{App, functions, schedules::nightly};
use crate::{
    domain::{
        AccountId, Credits, Cursor, Environment, Error, ErrorKind, Page, PageRequest, ProjectId,
        Result, TimeZone, check_daily_token_cap,
    },
    store::{
        AccountScope, Commit, Snapshot, SystemScope, Tx,
        accounts::{self, Account},
    },
};

/// What an account is made of.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// What people call it.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
}

/// What is to be different; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// What people call it.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// Whether its keys are refused.
    pub suspended: Option<bool>,
    /// Where its days begin and end, as the IANA database names it; null: as the server's configuration says.
    #[serde(default, deserialize_with = "super::present")]
    #[schemars(with = "Option<TimeZone>")]
    pub timezone: Option<Option<TimeZone>>,
    /// Whether its end users are held to a cap of tokens a day that have none of their own; null: as the server's
    /// configuration says.
    #[serde(default, deserialize_with = "super::present")]
    #[schemars(with = "Option<bool>")]
    pub daily_token_caps: Option<Option<bool>>,
    /// The cap of those; null: as the server's configuration says.
    #[serde(default, deserialize_with = "super::present")]
    #[schemars(with = "Option<u64>", range(max = 1_000_000_000_000_u64))]
    pub daily_token_cap: Option<Option<u64>>,
    /// `credits.low` is told when what the account has, with what is set aside, falls below it; null: as the
    /// server's configuration says.
    #[serde(default, deserialize_with = "super::present")]
    #[schemars(with = "Option<Credits>")]
    pub credits_low_mark: Option<Option<Credits>>,
    /// Whether what its jobs were asked and answered is recorded, unless their project says otherwise; null: as the
    /// server's configuration says.
    #[serde(default, deserialize_with = "super::present")]
    #[schemars(with = "Option<bool>")]
    pub record_invocations: Option<Option<bool>>,
}

/// An account and its project `default`.
#[derive(Clone, Debug)]
pub struct CreatedAccount {
    /// The account.
    pub account: Account,
    /// Its project `default`.
    pub project: ProjectId,
}

/// Makes an account with a project called `default`, the server's own functions, and no credits.
pub fn create(app: &Arc<App>, new: NewAccount) -> Commit<CreatedAccount> {
    if let Err(error) = check_name(&new.name) {
        return Commit::refused(error);
    }
    let id = AccountId::from_uuid(app.ambient.uuid());
    let project = ProjectId::from_uuid(app.ambient.uuid());
    let this = Arc::clone(app);
    app.store.write(SystemScope::new(), move |tx| {
        make(&this, tx, id, project, &new.name)?;
        Ok(CreatedAccount { account: must_find(tx, id, Environment::Live)?, project })
    })
}

/// The same within a transaction.
pub(super) fn make(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    id: AccountId,
    project: ProjectId,
    name: &str,
) -> Result<AccountScope> {
    let scope = accounts::insert(tx, id, project, name)?;
    tx.within(scope, |tx| furnish(app, tx))?;
    Ok(scope)
}

/// What every new account has, and every twin: the server's own functions, and those that are run each night.
pub(super) fn furnish(app: &App, tx: &Tx<'_, AccountScope>) -> Result<()> {
    functions::register(app, tx)?;
    nightly::register(app, tx, &cap_policy(app, tx)?.timezone)
}

/// All accounts, newest first.
pub fn list(app: &App, page: &PageRequest) -> Result<Page<Account>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(AccountId::from_uuid);
    let rows = app.store.read(SystemScope::new(), |snapshot| {
        accounts::list(snapshot, before, super::one_more(page))
    })?;
    Ok(Page::cut(rows, page.limit, |account| Cursor::from_uuid(account.id().uuid())))
}

/// The account of that id.
pub fn get(app: &App, id: AccountId) -> Result<Account> {
    app.store.read(SystemScope::new(), |snapshot| must_find(snapshot, id, Environment::Live))
}

/// The right to the account's live rows, for the operator.
pub fn scope(app: &App, id: AccountId) -> Result<AccountScope> {
    scope_of(app, id, Environment::Live)
}

/// The same for either environment.
pub fn scope_of(app: &App, id: AccountId, environment: Environment) -> Result<AccountScope> {
    app.store.read(SystemScope::new(), |snapshot| find_scope(snapshot, id, environment))
}

/// The right to the rows of the account's twin for tests, if it has one.
pub fn test_scope(app: &App, id: AccountId) -> Result<Option<AccountScope>> {
    let find = |snapshot: &Snapshot<'_, _>| accounts::find(snapshot, id, Environment::Test);
    Ok(app.store.read(SystemScope::new(), find)?.map(|twin| twin.scope))
}

/// Renames, suspends or resumes an account, or changes its settings.
pub fn update(app: &Arc<App>, id: AccountId, change: AccountChange) -> Commit<Account> {
    if let Err(error) = check_change(&change) {
        return Commit::refused(error);
    }
    let this = Arc::clone(app);
    app.store.write(SystemScope::new(), move |tx| {
        let account = must_find(tx, id, Environment::Live)?;
        // What its keys and people may do is in doubt after that.
        if change.name.is_some() || change.suspended.is_some() {
            accounts::update(tx, id, change.name.as_deref(), change.suspended)?;
        }
        settings::change(&this, tx, &account, &change)?;
        must_find(tx, id, Environment::Live)
    })
}

fn check_change(change: &AccountChange) -> Result<()> {
    change.name.as_deref().map_or(Ok(()), check_name)?;
    check_daily_token_cap(change.daily_token_cap.flatten())?;
    if change.credits_low_mark.flatten().is_some_and(|mark| mark < Credits::ZERO) {
        return Err(Error::invalid("credits_low_mark", "credits_low_mark must not be below zero"));
    }
    Ok(())
}

/// The account's part of an operator's transaction.
pub(super) fn within<T>(
    tx: &Tx<'_, SystemScope>,
    id: AccountId,
    environment: Environment,
    part: impl FnOnce(&Tx<'_, AccountScope>) -> Result<T>,
) -> Result<T> {
    tx.within(find_scope(tx, id, environment)?, part)
}

/// The right to the account's rows of that environment.
pub(super) fn find_scope(
    snapshot: &Snapshot<'_, SystemScope>,
    id: AccountId,
    environment: Environment,
) -> Result<AccountScope> {
    Ok(must_find(snapshot, id, environment)?.scope)
}

fn must_find(
    snapshot: &Snapshot<'_, SystemScope>,
    id: AccountId,
    environment: Environment,
) -> Result<Account> {
    match (accounts::find(snapshot, id, environment)?, environment) {
        (Some(account), _) => Ok(account),
        (None, Environment::Live) => Err(Error::none_on_server("account")),
        (None, Environment::Test) => {
            must_find(snapshot, id, Environment::Live)?;
            Err(without_twin())
        }
    }
}

fn without_twin() -> Error {
    let message = "the account has no test environment yet: it comes with the account's first test \
                   project, which one of its live keys makes by POST /v1/projects with \
                   \"environment\": \"test\"";
    Error::new(ErrorKind::NotFound, message).with_param("environment")
}

fn check_name(name: &str) -> Result<()> {
    super::text("name", name, 200)
}
