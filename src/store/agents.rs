//! Agents and their versions. A version never changes; which one is active does.

use rusqlite::Row;
use serde_json::value::RawValue;

use super::{
    row::{raw, unknown},
    scope::AccountScope,
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{AgentId, AgentVersionId, Result, Rows, Timestamp};

/// An agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: AgentId,
    /// Its name, unique in the account.
    pub name: String,
    /// A note of its owner.
    pub description: Option<String>,
    /// JSON array of strings.
    pub tags: Box<RawValue>,
    /// The version that runs use.
    pub active_version: u32,
    /// The newest version.
    pub latest_version: u32,
    /// Since when it takes no new runs.
    pub archived_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What an agent says in one version.
#[derive(Clone, Debug)]
pub struct AgentVersion {
    /// Its number, from 1.
    pub n: u32,
    /// Public id.
    pub id: AgentVersionId,
    /// The model as the client names it.
    pub model: String,
    /// JSON array of messages, whose contents are templates.
    pub messages: Box<RawValue>,
    /// JSON Schema that inputs have to satisfy.
    pub input_schema: Option<Box<RawValue>>,
    /// JSON Schema that outputs have to satisfy.
    pub output_schema: Option<Box<RawValue>>,
    /// JSON object with the settings of the calls.
    pub parameters: String,
    /// JSON array of what strict modes of providers would refuse in the output schema.
    pub warnings: Box<RawValue>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a new agent is made of, beside its first version.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// Public id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// A note of its owner.
    pub description: Option<String>,
    /// JSON array of strings.
    pub tags: String,
}

/// What a new version is made of.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Public id.
    pub id: AgentVersionId,
    /// The model as the client names it.
    pub model: String,
    /// JSON array of messages.
    pub messages: String,
    /// JSON Schema that inputs have to satisfy.
    pub input_schema: Option<Box<RawValue>>,
    /// JSON Schema that outputs have to satisfy.
    pub output_schema: Option<Box<RawValue>>,
    /// JSON object with the settings of the calls.
    pub parameters: String,
    /// JSON array of warnings.
    pub warnings: String,
}

fn agent(row: &Row<'_>) -> rusqlite::Result<Agent> {
    Ok(Agent {
        seq: row.get("seq")?,
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        tags: raw(row, "tags")?.ok_or_else(|| unknown("tags"))?,
        active_version: row.get("active_version")?,
        latest_version: row.get("latest_version")?,
        archived_at: row.get("archived_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn version_of(row: &Row<'_>) -> rusqlite::Result<AgentVersion> {
    Ok(AgentVersion {
        n: row.get("n")?,
        id: row.get("version_id")?,
        model: row.get("model")?,
        messages: raw(row, "messages")?.ok_or_else(|| unknown("messages"))?,
        input_schema: raw(row, "input_schema")?,
        output_schema: raw(row, "output_schema")?,
        parameters: row.get("parameters")?,
        warnings: raw(row, "warnings")?.ok_or_else(|| unknown("warnings"))?,
        created_at: row.get("version_created_at")?,
    })
}

fn both(row: &Row<'_>) -> rusqlite::Result<(Agent, AgentVersion)> {
    Ok((agent(row)?, version_of(row)?))
}

/// Selects rows for [`both`], by the conditions that follow.
macro_rules! select_both {
    ($rest:expr) => {
        concat!(
            "select a.*, v.n, v.id as version_id, v.model, v.messages, v.input_schema, \
             v.output_schema, v.parameters, v.warnings, v.created_at as version_created_at \
             from agent a join agent_version v on v.agent = a.seq ",
            $rest
        )
    };
}

/// Adds an agent and its first version, which is active; gives its internal number.
pub fn insert(tx: &Tx<'_, AccountScope>, new: &NewAgent, version: &NewVersion) -> Result<i64> {
    let seq = tx.insert(
        "insert into main.agent
           (account, id, name, description, tags, active_version, latest_version, created_at, updated_at)
         values (current_account(), ?1, ?2, ?3, ?4, 1, 1, ?5, ?5)",
        (new.id, &new.name, &new.description, &new.tags, tx.now()),
    )?;
    insert_version(tx, seq, 1, version)?;
    Ok(seq)
}

/// Adds a version to an agent.
pub fn insert_version(
    tx: &Tx<'_, AccountScope>,
    agent: i64,
    n: u32,
    new: &NewVersion,
) -> Result<()> {
    tx.execute(
        "insert into main.agent_version
           (account, agent, n, id, model, messages, input_schema, output_schema, parameters, warnings,
            created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        rusqlite::params![
            agent,
            n,
            new.id,
            new.model,
            new.messages,
            new.input_schema.as_deref().map(RawValue::get),
            new.output_schema.as_deref().map(RawValue::get),
            new.parameters,
            new.warnings,
            tx.now(),
        ],
    )?;
    Ok(())
}

/// What a new version changes of its agent; what is `None` stays.
#[derive(Clone, Debug)]
pub struct AgentChange {
    /// The version that runs use.
    pub active_version: Option<u32>,
    /// The newest version.
    pub latest_version: Option<u32>,
    /// A note of its owner.
    pub description: Option<String>,
    /// JSON array of strings.
    pub tags: Option<String>,
}

/// Changes an agent; false where there is none.
pub fn update(tx: &Tx<'_, AccountScope>, agent: i64, change: &AgentChange) -> Result<bool> {
    let changed = tx.execute(
        "update main.agent set
           active_version = coalesce(?2, active_version),
           latest_version = coalesce(?3, latest_version),
           description = coalesce(?4, description),
           tags = coalesce(?5, tags),
           updated_at = ?6
         where account = current_account() and seq = ?1",
        (
            agent,
            change.active_version,
            change.latest_version,
            &change.description,
            &change.tags,
            tx.now(),
        ),
    )?;
    tx.signal(Signal::AgentChanged(agent));
    Ok(changed > 0)
}

/// Archives an agent; false where it is not there or archived already.
pub fn archive(tx: &Tx<'_, AccountScope>, agent: i64) -> Result<bool> {
    let changed = tx.execute(
        "update main.agent set archived_at = ?2, updated_at = ?2
         where account = current_account() and seq = ?1 and archived_at is null",
        (agent, tx.now()),
    )?;
    tx.signal(Signal::AgentChanged(agent));
    Ok(changed > 0)
}

/// How many agents the account has, archived ones included.
pub fn count(snapshot: &Snapshot<'_, AccountScope>) -> Result<u32> {
    Ok(snapshot.one("select count(*) from agent", [], |row| row.get(0))?.unwrap_or(0))
}

/// The account's agent of that name, archived or not, and its active version.
pub fn find(
    snapshot: &Snapshot<'_, AccountScope>,
    name: &str,
) -> Result<Option<(Agent, AgentVersion)>> {
    snapshot.one(select_both!("and v.n = a.active_version where a.name = ?1"), [name], both)
}

/// The account's agent of that name, archived or not, and the version of that number.
pub fn version(
    snapshot: &Snapshot<'_, AccountScope>,
    name: &str,
    n: u32,
) -> Result<Option<(Agent, AgentVersion)>> {
    snapshot.one(select_both!("where a.name = ?1 and v.n = ?2"), (name, n), both)
}

/// The account's agents with their active versions, newest first: up to `limit`, fewer where they are
/// large. Archived ones or the others, not both.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    archived: bool,
    before: Option<AgentId>,
    limit: usize,
) -> Result<Rows<(Agent, AgentVersion)>> {
    let before = before.unwrap_or(AgentId::MAX);
    snapshot.page(LIST, (archived, before, limit.saturating_add(1)), limit, both)
}

/// An agent as far as a list of names tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The account's agents that take runs, by name, at most `limit`.
pub fn named(snapshot: &Snapshot<'_, AccountScope>, limit: u32) -> Result<Vec<Named>> {
    snapshot.all(
        "select name, created_at from agent where archived_at is null order by name limit ?1",
        [limit],
        |row| Ok(Named { name: row.get("name")?, created_at: row.get("created_at")? }),
    )
}

/// The versions of an agent, newest first: up to `limit`, fewer where they are large.
pub fn versions(
    snapshot: &Snapshot<'_, AccountScope>,
    agent: i64,
    before: Option<i64>,
    limit: usize,
) -> Result<Rows<AgentVersion>> {
    let before = before.unwrap_or(i64::MAX);
    snapshot.page(LIST_VERSIONS, (agent, before, limit.saturating_add(1)), limit, version_of)
}

const LIST: &str = select_both!(
    "and v.n = a.active_version where (a.archived_at is not null) = ?1 and a.id < ?2 \
     order by a.id desc limit ?3"
);
const LIST_VERSIONS: &str = "select *, id as version_id, created_at as version_created_at
    from agent_version where agent = ?1 and n < ?2 order by n desc limit ?3";

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 2] = [LIST, LIST_VERSIONS];
