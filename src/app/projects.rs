//! What can be done with projects, the parts of an account.
//!
//! The first test project brings the account its twin: a second account of the same id for which jobs,
//! agents, endpoints and credits are its own, and whose jobs run on the sandbox alone. Whatever holds
//! between two accounts holds between the two: neither sees or moves what the other has. Projects and
//! keys themselves, of both environments, are the live account's.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    App, Reply, Secrecy,
    accounts::{furnish, within},
    budgets, credits, once,
};
use crate::{
    domain::{
        Bucket, Credits, Cursor, DEFAULT_PROJECT, Environment, Error, ErrorKind, GrantId,
        Idempotency, Page, PageRequest, ProjectId, Result,
    },
    store::{
        AccountScope, Commit, Snapshot, SystemScope, Tx, accounts,
        grants::NewGrant,
        projects::{self, NewProject, Project, ProjectChange},
    },
};

/// Projects of one account.
const PROJECTS_MAX: u32 = 1_000;

/// `POST /v1/projects`: what a project is to be.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectRequest {
    /// Unique in the account.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Where its keys work, for good. Those of a test project are `sk_test_…`, run on the sandbox alone,
    /// and spend test credits.
    #[serde(default)]
    pub environment: Environment,
    /// Credits that its jobs may be charged in a calendar month (UTC); above zero, or null for no limit.
    pub monthly_credit_limit: Option<Credits>,
    /// Whether what its jobs were asked and answered is recorded; null: as its account says.
    pub record_invocations: Option<bool>,
}

/// `PATCH /v1/projects/{id}`: what to change; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectPatch {
    /// Unique in the account. The project `default` keeps its name.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// Credits that its jobs may be charged in a calendar month (UTC); null takes the limit away.
    #[serde(default, deserialize_with = "super::present")]
    #[schemars(with = "Option<Credits>")]
    pub monthly_credit_limit: Option<Option<Credits>>,
    /// Whether what its jobs were asked and answered is recorded; null: as its account says.
    #[serde(default, deserialize_with = "super::present")]
    #[schemars(with = "Option<bool>")]
    pub record_invocations: Option<Option<bool>>,
}

/// Adds a project to the account that `home` is the live part of, and with its first test project the twin.
pub fn create(
    app: &Arc<App>,
    home: AccountScope,
    new: ProjectRequest,
    request: Option<Idempotency>,
    render: once::Render<Project>,
) -> Commit<Reply> {
    if let Err(error) = check(Some(&new.name), new.monthly_credit_limit) {
        return Commit::refused(error);
    }
    let ProjectRequest { name, environment, monthly_credit_limit, record_invocations } = new;
    let id = ProjectId::from_uuid(app.ambient.uuid());
    let new = NewProject { id, name, environment, monthly_credit_limit, record_invocations };
    let this = Arc::clone(app);
    app.store.write(SystemScope::new(), move |tx| {
        if environment == Environment::Test {
            ensure_twin(&this, tx, home)?;
        }
        let deed = |tx: &Tx<'_, SystemScope>| tx.within(home, |tx| insert(tx, &new));
        once::within(&this, tx, home, request.as_ref(), Secrecy::Plain, render, deed)
    })
}

fn insert(tx: &Tx<'_, AccountScope>, new: &NewProject) -> Result<Project> {
    if projects::count(tx)? >= PROJECTS_MAX {
        let message = format!("the account has {PROJECTS_MAX} projects, and no more are possible");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    is_new(tx, &new.name)?;
    projects::insert(tx, new)?;
    must_find(tx, new.id)
}

/// Makes the account's twin, if it has none, and gives it credits to play with.
fn ensure_twin(app: &App, tx: &Tx<'_, SystemScope>, home: AccountScope) -> Result<()> {
    let id = home.account_id();
    if accounts::find(tx, id, Environment::Test)?.is_some() {
        return Ok(());
    }
    let account = accounts::find(tx, id, Environment::Live)?;
    let twin =
        accounts::insert_twin(tx, &account.ok_or_else(|| Error::none_on_server("account"))?)?;
    tx.within(twin, |tx| furnish(app, tx))?;
    if app.settings.test_credits.is_zero() {
        return Ok(());
    }
    let new = NewGrant {
        id: GrantId::from_uuid(app.ambient.uuid()),
        bucket: Bucket::Free,
        amount: app.settings.test_credits,
        reason: "test credits".to_owned(),
        expires_at: None,
        request_id: None,
        stripe_event: None,
    };
    tx.within(twin, |tx| credits::give(app, tx, &new, "test mode")).map(drop)
}

/// The account's projects of both environments, newest first.
pub fn list(app: &App, home: AccountScope, page: &PageRequest) -> Result<Page<Project>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(ProjectId::from_uuid);
    let rows =
        app.store.read(home, |snapshot| projects::list(snapshot, before, super::one_more(page)))?;
    Ok(Page::cut(rows, page.limit, |project| Cursor::from_uuid(project.id.uuid())))
}

/// The account's project of that id.
pub fn get(app: &App, home: AccountScope, id: ProjectId) -> Result<Project> {
    app.store.read(home, |snapshot| must_find(snapshot, id))
}

/// Renames a project or changes its limit.
pub fn update(
    app: &Arc<App>,
    home: AccountScope,
    id: ProjectId,
    patch: ProjectPatch,
) -> Commit<Project> {
    if let Err(error) = check(patch.name.as_deref(), patch.monthly_credit_limit.flatten()) {
        return Commit::refused(error);
    }
    let ProjectPatch { name, monthly_credit_limit, record_invocations } = patch;
    let change = ProjectChange { name, monthly_credit_limit, record_invocations };
    let this = Arc::clone(app);
    app.store.write(SystemScope::new(), move |tx| {
        let project = tx.within(home, |tx| apply(tx, id, &change))?;
        if let Some(limit) = change.monthly_credit_limit {
            // Its jobs are counted where its keys work.
            within(tx, home.account_id(), project.environment, |tx| {
                budgets::limit_project(&this, tx, id, limit)
            })?;
        }
        Ok(project)
    })
}

fn apply(tx: &Tx<'_, AccountScope>, id: ProjectId, change: &ProjectChange) -> Result<Project> {
    let project = must_find(tx, id)?;
    if let Some(name) = change.name.as_deref().filter(|name| *name != project.name) {
        may_be_renamed(&project)?;
        is_new(tx, name)?;
    }
    projects::update(tx, id, change)?;
    must_find(tx, id)
}

fn may_be_renamed(project: &Project) -> Result<()> {
    if project.name != DEFAULT_PROJECT {
        return Ok(());
    }
    let message = "the project `default` keeps its name, as keys that name no project are made in it; \
                   make another project instead";
    Err(Error::new(ErrorKind::Conflict, message).with_param("name"))
}

fn is_new(snapshot: &Snapshot<'_, AccountScope>, name: &str) -> Result<()> {
    if projects::by_name(snapshot, name)?.is_none() {
        return Ok(());
    }
    let message = "the account has a project of this name; choose another";
    Err(Error::new(ErrorKind::Conflict, message).with_param("name"))
}

fn check(name: Option<&str>, limit: Option<Credits>) -> Result<()> {
    if let Some(name) = name {
        super::text("name", name, 200)?;
    }
    super::monthly_credit_limit(limit)
}

fn must_find(snapshot: &Snapshot<'_, AccountScope>, id: ProjectId) -> Result<Project> {
    projects::find(snapshot, id)?.ok_or_else(|| Error::not_found("project"))
}
