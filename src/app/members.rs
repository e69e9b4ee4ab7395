//! What can be done with the members of an account. Nobody makes, changes or removes one whose role may do more than
//! they may themselves, and the last owner stays.

mod manager;
mod operator;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

pub use manager::Manager;
pub use operator::{create_by_operator, demote, forget, promote};

use super::{
    App, Reply, Secrecy, once,
    sign_in::{self, LinkDraft, link_url},
};
use crate::{
    domain::{
        Cursor, Error, ErrorKind, Idempotency, MemberRole, Page, PageRequest, Result, Secret,
        UserId, check_email,
    },
    store::{
        AccountScope, Commit, Snapshot, SystemScope, Tx, dashboard_sessions,
        members::{self, Member},
        persons::{self, Person},
        sign_in_links::{self, Issuer},
    },
};

/// Members of one account, with those that are invited.
const MEMBERS_MAX: u32 = 200;

/// `POST /v1/users`: whom to invite.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberRequest {
    /// The address that the person signs in with.
    #[schemars(length(min = 3, max = 254))]
    pub email: String,
    /// What it may do.
    pub role: MemberRole,
}

/// `PATCH /v1/users/{id}`: what to change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    /// What it may do.
    pub role: MemberRole,
}

/// A member with a link that works once.
#[derive(Clone, Debug)]
pub struct Invited {
    /// The member.
    pub member: Member,
    /// The address to give to the person.
    pub url: Secret<String>,
}

/// A new link that is drawn, and the address that it will have.
#[derive(Clone)]
struct NewLink {
    token: Secret<String>,
    url: Secret<String>,
    issuer: Option<Issuer>,
    makes_operator: bool,
}

impl NewLink {
    fn draw(app: &App, origin: &str) -> Self {
        let token = sign_in::draw(app);
        let url = link_url(app, origin, &token);
        Self { token, url, issuer: None, makes_operator: false }
    }

    fn draw_for(app: &App, manager: Manager, origin: &str) -> Self {
        Self { issuer: Some(manager.issuer()), ..Self::draw(app, origin) }
    }

    fn of<'l>(&'l self, person: Option<&'l Person>, membership: Option<i64>) -> LinkDraft<'l> {
        let Self { token, issuer, makes_operator, .. } = self;
        LinkDraft { token, person, membership, makes_operator: *makes_operator, issuer: *issuer }
    }
}

/// Invites somebody to the manager's account. `origin` is how the caller reaches this server.
pub fn create(
    app: &Arc<App>,
    manager: Manager,
    new: MemberRequest,
    origin: &str,
    request: Option<Idempotency>,
    render: once::Render<Invited>,
) -> Commit<Reply> {
    if let Err(error) = check_email(&new.email).and_then(|()| manager.may(new.role)) {
        return Commit::refused(error);
    }
    let (home, id) = (manager.home(), UserId::from_uuid(app.ambient.uuid()));
    let (this, link) = (Arc::clone(app), NewLink::draw_for(app, manager, origin));
    app.store.write(SystemScope::new(), move |tx| {
        once::within(&this, tx, home, request.as_ref(), Secrecy::Secret, render, |tx| {
            add(&this, tx, home, Some(manager), id, &new, &link)
        })
    })
}

fn add(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    home: AccountScope,
    manager: Option<Manager>,
    id: UserId,
    new: &MemberRequest,
    link: &NewLink,
) -> Result<Invited> {
    let person = sign_in::ensure(tx, id, &new.email)?;
    manager.map_or(Ok(()), |manager| manager.may_link(tx, &person, new.role, false))?;
    let member = tx.within(home, |tx| {
        if members::find(tx, person.id)?.is_some() {
            let message = "somebody with this address is a member or invited already; make a new link for them instead";
            return Err(Error::new(ErrorKind::Conflict, message).with_param("email"));
        }
        if members::count(tx)? >= MEMBERS_MAX {
            let message = format!("the account has {MEMBERS_MAX} members; remove one first");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        members::insert(tx, person.id, &person.email, new.role)?;
        must_find(tx, person.id)
    })?;
    sign_in::put(app, tx, &link.of(Some(&person), Some(member.seq)))?;
    Ok(Invited { member, url: link.url.clone() })
}

/// Makes a new link for a member, in place of the one before: to the invitation while that is open, else to a new
/// password.
pub fn invite(
    app: &Arc<App>,
    manager: Manager,
    id: UserId,
    origin: &str,
    request: Option<Idempotency>,
    render: once::Render<Invited>,
) -> Commit<Reply> {
    let (this, link) = (Arc::clone(app), NewLink::draw_for(app, manager, origin));
    let home = manager.home();
    app.store.write(SystemScope::new(), move |tx| {
        // Before an answer is given again: what was allowed then may not be now.
        let member = tx.within(home, |tx| must_find(tx, id))?;
        let person = person(tx, id)?;
        let invitation = member.accepted_at.is_none().then_some(member.seq);
        manager.may_link(tx, &person, member.role, invitation.is_none())?;
        once::within(&this, tx, home, request.as_ref(), Secrecy::Secret, render, |tx| {
            sign_in::put(&this, tx, &link.of(Some(&person), invitation))?;
            Ok(Invited { member, url: link.url.clone() })
        })
    })
}

/// The account's members, newest first. Blocks while it reads.
pub fn list(app: &App, home: AccountScope, page: &PageRequest) -> Result<Page<Member>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(UserId::from_uuid);
    let rows =
        app.store.read(home, |snapshot| members::list(snapshot, before, super::one_more(page)))?;
    Ok(Page::cut(rows, page.limit, |member| Cursor::from_uuid(member.id.uuid())))
}

/// The account's member of that id. Blocks while it reads.
pub fn get(app: &App, home: AccountScope, id: UserId) -> Result<Member> {
    app.store.read(home, |snapshot| must_find(snapshot, id))
}

/// Gives a member another role, at once. Links that were made for who may do less are void.
pub fn update(app: &App, manager: Manager, id: UserId, patch: &MemberPatch) -> Commit<Member> {
    let role = patch.role;
    app.store.write(SystemScope::new(), move |tx| {
        let (before, after) = tx.within(manager.home(), |tx| {
            let member = must_find(tx, id)?;
            manager.may(member.role)?;
            manager.may(role)?;
            if member.role != role {
                stays_owned(tx, &member)?;
                members::set_role(tx, id, role)?;
            }
            Ok((member, must_find(tx, id)?))
        })?;
        if !role.may_be_managed_with(before.role.scopes()) {
            let person = person(tx, id)?;
            void_resets(tx, &person, &before)?;
            sign_in_links::void_invitation(tx, person.seq, before.seq, false)?;
        }
        Ok(after)
    })
}

/// Removes a member, at once. Who is a member of nothing any more is forgotten.
pub fn remove(app: &App, manager: Manager, id: UserId) -> Commit<()> {
    app.store.write(SystemScope::new(), move |tx| {
        let member = tx.within(manager.home(), |tx| {
            let member = must_find(tx, id)?;
            manager.may(member.role)?;
            stays_owned(tx, &member)?;
            members::remove(tx, id)?;
            Ok(member)
        })?;
        let person = person(tx, id)?;
        sign_in_links::void_invitation(tx, person.seq, member.seq, true)?;
        void_resets(tx, &person, &member)?;
        leave(tx, &person)
    })
}

/// Voids links for a new password, where the membership ever counted: whoever was only invited is none of the
/// account's.
fn void_resets(tx: &Tx<'_, SystemScope>, person: &Person, member: &Member) -> Result<()> {
    if member.accepted_at.is_none() {
        return Ok(());
    }
    sign_in_links::void_resets(tx, person.seq)
}

/// Whoever may act nowhere any more is signed out and their password forgotten, and so are they where no invitation is
/// open.
fn leave(tx: &Tx<'_, SystemScope>, person: &Person) -> Result<()> {
    if person.is_operator || members::is_member(tx, person.id)? {
        return Ok(());
    }
    if members::is_member_or_invited(tx, person.id)? {
        dashboard_sessions::end_all(tx, person, None)?;
        return persons::forget_password(tx, person);
    }
    persons::remove(tx, person)
}

/// Refuses to take the account's last owner away.
fn stays_owned(snapshot: &Snapshot<'_, AccountScope>, without: &Member) -> Result<()> {
    let is_owner = without.role == MemberRole::Owner && without.accepted_at.is_some();
    if !is_owner || members::has_other_owner(snapshot, without.id)? {
        return Ok(());
    }
    let message = "this is the last owner of the account; make another member owner first";
    Err(Error::new(ErrorKind::Conflict, message))
}

fn person(snapshot: &Snapshot<'_, SystemScope>, id: UserId) -> Result<Person> {
    persons::find(snapshot, id)?.ok_or_else(|| Error::internal("a member is nobody"))
}

fn must_find(snapshot: &Snapshot<'_, AccountScope>, id: UserId) -> Result<Member> {
    members::find(snapshot, id)?.ok_or_else(|| Error::not_found("user"))
}
