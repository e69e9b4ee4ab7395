//! A stream ends when who listens may not listen any more, at once: streams here never say by themselves that they are
//! alive, which is when they would look too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use skai_server::{ambient::Ambient, config::Config, domain::Timestamp, store::Signal};

use super::{hear, key, listen};
use crate::support::{
    client::Stream,
    people::{PASSWORD, Person, cookie, page, token},
    server::TestServer,
};

/// Enough for many seconds.
const CHANGES_MAX: u32 = 20_000;

fn start() -> TestServer {
    TestServer::builder().config(|config| config.http.keep_alive = Duration::from_hours(1)).start()
}

fn ends(mut live: Stream) {
    while live.next().is_some() {}
}

fn user(person: &Person) -> String {
    format!("/v1/users/{}", person.session["user"]["id"].as_str().unwrap())
}

fn session(person: &Person) -> String {
    format!("/dashboard/api/sessions/{}", person.session["id"].as_str().unwrap())
}

#[test]
fn a_browser_that_is_left_hears_no_more_and_the_others_do() {
    let server = start();
    let account = server.account();
    let person = Person::owner(&server, &account);
    let (first, stays) = (person.client(&server), person.sign_in(&server));
    let others = listen(&stays);
    let live = listen(&first);
    first.send("POST", "/dashboard/api/sign-out", &[], None).expect(204);
    ends(live);
    let body = json!({"email": person.email, "password": PASSWORD});
    let another = Person::of(&page(&server).post("/dashboard/api/sign-in", &body).expect(201));
    let live = listen(&another.client(&server));
    stays.delete(&session(&another)).expect(204);
    ends(live);
    let live = listen(&person.sign_in(&server));
    let body = json!({"current_password": PASSWORD, "new_password": "another horse"});
    let changed = stays.post("/dashboard/api/password", &body).expect(204);
    ends(live);
    // Its own has another token now.
    ends(others);
    let stays = Person { cookie: cookie(&changed), ..person }.client(&server);
    let mut others = listen(&stays);
    account.client.post("/v1/projects", &json!({"name": "mine"})).expect(201);
    hear(&mut others, &["projects"]);
}

#[test]
fn a_member_who_is_removed_or_may_do_other_things_hears_no_more() {
    let server = start();
    let account = server.account();
    let person = Person::member(&server, &account, "admin");
    let client = person.client(&server);
    // A developer may read the same.
    for role in ["developer", "owner"] {
        let live = listen(&client);
        account.client.patch(&user(&person), &json!({"role": role})).expect(200);
        ends(live);
    }
    Person::owner(&server, &account);
    let live = listen(&client);
    account.client.delete(&user(&person)).expect(204);
    ends(live);
}

#[test]
fn who_is_removed_hears_nothing_of_that_account_though_they_are_in_another() {
    let server = start();
    let (first, second) = (server.account(), server.account());
    let person = Person::member(&server, &first, "viewer");
    let invited = json!({"email": person.email, "role": "viewer"});
    let invited = second.client.post("/v1/users", &invited).expect(201).json();
    Person::accept(&server, &token(&invited["invite_url"]), &json!({}));
    let client = person.client(&server);
    let live = listen(&client);
    first.client.delete(&user(&person)).expect(204);
    ends(live);
    let mut live = listen(&client);
    second.client.post("/v1/projects", &json!({"name": "mine"})).expect(201);
    hear(&mut live, &["projects"]);
}

#[test]
fn a_key_that_is_revoked_hears_no_more() {
    let server = start();
    let account = server.account();
    let body = json!({"name": "page", "scopes": ["jobs:read"]});
    let made = account.client.post("/v1/api-keys", &body).expect(201).json();
    let live = listen(&server.client().with_key(made["key"].as_str().unwrap()));
    let other = key(&server, &account, &json!(["keys:read"]));
    let mut others = listen(&other);
    account.client.delete(&format!("/v1/api-keys/{}", made["id"].as_str().unwrap())).expect(204);
    ends(live);
    hear(&mut others, &["keys"]);
}

/// Nothing tells that its time is over, and a stream that has something to tell is never silent.
#[test]
fn a_key_that_expires_hears_no_more_however_much_changes() {
    let often = |config: &mut Config| config.http.keep_alive = Duration::from_millis(100);
    let server = TestServer::builder().config(often).start();
    let account = server.account();
    let soon = server.app().ambient.now().plus(Duration::from_secs(2));
    let body = json!({"name": "page", "scopes": ["keys:read"], "expires_at": soon});
    let made = account.client.post("/v1/api-keys", &body).expect(201).json();
    let live = listen(&server.client().with_key(made["key"].as_str().unwrap()));
    let project = account.client.post("/v1/projects", &json!({"name": "mine"})).expect(201).json();
    let path = format!("/v1/projects/{}", project["id"].as_str().unwrap());
    let (client, ended) = (account.client, &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            (1..=CHANGES_MAX).any(|limit| {
                client.patch(&path, &json!({"monthly_credit_limit": limit})).expect(200);
                ended.load(Ordering::Relaxed)
            })
        });
        ends(live);
        ended.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap(), "it ended only when nothing changed any more");
    });
}

/// A page that is left open asks for nothing: its stream is no use of the session.
#[test]
fn a_stream_keeps_nobody_signed_in() {
    let ambient = Ambient::manual(Timestamp::from_millis(1_700_000_000_000), 7);
    let often = |config: &mut Config| {
        config.http.keep_alive = Duration::from_millis(50);
        config.dashboard.session_ttl = Duration::from_hours(2);
    };
    let server = TestServer::builder().clock(&ambient).config(often).start();
    let person = Person::owner(&server, &server.account());
    let mut live = listen(&person.client(&server));
    ambient.advance(Duration::from_mins(90));
    // The second begins after the clock moved.
    for _ in 0..2 {
        live.read_until(": keep-alive\n\n");
    }
    ambient.advance(Duration::from_mins(30));
    ends(live);
}

#[test]
fn what_the_operator_or_another_process_ends_is_over() {
    let server = start();
    let account = server.account();
    let person = Person::owner(&server, &account);
    let live = listen(&person.client(&server));
    server.outside().execute_batch("delete from dashboard_session").unwrap();
    ends(live);
    let of_key = listen(&account.client);
    let of_person = listen(&person.sign_in(&server));
    let path = format!("/admin/v1/accounts/{}", account.id);
    server.operator().patch(&path, &json!({"suspended": true})).expect(200);
    ends(of_key);
    ends(of_person);
}

/// Each time all keys and sessions are looked up anew, and all streams look whether they may go on.
#[test]
fn settings_of_an_account_put_nobody_in_doubt() {
    let server = start();
    let account = server.account();
    let doubts = Arc::new(AtomicU32::new(0));
    let heard = Arc::clone(&doubts);
    server.app().store.listen(move |signals| {
        if signals.contains(&Signal::AccountChanged) {
            heard.fetch_add(1, Ordering::Relaxed);
        }
    });
    let path = format!("/admin/v1/accounts/{}", account.id);
    let mut live = listen(&account.client);
    for (body, doubted) in
        [(json!({"timezone": "Europe/Berlin"}), 0), (json!({"name": "another"}), 1)]
    {
        server.operator().patch(&path, &body).expect(200);
        assert_eq!(doubts.load(Ordering::Relaxed), doubted, "{body}");
        hear(&mut live, &["projects", "audit"]);
    }
}

#[test]
fn an_account_hears_of_its_members() {
    let server = start();
    let account = server.account();
    let new = |live: &mut Stream| hear(live, &["members"]);
    let mut live = listen(&account.client);
    let body = json!({"email": "ann@example.com", "role": "viewer"});
    let invited: Value = account.client.post("/v1/users", &body).expect(201).json();
    assert!(!new(&mut live).contains("server"));
    let mut live = listen(&account.client);
    let person = Person::accept(&server, &token(&invited["invite_url"]), &json!({}));
    new(&mut live);
    let other = server.account();
    let (mut live, mut others) = (listen(&account.client), listen(&other.client));
    // When they last came is shown with them.
    person.sign_in(&server);
    new(&mut live);
    let mut live = listen(&account.client);
    account.client.delete(&user(&person)).expect(204);
    new(&mut live);
    // The first that another account hears of is its own.
    other.client.post("/v1/projects", &json!({"name": "mine"})).expect(201);
    assert!(!hear(&mut others, &["projects"]).contains("members"));
}
