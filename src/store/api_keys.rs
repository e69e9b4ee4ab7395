//! API keys: what is needed to verify one, and their list.

use rusqlite::Row;

use super::{
    scope::{AccountScope, AccountSeq, SystemScope},
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{AccountId, ApiKeyId, Payer, ProjectId, Result, Timestamp};

/// A key as it is stored; without its secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: ApiKeyId,
    /// Its project's internal number and public id.
    pub project: (i64, ProjectId),
    /// What people call it.
    pub name: String,
    /// The part of the key that finds it.
    pub prefix: String,
    /// Argon2id hash in PHC format.
    pub hash: String,
    /// Scope names, separated by spaces.
    pub scopes: String,
    /// Its own rate limit, such as `600,1m`.
    pub rate_limit: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends or ended, as its maker asked for. [`ApiKey::ends_at`] knows the rest.
    pub expires_at: Option<Timestamp>,
    /// When the overlap with its replacement ends or ended.
    pub overlap_ends_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last verified; at most a minute old.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// From when on it is refused, if nobody revokes it before.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.expires_at.into_iter().chain(self.overlap_ends_at).min()
    }
}

/// A key together with what its account says.
#[derive(Clone, Debug)]
pub struct KeyOfAccount {
    /// The key.
    pub key: ApiKey,
    /// The right that a verified key gives.
    pub scope: AccountScope,
    /// Who pays for its jobs.
    pub payer: Payer,
    /// When the account was suspended, if so.
    pub suspended_at: Option<Timestamp>,
}

/// What a new key is made of.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Public id.
    pub id: ApiKeyId,
    /// Its project's internal number.
    pub project: i64,
    /// What people call it.
    pub name: String,
    /// The part that finds it.
    pub prefix: String,
    /// Argon2id hash in PHC format.
    pub hash: String,
    /// Scope names, separated by spaces.
    pub scopes: String,
    /// Its own rate limit.
    pub rate_limit: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

fn api_key(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        seq: row.get("seq")?,
        id: row.get("id")?,
        project: (row.get("project")?, row.get("project_id")?),
        name: row.get("name")?,
        prefix: row.get("prefix")?,
        hash: row.get("hash")?,
        scopes: row.get("scopes")?,
        rate_limit: row.get("rate_limit")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        overlap_ends_at: row.get("overlap_ends_at")?,
        revoked_at: row.get("revoked_at")?,
        last_used_at: row.get("last_used_at")?,
    })
}

/// The key with that prefix, whatever its account: this is how a caller's account is found.
pub fn by_prefix(
    snapshot: &Snapshot<'_, SystemScope>,
    prefix: &str,
) -> Result<Option<KeyOfAccount>> {
    let system = snapshot.scope();
    snapshot.one(
        "select k.*, p.id as project_id, p.monthly_credit_limit as project_limit, o.id as origin_id,
           a.id as account_id, a.suspended_at
         from main.api_key k join main.project p on p.seq = k.project
         join main.api_key o on o.seq = coalesce(k.origin, k.seq)
         join main.account a on a.seq = k.account where k.prefix = ?1",
        [prefix],
        |row| {
            let account: AccountId = row.get("account_id")?;
            let seq: AccountSeq = row.get("account")?;
            Ok(KeyOfAccount {
                key: api_key(row)?,
                scope: system.account(seq, account),
                payer: Payer {
                    project: row.get("project_id")?,
                    project_limit: row.get("project_limit")?,
                    key: row.get("origin_id")?,
                    key_limit: row.get("monthly_credit_limit")?,
                },
                suspended_at: row.get("suspended_at")?,
            })
        },
    )
}

/// The account of the key of that id.
pub fn account_of(
    snapshot: &Snapshot<'_, SystemScope>,
    id: ApiKeyId,
) -> Result<Option<AccountScope>> {
    let system = snapshot.scope();
    snapshot.one(
        "select a.seq, a.id from main.api_key k join main.account a on a.seq = k.account
         where k.id = ?1",
        [id],
        |row| Ok(system.account(row.get("seq")?, row.get("id")?)),
    )
}

/// Adds a key.
pub fn insert(tx: &Tx<'_, AccountScope>, new: &NewApiKey) -> Result<()> {
    tx.execute(
        "insert into main.api_key
           (account, project, id, name, prefix, hash, scopes, rate_limit, expires_at, created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        rusqlite::params![
            new.project,
            new.id,
            new.name,
            new.prefix,
            new.hash,
            new.scopes,
            new.rate_limit,
            new.expires_at,
            tx.now(),
        ],
    )?;
    Ok(())
}

/// The account's key of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: ApiKeyId) -> Result<Option<ApiKey>> {
    snapshot.one(
        "select k.*, p.id as project_id from api_key k join project p on p.seq = k.project
         where k.id = ?1",
        [id],
        api_key,
    )
}

/// The account's keys older than `before`, newest first, revoked ones included.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<ApiKey>> {
    snapshot.all(
        "select k.*, p.id as project_id from api_key k join project p on p.seq = k.project
         where ?1 is null or k.id < ?1 order by k.id desc limit ?2",
        (before, limit),
        api_key,
    )
}

/// Ends a key at once; false where there is none or it was revoked before.
pub fn revoke(tx: &Tx<'_, AccountScope>, id: ApiKeyId) -> Result<bool> {
    let changed = tx.execute(
        "update main.api_key set revoked_at = ?2
         where account = current_account() and id = ?1 and revoked_at is null",
        (id, tx.now()),
    )?;
    tx.signal(Signal::KeyChanged(id));
    Ok(changed > 0)
}

/// Lets a key that was replaced end at `at`, or when an earlier overlap ends.
pub fn retire(tx: &Tx<'_, AccountScope>, id: ApiKeyId, at: Timestamp) -> Result<()> {
    tx.execute(
        "update main.api_key set overlap_ends_at = min(coalesce(overlap_ends_at, ?2), ?2)
         where account = current_account() and id = ?1",
        (id, at),
    )?;
    tx.signal(Signal::KeyChanged(id));
    Ok(())
}

/// Remembers that the key was used.
pub fn touch(tx: &Tx<'_, AccountScope>, id: ApiKeyId) -> Result<()> {
    tx.execute(
        "update main.api_key set last_used_at = ?2
         where account = current_account() and id = ?1",
        (id, tx.now()),
    )?;
    Ok(())
}
