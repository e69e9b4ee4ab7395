//! Browsers that people signed in with, and where they act.

use std::net::IpAddr;

use rusqlite::Row;

use super::{
    members,
    persons::Person,
    row::named,
    scope::{AccountScope, AccountSeq, SystemScope},
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{
    AccountId, Credits, DashboardSessionId, Environment, MemberRole, ProjectId, Result, Timestamp,
    UserId,
};

/// SHA-256 of the token in a cookie or a link.
pub type TokenHash = [u8; 32];

/// A browser that somebody signed in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DashboardSession {
    /// Public id.
    pub id: DashboardSessionId,
    /// Where it was begun from.
    pub address: String,
    /// What the browser calls itself.
    pub user_agent: String,
    /// When somebody signed in.
    pub created_at: Timestamp,
    /// When it was last used; at most a minute old.
    pub last_seen_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// What a new one is made of.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Public id.
    pub id: DashboardSessionId,
    /// Of its token.
    pub token_hash: TokenHash,
    /// Where it is begun from.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub user_agent: String,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// Who presents a cookie.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The browser.
    pub session: DashboardSession,
    /// Its person's internal number.
    pub person: i64,
    /// Its person.
    pub user: UserId,
    /// Its person's address.
    pub email: String,
    /// Whether its person is an operator.
    pub is_operator: bool,
}

/// A project as a place to act in.
#[derive(Clone, Debug)]
pub struct Place {
    /// The right to the rows of the account that the project is among.
    pub home: AccountScope,
    /// The right to the rows that work is done on: the live ones, or those of the twin.
    pub scope: AccountScope,
    /// The project's internal number and id.
    pub project: (i64, ProjectId),
    /// What its jobs may be charged in a calendar month.
    pub project_limit: Option<Credits>,
    /// When the account was suspended, if so.
    pub suspended_at: Option<Timestamp>,
    /// What the person is in the account, if they are a member.
    pub role: Option<MemberRole>,
}

fn session(row: &Row<'_>) -> rusqlite::Result<DashboardSession> {
    Ok(DashboardSession {
        id: row.get("id")?,
        address: row.get("address")?,
        user_agent: row.get("user_agent")?,
        created_at: row.get("created_at")?,
        last_seen_at: row.get("last_seen_at")?,
        expires_at: row.get("expires_at")?,
    })
}

/// Who presents this token.
pub fn visitor(snapshot: &Snapshot<'_, SystemScope>, token: &TokenHash) -> Result<Option<Visitor>> {
    snapshot.one(
        "select s.*, p.id as user, p.email, p.is_operator
         from main.dashboard_session s join main.person p on p.seq = s.person
         where s.token_hash = ?1",
        [token],
        |row| {
            Ok(Visitor {
                session: session(row)?,
                person: row.get("person")?,
                user: row.get("user")?,
                email: row.get("email")?,
                is_operator: row.get("is_operator")?,
            })
        },
    )
}

/// The project of that id, whatever its account, and what the person is there.
pub fn place(
    snapshot: &Snapshot<'_, SystemScope>,
    project: ProjectId,
    user: UserId,
) -> Result<Option<Place>> {
    let system = snapshot.scope();
    snapshot.one(PLACE, (project, user), |row| {
        let (seq, account): (AccountSeq, AccountId) = (row.get("account")?, row.get("account_id")?);
        let works_in: Environment = row.get("works_in")?;
        let is_member = row.get_ref("role")?.as_str().is_ok();
        Ok(Place {
            home: system.account(seq, account, row.get("environment")?),
            scope: system.account(row.get("works_on")?, account, works_in),
            project: (row.get("project")?, row.get("project_id")?),
            project_limit: row.get("project_limit")?,
            suspended_at: row.get("suspended_at")?,
            role: is_member.then(|| named(row, "role", MemberRole::parse)).transpose()?,
        })
    })
}

pub(in crate::store) const PLACE: &str =
    "select p.seq as project, p.id as project_id, p.monthly_credit_limit as project_limit,
       p.environment as works_in, a.seq as account, a.id as account_id, a.environment, a.suspended_at,
       w.seq as works_on, m.role
     from main.project p join main.account a on a.seq = p.account
     join main.account w on w.id = a.id and w.environment = p.environment
     left join main.member m on m.account = a.seq and m.id = ?2 and m.accepted_at is not null
     where p.id = ?1";

/// The live project `default` of the first account that the person became a member of. For an operator who is a
/// member of none, that of the oldest account.
pub fn first_project(
    snapshot: &Snapshot<'_, SystemScope>,
    visitor: &Visitor,
) -> Result<Option<ProjectId>> {
    let own = snapshot.one(FIRST_PROJECT, [visitor.user], |row| row.get(0))?;
    if own.is_some() || !visitor.is_operator {
        return Ok(own);
    }
    let sql = "select p.id from main.account a
               join main.project p on p.account = a.seq and p.name = 'default'
               where a.environment = 'live' order by a.seq limit 1";
    snapshot.one(sql, [], |row| row.get(0))
}

pub(in crate::store) const FIRST_PROJECT: &str =
    "select p.id from main.member m join main.project p on p.account = m.account and p.name = 'default'
     where m.id = ?1 and m.accepted_at is not null order by m.seq limit 1";

/// The person's sessions that are not over, last seen first.
pub fn list(
    snapshot: &Snapshot<'_, SystemScope>,
    person: i64,
    limit: u32,
) -> Result<Vec<DashboardSession>> {
    snapshot.all(LIST, (person, snapshot.now(), limit), session)
}

/// Sorted: a person has few.
pub(in crate::store) const LIST: &str = "select * from main.dashboard_session
     where person = ?1 and expires_at > ?2 order by last_seen_at desc, seq desc limit ?3";

/// Begins a session. Of the person's sessions, with this one, the `most` that were last seen stay.
pub fn insert(tx: &Tx<'_, SystemScope>, of: &Person, new: &NewSession, most: u32) -> Result<()> {
    let now = tx.now();
    let seq = tx.insert(
        "insert into main.dashboard_session
           (person, id, token_hash, address, user_agent, created_at, last_seen_at, expires_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)",
        rusqlite::params![
            of.seq,
            new.id,
            new.token_hash,
            new.address.to_string(),
            new.user_agent,
            now,
            new.expires_at,
        ],
    )?;
    let ended = tx.execute(
        "delete from main.dashboard_session where person = ?1 and seq in
           (select seq from main.dashboard_session where person = ?1 and seq <> ?2
            order by last_seen_at desc, seq desc limit -1 offset ?3)",
        (of.seq, seq, most.saturating_sub(1)),
    )?;
    if ended > 0 {
        tx.signal(Signal::UserChanged(of.id));
    }
    members::tell_log(tx, of.seq, None)
}

/// Notes that the session is used, and until when it holds now. One that ended meanwhile stays so.
pub fn touch(
    tx: &Tx<'_, SystemScope>,
    id: DashboardSessionId,
    expires_at: Timestamp,
) -> Result<()> {
    tx.execute(
        "update main.dashboard_session set last_seen_at = ?2, expires_at = ?3 where id = ?1",
        (id, tx.now(), expires_at),
    )?;
    Ok(())
}

/// Ends one of the person's sessions; false where there is no such.
pub fn end(tx: &Tx<'_, SystemScope>, of: &Person, id: DashboardSessionId) -> Result<bool> {
    let ended = tx.execute(
        "delete from main.dashboard_session where person = ?1 and id = ?2",
        (of.seq, id),
    )?;
    members::tell_log(tx, of.seq, None)?;
    tx.signal(Signal::UserChanged(of.id));
    Ok(ended > 0)
}

/// Gives a session another token: whoever knows the one before is out. False where there is no such session.
pub fn set_token(
    tx: &Tx<'_, SystemScope>,
    of: &Person,
    id: DashboardSessionId,
    token: &TokenHash,
) -> Result<bool> {
    let sql = "update main.dashboard_session set token_hash = ?3 where person = ?1 and id = ?2";
    let set = tx.execute(sql, (of.seq, id, token))?;
    tx.signal(Signal::UserChanged(of.id));
    Ok(set > 0)
}

/// Ends all of the person's sessions but that one.
pub fn end_all(
    tx: &Tx<'_, SystemScope>,
    of: &Person,
    but: Option<DashboardSessionId>,
) -> Result<()> {
    tx.execute(
        "delete from main.dashboard_session where person = ?1 and id is not ?2",
        (of.seq, but),
    )?;
    tx.signal(Signal::UserChanged(of.id));
    members::tell_log(tx, of.seq, None)
}

/// Removes sessions that are over, at most `limit`; gives how many.
pub fn prune(tx: &Tx<'_, SystemScope>, limit: u32) -> Result<usize> {
    tx.execute(PRUNE, (tx.now(), limit))
}

pub(in crate::store) const PRUNE: &str = "delete from main.dashboard_session where seq in
     (select seq from main.dashboard_session where expires_at <= ?1 order by expires_at limit ?2)";
