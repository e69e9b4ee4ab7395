//! Links that work once: the first person's, those of invitations, and those for a new password.

use std::sync::Arc;

use crate::{
    app::{App, auth::tokens::TokenKind, members::Manager},
    domain::{AccountId, Error, ErrorKind, Result, Secret, UserId},
    store::{
        Snapshot, SystemScope, Tx, accounts as account_rows,
        dashboard_sessions::TokenHash,
        members::{self, Membership},
        persons::{self, Person},
        sign_in_links::{self, Issuer, Link, LinkPurpose},
    },
};

/// What a link is for, before it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What it is for.
    pub purpose: LinkPurpose,
    /// Whose it is; the first person has yet to say.
    pub email: Option<String>,
    /// The account that it leads to, if that is known.
    pub account: Option<(AccountId, String)>,
    /// Whether whoever uses it must prove the password that the person has, instead of choosing one.
    pub has_password: bool,
}

pub(super) fn gone() -> Error {
    let message =
        "this link was used before, has expired, or was replaced by a newer one; ask for a new one";
    Error::new(ErrorKind::NotFound, message)
}

pub(super) fn hash(token: &Secret<String>) -> Result<TokenHash> {
    TokenKind::Link.hash(token.expose()).ok_or_else(gone)
}

/// A link, whose it is, and the membership that it is for.
pub(super) struct Looked {
    pub(super) link: Link,
    pub(super) person: Option<Person>,
    pub(super) membership: Option<Membership>,
}

impl Looked {
    /// The person and the password that they must prove; `None` where they choose one. Nobody proves a password to
    /// become an operator: somebody else may have chosen it.
    pub(super) fn proves(&self) -> Option<(&Person, &Secret<String>)> {
        if self.link.purpose != LinkPurpose::Invite || self.link.makes_operator {
            return None;
        }
        let person = self.person.as_ref()?;
        Some((person, person.password_hash.as_ref()?))
    }

    /// Whether who made the link may still make it.
    fn is_allowed(&self, snapshot: &Snapshot<'_, SystemScope>) -> Result<bool> {
        let (Some(issuer), Some(person)) = (self.link.issuer, &self.person) else {
            return Ok(true);
        };
        let role = match &self.membership {
            Some(membership) => Some(membership.role),
            None => members::role_in(snapshot, issuer.home.seq(), person.id)?,
        };
        let (Some(manager), Some(role)) = (Manager::again(snapshot, issuer)?, role) else {
            return Ok(false);
        };
        let is_reset = self.link.purpose == LinkPurpose::Reset;
        match manager.may_link(snapshot, person, role, is_reset) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                ErrorKind::InsufficientScope | ErrorKind::Conflict => Ok(false),
                _ => Err(error),
            },
        }
    }
}

pub(super) fn look(snapshot: &Snapshot<'_, SystemScope>, token: &TokenHash) -> Result<Looked> {
    let link = sign_in_links::find(snapshot, token)?.ok_or_else(gone)?;
    with_parts(snapshot, link)
}

/// What the link names must still be there, and who made it must still be allowed to.
pub(super) fn with_parts(snapshot: &Snapshot<'_, SystemScope>, link: Link) -> Result<Looked> {
    let person = link.person.map(|seq| persons::of_number(snapshot, seq)).transpose()?.flatten();
    let member =
        link.membership.map(|seq| members::of_number(snapshot, seq)).transpose()?.flatten();
    let is_whole = match link.purpose {
        LinkPurpose::Setup => !persons::is_operator_in(snapshot)?,
        LinkPurpose::Reset => person.is_some(),
        LinkPurpose::Invite => {
            let user = person.as_ref().map(|person| person.id);
            member.as_ref().is_some_and(|(_, of)| Some(*of) == user)
        }
    };
    let membership = member.map(|(membership, _)| membership);
    let looked = Looked { link, person, membership };
    let is_good = is_whole && looked.is_allowed(snapshot)?;
    is_good.then_some(looked).ok_or_else(gone)
}

/// What a link is for. It stays good.
pub fn open(app: &App, token: &Secret<String>) -> Result<Opened> {
    let token = hash(token)?;
    app.store.read(SystemScope::new(), |snapshot| {
        let looked = look(snapshot, &token)?;
        let has_password = looked.proves().is_some();
        let Looked { link, person, membership } = looked;
        let account = match (link.purpose, membership) {
            (LinkPurpose::Setup, _) => {
                account_rows::oldest(snapshot)?.map(|account| (account.id(), account.name))
            }
            (_, membership) => membership.map(|it| (it.scope.account_id(), it.name)),
        };
        Ok(Opened {
            purpose: link.purpose,
            has_password,
            email: person.map(|person| person.email),
            account,
        })
    })
}

/// The person with that address, made where there is none.
pub(in crate::app) fn ensure(tx: &Tx<'_, SystemScope>, id: UserId, email: &str) -> Result<Person> {
    if let Some(person) = persons::by_email(tx, email)? {
        return Ok(person);
    }
    persons::insert(tx, id, email)?;
    persons::find(tx, id)?.ok_or_else(|| Error::internal("a person is not there"))
}

/// A token for a link that is about to be stored.
pub(in crate::app) fn draw(app: &App) -> Secret<String> {
    TokenKind::Link.draw(&app.ambient)
}

/// A link that is about to be stored: to the membership of that number, else to a new password.
pub(in crate::app) struct LinkDraft<'l> {
    pub(in crate::app) token: &'l Secret<String>,
    /// `None` for the first person.
    pub(in crate::app) person: Option<&'l Person>,
    pub(in crate::app) membership: Option<i64>,
    pub(in crate::app) makes_operator: bool,
    /// `None` for the operator at a command line.
    pub(in crate::app) issuer: Option<Issuer>,
}

impl<'l> LinkDraft<'l> {
    /// One that the operator makes at a command line.
    fn new(token: &'l Secret<String>, person: Option<&'l Person>, membership: Option<i64>) -> Self {
        Self { token, person, membership, makes_operator: false, issuer: None }
    }
}

/// Stores a link.
pub(in crate::app) fn put(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    draft: &LinkDraft<'_>,
) -> Result<()> {
    let settings = &app.settings.dashboard;
    let LinkDraft { membership, makes_operator, issuer, .. } = *draft;
    let (purpose, ttl) = match (draft.person, membership) {
        (None, _) => (LinkPurpose::Setup, settings.setup_ttl),
        (Some(_), Some(_)) => (LinkPurpose::Invite, settings.link_ttl),
        (Some(_), None) => (LinkPurpose::Reset, settings.link_ttl),
    };
    let (person, expires_at) = (draft.person.map(|person| person.seq), tx.now().plus(ttl));
    let new = Link { purpose, person, membership, makes_operator, issuer, expires_at };
    sign_in_links::put(tx, &hash(draft.token)?, &new)
}

/// The address that opens a link. `origin` is how the caller reaches this server; a configured one wins.
pub fn link_url(app: &App, origin: &str, token: &Secret<String>) -> Secret<String> {
    let public = app.settings.dashboard.public_url.as_str();
    let origin = if public.is_empty() { origin } else { public };
    Secret::new(format!("{origin}/dashboard/welcome#{}", token.expose()))
}

/// A new link for the first person, in place of the one before; none where an operator can sign in. Blocks.
pub fn new_setup_link(app: &Arc<App>) -> Result<Option<Secret<String>>> {
    let (this, token) = (Arc::clone(app), draw(app));
    let made = app.store.write(SystemScope::new(), move |tx| {
        if persons::is_operator_in(tx)? {
            return Ok(None);
        }
        put(&this, tx, &LinkDraft::new(&token, None, None))?;
        Ok(Some(token.clone()))
    });
    made.wait()
}

/// The membership that a new link of the operator's for the person leads to, and whether it makes them an operator, as
/// the open one does that it replaces: to where that leads, else to an invitation, where they have no password yet.
pub(in crate::app) fn invitation(
    snapshot: &Snapshot<'_, SystemScope>,
    of: &Person,
) -> Result<(Option<i64>, bool)> {
    let promotion = sign_in_links::promotion(snapshot, of.seq)?;
    let invitation = match (promotion.flatten(), &of.password_hash) {
        (None, None) => members::invitation_of(snapshot, of.id)?,
        (membership, _) => membership,
    };
    Ok((invitation, promotion.is_some()))
}

/// A new link for somebody, on behalf of the operator at a command line: to an invitation that is open, where they have
/// no password yet, else to a new password. Blocks.
pub fn link_for(app: &Arc<App>, email: &str) -> Result<Secret<String>> {
    let (this, token, email) = (Arc::clone(app), draw(app), email.to_owned());
    let made = app.store.write(SystemScope::new(), move |tx| {
        let person = persons::by_email(tx, &email)?;
        let person = person.ok_or_else(|| Error::none_on_server("user").with_param("email"))?;
        let (invitation, makes_operator) = invitation(tx, &person)?;
        let draft = LinkDraft::new(&token, Some(&person), invitation);
        put(&this, tx, &LinkDraft { makes_operator, ..draft })?;
        Ok(token.clone())
    });
    made.wait()
}
