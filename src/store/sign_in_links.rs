//! Links by which somebody comes in once. Only hashes of their tokens are kept.

use rusqlite::Row;

use super::{
    dashboard_sessions::TokenHash,
    members,
    row::named,
    scope::{AccountScope, AccountSeq, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::domain::{AccountId, ApiKeyId, Result, Timestamp, UserId};

/// What a link is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkPurpose {
    /// The first person makes themselves the operator.
    Setup,
    /// Somebody takes an invitation to an account.
    Invite,
    /// Somebody sets a new password.
    Reset,
}

impl LinkPurpose {
    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Invite => "invite",
            Self::Reset => "reset",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Setup, Self::Invite, Self::Reset].into_iter().find(|one| one.as_str() == name)
    }
}

/// Who made a link, unless the operator did at a command line. The link is good while they may make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The right to the live rows of the account that they made it in.
    pub home: AccountScope,
    /// Who.
    pub by: IssuedBy,
}

/// Who acts in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuedBy {
    /// Somebody who signed in.
    User(UserId),
    /// Whoever has this key.
    Key(ApiKeyId),
}

/// A link as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is for.
    pub purpose: LinkPurpose,
    /// The person's internal number; `None` for a setup.
    pub person: Option<i64>,
    /// The membership's internal number, for an invitation.
    pub membership: Option<i64>,
    /// Whether it makes the person an operator: only the operator makes such links, at a command line.
    pub makes_operator: bool,
    /// Who made it; `None` for the operator at a command line.
    pub issuer: Option<Issuer>,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

fn link(row: &Row<'_>, system: SystemScope) -> rusqlite::Result<Link> {
    Ok(Link {
        purpose: named(row, "purpose", LinkPurpose::parse)?,
        person: row.get("person")?,
        membership: row.get("membership")?,
        makes_operator: row.get("makes_operator")?,
        issuer: issuer(row, system)?,
        expires_at: row.get("expires_at")?,
    })
}

fn issuer(row: &Row<'_>, system: SystemScope) -> rusqlite::Result<Option<Issuer>> {
    let Some(seq) = row.get::<_, Option<AccountSeq>>("issuer_account")? else { return Ok(None) };
    let id: AccountId = row.get("account_id")?;
    let by = match row.get("issuer_user")? {
        Some(user) => IssuedBy::User(user),
        None => IssuedBy::Key(row.get("issuer_key")?),
    };
    Ok(Some(Issuer { home: system.account(seq, id, row.get("environment")?), by }))
}

/// Adds a link in place of those of the same purpose for the same person and membership: there is one at most. One that
/// makes an operator stays until another such replaces it, wherever that leads to: a person has one at most.
pub fn put(tx: &Tx<'_, SystemScope>, token: &TokenHash, new: &Link) -> Result<()> {
    let (user, key) = match new.issuer.map(|issuer| issuer.by) {
        Some(IssuedBy::User(user)) => (Some(user), None),
        Some(IssuedBy::Key(key)) => (None, Some(key)),
        None => (None, None),
    };
    if let (Some(person), true) = (new.person, new.makes_operator) {
        void_promotions(tx, person)?;
    }
    tx.execute(
        "delete from main.sign_in_link
         where person is ?1 and membership is ?2 and purpose = ?3 and makes_operator <= ?4",
        (new.person, new.membership, new.purpose.as_str(), new.makes_operator),
    )?;
    tx.execute(
        "insert into main.sign_in_link (token_hash, purpose, person, membership, created_at, expires_at,
           makes_operator, issuer_account, issuer_user, issuer_key)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        rusqlite::params![
            token,
            new.purpose.as_str(),
            new.person,
            new.membership,
            tx.now(),
            new.expires_at,
            new.makes_operator,
            new.issuer.map(|issuer| issuer.home.seq()),
            user,
            key,
        ],
    )?;
    new.person.map_or(Ok(()), |person| members::tell_log(tx, person, new.membership))
}

/// The link with this token, if it has not expired.
pub fn find(snapshot: &Snapshot<'_, SystemScope>, token: &TokenHash) -> Result<Option<Link>> {
    let system = snapshot.scope();
    let sql = "select l.*, a.id as account_id, a.environment
               from main.sign_in_link l left join main.account a on a.seq = l.issuer_account
               where l.token_hash = ?1 and l.expires_at > ?2";
    snapshot.one(sql, (token, snapshot.now()), |row| link(row, system))
}

/// The open link that will make the person an operator, if there is one: the membership that it leads to, if it does.
pub fn promotion(snapshot: &Snapshot<'_, SystemScope>, person: i64) -> Result<Option<Option<i64>>> {
    let sql = "select membership from main.sign_in_link
               where person = ?1 and makes_operator = 1 and expires_at > ?2";
    snapshot.one(sql, (person, snapshot.now()), |row| row.get(0))
}

/// Uses the link with this token up; `None` where there is none, or it has expired.
pub fn take(tx: &Tx<'_, SystemScope>, token: &TokenHash) -> Result<Option<Link>> {
    let found = find(tx, token)?;
    tx.execute("delete from main.sign_in_link where token_hash = ?1", [token])?;
    Ok(found)
}

/// Voids all links for a setup.
pub fn void_setup(tx: &Tx<'_, SystemScope>) -> Result<()> {
    tx.execute("delete from main.sign_in_link where purpose = 'setup'", [])?;
    Ok(())
}

/// Voids the links by which the person could set a new password, but for one that makes them an operator.
pub fn void_resets(tx: &Tx<'_, SystemScope>, person: i64) -> Result<()> {
    tx.execute(
        "delete from main.sign_in_link where person = ?1 and purpose = 'reset' and makes_operator = 0",
        [person],
    )?;
    Ok(())
}

/// Voids all links of the person.
pub fn void_all(tx: &Tx<'_, SystemScope>, person: i64) -> Result<()> {
    tx.execute("delete from main.sign_in_link where person = ?1", [person])?;
    Ok(())
}

/// Voids the links that would make the person an operator.
pub fn void_promotions(tx: &Tx<'_, SystemScope>, person: i64) -> Result<()> {
    let sql = "delete from main.sign_in_link where person = ?1 and makes_operator = 1";
    tx.execute(sql, [person])?;
    Ok(())
}

/// Voids the invitation to a membership of the person's; one that makes them an operator only `with_promotion`.
pub fn void_invitation(
    tx: &Tx<'_, SystemScope>,
    person: i64,
    membership: i64,
    with_promotion: bool,
) -> Result<()> {
    tx.execute(
        "delete from main.sign_in_link
         where person = ?1 and membership = ?2 and makes_operator <= ?3",
        (person, membership, with_promotion),
    )?;
    Ok(())
}

/// Removes links that have expired, at most `limit`; gives how many.
pub fn prune(tx: &Tx<'_, SystemScope>, limit: u32) -> Result<usize> {
    tx.execute(PRUNE, (tx.now(), limit))
}

pub(in crate::store) const PRUNE: &str = "delete from main.sign_in_link where token_hash in
     (select token_hash from main.sign_in_link where expires_at <= ?1 order by expires_at limit ?2)";
