//! Using a link, once: whoever does so sets a password, or proves the one that they have.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Begun, Browser, Start,
    links::{Looked, ensure, gone, hash, look, with_parts},
    same_person,
};
use crate::{
    app::{App, accounts, auth::Guesser},
    domain::{
        AccountId, DEFAULT_PROJECT, Error, ErrorKind, MemberRole, ProjectId, Result, Secret,
        UserId, check_email, check_password,
    },
    observe::origin::{self, Actor, Origin},
    store::{
        AccountScope, SystemScope, Tx, accounts as account_rows,
        dashboard_sessions::{self, TokenHash},
        members,
        persons::{self, Person},
        projects,
        sign_in_links::{self, LinkPurpose},
    },
};

/// The first account's name, unless somebody gives another.
const FIRST_ACCOUNT: &str = "Main";

/// `POST /dashboard/api/links/accept`: how somebody uses a link.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// What follows the `#` of the link.
    #[schemars(with = "String")]
    pub token: Secret<String>,
    /// The new password, of 10 to 200 characters. Who is invited and has a password gives that one.
    #[schemars(with = "String")]
    pub password: Secret<String>,
    /// The address of the first person; every other link knows whose it is.
    pub email: Option<String>,
    /// The name of the first account, where there is none yet; `Main` unless said otherwise.
    #[schemars(length(min = 1, max = 200))]
    pub account_name: Option<String>,
}

/// Uses a link, once: sets or checks the password, and begins a session. Blocks, and takes some 20 ms of a core.
pub fn accept(app: &Arc<App>, given: &Acceptance, browser: &Browser) -> Result<Begun> {
    let (work, this) = (prepare(app, given, browser)?, Arc::clone(app));
    let name = work.seen.as_ref().map_or(&*work.email, |person| &*person.email);
    let origin = Arc::new(as_user(work.ids.user, name));
    let write = || app.store.write(SystemScope::new(), move |tx| work.run(&this, tx)).wait();
    origin::within(Some(origin), write)
}

/// Looks the link up, and checks or hashes the password.
pub(super) fn prepare(app: &App, given: &Acceptance, browser: &Browser) -> Result<Work> {
    let token = hash(&given.token)?;
    let looked = app.store.read(SystemScope::new(), |snapshot| look(snapshot, &token))?;
    let email = first_email(&looked, given)?;
    let new_hash = if let Some((person, stored)) = looked.proves() {
        let guesser = Guesser::Stranger { email: &person.email, client: browser.address };
        let checked = app.auth.check_password(guesser, Some(stored), &given.password);
        checked.map_err(not_theirs)?;
        None
    } else {
        check_password("password", &given.password)?;
        Some(app.auth.hash_password(&given.password)?)
    };
    let seen = match looked.person {
        None => app.store.read(SystemScope::new(), |it| persons::by_email(it, &email))?,
        person => person,
    };
    let ids = Ids::draw(app);
    let user = seen.as_ref().map_or(ids.user, |person| person.id);
    Ok(Work {
        token,
        seen,
        new_hash,
        email,
        account_name: given.account_name.clone().unwrap_or_else(|| FIRST_ACCOUNT.to_owned()),
        start: Start::draw(app, browser),
        ids: Ids { user, ..ids },
    })
}

/// Anybody may have taken an invitation to that address before: only the operator can tell.
fn not_theirs(error: Error) -> Error {
    if error.kind() != ErrorKind::Unauthenticated {
        return error;
    }
    let message = "this e-mail address has a password on this server already, and that is not it; give that one, or \
                   ask the operator of the server to remove the user where you never chose it";
    Error::new(ErrorKind::Unauthenticated, message)
}

/// The address of the first person; others have one.
fn first_email(looked: &Looked, given: &Acceptance) -> Result<String> {
    if looked.link.purpose != LinkPurpose::Setup {
        return Ok(String::new());
    }
    let email = given.email.as_deref();
    let email = email.ok_or_else(|| Error::invalid("email", "email is missing; give yours"))?;
    check_email(email)?;
    let name = given.account_name.as_deref();
    name.map_or(Ok(()), |name| crate::app::text("account_name", name, 200))?;
    Ok(email.to_owned())
}

/// Whoever uses a link does so as themselves, from where the request comes.
fn as_user(user: UserId, email: &str) -> Origin {
    let request = origin::current();
    Origin {
        actor: Actor::User(user),
        name: Some(email.into()),
        address: request.as_ref().and_then(|request| request.address),
        request_id: request.and_then(|request| request.request_id.clone()),
    }
}

/// The acceptance of a link, ready for its transaction.
pub(super) struct Work {
    token: TokenHash,
    /// The person as it was when its password was checked.
    seen: Option<Person>,
    new_hash: Option<Secret<String>>,
    email: String,
    account_name: String,
    start: Start,
    ids: Ids,
}

/// Ids for what may be made.
struct Ids {
    user: UserId,
    account: AccountId,
    project: ProjectId,
}

impl Ids {
    fn draw(app: &App) -> Self {
        let uuid = || app.ambient.uuid();
        Self {
            user: UserId::from_uuid(uuid()),
            account: AccountId::from_uuid(uuid()),
            project: ProjectId::from_uuid(uuid()),
        }
    }
}

impl Work {
    /// Of two that use the same link at once, the second finds it gone.
    pub(super) fn run(&self, app: &App, tx: &Tx<'_, SystemScope>) -> Result<Begun> {
        let link = sign_in_links::take(tx, &self.token)?.ok_or_else(gone)?;
        let looked = with_parts(tx, link)?;
        let sets_password = looked.proves().is_none();
        if sets_password != self.new_hash.is_some() {
            return Err(changed());
        }
        let (person, home) = match link.purpose {
            LinkPurpose::Setup => self.set_up(app, tx)?,
            LinkPurpose::Invite | LinkPurpose::Reset => {
                let person = same_person(tx, self.seen.as_ref().ok_or_else(gone)?)?;
                (person, looked.membership.map(|it| it.scope))
            }
        };
        if link.makes_operator || link.purpose == LinkPurpose::Setup {
            promote(tx, &person)?;
        } else if link.purpose == LinkPurpose::Reset {
            dashboard_sessions::end_all(tx, &person, None)?;
        }
        self.set_password(tx, &person)?;
        let project = home.map(|home| enter(tx, home, person.id)).transpose()?;
        // Else the session that begins would lead nowhere, and the link be gone.
        let person = persons::of_number(tx, person.seq)?.ok_or_else(gone)?;
        if !person.is_operator && !members::is_member(tx, person.id)? {
            return Err(gone());
        }
        Ok(Begun { token: self.start.begin(app, tx, &person)?, project })
    }

    /// The first person becomes the owner of the first account.
    fn set_up(
        &self,
        app: &App,
        tx: &Tx<'_, SystemScope>,
    ) -> Result<(Person, Option<AccountScope>)> {
        let person = ensure(tx, self.ids.user, &self.email)?;
        if person.id != self.ids.user {
            return Err(changed());
        }
        sign_in_links::void_setup(tx)?;
        let home = match account_rows::oldest(tx)? {
            Some(account) => account.scope,
            None => {
                accounts::make(app, tx, self.ids.account, self.ids.project, &self.account_name)?
            }
        };
        tx.within(home, |tx| match members::find(tx, person.id)? {
            Some(_) => members::set_role(tx, person.id, MemberRole::Owner),
            None => members::insert(tx, person.id, &person.email, MemberRole::Owner),
        })?;
        Ok((person, Some(home)))
    }

    /// Whatever link for a new password was open besides is void: it was made for who could do less, or is not needed.
    fn set_password(&self, tx: &Tx<'_, SystemScope>, of: &Person) -> Result<()> {
        sign_in_links::void_resets(tx, of.seq)?;
        self.new_hash.as_ref().map_or(Ok(()), |hash| persons::set_password(tx, of, hash))
    }
}

/// Makes somebody an operator, of whom nobody knows who was in by their name until now: nothing stays but what they
/// bring along, which the password that is set next is.
fn promote(tx: &Tx<'_, SystemScope>, person: &Person) -> Result<()> {
    dashboard_sessions::end_all(tx, person, None)?;
    sign_in_links::void_all(tx, person.seq)?;
    persons::set_operator(tx, person, true)
}

fn changed() -> Error {
    Error::new(ErrorKind::Conflict, "somebody else changed this person at this moment; try again")
}

/// Takes the membership; gives the project to begin in.
fn enter(tx: &Tx<'_, SystemScope>, home: AccountScope, user: UserId) -> Result<ProjectId> {
    tx.within(home, |tx| {
        members::accept(tx, user)?;
        let project = projects::by_name(tx, DEFAULT_PROJECT)?;
        Ok(project.ok_or_else(|| Error::internal("an account has no project `default`"))?.id)
    })
}
