//! What can be done with agents: prompts with a name, versions, and contracts for what goes in and
//! comes out.

pub mod health;
mod opened;
mod ready;

use std::sync::Arc;

use serde_json::value::RawValue;

pub use opened::{Opened, ready};
pub use ready::{Ready, Run, prepare_run};

use super::{App, Caller, Reply, Secrecy, jobs, once};
use crate::{
    domain::{
        AgentDefinition, AgentId, AgentRequest, AgentVersionId, Cursor, Error, ErrorKind,
        Idempotency, Page, PageRequest, Result, VersionRequest, json,
        schema::{Warning, lint},
    },
    store::{
        AccountScope, Commit, Snapshot, Tx,
        agents::{self, Agent, AgentChange, AgentVersion, NewAgent, NewVersion},
    },
};

/// Agents of one account, archived ones counted.
const AGENTS_MAX: u32 = 10_000;
/// Versions of one agent.
const VERSIONS_MAX: u32 = 10_000;

/// An agent and one of its versions.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// The agent.
    pub agent: Agent,
    /// The version: the active one where nothing else is said.
    pub version: AgentVersion,
}

impl Versioned {
    fn of((agent, version): (Agent, AgentVersion)) -> Self {
        Self { agent, version }
    }
}

/// Adds an agent with its first version. [`ErrorKind::Conflict`] where the name is taken. Blocks, as schemas are
/// compiled.
pub fn create(
    app: &Arc<App>,
    caller: &Caller,
    new: &AgentRequest,
    request: Option<Idempotency>,
    render: once::Render<Versioned>,
) -> Result<Reply> {
    if let Some(done) = once::answered(app, caller.scope, request.as_ref())? {
        return Ok(done);
    }
    let new = prepare(app, new)?;
    let made = once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let Prepared { agent, version } = &new;
        if let Some((known, _)) = agents::find(tx, &agent.name)? {
            return Err(taken(&known));
        }
        if agents::count(tx)? >= AGENTS_MAX {
            let message =
                format!("the account has {AGENTS_MAX} agents, which is as many as it may");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        agents::insert(tx, agent, version)?;
        must_find(tx, &agent.name)
    });
    made.wait()
}

fn taken(known: &Agent) -> Error {
    let message = if known.archived_at.is_some() {
        "an archived agent has this name, and its history is kept; choose another name"
    } else {
        "an agent of this name exists; add a version to it, or choose another name"
    };
    Error::new(ErrorKind::Conflict, message).with_param("name")
}

/// A request that keeps all rules, ready to be stored.
#[derive(Clone, Debug)]
struct Prepared<A> {
    agent: A,
    version: NewVersion,
}

/// Checks everything about a new agent that needs no database. Compiling schemas may take some
/// milliseconds.
fn prepare(app: &App, request: &AgentRequest) -> Result<Prepared<NewAgent>> {
    request.check_name()?;
    request.check(app.settings.max_timeout_ms())?;
    let agent = NewAgent {
        id: AgentId::from_uuid(app.ambient.uuid()),
        name: request.name.clone(),
        description: request.description.clone(),
        tags: written(request.tags.as_deref().unwrap_or_default())?,
    };
    Ok(Prepared { agent, version: new_version(app, request.definition())? })
}

/// The same for a new version.
fn prepare_version(app: &App, request: &VersionRequest) -> Result<Prepared<VersionNote>> {
    request.check(app.settings.max_timeout_ms())?;
    let agent = VersionNote {
        activate: request.activate,
        description: request.description.clone(),
        tags: request.tags.as_deref().map(written).transpose()?,
    };
    Ok(Prepared { agent, version: new_version(app, request.definition())? })
}

/// What a new version does to its agent.
#[derive(Clone, Debug)]
struct VersionNote {
    activate: bool,
    description: Option<String>,
    tags: Option<String>,
}

fn new_version(app: &App, definition: AgentDefinition) -> Result<NewVersion> {
    jobs::check_models(app, &definition.model, &definition.parameters)?;
    if let Some(schema) = &definition.input_schema {
        app.contracts.compile(schema, "input_schema")?;
    }
    if let Some(schema) = &definition.output_schema {
        app.contracts.compile(schema, "output_schema")?;
    }
    definition.templates(true)?;
    Ok(NewVersion {
        id: AgentVersionId::from_uuid(app.ambient.uuid()),
        messages: written(&definition.messages)?,
        parameters: written(&definition.parameters)?,
        warnings: written(&warnings(definition.output_schema.as_deref())?)?,
        model: definition.model,
        input_schema: definition.input_schema,
        output_schema: definition.output_schema,
    })
}

/// What strict modes of providers would refuse in a schema that was compiled.
fn warnings(schema: Option<&RawValue>) -> Result<Vec<Warning>> {
    let Some(schema) = schema else { return Ok(Vec::new()) };
    Ok(lint(&json::value(schema.get()).map_err(Error::internal)?))
}

fn written(value: &(impl serde::Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// The agent of that name with its active version. Blocks while it reads.
pub fn get(app: &App, scope: AccountScope, name: &str) -> Result<Versioned> {
    app.store.read(scope, |snapshot| must_find(snapshot, name))
}

/// The account's agents, newest first: archived ones or the others. Blocks while it reads.
pub fn list(
    app: &App,
    scope: AccountScope,
    archived: bool,
    page: &PageRequest,
) -> Result<Page<Versioned>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(AgentId::from_uuid);
    let rows =
        app.store.read(scope, |snapshot| agents::list(snapshot, archived, before, page.limit))?;
    let page = Page::read(rows, |(agent, _)| Cursor::from_uuid(agent.id.uuid()));
    Ok(page.map(Versioned::of))
}

/// The agent's versions, newest first. Blocks while it reads.
pub fn versions(
    app: &App,
    scope: AccountScope,
    name: &str,
    page: &PageRequest,
) -> Result<(Agent, Page<AgentVersion>)> {
    let before = page.after.as_ref().map(Cursor::number).transpose()?;
    app.store.read(scope, |snapshot| {
        let Versioned { agent, .. } = must_find(snapshot, name)?;
        let rows = agents::versions(snapshot, agent.seq, before, page.limit)?;
        Ok((agent, Page::read(rows, |version| Cursor::from_number(version.n.into()))))
    })
}

/// The agent's version of that number. Blocks while it reads.
pub fn version(app: &App, scope: AccountScope, name: &str, n: u32) -> Result<Versioned> {
    app.store.read(scope, |snapshot| must_find_version(snapshot, name, n))
}

/// Adds a version to an agent, and activates it where the request says so. Blocks, as schemas are compiled.
pub fn add_version(
    app: &Arc<App>,
    caller: &Caller,
    name: String,
    new: &VersionRequest,
    request: Option<Idempotency>,
    render: once::Render<Versioned>,
) -> Result<Reply> {
    if let Some(done) = once::answered(app, caller.scope, request.as_ref())? {
        return Ok(done);
    }
    let new = prepare_version(app, new)?;
    let made = once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let Versioned { agent, .. } = must_be_open(tx, &name)?;
        let n = agent.latest_version + 1;
        if n > VERSIONS_MAX {
            let message = format!("the agent has {VERSIONS_MAX} versions; make another agent");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        agents::insert_version(tx, agent.seq, n, &new.version)?;
        let change = AgentChange {
            active_version: new.agent.activate.then_some(n),
            latest_version: Some(n),
            description: new.agent.description.clone(),
            tags: new.agent.tags.clone(),
        };
        agents::update(tx, agent.seq, &change)?;
        must_find_version(tx, &name, n)
    });
    made.wait()
}

/// Lets runs use this version from now on.
pub fn activate(
    app: &Arc<App>,
    caller: &Caller,
    name: String,
    n: u32,
    request: Option<Idempotency>,
    render: once::Render<Versioned>,
) -> Commit<Reply> {
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let Versioned { agent, .. } = must_be_open(tx, &name)?;
        if n == 0 || n > agent.latest_version {
            let message = format!("version must be one of 1 to {}", agent.latest_version);
            return Err(Error::invalid("version", message));
        }
        let change = AgentChange {
            active_version: Some(n),
            latest_version: None,
            description: None,
            tags: None,
        };
        agents::update(tx, agent.seq, &change)?;
        must_find(tx, &name)
    })
}

/// Takes no new runs of the agent any more. Its history stays.
pub fn archive(app: &App, caller: &Caller, name: String) -> Commit<()> {
    app.store.write(caller.scope, move |tx| {
        let Versioned { agent, .. } = must_find(tx, &name)?;
        agents::archive(tx, agent.seq).map(drop)
    })
}

pub(super) fn must_find(snapshot: &Snapshot<'_, AccountScope>, name: &str) -> Result<Versioned> {
    agents::find(snapshot, name)?.map(Versioned::of).ok_or_else(not_found)
}

fn must_find_version(
    snapshot: &Snapshot<'_, AccountScope>,
    name: &str,
    n: u32,
) -> Result<Versioned> {
    let found = agents::version(snapshot, name, n)?.map(Versioned::of);
    found.ok_or_else(|| Error::not_found("agent, or no such version of it"))
}

/// The agent, which must not be archived.
pub(super) fn must_be_open(tx: &Tx<'_, AccountScope>, name: &str) -> Result<Versioned> {
    let found = must_find(tx, name)?;
    refuse_archived(&found.agent)?;
    Ok(found)
}

fn refuse_archived(agent: &Agent) -> Result<()> {
    if agent.archived_at.is_none() {
        return Ok(());
    }
    let message = "the agent is archived: it takes neither runs nor changes; make another";
    Err(Error::new(ErrorKind::Conflict, message))
}

fn not_found() -> Error {
    Error::not_found("agent")
}
