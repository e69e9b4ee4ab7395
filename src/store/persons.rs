//! People who sign in to the dashboard. They are no account's: what an account sees of them is in
//! [`members`](super::members).

use rusqlite::Row;

use super::{
    members,
    scope::SystemScope,
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{Result, Secret, Timestamp, UserId, email_key};

/// Somebody who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: UserId,
    /// The address as it was first written.
    pub email: String,
    /// Argon2id hash in PHC format; `None` until a password was chosen.
    pub password_hash: Option<Secret<String>>,
    /// When they last chose one.
    pub password_changed_at: Option<Timestamp>,
    /// Whether they act in every account, and for the server itself.
    pub is_operator: bool,
    /// When they were first heard of.
    pub created_at: Timestamp,
}

fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    let hash: Option<String> = row.get("password_hash")?;
    Ok(Person {
        seq: row.get("seq")?,
        id: row.get("id")?,
        email: row.get("email")?,
        password_hash: hash.map(Secret::new),
        password_changed_at: row.get("password_changed_at")?,
        is_operator: row.get("is_operator")?,
        created_at: row.get("created_at")?,
    })
}

/// The person with that address, in whatever case it is written.
pub fn by_email(snapshot: &Snapshot<'_, SystemScope>, email: &str) -> Result<Option<Person>> {
    snapshot.one("select * from main.person where email_key = ?1", [email_key(email)], person)
}

/// The person of that id.
pub fn find(snapshot: &Snapshot<'_, SystemScope>, id: UserId) -> Result<Option<Person>> {
    snapshot.one("select * from main.person where id = ?1", [id], person)
}

/// The person of that internal number.
pub fn of_number(snapshot: &Snapshot<'_, SystemScope>, seq: i64) -> Result<Option<Person>> {
    snapshot.one("select * from main.person where seq = ?1", [seq], person)
}

/// Whether an operator can sign in: one has a password.
pub fn is_operator_in(snapshot: &Snapshot<'_, SystemScope>) -> Result<bool> {
    has_other_operator(snapshot, None)
}

/// Whether anybody but that person is an operator who can sign in.
pub fn has_other_operator(snapshot: &Snapshot<'_, SystemScope>, than: Option<i64>) -> Result<bool> {
    let sql = "select exists (select 1 from main.person
               where is_operator = 1 and password_hash is not null and seq is not ?1)";
    Ok(snapshot.one(sql, [than], |row| row.get(0))?.unwrap_or(false))
}

/// Whether anybody can sign in: somebody has a password.
pub fn is_anybody_in(snapshot: &Snapshot<'_, SystemScope>) -> Result<bool> {
    let sql = "select exists (select 1 from main.person where password_hash is not null)";
    Ok(snapshot.one(sql, [], |row| row.get(0))?.unwrap_or(false))
}

/// People who are older than `before`, newest first.
pub fn list(
    snapshot: &Snapshot<'_, SystemScope>,
    before: Option<UserId>,
    limit: u32,
) -> Result<Vec<Person>> {
    snapshot.all(LIST, (before.unwrap_or(UserId::MAX), limit), person)
}

pub(in crate::store) const LIST: &str =
    "select * from main.person where id < ?1 order by id desc limit ?2";

/// Adds somebody without a password; the address must be new.
pub fn insert(tx: &Tx<'_, SystemScope>, id: UserId, email: &str) -> Result<()> {
    tx.execute(
        "insert into main.person (id, email, email_key, created_at) values (?1, ?2, ?3, ?4)",
        (id, email, email_key(email), tx.now()),
    )?;
    Ok(())
}

/// Sets a password by its hash.
pub fn set_password(tx: &Tx<'_, SystemScope>, of: &Person, hash: &Secret<String>) -> Result<()> {
    tx.execute(
        "update main.person set password_hash = ?2, password_changed_at = ?3 where seq = ?1",
        (of.seq, hash.expose(), tx.now()),
    )?;
    members::tell_log(tx, of.seq, None)?;
    tx.signal(Signal::UserChanged(of.id));
    Ok(())
}

/// Keeps the same password as a hash that costs more to guess at.
pub fn set_hash(tx: &Tx<'_, SystemScope>, of: &Person, hash: &Secret<String>) -> Result<()> {
    let sql = "update main.person set password_hash = ?2 where seq = ?1";
    tx.execute(sql, (of.seq, hash.expose()))?;
    Ok(())
}

/// Forgets the password of somebody who may act nowhere: they choose one when they come again.
pub fn forget_password(tx: &Tx<'_, SystemScope>, of: &Person) -> Result<()> {
    tx.execute("update main.person set password_hash = null where seq = ?1", [of.seq])?;
    tx.signal(Signal::UserChanged(of.id));
    Ok(())
}

/// Makes somebody an operator, or no more.
pub fn set_operator(tx: &Tx<'_, SystemScope>, of: &Person, is_operator: bool) -> Result<()> {
    let sql = "update main.person set is_operator = ?2 where seq = ?1";
    tx.execute(sql, (of.seq, is_operator))?;
    tx.signal(Signal::UserChanged(of.id));
    Ok(())
}

/// Forgets somebody, with all sessions and links.
pub fn remove(tx: &Tx<'_, SystemScope>, of: &Person) -> Result<()> {
    tx.execute("delete from main.dashboard_session where person = ?1", [of.seq])?;
    tx.execute("delete from main.sign_in_link where person = ?1", [of.seq])?;
    tx.execute("delete from main.person where seq = ?1", [of.seq])?;
    tx.signal(Signal::UserChanged(of.id));
    Ok(())
}
