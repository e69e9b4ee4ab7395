//! The sessions of somebody who signed in, and where they may act.

use crate::{
    app::{
        App, accounts as all_accounts,
        auth::{Session, SignedIn, not_signed_in, tokens::TokenKind},
        one_more,
    },
    domain::{
        AccountId, Cursor, DEFAULT_PROJECT, DashboardSessionId, Error, ErrorKind, MemberRole, Page,
        PageRequest, ProjectId, Result, UserId,
    },
    store::{
        AccountScope, Commit, SystemScope, Tx,
        accounts::Account,
        dashboard_sessions::{self, DashboardSession, TokenHash},
        members::{self, Membership},
        persons::{self, Person},
        projects::{self, Project},
        sign_in_links,
    },
};

/// Sessions of one person; the one that was not seen for the longest ends for another.
pub const SESSIONS_MAX: u32 = 20;
/// Projects that are shown of an account where accounts are listed: the newest.
const PROJECTS_SHOWN: u32 = 100;

/// Where somebody who signed in acts.
#[derive(Clone, Debug)]
pub struct Here {
    /// The account.
    pub account: Account,
    /// The project.
    pub project: Project,
    /// The live project `default` of the account.
    pub home_project: ProjectId,
}

/// An account that somebody may act in.
#[derive(Clone, Debug)]
pub struct OwnAccount {
    /// Its id.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// As what.
    pub role: MemberRole,
    /// Its newest projects, and `default`.
    pub projects: Vec<Project>,
}

/// Whether nobody can sign in yet. Blocks while it reads.
pub fn needs_setup(app: &App) -> Result<bool> {
    Ok(!app.store.read(SystemScope::new(), persons::is_anybody_in)?)
}

/// Where the caller acts. Blocks while it reads.
pub fn here(app: &App, session: &Session) -> Result<Here> {
    let (project, home) = app.store.read(session.home, |snapshot| {
        let project = projects::find(snapshot, session.project.1)?;
        Ok((project, projects::by_name(snapshot, DEFAULT_PROJECT)?))
    })?;
    let gone = || Error::internal("a project of somebody who signed in is gone");
    Ok(Here {
        account: all_accounts::get(app, session.home.account_id())?,
        project: project.ok_or_else(gone)?,
        home_project: home.ok_or_else(gone)?.id,
    })
}

/// The accounts that somebody may act in, newest first: an operator in all. Blocks while it reads.
pub fn accounts(app: &App, user: &SignedIn, page: &PageRequest) -> Result<Page<OwnAccount>> {
    let found = if user.is_operator {
        all_accounts::list(app, page)?.map(|account| Membership {
            scope: account.scope,
            name: account.name,
            role: MemberRole::Owner,
        })
    } else {
        let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(AccountId::from_uuid);
        let rows = app.store.read(SystemScope::new(), |snapshot| {
            members::accounts_of(snapshot, user.id, before, one_more(page))
        })?;
        Page::cut(rows, page.limit, |it| Cursor::from_uuid(it.scope.account_id().uuid()))
    };
    let Page { data, next_cursor, .. } = found;
    let own = data.into_iter().map(|it| {
        let projects = projects_of(app, it.scope)?;
        Ok(OwnAccount { id: it.scope.account_id(), name: it.name, role: it.role, projects })
    });
    Ok(Page::of(own.collect::<Result<_>>()?, next_cursor))
}

fn projects_of(app: &App, home: AccountScope) -> Result<Vec<Project>> {
    app.store.read(home, |snapshot| {
        let mut found = projects::list(snapshot, None, PROJECTS_SHOWN)?;
        if !found.iter().any(|project| project.name == DEFAULT_PROJECT) {
            found.extend(projects::by_name(snapshot, DEFAULT_PROJECT)?);
        }
        Ok(found)
    })
}

/// The sessions of somebody, last seen first. Blocks while it reads.
pub fn sessions(app: &App, user: &SignedIn) -> Result<Vec<DashboardSession>> {
    app.store.read(SystemScope::new(), |snapshot| {
        dashboard_sessions::list(snapshot, user.person, SESSIONS_MAX)
    })
}

/// Ends a session of somebody's, at once.
pub fn end_session(app: &App, user: &SignedIn, id: DashboardSessionId) -> Commit<()> {
    let user = user.id;
    app.store.write(SystemScope::new(), move |tx| {
        let person = persons::find(tx, user)?.ok_or_else(not_signed_in)?;
        if dashboard_sessions::end(tx, &person, id)? {
            return Ok(());
        }
        let message = "no such session; it may be over already";
        Err(Error::new(ErrorKind::NotFound, message))
    })
}

/// Ends the session of a cookie's token, at once; nothing is written where there is none. Blocks.
pub fn sign_out(app: &App, token: &str) -> Result<()> {
    let Some(hash) = TokenKind::Session.hash(token) else { return Ok(()) };
    let visitor = app
        .store
        .read(SystemScope::new(), |snapshot| dashboard_sessions::visitor(snapshot, &hash))?;
    if visitor.is_none() {
        return Ok(());
    }
    app.store.write(SystemScope::new(), move |tx| end_of(tx, &hash)).wait()
}

/// Ends the session of a token, where there is one.
pub(super) fn end_of(tx: &Tx<'_, SystemScope>, token: &TokenHash) -> Result<()> {
    let Some(visitor) = dashboard_sessions::visitor(tx, token)? else { return Ok(()) };
    // Whoever is forgotten has no session any more.
    let Some(person) = persons::find(tx, visitor.user)? else { return Ok(()) };
    dashboard_sessions::end(tx, &person, visitor.session.id).map(drop)
}

/// Everybody who signs in or is invited, newest first, for the operator. Blocks while it reads.
pub fn people(app: &App, page: &PageRequest) -> Result<Page<Person>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(UserId::from_uuid);
    let rows = app
        .store
        .read(SystemScope::new(), |snapshot| persons::list(snapshot, before, one_more(page)))?;
    Ok(Page::cut(rows, page.limit, |person| Cursor::from_uuid(person.id.uuid())))
}

/// Forgets sessions and links that are over, at most `limit` of each; gives how many.
pub fn forget_expired(app: &App, limit: u32) -> Commit<usize> {
    app.store.write(SystemScope::new(), move |tx| {
        Ok(dashboard_sessions::prune(tx, limit)? + sign_in_links::prune(tx, limit)?)
    })
}
