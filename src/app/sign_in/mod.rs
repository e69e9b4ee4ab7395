//! Coming in to the dashboard: by a password, or by a link that works once.
//!
//! Checking or choosing a password takes some 20 ms of a core, so these deeds block and belong on one of the few
//! threads for that. What was checked is looked at again in the transaction that acts on it.

mod accept;
mod links;
mod password;
mod sessions;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

pub use accept::{Acceptance, accept};
pub(super) use links::{LinkDraft, draw, ensure, invitation, put};
pub use links::{Opened, link_for, link_url, new_setup_link, open};
pub use password::{PasswordChange, change_password};
pub use sessions::{
    Here, OwnAccount, SESSIONS_MAX, accounts, end_session, forget_expired, here, needs_setup,
    people, sessions, sign_out,
};

use super::{
    App,
    auth::{Guesser, tokens::TokenKind},
};
use crate::{
    domain::{DashboardSessionId, Error, ErrorKind, ProjectId, Result, Secret, check_email},
    store::{
        SystemScope, Tx,
        dashboard_sessions::{self, NewSession, TokenHash},
        members,
        persons::{self, Person},
    },
};

/// Characters that are kept of what a browser calls itself.
const USER_AGENT_MAX: usize = 200;

/// What somebody signs in with.
#[derive(Clone, Debug)]
pub struct Browser {
    /// Where it is.
    pub address: IpAddr,
    /// What it calls itself.
    pub user_agent: String,
    /// The token of the session that it is in already; that ends when another begins.
    pub token: Option<Secret<String>>,
}

/// A session that was begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// What its cookie holds, shown this once.
    pub token: Secret<String>,
    /// The project to act in first, where it is not the usual one.
    pub project: Option<ProjectId>,
}

/// Begins a session for who knows the password. All who do not are refused alike: 401, or 429 after too many. Blocks,
/// and takes some 20 ms of a core.
pub fn sign_in(
    app: &Arc<App>,
    email: &str,
    password: &Secret<String>,
    browser: &Browser,
) -> Result<Begun> {
    let proven = prove(app, email, password, browser)?;
    let this = Arc::clone(app);
    app.store.write(SystemScope::new(), move |tx| proven.enter(&this, tx)).wait()
}

fn prove(app: &App, email: &str, password: &Secret<String>, browser: &Browser) -> Result<Proven> {
    let found = match check_email(email) {
        Ok(()) => app.store.read(SystemScope::new(), |snapshot| {
            let person = persons::by_email(snapshot, email)?;
            // Who is a member nowhere any more has nowhere to go.
            let is_in = |person: &Person| {
                Ok(person.is_operator || members::is_member(snapshot, person.id)?)
            };
            Ok(match person {
                Some(person) if is_in(&person)? => Some(person),
                _ => None,
            })
        })?,
        Err(_) => None,
    };
    let hash = found.as_ref().and_then(|person| person.password_hash.as_ref());
    let guesser = Guesser::Stranger { email, client: browser.address };
    app.auth.check_password(guesser, hash, password)?;
    let costlier = hash.map(|hash| app.auth.costlier(hash, password)).transpose()?.flatten();
    let person = found.ok_or_else(|| Error::internal("nobody has this password"))?;
    Ok(Proven { person, costlier, start: Start::draw(app, browser) })
}

/// Somebody who proved their password, before the transaction that lets them in.
struct Proven {
    person: Person,
    /// The hash of the password at the cost of today, where that has risen.
    costlier: Option<Secret<String>>,
    start: Start,
}

impl Proven {
    fn enter(&self, app: &App, tx: &Tx<'_, SystemScope>) -> Result<Begun> {
        let same = same_person(tx, &self.person)?;
        self.costlier.as_ref().map_or(Ok(()), |hash| persons::set_hash(tx, &same, hash))?;
        Ok(Begun { token: self.start.begin(app, tx, &same)?, project: None })
    }
}

/// The person as it is now; an error where somebody else has changed the password since it was looked at. That it was
/// hashed anew changes nothing.
fn same_person(tx: &Tx<'_, SystemScope>, seen: &Person) -> Result<Person> {
    let password = |of: &Person| (of.password_changed_at, of.password_hash.is_some());
    let now = persons::of_number(tx, seen.seq)?;
    let now = now.filter(|now| now.id == seen.id && password(now) == password(seen));
    now.ok_or_else(|| {
        let message = "the password was changed at this moment; try again";
        Error::new(ErrorKind::Conflict, message)
    })
}

/// A session that is drawn, ready to be begun.
#[derive(Clone)]
struct Start {
    id: DashboardSessionId,
    token: Secret<String>,
    browser: Browser,
}

/// What is stored of a session's token.
fn token_hash(token: &Secret<String>) -> Result<TokenHash> {
    let hash = TokenKind::Session.hash(token.expose());
    hash.ok_or_else(|| Error::internal("a token is none"))
}

impl Start {
    fn draw(app: &App, browser: &Browser) -> Self {
        let user_agent = browser.user_agent.chars().filter(|sign| !sign.is_control());
        let user_agent = user_agent.take(USER_AGENT_MAX).collect();
        let browser = Browser { user_agent, ..browser.clone() };
        let id = DashboardSessionId::from_uuid(app.ambient.uuid());
        Self { id, token: TokenKind::Session.draw(&app.ambient), browser }
    }

    /// Begins it; gives its token.
    fn begin(&self, app: &App, tx: &Tx<'_, SystemScope>, of: &Person) -> Result<Secret<String>> {
        let before = self.browser.token.as_ref();
        if let Some(before) = before.and_then(|token| TokenKind::Session.hash(token.expose())) {
            sessions::end_of(tx, &before)?;
        }
        let new = NewSession {
            id: self.id,
            token_hash: token_hash(&self.token)?,
            address: self.browser.address,
            user_agent: self.browser.user_agent.clone(),
            expires_at: app.auth.session_end(tx.now(), tx.now()),
        };
        dashboard_sessions::insert(tx, of, &new, SESSIONS_MAX)?;
        members::signed_in(tx, of.id)?;
        Ok(self.token.clone())
    }
}
