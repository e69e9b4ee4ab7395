//! What the operator does with people at a command line. These deeds block.

use std::sync::Arc;

use super::{Invited, MemberRequest, NewLink, add, leave, stays_owned};
use crate::{
    app::{App, accounts, sign_in},
    domain::{AccountId, Environment, Error, ErrorKind, Result, Secret, UserId, check_email},
    store::{
        Snapshot, SystemScope, Tx, members,
        persons::{self, Person},
        sign_in_links,
    },
};

/// Invites somebody to an account. Where `makes_operator` says so, whoever uses this link becomes an operator: nothing
/// but the link makes one, so that nobody is before they chose a password by it.
pub fn create_by_operator(
    app: &Arc<App>,
    account: AccountId,
    new: MemberRequest,
    makes_operator: bool,
    origin: &str,
) -> Result<Invited> {
    check_email(&new.email)?;
    let id = UserId::from_uuid(app.ambient.uuid());
    let mut link = NewLink::draw(app, origin);
    link.makes_operator = makes_operator;
    let this = Arc::clone(app);
    let made = app.store.write(SystemScope::new(), move |tx| {
        let home = accounts::find_scope(tx, account, Environment::Live)?;
        add(&this, tx, home, None, id, &new, &link)
    });
    made.wait()
}

/// Makes a link by which the person becomes an operator; they choose a new password then.
pub fn promote(app: &Arc<App>, email: &str, origin: &str) -> Result<Secret<String>> {
    let mut link = NewLink::draw(app, origin);
    link.makes_operator = true;
    let (this, email) = (Arc::clone(app), email.to_owned());
    let made = app.store.write(SystemScope::new(), move |tx| {
        let person = by_email(tx, &email)?;
        let (invitation, _) = sign_in::invitation(tx, &person)?;
        sign_in::put(&this, tx, &link.of(Some(&person), invitation))?;
        Ok(link.url.clone())
    });
    made.wait()
}

/// Takes from somebody what operators may, at once. The last operator stays.
pub fn demote(app: &App, email: &str) -> Result<()> {
    let email = email.to_owned();
    let done = app.store.write(SystemScope::new(), move |tx| {
        let person = by_email(tx, &email)?;
        stays_operated(tx, &person)?;
        persons::set_operator(tx, &person, false)?;
        sign_in_links::void_promotions(tx, person.seq)?;
        sign_in_links::void_resets(tx, person.seq)?;
        leave(tx, &Person { is_operator: false, ..person })
    });
    done.wait()
}

/// Forgets somebody: ends sessions, links and memberships. The last operator stays, and so does the last owner of an
/// account.
pub fn forget(app: &App, email: &str) -> Result<UserId> {
    let email = email.to_owned();
    let done = app.store.write(SystemScope::new(), move |tx| {
        let person = by_email(tx, &email)?;
        stays_operated(tx, &person)?;
        while let Some(membership) = members::any_of(tx, person.id)? {
            tx.within(membership.scope, |tx| {
                let member = super::must_find(tx, person.id)?;
                stays_owned(tx, &member).map_err(|error| {
                    let account = membership.scope.account_id();
                    Error::new(error.kind(), format!("{} (account {account})", error.message()))
                })?;
                members::remove(tx, person.id)
            })?;
        }
        persons::remove(tx, &person)?;
        Ok(person.id)
    });
    done.wait()
}

fn by_email(snapshot: &Snapshot<'_, SystemScope>, email: &str) -> Result<Person> {
    let person = persons::by_email(snapshot, email)?;
    person.ok_or_else(|| Error::none_on_server("user").with_param("email"))
}

/// Refuses to take the last operator away.
fn stays_operated(tx: &Tx<'_, SystemScope>, without: &Person) -> Result<()> {
    if !without.is_operator || persons::has_other_operator(tx, Some(without.seq))? {
        return Ok(());
    }
    let message = "this is the last operator of the server; make another one first";
    Err(Error::new(ErrorKind::Conflict, message))
}
