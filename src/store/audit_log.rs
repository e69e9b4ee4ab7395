//! The audit log: who changed what. Triggers write it (`engine/audit_log.sql`); who is behind a change the writer tells
//! them.

use rusqlite::{Row, ToSql, params};
use uuid::Uuid;

use super::{
    listing::{LOOKED_AT, Looked, last_looked_at},
    row::{derived_uuid, named},
    scope::{AccountScope, AccountSeq, Scope, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::{
    domain::{
        AccountId, ApiKeyId, AuditEntryId, Bucket, Credits, Environment, Result, Timestamp, UserId,
    },
    observe::origin::Actor,
};

/// A change.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Internal number, which rises.
    pub seq: i64,
    /// Public id.
    pub id: AuditEntryId,
    /// Whose it is, as the operator is told; `None` for changes of the server itself.
    pub account: Option<(AccountId, Environment)>,
    /// Who did it.
    pub actor: Actor,
    /// What people called who did it at that time, where that is known: their address, or the key's name.
    pub actor_name: Option<String>,
    /// The client's address.
    pub address: Option<String>,
    /// The request's name.
    pub request_id: Option<String>,
    /// What was done, such as `project.updated`.
    pub action: String,
    /// The kind of what was changed.
    pub object: String,
    /// Its id, where it has one.
    pub target: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// What it was: a JSON object with the words of the API.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let (seq, created_at) = (row.get("seq")?, row.get("created_at")?);
    let owner: Option<i64> = row.get("account")?;
    Ok(AuditEntry {
        seq,
        id: AuditEntryId::from_uuid(derived_uuid(owner.unwrap_or(0), seq, created_at)),
        account: None,
        actor: actor(row)?,
        actor_name: row.get("actor_name")?,
        address: row.get("address")?,
        request_id: row.get("request_id")?,
        action: row.get("action")?,
        object: row.get("object")?,
        target: row.get("target")?,
        name: row.get("name")?,
        before: row.get("before")?,
        after: row.get("after")?,
        created_at,
    })
}

/// Reads who it was. One whose id is missing is nobody who is known.
fn actor(row: &Row<'_>) -> rusqlite::Result<Actor> {
    let id = row.get::<_, Option<[u8; 16]>>("actor_id")?.map(Uuid::from_bytes);
    let user = id.map(UserId::from_uuid);
    named(row, "actor", |kind| match (kind, id) {
        ("system", _) => Some(Actor::System),
        ("operator", _) => Some(Actor::Operator(user)),
        ("key", Some(id)) => Some(Actor::Key(ApiKeyId::from_uuid(id))),
        ("user", Some(id)) => Some(Actor::User(UserId::from_uuid(id))),
        _ => None,
    })
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only this action.
    pub action: Option<String>,
    /// Only changes of this kind of object.
    pub object: Option<String>,
    /// Only by the key or user of this id.
    pub actor: Option<Uuid>,
    /// Only made at this time or later.
    pub created_after: Option<Timestamp>,
    /// Only made before this time.
    pub created_before: Option<Timestamp>,
    /// Only entries with a lower number.
    pub before: Option<i64>,
}

impl AuditFilter {
    fn is_filtered(&self) -> bool {
        self.action.is_some()
            || self.object.is_some()
            || self.actor.is_some()
            || self.created_after.or(self.created_before).is_some()
    }
}

/// The conditions of [`AuditFilter`] and the order.
macro_rules! filtered {
    () => {
        " e.seq > ?1 and e.seq < ?2 and (?3 is null or e.action = ?3) and (?4 is null or e.object = ?4) \
         and (?5 is null or e.actor_id = ?5) and (?6 is null or e.created_at >= ?6) \
         and (?7 is null or e.created_at < ?7) order by e.seq desc limit ?8"
    };
}

/// Which operator did something is no account's to know, so it cannot ask for one either.
const LIST: &str = concat!(
    "select e.* from audit_entry e where (?5 is null or e.actor <> 'operator') and",
    filtered!()
);
const LAST: &str =
    "select seq from audit_entry where seq < ?1 order by seq desc limit 1 offset ?2 - 1";

macro_rules! select_any {
    ($found:literal) => {
        concat!(
            "select e.*, a.id as account_id, a.environment \
             from main.audit_entry e left join main.account a on a.seq = e.account where ",
            $found,
            filtered!()
        )
    };
}

const LIST_ALL: &str = select_any!("");
const LIST_OF: &str = select_any!("e.account = ?9 and");
const LAST_OF_ALL: &str =
    "select seq from main.audit_entry where seq < ?1 order by seq desc limit 1 offset ?2 - 1";
const LAST_OF: &str = "select seq from main.audit_entry where account = ?3 and seq < ?1 order by seq desc limit 1 offset ?2 - 1";

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 6] = [LIST, LAST, LIST_ALL, LIST_OF, LAST_OF_ALL, LAST_OF];

/// The account's entries, newest first: up to `limit`, fewer where they are hard to find.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    filter: &AuditFilter,
    limit: usize,
) -> Result<Looked<AuditEntry, i64>> {
    let last = |below| last_looked_at(snapshot, LAST, below);
    read(snapshot, LIST, filter, limit, &[], last, entry)
}

/// The same of every account, or of one, and of the server itself.
pub fn list_all(
    snapshot: &Snapshot<'_, SystemScope>,
    account: Option<AccountSeq>,
    filter: &AuditFilter,
    limit: usize,
) -> Result<Looked<AuditEntry, i64>> {
    let Some(account) = account else {
        let last = |below| last_looked_at(snapshot, LAST_OF_ALL, below);
        return read(snapshot, LIST_ALL, filter, limit, &[], last, with_account);
    };
    let seq = account.number();
    let last = |below| snapshot.one(LAST_OF, (below, LOOKED_AT, seq), |row| row.get(0));
    read(snapshot, LIST_OF, filter, limit, &[&seq], last, with_account)
}

fn with_account(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let id: Option<AccountId> = row.get("account_id")?;
    let environment: Option<Environment> = row.get("environment")?;
    Ok(AuditEntry { account: id.zip(environment), ..entry(row)? })
}

fn read<S: Scope>(
    snapshot: &Snapshot<'_, S>,
    sql: &'static str,
    filter: &AuditFilter,
    limit: usize,
    more: &[&dyn ToSql],
    last: impl FnOnce(i64) -> Result<Option<i64>>,
    entry: impl Fn(&Row<'_>) -> rusqlite::Result<AuditEntry>,
) -> Result<Looked<AuditEntry, i64>> {
    let before = filter.before.unwrap_or(i64::MAX);
    let last = if filter.is_filtered() { last(before)? } else { None };
    let above = last.map_or(0, |last| last - 1);
    let actor = filter.actor.map(|id| *id.as_bytes());
    let rows = limit.saturating_add(1);
    let params: &[&dyn ToSql] = params![
        above,
        before,
        filter.action,
        filter.object,
        actor,
        filter.created_after,
        filter.created_before,
        rows
    ];
    let params = [params, more].concat();
    let found = snapshot.page(sql, params.as_slice(), limit, entry)?;
    Ok(Looked::of(found, last, |entry| entry.seq))
}

/// Adds that credits were taken away. That has no row but in the ledger, which jobs write to: a trigger there would
/// cost every job its time.
pub fn credits_taken(
    tx: &Tx<'_, AccountScope>,
    bucket: Bucket,
    amount: Credits,
    reason: &str,
) -> Result<()> {
    tx.execute(
        "insert into main.audit_entry (account, action, object, after)
         values (current_account(), 'credits.taken', 'balance',
           json_object('bucket', ?1, 'amount', json(shown_credits(?2)), 'reason', ?3))",
        (bucket.as_str(), amount, reason),
    )?;
    Ok(())
}
