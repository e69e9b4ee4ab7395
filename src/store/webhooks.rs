//! Places that receive webhooks.

use rusqlite::Row;

use super::{
    scope::AccountScope,
    tx::{Snapshot, Tx},
};
use crate::domain::{EndpointId, Result, Timestamp};

/// A place that receives webhooks. Its secrets are sealed.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Internal number; the lane of its deliveries.
    pub seq: i64,
    /// Public id.
    pub id: EndpointId,
    /// Where requests go.
    pub url: String,
    /// Names of the events it wants, separated by spaces, or `*`.
    pub events: String,
    /// A note of its owner.
    pub description: Option<String>,
    /// Whether it is sent anything.
    pub active: bool,
    /// Why the server stopped sending, if it did.
    pub disabled_reason: Option<String>,
    /// `standard` or `extended`.
    pub retry_policy: String,
    /// The sealed secret.
    pub secret: Vec<u8>,
    /// The secret before the last rotation, sealed, and until when it signs too.
    pub previous_secret: Option<(Vec<u8>, Timestamp)>,
    /// The first failure since the last success.
    pub failing_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a new endpoint is made of.
#[derive(Clone, Debug)]
pub struct NewEndpoint {
    /// Public id.
    pub id: EndpointId,
    /// Where requests go.
    pub url: String,
    /// Names of the events it wants, separated by spaces, or `*`.
    pub events: String,
    /// A note of its owner.
    pub description: Option<String>,
    /// Whether it is sent anything.
    pub active: bool,
    /// `standard` or `extended`.
    pub retry_policy: String,
    /// The sealed secret.
    pub secret: Vec<u8>,
}

/// What to change of an endpoint; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct EndpointChange {
    /// Where requests go.
    pub url: Option<String>,
    /// Names of the events it wants.
    pub events: Option<String>,
    /// A note of its owner; `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// Whether it is sent anything. Activating forgets past failures.
    pub active: Option<bool>,
    /// `standard` or `extended`.
    pub retry_policy: Option<String>,
}

fn endpoint(row: &Row<'_>) -> rusqlite::Result<Endpoint> {
    let previous: Option<Vec<u8>> = row.get("previous_secret")?;
    let until: Option<Timestamp> = row.get("previous_secret_expires_at")?;
    Ok(Endpoint {
        seq: row.get("seq")?,
        id: row.get("id")?,
        url: row.get("url")?,
        events: row.get("events")?,
        description: row.get("description")?,
        active: row.get("active")?,
        disabled_reason: row.get("disabled_reason")?,
        retry_policy: row.get("retry_policy")?,
        secret: row.get("secret")?,
        previous_secret: previous.zip(until),
        failing_since: row.get("failing_since")?,
        created_at: row.get("created_at")?,
    })
}

/// Adds an endpoint.
pub fn insert(tx: &Tx<'_, AccountScope>, new: &NewEndpoint) -> Result<()> {
    tx.execute(
        "insert into main.webhook_endpoint
           (account, id, url, events, description, active, retry_policy, secret, created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            new.id,
            &new.url,
            &new.events,
            &new.description,
            new.active,
            &new.retry_policy,
            &new.secret,
            tx.now(),
        ),
    )?;
    Ok(())
}

/// How many endpoints the account has.
pub fn count(snapshot: &Snapshot<'_, AccountScope>) -> Result<u32> {
    let sql = "select count(*) from webhook_endpoint where deleted_at is null";
    Ok(snapshot.one(sql, [], |row| row.get(0))?.unwrap_or(0))
}

/// The account's endpoint of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: EndpointId) -> Result<Option<Endpoint>> {
    snapshot.one(
        "select * from webhook_endpoint where id = ?1 and deleted_at is null",
        [id],
        endpoint,
    )
}

/// The account's endpoint of that internal number, deleted ones included.
pub fn by_seq(snapshot: &Snapshot<'_, AccountScope>, seq: i64) -> Result<Option<Endpoint>> {
    snapshot.one("select * from webhook_endpoint where seq = ?1", [seq], endpoint)
}

/// The account's endpoints, newest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<EndpointId>,
    limit: u32,
) -> Result<Vec<Endpoint>> {
    snapshot.all(LIST, (before.unwrap_or(EndpointId::MAX), limit), endpoint)
}

pub(in crate::store) const LIST: &str = "select * from webhook_endpoint
    where deleted_at is null and id < ?1 order by id desc limit ?2";

/// An endpoint that is sent events, as much of it as a new delivery needs.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Internal number.
    pub seq: i64,
    /// Names of the events it wants, separated by spaces, or `*`.
    pub events: String,
    /// `standard` or `extended`.
    pub retry_policy: String,
}

/// The account's endpoints that are sent events.
pub fn active(snapshot: &Snapshot<'_, AccountScope>) -> Result<Vec<Listening>> {
    snapshot.all(
        "select seq, events, retry_policy from webhook_endpoint
         where active = 1 and deleted_at is null",
        [],
        |row| {
            Ok(Listening {
                seq: row.get("seq")?,
                events: row.get("events")?,
                retry_policy: row.get("retry_policy")?,
            })
        },
    )
}

/// Changes an endpoint; false where there is none.
pub fn update(tx: &Tx<'_, AccountScope>, id: EndpointId, change: &EndpointChange) -> Result<bool> {
    let (sets_description, description) = match &change.description {
        Some(text) => (true, text.as_deref()),
        None => (false, None),
    };
    let changed = tx.execute(
        "update main.webhook_endpoint set
           url = coalesce(?2, url),
           events = coalesce(?3, events),
           description = case when ?4 then ?5 else description end,
           active = coalesce(?6, active),
           disabled_reason = case when ?6 = 1 then null else disabled_reason end,
           failing_since = case when ?6 = 1 then null else failing_since end,
           retry_policy = coalesce(?7, retry_policy)
         where account = current_account() and id = ?1 and deleted_at is null",
        (
            id,
            &change.url,
            &change.events,
            sets_description,
            description,
            change.active,
            &change.retry_policy,
        ),
    )?;
    Ok(changed > 0)
}

/// Removes an endpoint from sight; its deliveries stay readable. False where there is none.
pub fn delete(tx: &Tx<'_, AccountScope>, id: EndpointId) -> Result<bool> {
    let changed = tx.execute(
        "update main.webhook_endpoint set active = 0, deleted_at = ?2
         where account = current_account() and id = ?1 and deleted_at is null",
        (id, tx.now()),
    )?;
    Ok(changed > 0)
}

/// Gives an endpoint a new secret; the old one signs too until `overlap_until`.
pub fn rotate(
    tx: &Tx<'_, AccountScope>,
    id: EndpointId,
    secret: &[u8],
    overlap_until: Timestamp,
) -> Result<bool> {
    let changed = tx.execute(
        "update main.webhook_endpoint set previous_secret = secret,
           previous_secret_expires_at = ?3, secret = ?2
         where account = current_account() and id = ?1 and deleted_at is null",
        (id, secret, overlap_until),
    )?;
    Ok(changed > 0)
}

/// A delivery succeeded: past failures do not count any more.
pub fn succeeded(tx: &Tx<'_, AccountScope>, endpoint: i64) -> Result<()> {
    tx.execute(
        "update main.webhook_endpoint set failing_since = null
         where account = current_account() and seq = ?1 and failing_since is not null",
        [endpoint],
    )?;
    Ok(())
}

/// A delivery failed; gives since when they do.
pub fn failed(tx: &Tx<'_, AccountScope>, endpoint: i64) -> Result<Option<Timestamp>> {
    let since = tx.one(
        "update main.webhook_endpoint set failing_since = coalesce(failing_since, ?2)
         where account = current_account() and seq = ?1 returning failing_since",
        (endpoint, tx.now()),
        |row| row.get(0),
    )?;
    Ok(since.flatten())
}

/// Stops sending to an endpoint; false where that was so before.
pub fn disable(tx: &Tx<'_, AccountScope>, endpoint: i64, reason: &str) -> Result<bool> {
    let changed = tx.execute(
        "update main.webhook_endpoint set active = 0, disabled_reason = ?2
         where account = current_account() and seq = ?1 and active = 1",
        (endpoint, reason),
    )?;
    Ok(changed > 0)
}
