//! Links by which somebody comes in once. Only hashes of their tokens are kept.

use rusqlite::Row;

use super::{
    dashboard_sessions::TokenHash,
    members,
    row::named,
    scope::SystemScope,
    tx::{Snapshot, Tx},
};
use crate::domain::{Result, Timestamp};

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

/// A link as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is for.
    pub purpose: LinkPurpose,
    /// The person's internal number; `None` for a setup.
    pub person: Option<i64>,
    /// The membership's internal number, for an invitation.
    pub membership: Option<i64>,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

fn link(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link {
        purpose: named(row, "purpose", LinkPurpose::parse)?,
        person: row.get("person")?,
        membership: row.get("membership")?,
        expires_at: row.get("expires_at")?,
    })
}

/// Adds a link in place of those of the same purpose for the same person and membership: there is one at most.
pub fn put(tx: &Tx<'_, SystemScope>, token: &TokenHash, new: &Link) -> Result<()> {
    tx.execute(
        "delete from main.sign_in_link
         where person is ?1 and membership is ?2 and purpose = ?3",
        (new.person, new.membership, new.purpose.as_str()),
    )?;
    tx.execute(
        "insert into main.sign_in_link (token_hash, purpose, person, membership, created_at, expires_at)
         values (?1, ?2, ?3, ?4, ?5, ?6)",
        (token, new.purpose.as_str(), new.person, new.membership, tx.now(), new.expires_at),
    )?;
    new.person.map_or(Ok(()), |person| members::tell_log(tx, person))
}

/// The link with this token, if it has not expired.
pub fn find(snapshot: &Snapshot<'_, SystemScope>, token: &TokenHash) -> Result<Option<Link>> {
    let sql = "select * from main.sign_in_link where token_hash = ?1 and expires_at > ?2";
    snapshot.one(sql, (token, snapshot.now()), link)
}

/// Uses the link with this token up; `None` where there is none, or it has expired.
pub fn take(tx: &Tx<'_, SystemScope>, token: &TokenHash) -> Result<Option<Link>> {
    let found = find(tx, token)?;
    tx.execute("delete from main.sign_in_link where token_hash = ?1", [token])?;
    Ok(found)
}

/// Voids the links by which the person could set a new password, and all for a setup where `person` is none.
pub fn void(tx: &Tx<'_, SystemScope>, person: Option<i64>) -> Result<()> {
    tx.execute(
        "delete from main.sign_in_link where person is ?1 and purpose <> 'invite'",
        [person],
    )?;
    Ok(())
}

/// Voids the invitation to a membership of the person's.
pub fn void_invitation(tx: &Tx<'_, SystemScope>, person: i64, membership: i64) -> Result<()> {
    tx.execute(
        "delete from main.sign_in_link where person = ?1 and membership = ?2",
        (person, membership),
    )?;
    Ok(())
}

/// Removes links that have expired, at most `limit`; gives how many.
pub fn prune(tx: &Tx<'_, SystemScope>, limit: u32) -> Result<usize> {
    tx.execute(PRUNE, (tx.now(), limit))
}

pub(in crate::store) const PRUNE: &str = "delete from main.sign_in_link where token_hash in
     (select token_hash from main.sign_in_link where expires_at <= ?1 order by expires_at limit ?2)";
