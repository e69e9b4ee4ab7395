//! Members of accounts: what people may do where. They belong to the live rows of an account.

use rusqlite::Row;

use super::{
    row::named,
    scope::{AccountScope, AccountSeq, SystemScope},
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{AccountId, Environment, MemberRole, Result, Timestamp, Topic, Topics, UserId};

/// What a person may do in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Internal number.
    pub seq: i64,
    /// The person's public id.
    pub id: UserId,
    /// The person's address.
    pub email: String,
    /// What it may do.
    pub role: MemberRole,
    /// When it was invited.
    pub created_at: Timestamp,
    /// When it took the invitation; `None` while that is open.
    pub accepted_at: Option<Timestamp>,
    /// When the person last signed in.
    pub last_signed_in_at: Option<Timestamp>,
}

/// An account that a person may act in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The right to its live rows.
    pub scope: AccountScope,
    /// What people call it.
    pub name: String,
    /// As what.
    pub role: MemberRole,
}

fn member(row: &Row<'_>) -> rusqlite::Result<Member> {
    Ok(Member {
        seq: row.get("seq")?,
        id: row.get("id")?,
        email: row.get("email")?,
        role: named(row, "role", MemberRole::parse)?,
        created_at: row.get("created_at")?,
        accepted_at: row.get("accepted_at")?,
        last_signed_in_at: row.get("last_signed_in_at")?,
    })
}

/// The account's member of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: UserId) -> Result<Option<Member>> {
    snapshot.one("select * from member where id = ?1", [id], member)
}

/// The account's members whose ids are below `before`, newest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<UserId>,
    limit: u32,
) -> Result<Vec<Member>> {
    snapshot.all(LIST, (before.unwrap_or(UserId::MAX), limit), member)
}

pub(in crate::store) const LIST: &str =
    "select * from member where id < ?1 order by id desc limit ?2";

/// How many members the account has, with those that were invited.
pub fn count(snapshot: &Snapshot<'_, AccountScope>) -> Result<u32> {
    Ok(snapshot.one("select count(*) from member", [], |row| row.get(0))?.unwrap_or(0))
}

/// Whether anybody but that member is an owner who took the invitation.
pub fn has_other_owner(snapshot: &Snapshot<'_, AccountScope>, than: UserId) -> Result<bool> {
    let sql = "select exists (select 1 from member
               where role = 'owner' and accepted_at is not null and id <> ?1)";
    Ok(snapshot.one(sql, [than], |row| row.get(0))?.unwrap_or(false))
}

/// Invites somebody.
pub fn insert(tx: &Tx<'_, AccountScope>, id: UserId, email: &str, role: MemberRole) -> Result<()> {
    tx.execute(
        "insert into main.member (account, id, email, role, created_at)
         values (current_account(), ?1, ?2, ?3, ?4)",
        (id, email, role.as_str(), tx.now()),
    )?;
    Ok(())
}

/// Takes the invitation.
pub fn accept(tx: &Tx<'_, AccountScope>, id: UserId) -> Result<()> {
    tx.execute(
        "update main.member set accepted_at = coalesce(accepted_at, ?2)
         where account = current_account() and id = ?1",
        (id, tx.now()),
    )?;
    tx.signal(Signal::UserChanged(id));
    Ok(())
}

/// Gives a member another role.
pub fn set_role(tx: &Tx<'_, AccountScope>, id: UserId, role: MemberRole) -> Result<()> {
    tx.execute(
        "update main.member set role = ?2 where account = current_account() and id = ?1",
        (id, role.as_str()),
    )?;
    tx.signal(Signal::UserChanged(id));
    Ok(())
}

/// Removes a member.
pub fn remove(tx: &Tx<'_, AccountScope>, id: UserId) -> Result<()> {
    tx.execute("delete from main.member where account = current_account() and id = ?1", [id])?;
    tx.signal(Signal::UserChanged(id));
    Ok(())
}

/// Whether the person is a member of any account.
pub fn is_member(snapshot: &Snapshot<'_, SystemScope>, id: UserId) -> Result<bool> {
    let sql = "select exists (select 1 from main.member where id = ?1 and accepted_at is not null)";
    Ok(snapshot.one(sql, [id], |row| row.get(0))?.unwrap_or(false))
}

/// Whether the person is a member of any account, or was invited to one.
pub fn is_member_or_invited(snapshot: &Snapshot<'_, SystemScope>, id: UserId) -> Result<bool> {
    let sql = "select exists (select 1 from main.member where id = ?1)";
    Ok(snapshot.one(sql, [id], |row| row.get(0))?.unwrap_or(false))
}

/// Whether the person is a member of any account but that one.
pub fn is_member_elsewhere(
    snapshot: &Snapshot<'_, SystemScope>,
    id: UserId,
    than: AccountSeq,
) -> Result<bool> {
    let sql = "select exists (select 1 from main.member
               where id = ?1 and account <> ?2 and accepted_at is not null)";
    Ok(snapshot.one(sql, (id, than), |row| row.get(0))?.unwrap_or(false))
}

/// What the person is in the account, once they took the invitation.
pub fn role_in(
    snapshot: &Snapshot<'_, SystemScope>,
    account: AccountSeq,
    id: UserId,
) -> Result<Option<MemberRole>> {
    let sql = "select role from main.member
               where account = ?1 and id = ?2 and accepted_at is not null";
    snapshot.one(sql, (account, id), |row| named(row, "role", MemberRole::parse))
}

/// A membership of the person's, open invitations too, while there is one.
pub fn any_of(snapshot: &Snapshot<'_, SystemScope>, id: UserId) -> Result<Option<Membership>> {
    let system = snapshot.scope();
    let sql = "select a.seq, a.id, a.environment, a.name, m.role
               from main.member m join main.account a on a.seq = m.account where m.id = ?1 limit 1";
    snapshot.one(sql, [id], |row| membership(row, system))
}

/// Notes that the person signed in, in all accounts that they are a member of.
pub fn signed_in(tx: &Tx<'_, SystemScope>, id: UserId) -> Result<()> {
    let accounts = tx.all(
        "update main.member set last_signed_in_at = ?2 where id = ?1 and accepted_at is not null
         returning (select id from main.account where seq = member.account)",
        (id, tx.now()),
        |row| row.get(0),
    )?;
    for account in accounts {
        tx.tell((account, Environment::Live), Topics::NONE.with(Topic::Members));
    }
    Ok(())
}

/// Notes for who listens that logs tell of the person: those of all accounts that they are a member of, or of the
/// membership of that number alone.
pub(in crate::store) fn tell_log(
    tx: &Tx<'_, SystemScope>,
    person: i64,
    membership: Option<i64>,
) -> Result<()> {
    let accounts = tx.all(ACCOUNTS_TOLD, (person, membership), |row| row.get(0))?;
    for account in accounts {
        tx.tell((account, Environment::Live), Topics::NONE.with(Topic::Audit));
    }
    Ok(())
}

const ACCOUNTS_TOLD: &str = "select a.id from main.person p join main.member m on m.id = p.id
     join main.account a on a.seq = m.account
     where p.seq = ?1 and iif(?2 is null, m.accepted_at is not null, m.seq = ?2)";

/// The number of the oldest of the person's memberships whose invitation is open.
pub fn invitation_of(snapshot: &Snapshot<'_, SystemScope>, id: UserId) -> Result<Option<i64>> {
    let sql = "select min(seq) from main.member where id = ?1 and accepted_at is null";
    Ok(snapshot.one(sql, [id], |row| row.get(0))?.flatten())
}

/// The account and the person of the member of that number.
pub fn of_number(
    snapshot: &Snapshot<'_, SystemScope>,
    seq: i64,
) -> Result<Option<(Membership, UserId)>> {
    let system = snapshot.scope();
    snapshot.one(
        "select a.seq, a.id, a.environment, a.name, m.role, m.id as person
         from main.member m join main.account a on a.seq = m.account where m.seq = ?1",
        [seq],
        |row| Ok((membership(row, system)?, row.get("person")?)),
    )
}

/// The accounts older than `before` that the person is a member of, newest first.
pub fn accounts_of(
    snapshot: &Snapshot<'_, SystemScope>,
    id: UserId,
    before: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Membership>> {
    let system = snapshot.scope();
    let before = before.unwrap_or(AccountId::MAX);
    snapshot.all(ACCOUNTS_OF, (id, before, limit), |row| membership(row, system))
}

/// Sorted: somebody is a member of few accounts.
pub(in crate::store) const ACCOUNTS_OF: &str = "select a.seq, a.id, a.environment, a.name, m.role
     from main.member m join main.account a on a.seq = m.account
     where m.id = ?1 and m.accepted_at is not null and a.id < ?2 order by a.id desc limit ?3";

fn membership(row: &Row<'_>, system: SystemScope) -> rusqlite::Result<Membership> {
    Ok(Membership {
        scope: system.account(row.get("seq")?, row.get("id")?, row.get("environment")?),
        name: row.get("name")?,
        role: named(row, "role", MemberRole::parse)?,
    })
}
