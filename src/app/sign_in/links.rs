//! Links that work once: the first person's, those of invitations, and those for a new password.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Begun, Browser, Start, same_person};
use crate::{
    app::{App, accounts, auth::tokens::TokenKind},
    domain::{
        AccountId, DEFAULT_PROJECT, Error, ErrorKind, MemberRole, ProjectId, Result, Secret,
        UserId, check_email, check_password,
    },
    store::{
        AccountScope, Snapshot, SystemScope, Tx, accounts as account_rows,
        dashboard_sessions::{self, TokenHash},
        members::{self, Membership},
        persons::{self, Person},
        projects,
        sign_in_links::{self, Link, LinkPurpose},
    },
};

/// The first account's name, unless somebody gives another.
const FIRST_ACCOUNT: &str = "Main";

/// What a link is for, before it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What it is for.
    pub purpose: LinkPurpose,
    /// Whose it is; the first person has yet to say.
    pub email: Option<String>,
    /// The account that it leads to, if that is known.
    pub account: Option<(AccountId, String)>,
    /// Whether the person has a password already.
    pub has_password: bool,
}

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

fn gone() -> Error {
    let message =
        "this link was used before, has expired, or was replaced by a newer one; ask for a new one";
    Error::new(ErrorKind::NotFound, message)
}

fn hash(token: &Secret<String>) -> Result<TokenHash> {
    TokenKind::Link.hash(token.expose()).ok_or_else(gone)
}

/// A link, whose it is, and the membership that it is for.
struct Looked {
    link: Link,
    person: Option<Person>,
    membership: Option<Membership>,
}

fn look(snapshot: &Snapshot<'_, SystemScope>, token: &TokenHash) -> Result<Looked> {
    let link = sign_in_links::find(snapshot, token)?.ok_or_else(gone)?;
    with_parts(snapshot, link)
}

/// What the link names must still be there.
fn with_parts(snapshot: &Snapshot<'_, SystemScope>, link: Link) -> Result<Looked> {
    let person = link.person.map(|seq| persons::of_number(snapshot, seq)).transpose()?.flatten();
    let member =
        link.membership.map(|seq| members::of_number(snapshot, seq)).transpose()?.flatten();
    let is_whole = match link.purpose {
        LinkPurpose::Setup => !persons::is_anybody_in(snapshot)?,
        LinkPurpose::Reset => person.is_some(),
        LinkPurpose::Invite => {
            let user = person.as_ref().map(|person| person.id);
            member.as_ref().is_some_and(|(_, of)| Some(*of) == user)
        }
    };
    let membership = member.map(|(membership, _)| membership);
    is_whole.then_some(Looked { link, person, membership }).ok_or_else(gone)
}

/// What a link is for. It stays good.
pub fn open(app: &App, token: &Secret<String>) -> Result<Opened> {
    let token = hash(token)?;
    app.store.read(SystemScope::new(), |snapshot| {
        let Looked { link, person, membership } = look(snapshot, &token)?;
        let account = match (link.purpose, membership) {
            (LinkPurpose::Setup, _) => {
                account_rows::oldest(snapshot)?.map(|account| (account.id(), account.name))
            }
            (_, membership) => membership.map(|it| (it.scope.account_id(), it.name)),
        };
        Ok(Opened {
            purpose: link.purpose,
            has_password: person.as_ref().is_some_and(|it| it.password_hash.is_some()),
            email: person.map(|person| person.email),
            account,
        })
    })
}

/// Uses a link, once: sets or checks the password, and begins a session. Blocks, and takes some 20 ms of a core.
pub fn accept(app: &Arc<App>, given: &Acceptance, browser: &Browser) -> Result<Begun> {
    let token = hash(&given.token)?;
    let looked = app.store.read(SystemScope::new(), |snapshot| look(snapshot, &token))?;
    let purpose = looked.link.purpose;
    if purpose == LinkPurpose::Setup {
        let email = given.email.as_deref();
        check_email(email.ok_or_else(|| Error::invalid("email", "email is missing; give yours"))?)?;
        given
            .account_name
            .as_deref()
            .map_or(Ok(()), |name| crate::app::text("account_name", name, 200))?;
    }
    let known = looked.person.as_ref().filter(|_| purpose == LinkPurpose::Invite);
    let known = known.and_then(|person| Some((person, person.password_hash.as_ref()?)));
    let new_hash = if let Some((person, stored)) = known {
        app.auth.check_password(&person.email, browser.address, Some(stored), &given.password)?;
        None
    } else {
        check_password("password", &given.password)?;
        Some(app.auth.hash_password(&given.password)?)
    };
    let work = Work {
        token,
        seen: looked.person,
        new_hash,
        email: given.email.clone().unwrap_or_default(),
        account_name: given.account_name.clone().unwrap_or_else(|| FIRST_ACCOUNT.to_owned()),
        start: Start::draw(app, browser),
        ids: Ids::draw(app),
    };
    let this = Arc::clone(app);
    app.store.write(SystemScope::new(), move |tx| work.run(&this, tx)).wait()
}

/// The acceptance of a link, ready for its transaction.
struct Work {
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
    fn run(&self, app: &App, tx: &Tx<'_, SystemScope>) -> Result<Begun> {
        let link = sign_in_links::take(tx, &self.token)?.ok_or_else(gone)?;
        let Looked { membership, .. } = with_parts(tx, link)?;
        let (person, home) = match link.purpose {
            LinkPurpose::Setup => self.set_up(app, tx)?,
            LinkPurpose::Invite | LinkPurpose::Reset => {
                let person = same_person(tx, self.seen.as_ref().ok_or_else(gone)?)?;
                self.set_password(tx, &person)?;
                (person, membership.map(|it| it.scope))
            }
        };
        if link.purpose == LinkPurpose::Reset {
            dashboard_sessions::end_all(tx, &person, None)?;
        }
        let project = home.map(|home| enter(tx, home, person.id)).transpose()?;
        Ok(Begun { token: self.start.begin(app, tx, &person)?, project })
    }

    /// The first person becomes an operator, and the owner of the first account.
    fn set_up(
        &self,
        app: &App,
        tx: &Tx<'_, SystemScope>,
    ) -> Result<(Person, Option<AccountScope>)> {
        let person = ensure(tx, self.ids.user, &self.email)?;
        self.set_password(tx, &person)?;
        persons::make_operator(tx, &person)?;
        sign_in_links::void(tx, None)?;
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

    fn set_password(&self, tx: &Tx<'_, SystemScope>, of: &Person) -> Result<()> {
        let Some(hash) = &self.new_hash else { return Ok(()) };
        persons::set_password(tx, of, hash)?;
        sign_in_links::void(tx, Some(of.seq))
    }
}

/// Takes the membership; gives the project to begin in.
fn enter(tx: &Tx<'_, SystemScope>, home: AccountScope, user: UserId) -> Result<ProjectId> {
    tx.within(home, |tx| {
        members::accept(tx, user)?;
        let project = projects::by_name(tx, DEFAULT_PROJECT)?;
        Ok(project.ok_or_else(|| Error::internal("an account has no project `default`"))?.id)
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

/// Stores a link for the person: to the membership of that number, else to a new password.
pub(in crate::app) fn put(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    token: &Secret<String>,
    person: Option<&Person>,
    membership: Option<i64>,
) -> Result<()> {
    let settings = &app.settings.dashboard;
    let (purpose, ttl) = match (person, membership) {
        (None, _) => (LinkPurpose::Setup, settings.setup_ttl),
        (Some(_), Some(_)) => (LinkPurpose::Invite, settings.link_ttl),
        (Some(_), None) => (LinkPurpose::Reset, settings.link_ttl),
    };
    let (person, expires_at) = (person.map(|person| person.seq), tx.now().plus(ttl));
    sign_in_links::put(tx, &hash(token)?, &Link { purpose, person, membership, expires_at })
}

/// The address that opens a link. `origin` is how the caller reaches this server; a configured one wins.
pub fn link_url(app: &App, origin: &str, token: &Secret<String>) -> Secret<String> {
    let public = app.settings.dashboard.public_url.as_str();
    let origin = if public.is_empty() { origin } else { public };
    Secret::new(format!("{origin}/dashboard/welcome#{}", token.expose()))
}

/// A new link for the first person, in place of the one before; none where somebody can sign in. Blocks.
pub fn new_setup_link(app: &Arc<App>) -> Result<Option<Secret<String>>> {
    let (this, token) = (Arc::clone(app), draw(app));
    let made = app.store.write(SystemScope::new(), move |tx| {
        if persons::is_anybody_in(tx)? {
            return Ok(None);
        }
        put(&this, tx, &token, None, None)?;
        Ok(Some(token.clone()))
    });
    made.wait()
}

/// A new link for somebody, on behalf of the operator at a command line: to an invitation that is open, where they have
/// no password yet, else to a new password. Blocks.
pub fn link_for(app: &Arc<App>, email: &str) -> Result<Secret<String>> {
    let (this, token, email) = (Arc::clone(app), draw(app), email.to_owned());
    let made = app.store.write(SystemScope::new(), move |tx| {
        let person = persons::by_email(tx, &email)?;
        let person = person.ok_or_else(|| Error::none_on_server("user").with_param("email"))?;
        let invitation = match person.password_hash {
            None => members::invitation_of(tx, person.id)?,
            Some(_) => None,
        };
        put(&this, tx, &token, Some(&person), invitation)?;
        Ok(token.clone())
    });
    made.wait()
}
