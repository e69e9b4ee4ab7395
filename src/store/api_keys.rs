//! API keys: what is needed to verify one, and their list.

use std::collections::BTreeSet;

use rusqlite::Row;

use super::{
    scope::{AccountScope, AccountSeq, SystemScope},
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{
    AccountId, ApiKeyId, Credits, Environment, Payer, ProjectId, Result, Timestamp, Topic, Topics,
};

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
    /// What its jobs, and those of the keys that it replaces, may be charged in a calendar month.
    pub monthly_credit_limit: Option<Credits>,
    /// The networks that it may be used from, separated by spaces; `None`: from anywhere.
    pub allowed_cidrs: Option<String>,
    /// Internal number of the first of the keys that it goes back to by rotations; `None` where it is itself.
    pub origin: Option<i64>,
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
    /// Whether it pays for what people start on the dashboard, and is nobody's to use.
    pub is_dashboard: bool,
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
    /// The right to the rows of the account that the key and its project are among.
    pub home: AccountScope,
    /// The right that a verified key gives: to the account's live rows, or to those of its twin where the
    /// project is for tests.
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
    /// What it may spend in a calendar month.
    pub monthly_credit_limit: Option<Credits>,
    /// The networks that it may be used from, separated by spaces.
    pub allowed_cidrs: Option<String>,
    /// The first of the keys that it goes back to by rotations; `None` for a key that replaces none.
    pub origin: Option<i64>,
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
        monthly_credit_limit: row.get("monthly_credit_limit")?,
        allowed_cidrs: row.get("allowed_cidrs")?,
        origin: row.get("origin")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        overlap_ends_at: row.get("overlap_ends_at")?,
        revoked_at: row.get("revoked_at")?,
        last_used_at: row.get("last_used_at")?,
        is_dashboard: row.get("is_dashboard")?,
    })
}

/// The key with that prefix, whatever its account: this is how a caller's account is found.
pub fn by_prefix(
    snapshot: &Snapshot<'_, SystemScope>,
    prefix: &str,
) -> Result<Option<KeyOfAccount>> {
    let system = snapshot.scope();
    snapshot.one(
        "select k.*, p.id as project_id, p.monthly_credit_limit as project_limit,
           p.environment as works_in, o.id as origin_id, a.id as account_id, a.environment,
           a.suspended_at, w.seq as works_on
         from main.api_key k join main.project p on p.seq = k.project
         join main.api_key o on o.seq = coalesce(k.origin, k.seq)
         join main.account a on a.seq = k.account
         left join main.account w on w.id = a.id and w.environment = p.environment
         where k.prefix = ?1",
        [prefix],
        |row| {
            let (account, seq): (AccountId, AccountSeq) =
                (row.get("account_id")?, row.get("account")?);
            let works_in: Environment = row.get("works_in")?;
            Ok(KeyOfAccount {
                key: api_key(row)?,
                home: system.account(seq, account, row.get("environment")?),
                scope: system.account(row.get("works_on")?, account, works_in),
                payer: payer(row)?,
                suspended_at: row.get("suspended_at")?,
            })
        },
    )
}

fn payer(row: &Row<'_>) -> rusqlite::Result<Payer> {
    Ok(Payer {
        project: row.get("project_id")?,
        project_limit: row.get("project_limit")?,
        key: row.get("origin_id")?,
        key_limit: row.get("monthly_credit_limit")?,
    })
}

/// Who pays for what the key of that number asked for, also where it expired since. Where it was replaced, the newest of
/// those that replaced it has the word: nobody pays once that is revoked. The key must be of this account, live or for
/// tests.
pub fn payer_of(
    snapshot: &Snapshot<'_, SystemScope>,
    scope: AccountScope,
    key: i64,
) -> Result<Option<Payer>> {
    snapshot.one(
        "select n.monthly_credit_limit, p.id as project_id, p.monthly_credit_limit as project_limit,
           o.id as origin_id
         from main.api_key k join main.project p on p.seq = k.project
         join main.api_key o on o.seq = coalesce(k.origin, k.seq)
         join main.api_key n on n.seq =
           (select max(seq) from main.api_key where seq = o.seq or origin = o.seq)
         join main.account a on a.seq = k.account
         where k.seq = ?1 and a.id = ?2 and p.environment = ?3 and n.revoked_at is null",
        (key, scope.account_id(), scope.environment()),
        payer,
    )
}

/// The account of the key of that id.
pub fn account_of(
    snapshot: &Snapshot<'_, SystemScope>,
    id: ApiKeyId,
) -> Result<Option<AccountScope>> {
    let system = snapshot.scope();
    snapshot.one(
        "select a.seq, a.id, a.environment from main.api_key k join main.account a on a.seq = k.account
         where k.id = ?1",
        [id],
        |row| Ok(system.account(row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// What the key of that id in that account may do, while it works.
pub fn scopes_in(
    snapshot: &Snapshot<'_, SystemScope>,
    account: AccountSeq,
    id: ApiKeyId,
) -> Result<Option<String>> {
    let sql = "select scopes from main.api_key
               where account = ?1 and id = ?2 and revoked_at is null
                 and coalesce(min(expires_at, overlap_ends_at), expires_at, overlap_ends_at, ?3 + 1) > ?3";
    snapshot.one(sql, (account, id, snapshot.now()), |row| row.get(0))
}

/// How many of the account's keys work, without those of the dashboard.
pub fn count(snapshot: &Snapshot<'_, AccountScope>) -> Result<u32> {
    let found = snapshot.one(
        "select count(*) from api_key where revoked_at is null and is_dashboard = 0
           and coalesce(expires_at, ?1 + 1) > ?1 and coalesce(overlap_ends_at, ?1 + 1) > ?1",
        [snapshot.now()],
        |row| row.get(0),
    )?;
    Ok(found.unwrap_or_default())
}

/// Adds a key.
pub fn insert(tx: &Tx<'_, AccountScope>, new: &NewApiKey) -> Result<()> {
    tx.execute(
        "insert into main.api_key
           (account, project, id, name, prefix, hash, scopes, rate_limit, monthly_credit_limit,
            allowed_cidrs, origin, expires_at, created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        rusqlite::params![
            new.project,
            new.id,
            new.name,
            new.prefix,
            new.hash,
            new.scopes,
            new.rate_limit,
            new.monthly_credit_limit,
            new.allowed_cidrs,
            new.origin,
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

/// The dashboard's key of the project of that number: it pays for what people start there.
pub fn of_dashboard(snapshot: &Snapshot<'_, AccountScope>, project: i64) -> Result<Option<ApiKey>> {
    snapshot.one(
        "select k.*, p.id as project_id from api_key k join project p on p.seq = k.project
         where k.project = ?1 and k.is_dashboard = 1",
        [project],
        api_key,
    )
}

/// Makes the dashboard's key of a project, where it has none. Its hash is that of no secret, and what finds it is no
/// part of a key.
pub fn add_of_dashboard(tx: &Tx<'_, AccountScope>, id: ApiKeyId, project: i64) -> Result<()> {
    tx.execute(
        "insert into main.api_key
           (account, project, id, name, prefix, hash, scopes, is_dashboard, created_at)
         values (current_account(), ?1, ?2, 'Dashboard', ?3, '', '*', 1, ?4)
         on conflict (account, project) where is_dashboard = 1 do nothing",
        (project, id, format!("dashboard-{id}"), tx.now()),
    )?;
    Ok(())
}

/// The account's keys older than `before`, newest first, revoked ones included, those of the dashboard not.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<ApiKey>> {
    snapshot.all(LIST, (before.unwrap_or(ApiKeyId::MAX), limit), api_key)
}

pub(in crate::store) const LIST: &str =
    "select k.*, p.id as project_id from api_key k join project p on p.seq = k.project
     where k.id < ?1 and k.is_dashboard = 0 order by k.id desc limit ?2";

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

/// A key as one that may be removed.
#[derive(Clone, Copy, Debug)]
pub struct EndedKey {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: ApiKeyId,
    /// Whether it ended before the time that was asked for.
    pub is_over: bool,
}

/// Keys of the account that are older than `before`, newest first; some may have ended before `ended`.
pub fn ended(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<ApiKeyId>,
    ended: Timestamp,
    limit: usize,
) -> Result<Vec<EndedKey>> {
    snapshot.all(ENDED, (before.unwrap_or(ApiKeyId::MAX), ended, limit), |row| {
        Ok(EndedKey { seq: row.get("seq")?, id: row.get("id")?, is_over: row.get("is_over")? })
    })
}

pub(in crate::store) const ENDED: &str = "select seq, id, min(coalesce(revoked_at, 9223372036854775807),
      coalesce(expires_at, 9223372036854775807), coalesce(overlap_ends_at, 9223372036854775807)) < ?2 as is_over
    from api_key where id < ?1 order by id desc limit ?3";

/// The numbers of the keys that schedules of the account, or tasks that are not over, spend by: of both its
/// environments. Goes through all of these, so it is not for a transaction that writes.
pub fn needed(
    snapshot: &Snapshot<'_, SystemScope>,
    account: AccountScope,
) -> Result<BTreeSet<i64>> {
    let keys = snapshot.all(NEEDED, [account.account_id()], |row| row.get(0))?;
    Ok(keys.into_iter().collect())
}

pub(in crate::store) const NEEDED: &str =
    "select s.api_key from main.account a join main.schedule s on s.account = a.seq
      where a.id = ?1 and s.deleted_at is null and s.api_key is not null
    union select t.api_key from main.account a join main.scheduled_task t on t.account = a.seq
      where a.id = ?1 and t.status <= 3 and t.api_key is not null";

/// Removes a key that ended before `ended`; false where it did not, is the newest of all (no number is used twice), or
/// is the first of those that share a budget. Whoever asks knows that it is not [`needed`]: nothing begins to need a key
/// that ended.
pub fn delete(
    tx: &Tx<'_, SystemScope>,
    account: AccountScope,
    id: ApiKeyId,
    ended: Timestamp,
) -> Result<bool> {
    let whose = (account.account_id(), account.environment());
    let gone = tx.execute(
        "delete from main.api_key where account = ?1 and id = ?2
           and min(coalesce(revoked_at, 9223372036854775807), coalesce(expires_at, 9223372036854775807),
             coalesce(overlap_ends_at, 9223372036854775807)) < ?3
           and seq < (select max(seq) from main.api_key)
           and not exists (select 1 from main.api_key o where o.origin = api_key.seq)",
        (account.seq().number(), id, ended),
    )?;
    if gone == 1 {
        tx.signal(Signal::KeyChanged(id));
        tx.tell(whose, Topics::NONE.with(Topic::Keys).with(Topic::Audit));
    }
    Ok(gone == 1)
}
