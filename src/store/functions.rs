//! What scheduled tasks can run.

use rusqlite::Row;
use serde_json::value::RawValue;

use super::{
    row::{named, raw, unknown},
    scope::AccountScope,
    tx::{Snapshot, Tx},
};
use crate::domain::{Builtin, FunctionId, FunctionKind, HttpMethod, Result, Timestamp};

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Public id.
    pub id: FunctionId,
    /// What tasks call it.
    pub name: String,
    /// What it does.
    pub target: Target,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a function does.
#[derive(Clone, Debug)]
pub enum Target {
    /// Asks the account's own server.
    Http(Http),
    /// Runs an agent.
    Agent {
        /// The agent's name.
        agent: String,
        /// What it is given where a task has no payload.
        input: Option<Box<RawValue>>,
    },
    /// Works on the server's own data.
    Builtin(Builtin),
}

impl Target {
    /// Its kind.
    pub const fn kind(&self) -> FunctionKind {
        match self {
            Self::Http(_) => FunctionKind::Http,
            Self::Agent { .. } => FunctionKind::Agent,
            Self::Builtin(_) => FunctionKind::Builtin,
        }
    }
}

/// A request to the account's own server. What is secret is sealed.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where it goes.
    pub url: String,
    /// Its method.
    pub method: HttpMethod,
    /// Its headers: a sealed JSON object.
    pub headers: Vec<u8>,
    /// How long it may take.
    pub timeout_ms: u64,
    /// What signs it, sealed.
    pub secret: Vec<u8>,
    /// What signed before, sealed, and signs too until that time.
    pub previous_secret: Option<(Vec<u8>, Timestamp)>,
}

fn function(row: &Row<'_>) -> rusqlite::Result<Function> {
    Ok(Function {
        id: row.get("id")?,
        name: row.get("name")?,
        target: target(row)?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn target(row: &Row<'_>) -> rusqlite::Result<Target> {
    let kind = named(row, "kind", |name| {
        FunctionKind::ALL.into_iter().find(|kind| kind.as_str() == name)
    })?;
    Ok(match kind {
        FunctionKind::Http => Target::Http(http(row)?),
        FunctionKind::Agent => {
            Target::Agent { agent: row.get("agent")?, input: raw(row, "input")? }
        }
        FunctionKind::Builtin => Target::Builtin(named(row, "name", Builtin::parse)?),
    })
}

fn http(row: &Row<'_>) -> rusqlite::Result<Http> {
    let previous: Option<Vec<u8>> = row.get("previous_secret")?;
    let until: Option<Timestamp> = row.get("previous_secret_expires_at")?;
    let headers: Option<Vec<u8>> = row.get("headers")?;
    Ok(Http {
        url: row.get("url")?,
        method: named(row, "method", HttpMethod::parse)?,
        headers: headers.ok_or_else(|| unknown("headers"))?,
        timeout_ms: row.get("timeout_ms")?,
        secret: row.get("secret")?,
        previous_secret: previous.zip(until),
    })
}

/// Adds a function, or changes the one of that name.
pub fn put(tx: &Tx<'_, AccountScope>, id: FunctionId, name: &str, target: &Target) -> Result<()> {
    let (http, agent) = match target {
        Target::Http(http) => (Some(http), None),
        Target::Agent { agent, input } => {
            (None, Some((agent, input.as_ref().map(|input| input.get()))))
        }
        Target::Builtin(_) => (None, None),
    };
    let previous = http.and_then(|http| http.previous_secret.as_ref());
    tx.execute(
        "insert into main.function (account, id, name, kind, url, method, headers, timeout_ms, secret,
           previous_secret, previous_secret_expires_at, agent, input, created_at, updated_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13)
         on conflict (account, name) do update set kind = excluded.kind, url = excluded.url,
           method = excluded.method, headers = excluded.headers, timeout_ms = excluded.timeout_ms,
           secret = excluded.secret, previous_secret = excluded.previous_secret,
           previous_secret_expires_at = excluded.previous_secret_expires_at, agent = excluded.agent,
           input = excluded.input, updated_at = excluded.updated_at",
        (
            id,
            name,
            target.kind().as_str(),
            http.map(|http| &http.url),
            http.map(|http| http.method.as_str()),
            http.map(|http| &http.headers),
            http.map(|http| http.timeout_ms),
            http.map(|http| &http.secret),
            previous.map(|(secret, _)| secret),
            previous.map(|(_, until)| until),
            agent.map(|(agent, _)| agent),
            agent.and_then(|(_, input)| input),
            tx.now(),
        ),
    )?;
    Ok(())
}

/// How many functions the account has.
pub fn count(snapshot: &Snapshot<'_, AccountScope>) -> Result<u32> {
    Ok(snapshot.one("select count(*) from function", [], |row| row.get(0))?.unwrap_or(0))
}

/// The account's function of that name.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, name: &str) -> Result<Option<Function>> {
    snapshot.one("select * from function where name = ?1", [name], function)
}

/// The account's functions, newest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<FunctionId>,
    limit: u32,
) -> Result<Vec<Function>> {
    snapshot.all(LIST, (before.unwrap_or(FunctionId::MAX), limit), function)
}

pub(in crate::store) const LIST: &str =
    "select * from function where id < ?1 order by id desc limit ?2";

/// Removes a function; false where there is none.
pub fn delete(tx: &Tx<'_, AccountScope>, name: &str) -> Result<bool> {
    let sql = "delete from main.function where account = current_account() and name = ?1";
    Ok(tx.execute(sql, [name])? > 0)
}
