//! The log of requests.

use rusqlite::{Connection, params};
use uuid::Uuid;

pub use super::rows::RequestRecord;

use super::list::{Window, last_looked_at, matching};
use crate::{
    domain::Result,
    store::{
        listing::Looked,
        scope::{AccountScope, AccountSeq, Scope, SystemScope},
        tx::Snapshot,
    },
};

/// Which requests are asked for.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    /// The one of that name, or those: a client may give several the same.
    pub request_id: Option<String>,
    /// Those with this status.
    pub status: Option<u16>,
    /// Those of this route.
    pub route: Option<String>,
}

macro_rules! condition {
    () => {
        "(?4 is null or request_id = ?4) and (?5 is null or status = ?5) and (?6 is null or route = ?6)"
    };
}

pub(super) fn insert(
    sql: &Connection,
    account: Option<AccountSeq>,
    row: &RequestRecord,
) -> rusqlite::Result<()> {
    let mut insert = sql.prepare_cached(
        "insert into request (account, id, request_id, api_key, method, route, path, status, error_code,
           duration_us, bytes_in, bytes_out, client, user_agent, host, cpu_permille, memory_bytes, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    )?;
    insert.execute(params![
        account.map_or(0, AccountSeq::number),
        row.id,
        row.request_id,
        row.api_key,
        row.method,
        row.route,
        row.path,
        row.status,
        row.error_code,
        row.duration_us,
        row.bytes_in,
        row.bytes_out,
        row.client,
        row.user_agent,
        row.host,
        row.cpu_permille,
        row.memory_bytes,
        row.created_at,
    ])?;
    Ok(())
}

/// The account's requests, newest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    window: &Window,
    filter: &RequestFilter,
) -> Result<Looked<RequestRecord, Uuid>> {
    let rows = found(snapshot, LOOKS[0], window, filter)?;
    window.cut(snapshot, LOOKS[1], rows, |row| row.id.uuid())
}

/// Requests that no API key was verified for, and the operator's, newest first.
pub fn list_of_nobody(
    snapshot: &Snapshot<'_, SystemScope>,
    window: &Window,
    filter: &RequestFilter,
) -> Result<Looked<RequestRecord, Uuid>> {
    let rows = found(snapshot, LOOKS[2], window, filter)?;
    window.cut(snapshot, LOOKS[3], rows, |row| row.id.uuid())
}

/// Those of an account, and those of nobody.
pub(super) const LOOKS: [&str; 4] = [
    matching!("request", "request_id, status, route", condition!()),
    last_looked_at!("request"),
    matching!("main.request", "request_id, status, route", condition!(), "account = 0 and "),
    last_looked_at!("main.request", "account = 0 and "),
];

fn found<S: Scope>(
    snapshot: &Snapshot<'_, S>,
    sql: &'static str,
    window: &Window,
    filter: &RequestFilter,
) -> Result<Vec<RequestRecord>> {
    let [after, from] = window.ids();
    let matching = (after, from, window.rows(), &filter.request_id, filter.status, &filter.route);
    snapshot.all(sql, matching, read)
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<RequestRecord> {
    Ok(RequestRecord {
        id: row.get("id")?,
        request_id: row.get("request_id")?,
        api_key: row.get("api_key")?,
        method: row.get("method")?,
        route: row.get("route")?,
        path: row.get("path")?,
        status: row.get("status")?,
        error_code: row.get("error_code")?,
        duration_us: row.get("duration_us")?,
        bytes_in: row.get("bytes_in")?,
        bytes_out: row.get("bytes_out")?,
        client: row.get("client")?,
        user_agent: row.get("user_agent")?,
        host: row.get("host")?,
        cpu_permille: row.get("cpu_permille")?,
        memory_bytes: row.get("memory_bytes")?,
        created_at: row.get("created_at")?,
    })
}
