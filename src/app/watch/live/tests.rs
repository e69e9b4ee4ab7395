//! Who hears of which changes.

use super::*;
use crate::{
    ambient::Ambient,
    app::{self, App, Pulse},
    domain::{
        AccountSettings, DashboardSessionId, EndUserId, Environment, MemberRole, ProjectId, UserId,
    },
    store::{
        Commit, EngineSettings, Signal, SystemScope, account_settings, accounts,
        dashboard_sessions, end_users, members, persons, queue,
    },
};

struct Rig {
    store: Store,
    watches: Watches,
    ambient: Ambient,
    folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ambient = Ambient::system();
        let path = folder.path().join("skai.db");
        let (store, _) = Store::open(&path, &EngineSettings::default(), &ambient).unwrap();
        let watches = Watches::default();
        let heard = watches.clone();
        store.listen(move |signals| heard.hear(signals));
        Self { store, watches, ambient, folder }
    }

    fn account(&self) -> AccountScope {
        let (id, project) =
            (AccountId::from_uuid(self.ambient.uuid()), ProjectId::from_uuid(self.ambient.uuid()));
        let make = self
            .store
            .write(SystemScope::new(), move |tx| accounts::insert(tx, id, project, "tests"));
        make.wait().unwrap()
    }

    fn listen(&self, scope: AccountScope) -> Listening {
        self.watches.listen(&self.store, listener(scope, Topics::ALL)).unwrap()
    }

    /// Notes an end user, and then does as told.
    fn change(&self, scope: AccountScope, fails: bool) -> Result<()> {
        self.begin_change(scope, fails).wait()
    }

    fn begin_change(&self, scope: AccountScope, fails: bool) -> Commit<()> {
        let id = EndUserId::from_uuid(self.ambient.uuid());
        self.store.write(scope, move |tx| {
            end_users::open(tx, id, "ann", 5)?;
            if fails { Err(Error::internal("as asked")) } else { Ok(()) }
        })
    }

    /// Changes what the account has once.
    fn set(&self, scope: AccountScope) {
        let settings = AccountSettings::default();
        self.store.write(scope, move |tx| account_settings::set(tx, &settings)).wait().unwrap();
    }
}

fn listener(scope: AccountScope, hears: Topics) -> Listener {
    Listener { scope, key: ApiKeyId::MAX, user: None, hears }
}

fn taken(listening: &Listening) -> Vec<&'static str> {
    listening.take().names().collect()
}

#[test]
fn an_account_hears_of_its_own_changes_alone() {
    let rig = Rig::new();
    let (one, other) = (rig.account(), rig.account());
    let (hears_one, hears_other) = (rig.listen(one), rig.listen(other));
    rig.change(one, false).unwrap();
    assert_eq!(taken(&hears_one), ["end_users"]);
    assert!(taken(&hears_one).is_empty() && taken(&hears_other).is_empty());
}

#[test]
fn what_is_undone_is_not_heard() {
    let rig = Rig::new();
    let (one, other) = (rig.account(), rig.account());
    let listening = [rig.listen(one), rig.listen(other)];
    rig.change(one, true).unwrap_err();
    assert!(taken(&listening[0]).is_empty());
    // Also of several that share a commit.
    let (open, opened) = std::sync::mpsc::channel::<()>();
    let opened = std::sync::Mutex::new(opened);
    let gate = rig.store.write(SystemScope::new(), move |_| {
        // An error, once it is open.
        let _opened = lock(&opened).recv();
        Ok(())
    });
    let settings = AccountSettings::default();
    let done = rig.store.write(other, move |tx| account_settings::set(tx, &settings));
    let undone = rig.begin_change(one, true);
    drop(open);
    gate.wait().unwrap();
    done.wait().unwrap();
    undone.wait().unwrap_err();
    // That of the other is in a log, which the operator sees.
    assert_eq!(taken(&listening[0]), ["server"]);
    assert_eq!(taken(&listening[1]), ["ledger", "projects", "audit", "server"]);
}

#[test]
fn an_account_and_its_twin_share_what_is_there_once() {
    let rig = Rig::new();
    let live = rig.account();
    let id = live.account_id();
    let find =
        move |tx: &crate::store::Tx<'_, SystemScope>| accounts::find(tx, id, Environment::Live);
    let account = rig.store.write(SystemScope::new(), find).wait().unwrap().unwrap();
    let make = move |tx: &crate::store::Tx<'_, SystemScope>| accounts::insert_twin(tx, &account);
    let twin = rig.store.write(SystemScope::new(), make).wait().unwrap();
    let listening = rig.listen(twin);
    rig.change(live, false).unwrap();
    assert!(taken(&listening).is_empty());
    rig.set(live);
    assert_eq!(taken(&listening), ["projects", "audit", "server"]);
    rig.change(twin, false).unwrap();
    assert_eq!(taken(&listening), ["end_users"]);
}

#[test]
fn topics_that_nobody_may_hear_wake_nobody() {
    let rig = Rig::new();
    let scope = rig.account();
    let few = Topics::NONE.with(Topic::Jobs);
    let mut listening = rig.watches.listen(&rig.store, listener(scope, few)).unwrap();
    rig.change(scope, false).unwrap();
    assert!(!listening.heard().has_changed().unwrap());
    rig.watches.hear(&[Signal::Elsewhere]);
    assert!(listening.heard().has_changed().unwrap());
    assert_eq!(taken(&listening), ["jobs"]);
}

#[test]
fn who_may_not_be_let_in_any_more_is_told_to_look() {
    let rig = Rig::new();
    let scope = rig.account();
    let [key, user] = [1, 2].map(uuid::Uuid::from_u128);
    let who = Listener {
        key: ApiKeyId::from_uuid(key),
        user: Some(UserId::from_uuid(user)),
        ..listener(scope, Topics::NONE)
    };
    let mut listening = rig.watches.listen(&rig.store, who).unwrap();
    let others = [
        Signal::KeyChanged(ApiKeyId::from_uuid(user)),
        Signal::UserChanged(UserId::from_uuid(key)),
        Signal::RecordingChanged,
    ];
    rig.watches.hear(&others);
    assert!(!listening.heard().has_changed().unwrap());
    for signal in [
        Signal::KeyChanged(who.key),
        Signal::UserChanged(UserId::from_uuid(user)),
        Signal::AccountChanged,
        Signal::Elsewhere,
    ] {
        rig.watches.hear(std::slice::from_ref(&signal));
        assert!(listening.heard().borrow_and_update().doubtful, "{signal:?}");
        listening.settle();
        assert!(!listening.heard().borrow().doubtful);
    }
}

#[test]
fn the_server_is_heard_of_by_who_may() {
    let rig = Rig::new();
    let scope = rig.account();
    let listening = rig.listen(scope);
    rig.account();
    assert_eq!(taken(&listening), ["server"]);
}

/// Somebody whom nobody else is, who may hear of the server or not.
fn stranger(rig: &Rig, scope: AccountScope, is_operator: bool) -> Listener {
    let (user, hears) = if is_operator {
        (Some(UserId::from_uuid(rig.ambient.uuid())), Topics::ALL)
    } else {
        (None, Topics::NONE.with(Topic::Jobs))
    };
    Listener { key: ApiKeyId::from_uuid(rig.ambient.uuid()), user, ..listener(scope, hears) }
}

#[test]
fn there_are_so_many_and_no_more() {
    let rig = Rig::new();
    let full = EARS_MAX - EARS_OF_OPERATORS;
    let scopes: Vec<_> = (0..=full / EARS_OF_ACCOUNT_MAX).map(|_| rig.account()).collect();
    let listen = |who| rig.watches.listen(&rig.store, who);
    let refused = |who| listen(who).err().unwrap().kind();
    let mut all = Vec::new();
    for scope in &scopes[1..] {
        for _ in 0..EARS_OF_ACCOUNT_MAX {
            all.push(listen(stranger(&rig, *scope, false)).unwrap());
        }
        if all.len() < full {
            assert_eq!(refused(stranger(&rig, *scope, false)), ErrorKind::RateLimit);
        }
    }
    assert_eq!(refused(stranger(&rig, scopes[0], false)), ErrorKind::Unavailable);
    // Operators come in all the same, also where the account has no place.
    for _ in 0..EARS_OF_OPERATORS {
        all.push(listen(stranger(&rig, scopes[1], true)).unwrap());
    }
    assert_eq!(refused(stranger(&rig, scopes[0], true)), ErrorKind::Unavailable);
    all.drain(..=EARS_OF_OPERATORS);
    drop(listen(stranger(&rig, scopes[0], false)).unwrap());
    drop(all);
    let ears = &lock(&rig.watches.0).ears;
    assert!(ears.known.is_empty() && ears.all == 0);
}

#[test]
fn nobody_takes_the_places_of_all() {
    let rig = Rig::new();
    let (one, other) = (rig.account(), rig.account());
    for is_person in [false, true] {
        let who = stranger(&rig, one, is_person);
        // The key that pays for a person is another in each project.
        let elsewhere = if is_person { stranger(&rig, other, false).key } else { who.key };
        let elsewhere = Listener { scope: other, key: elsewhere, ..who };
        let all: Vec<_> =
            (0..EARS_OF_ONE_MAX).map(|_| rig.watches.listen(&rig.store, who).unwrap()).collect();
        let refused = rig.watches.listen(&rig.store, elsewhere).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::RateLimit);
        drop(rig.watches.listen(&rig.store, stranger(&rig, one, is_person)).unwrap());
        drop(all);
        drop(rig.watches.listen(&rig.store, elsewhere).unwrap());
    }
}

#[test]
fn the_end_is_heard_also_by_who_comes_later() {
    let rig = Rig::new();
    let scope = rig.account();
    let mut early = rig.listen(scope);
    rig.watches.close();
    assert!(early.heard().borrow().closed && rig.listen(scope).heard().borrow().closed);
}

#[test]
fn what_the_server_does_all_the_time_is_heard_by_nobody() {
    let rig = Rig::new();
    let scope = rig.account();
    let mut listening = rig.listen(scope);
    rig.store.probe().wait().unwrap();
    rig.store.write(SystemScope::new(), queue::boot).wait().unwrap();
    let session = DashboardSessionId::from_uuid(rig.ambient.uuid());
    let touch = rig
        .store
        .write(SystemScope::new(), move |tx| dashboard_sessions::touch(tx, session, tx.now()));
    touch.wait().unwrap();
    assert!(!listening.heard().has_changed().unwrap());
}

#[test]
fn what_the_system_changes_of_one_account_is_heard_there_alone() {
    let rig = Rig::new();
    let (one, other) = (rig.account(), rig.account());
    let person = UserId::from_uuid(rig.ambient.uuid());
    let join = rig.store.write(SystemScope::new(), move |tx| {
        persons::insert(tx, person, "a@x")?;
        tx.within(one, |tx| {
            members::insert(tx, person, "a@x", MemberRole::Viewer)?;
            members::accept(tx, person)
        })
    });
    join.wait().unwrap();
    let few = [Topic::Projects, Topic::Audit, Topic::Members].into_iter();
    let few = few.fold(Topics::NONE, Topics::with);
    let listen = |scope| rig.watches.listen(&rig.store, listener(scope, few)).unwrap();
    let (hears_one, hears_other) = (listen(one), listen(other));
    let id = one.account_id();
    let rename = rig
        .store
        .write(SystemScope::new(), move |tx| accounts::update(tx, id, Some("another"), None));
    assert!(rename.wait().unwrap());
    assert_eq!(taken(&hears_one), ["projects", "audit"]);
    let come = rig.store.write(SystemScope::new(), move |tx| members::signed_in(tx, person));
    come.wait().unwrap();
    assert_eq!(taken(&hears_one), ["members"]);
    assert!(taken(&hears_other).is_empty());
}

#[test]
fn nobody_looks_at_what_was_recorded_while_nobody_listens() {
    let rig = Rig::new();
    let scope = rig.account();
    rig.watches.hear_requests(std::iter::from_fn(|| panic!("nobody listens")), LOG_PERIOD);
    let listening = rig.listen(scope);
    rig.watches.hear_requests([scope.seq()].into_iter(), LOG_PERIOD);
    assert_eq!(taken(&listening), ["logs"]);
}

#[test]
fn requests_are_heard_at_once_and_then_seldom() {
    let rig = Rig::new();
    let (one, other) = (rig.account(), rig.account());
    let (hears_one, hears_other) = (rig.listen(one), rig.listen(other));
    let heard_at = |second, accounts: &[AccountScope]| {
        let accounts = accounts.iter().map(AccountScope::seq);
        rig.watches.hear_requests(accounts, Duration::from_secs(second));
        [&hears_one, &hears_other].map(|listening| !listening.take().is_empty())
    };
    assert_eq!(heard_at(10, &[one]), [true, false]);
    assert_eq!(heard_at(11, &[one]), [false, false]);
    assert_eq!(heard_at(14, &[one, other]), [false, true]);
    // What came too early is told when it is time, though nothing more came, and once.
    assert_eq!(heard_at(15, &[]), [true, false]);
    assert_eq!(heard_at(30, &[]), [false, false]);
    assert_eq!(heard_at(31, &[one]), [true, false]);
}

#[test]
fn the_pulse_tells_what_no_commit_does() {
    let rig = Rig::new();
    let ambient = Ambient::manual(rig.ambient.now(), 1);
    let app = app::rig::app(rig.store.clone(), ambient.clone(), rig.folder.path());
    let (app, pulse) = (App { watches: rig.watches.clone(), ..app }, Pulse::default());
    let scope = rig.account();
    let reader = listener(scope, Topics::NONE.with(Topic::Logs));
    let reader = rig.watches.listen(&rig.store, reader).unwrap();
    let operator = rig.listen(scope);
    for _ in 0..2 {
        rig.watches.hear_requests([scope.seq()].into_iter(), ambient.monotonic());
    }
    assert_eq!((taken(&reader), taken(&operator)), (vec!["logs"], vec!["logs"]));
    let heard_after = |pause| {
        ambient.advance(pause);
        pulse.tick(&app);
        (taken(&reader), taken(&operator))
    };
    assert_eq!(heard_after(LOG_PERIOD / 2), (vec![], vec!["load"]));
    assert_eq!(heard_after(LOG_PERIOD / 2), (vec!["logs"], vec!["logs"]));
}
