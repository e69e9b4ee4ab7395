//! What changes between the look at a person or a link and the transaction that acts on it.

use super::{accept::prepare, *};
use crate::{
    ambient::Ambient,
    app::{accounts, members, rig},
    domain::{AccountId, MemberRole, Timestamp},
    store::{
        self, AccountScope, EngineSettings, Store,
        sign_in_links::{IssuedBy, Issuer},
    },
};

struct Bench {
    app: Arc<App>,
    home: AccountScope,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ambient = Ambient::manual(Timestamp::from_millis(1_000_000), 1);
        let path = folder.path().join("skai.db");
        let (store, _) = Store::open(&path, &EngineSettings::default(), &ambient).unwrap();
        let app = Arc::new(rig::app(store, ambient, folder.path()));
        let home = Self::account(&app);
        Self { app, home, _folder: folder }
    }

    fn account(app: &Arc<App>) -> AccountScope {
        let this = Arc::clone(app);
        let (id, project) = (AccountId::from_uuid(app.ambient.uuid()), app.ambient.uuid());
        let project = ProjectId::from_uuid(project);
        let made = app
            .store
            .write(SystemScope::new(), move |tx| accounts::make(&this, tx, id, project, "tests"));
        made.wait().unwrap()
    }

    fn write<T: Send + 'static>(
        &self,
        deed: impl FnMut(&Tx<'_, SystemScope>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.app.store.write(SystemScope::new(), deed).wait()
    }

    /// A link by which the operator invites somebody to the account.
    fn invite(&self, email: &str) -> Secret<String> {
        let new = members::MemberRequest { email: email.to_owned(), role: MemberRole::Owner };
        let account = self.home.account_id();
        let made = members::create_by_operator(&self.app, account, new, false, "").unwrap();
        Secret::new(made.url.expose().split('#').nth(1).unwrap().to_owned())
    }

    /// Somebody who took such a link.
    fn member(&self, email: &str) -> Person {
        accept(&self.app, &acceptance(&self.invite(email), "correct horse"), &browser()).unwrap();
        self.person(email)
    }

    fn person(&self, email: &str) -> Person {
        let found = self.app.store.read(SystemScope::new(), |it| persons::by_email(it, email));
        found.unwrap().unwrap()
    }

    /// A while later they choose another password.
    fn change_password(&self, of: &Person) {
        self.app.ambient.advance(std::time::Duration::from_secs(1));
        let (of, hash) = (of.clone(), self.hash());
        self.write(move |tx| persons::set_password(tx, &of, &hash)).unwrap();
    }

    fn hash(&self) -> Secret<String> {
        self.app.auth.hash_password(&Secret::new("another horse".to_owned())).unwrap()
    }

    /// What becomes of the use of a link where `change` comes between its look and its transaction.
    fn accept_after(&self, given: &Acceptance, change: impl FnOnce()) -> ErrorKind {
        let (work, app) = (prepare(&self.app, given, &browser()).unwrap(), Arc::clone(&self.app));
        change();
        self.write(move |tx| work.run(&app, tx)).unwrap_err().kind()
    }

    fn sign_in_after(&self, of: &Person, change: impl FnOnce()) -> Result<Begun> {
        let password = Secret::new("correct horse".to_owned());
        let proven = prove(&self.app, &of.email, &password, &browser()).unwrap();
        let app = Arc::clone(&self.app);
        change();
        self.write(move |tx| proven.enter(&app, tx))
    }
}

fn browser() -> Browser {
    Browser { address: IpAddr::from([127, 0, 0, 1]), user_agent: String::new(), token: None }
}

fn acceptance(token: &Secret<String>, password: &str) -> Acceptance {
    Acceptance {
        token: token.clone(),
        password: Secret::new(password.to_owned()),
        email: None,
        account_name: None,
    }
}

#[test]
fn nobody_signs_in_by_a_password_that_was_changed_meanwhile() {
    let bench = Bench::new();
    let person = bench.member("ada@x");
    let refused = bench.sign_in_after(&person, || bench.change_password(&person));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    let person = bench.member("eve@x");
    let forgotten = person.clone();
    let refused = bench.sign_in_after(&person, || {
        bench.write(move |tx| persons::forget_password(tx, &forgotten)).unwrap();
    });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn a_password_that_was_hashed_anew_meanwhile_is_the_same() {
    let bench = Bench::new();
    let person = bench.member("ada@x");
    let (of, hash) = (person.clone(), bench.hash());
    let again = || bench.write(move |tx| persons::set_hash(tx, &of, &hash)).unwrap();
    bench.sign_in_after(&person, again).unwrap();
}

#[test]
fn an_invitation_proves_the_password_of_now() {
    let bench = Bench::new();
    let (app, person) = (&bench.app, bench.member("ada@x"));
    let elsewhere = Bench::account(app);
    let new = members::MemberRequest { email: person.email.clone(), role: MemberRole::Viewer };
    let made = members::create_by_operator(app, elsewhere.account_id(), new, false, "").unwrap();
    let token = Secret::new(made.url.expose().split('#').nth(1).unwrap().to_owned());
    let kind = bench.accept_after(&acceptance(&token, "correct horse"), || {
        bench.change_password(&person);
    });
    assert_eq!(kind, ErrorKind::Conflict);
    // What was refused changed nothing.
    assert!(open(app, &token).unwrap().has_password);
    accept(app, &acceptance(&token, "another horse"), &browser()).unwrap();
}

#[test]
fn an_invitation_sets_no_password_of_who_chose_one_meanwhile() {
    let bench = Bench::new();
    let token = bench.invite("ada@x");
    let person = bench.person("ada@x");
    let given = acceptance(&token, "correct horse");
    let kind = bench.accept_after(&given, || bench.change_password(&person));
    assert_eq!(kind, ErrorKind::Conflict);
    accept(&bench.app, &acceptance(&token, "another horse"), &browser()).unwrap();
}

#[test]
fn a_link_is_void_whose_maker_left_meanwhile() {
    let bench = Bench::new();
    let (app, home) = (&bench.app, bench.home);
    let (maker, person) = (bench.member("maker@x"), bench.member("ada@x"));
    let (token, of) = (draw(app), person.clone());
    let issuer = Some(Issuer { home, by: IssuedBy::User(maker.id) });
    let (this, link) = (Arc::clone(app), token.clone());
    let deed = move |tx: &Tx<'_, SystemScope>| {
        let draft = LinkDraft {
            token: &link,
            person: Some(&of),
            membership: None,
            makes_operator: false,
            issuer,
        };
        put(&this, tx, &draft)
    };
    bench.write(deed).unwrap();
    let kind = bench.accept_after(&acceptance(&token, "another horse"), || {
        let left = move |tx: &Tx<'_, SystemScope>| {
            tx.within(home, |tx| store::members::remove(tx, maker.id))
        };
        bench.write(left).unwrap();
    });
    assert_eq!(kind, ErrorKind::NotFound);
}
