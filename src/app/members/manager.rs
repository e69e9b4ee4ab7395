//! Who manages members, and what they may. A link is judged by the same rules when it is made and when it is used.

use crate::{
    app::auth::Session,
    domain::{Error, ErrorKind, MemberRole, Result, Scope, ScopeSet},
    store::{
        AccountScope, Snapshot, SystemScope, api_keys, members,
        persons::{self, Person},
        sign_in_links::{self, IssuedBy, Issuer},
    },
};

/// Somebody who manages members of an account.
#[derive(Clone, Copy, Debug)]
pub struct Manager {
    home: AccountScope,
    by: IssuedBy,
    scopes: ScopeSet,
    is_operator: bool,
}

impl Manager {
    /// The caller, who may use the route.
    pub fn of(session: &Session) -> Self {
        let (home, scopes) = (session.home, session.scopes);
        match &session.user {
            Some(user) => {
                let by = IssuedBy::User(user.id);
                Self { home, by, scopes, is_operator: user.is_operator }
            }
            None => Self { home, by: IssuedBy::Key(session.key), scopes, is_operator: false },
        }
    }

    /// Who made a link, with what they may now; `None` where they manage no members any more.
    pub(in crate::app) fn again(
        snapshot: &Snapshot<'_, SystemScope>,
        issuer: Issuer,
    ) -> Result<Option<Self>> {
        let Issuer { home, by } = issuer;
        let (scopes, is_operator) = match by {
            IssuedBy::User(user) => {
                let is_operator = persons::find(snapshot, user)?.is_some_and(|it| it.is_operator);
                let role = members::role_in(snapshot, home.seq(), user)?;
                let role = if is_operator { Some(MemberRole::Owner) } else { role };
                (role.map(MemberRole::scopes), is_operator)
            }
            IssuedBy::Key(key) => {
                let scopes = api_keys::scopes_in(snapshot, home.seq(), key)?;
                let scopes = scopes.map(|text| text.parse().map_err(Error::internal));
                (scopes.transpose()?, false)
            }
        };
        let scopes = scopes.filter(|scopes| scopes.contains(Scope::KeysWrite));
        Ok(scopes.map(|scopes| Self { home, by, scopes, is_operator }))
    }

    /// The right to the live rows of the account.
    pub(super) const fn home(self) -> AccountScope {
        self.home
    }

    /// What is kept of them with a link.
    pub(in crate::app) const fn issuer(self) -> Issuer {
        Issuer { home: self.home, by: self.by }
    }

    /// Refuses to manage a role that may do more.
    pub(super) fn may(self, role: MemberRole) -> Result<()> {
        if role.may_be_managed_with(self.scopes) {
            return Ok(());
        }
        let message = format!(
            "members with the role {} can only be made, changed or removed by who may do all that they may",
            role.as_str()
        );
        Err(Error::new(ErrorKind::InsufficientScope, message))
    }

    /// Refuses a link for a person whose role that is, or will be, in the account. One that sets a password opens all
    /// that the person may, also elsewhere.
    pub(in crate::app) fn may_link(
        self,
        snapshot: &Snapshot<'_, SystemScope>,
        person: &Person,
        role: MemberRole,
        is_reset: bool,
    ) -> Result<()> {
        self.may(role)?;
        let sets_password = is_reset || person.password_hash.is_none();
        if self.is_operator || !sets_password {
            return Ok(());
        }
        if person.is_operator || sign_in_links::promotion(snapshot, person.seq)?.is_some() {
            let message = "the person is an operator of the server, or is to be one: only an operator makes links for them";
            return Err(Error::new(ErrorKind::InsufficientScope, message));
        }
        if members::is_member_elsewhere(snapshot, person.id, self.home.seq())? {
            let message = "the person is a member of other accounts too; ask the operator of the server for a link";
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Ok(())
    }
}
