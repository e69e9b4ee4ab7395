//! Pages hear of changes as they happen: which kinds of objects changed, of their own account alone.

mod ends;
mod work;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    Client, LIMIT, Provider,
    client::Stream,
    eventually,
    people::Person,
    provider::completion,
    server::{Account, TestServer},
};

const LIVE: &str = "/dashboard/api/live";

/// Begins to listen.
fn listen(client: &Client) -> Stream {
    let mut live = client.stream(LIVE, &[]);
    assert_eq!(
        (live.head.status, live.head.header("content-type")),
        (200, Some("text/event-stream"))
    );
    // Else nginx would keep it until there is much of it.
    assert_eq!(live.head.header("x-accel-buffering"), Some("no"));
    live.read_until(": listening\n\n");
    live
}

/// The topics of the next event.
fn next(live: &mut Stream) -> BTreeSet<String> {
    let text = live.read_until("event: changed\n");
    let data = text.lines().find_map(|line| line.strip_prefix("data: "));
    let data: Value = serde_json::from_str(data.expect("an event has data")).unwrap();
    serde_json::from_value(data["topics"].clone()).unwrap()
}

/// Reads events until they told of all these topics; gives all that they told of.
fn hear(live: &mut Stream, wanted: &[&str]) -> BTreeSet<String> {
    let mut heard = BTreeSet::new();
    while !wanted.iter().all(|topic| heard.contains(*topic)) {
        heard.append(&mut next(live));
    }
    heard
}

fn key(server: &TestServer, account: &Account, scopes: &Value) -> Client {
    server.client().with_key(&server.key(&account.id, scopes, &json!({})))
}

#[test]
fn the_life_of_a_job_is_heard_by_its_account_alone() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let (account, other) = (server.account(), server.account());
    let (mut live, mut others) = (listen(&account.client), listen(&other.client));
    provider.queue(completion("held").held());
    // Else it may begin before anybody is told that it is there.
    server.set_paused("generation.create", true);
    let job = account.post_job(&json!({}));
    hear(&mut live, &["jobs", "ledger"]);
    server.set_paused("generation.create", false);
    // It began: a write of the queue's, for this account.
    hear(&mut live, &["jobs"]);
    provider.wait_for_in_flight(1);
    provider.release();
    account.wait_job(&job);
    let end = hear(&mut live, &["jobs", "ledger", "usage"]);
    assert!(!end.contains("server") && !end.contains("agents"), "{end:?}");
    // The first that the other account hears of is its own.
    other.client.post("/v1/projects", &json!({"name": "mine"})).expect(201);
    let heard = hear(&mut others, &["projects"]);
    assert!(!heard.contains("jobs") && !heard.contains("ledger"), "{heard:?}");
}

#[test]
fn a_refused_deed_is_not_heard() {
    let server = TestServer::start();
    let account = server.account();
    let project = json!({"name": "once"});
    account.client.post("/v1/projects", &project).expect(201);
    let mut live = listen(&account.client);
    account.client.post("/v1/projects", &project).expect(409);
    account.client.patch("/v1/end-users/ann", &json!({"daily_token_cap": 5})).expect(200);
    let heard = hear(&mut live, &["end_users"]);
    assert!(!heard.contains("projects"), "{heard:?}");
}

#[test]
fn scopes_say_what_is_heard() {
    let server = TestServer::start();
    let account = server.account();
    let mut live = listen(&key(&server, &account, &json!(["webhooks:read"])));
    account.client.post("/v1/projects", &json!({"name": "mine"})).expect(201);
    let endpoint = json!({"url": "https://example.com/hook", "events": ["ping"]});
    account.client.post("/v1/webhooks/endpoints", &endpoint).expect(201);
    assert_eq!(next(&mut live), ["endpoints".to_owned()].into());
}

#[test]
fn many_changes_are_few_events() {
    let server = TestServer::start();
    let account = server.account();
    let mut live = listen(&account.client);
    let began = std::time::Instant::now();
    for n in 0..100 {
        let path = format!("/v1/end-users/user-{n}");
        account.client.patch(&path, &json!({"daily_token_cap": 5})).expect(200);
    }
    let most = began.elapsed().as_millis() / 500 + 2;
    account.client.post("/v1/projects", &json!({"name": "last"})).expect(201);
    let mut events = 1;
    while !next(&mut live).contains("projects") {
        events += 1;
    }
    assert!(events <= most, "{events} events, at most {most}");
}

#[test]
fn who_lost_the_right_hears_no_more() {
    let server = TestServer::builder()
        .config(|config| config.http.keep_alive = Duration::from_millis(50))
        .start();
    let account = server.account();
    let made =
        account.client.post("/v1/api-keys", &json!({"name": "page", "scopes": ["jobs:read"]}));
    let made = made.expect(201).json();
    let mut live = listen(&server.client().with_key(made["key"].as_str().unwrap()));
    live.read_until(": keep-alive\n\n");
    account.client.delete(&format!("/v1/api-keys/{}", made["id"].as_str().unwrap())).expect(204);
    while live.next().is_some() {}
}

#[test]
fn a_server_that_stops_ends_the_streams() {
    let server = TestServer::start();
    let account = server.account();
    let mut live = listen(&account.client);
    let began = std::time::Instant::now();
    let stopping = std::thread::spawn(move || drop(server));
    while live.next().is_some() {}
    assert!(began.elapsed() < LIMIT / 2);
    stopping.join().unwrap();
}

#[test]
fn a_key_has_so_many_streams_and_places_come_back() {
    let server = TestServer::start();
    let account = server.account();
    let mut all: Vec<_> = (0..6).map(|_| listen(&account.client)).collect();
    let refused = account.client.get(LIVE).expect(429);
    assert_eq!(refused.json()["error"]["code"], "RATE_LIMIT");
    assert!(refused.header("retry-after").is_some());
    all.pop();
    let stream = || Some(account.client.stream(LIVE, &[])).filter(|live| live.head.status == 200);
    eventually("a place is free", stream);
}

#[test]
fn what_another_process_writes_may_be_anything() {
    let server = TestServer::start();
    let account = server.account();
    let mut live = listen(&account.client);
    let outside = server.outside();
    outside
        .execute_batch("insert or replace into meta (name, value) values ('probes', 1)")
        .unwrap();
    let heard = hear(&mut live, &["jobs", "members", "audit"]);
    assert!(!heard.contains("server"));
}

#[test]
fn entries_of_the_log_are_heard_by_the_account_and_the_operator() {
    let server = TestServer::start();
    let (account, other) = (server.account(), server.account());
    let operator = setup_operator(&server).client(&server);
    let (mut live, mut operators) = (listen(&account.client), listen(&operator));
    let mut others = listen(&other.client);
    account.client.post("/v1/projects", &json!({"name": "mine"})).expect(201);
    assert!(!hear(&mut live, &["projects", "audit"]).contains("server"));
    hear(&mut operators, &["server"]);
    // A rename is the system's, and yet of that account.
    let path = format!("/admin/v1/accounts/{}", account.id);
    server.operator().patch(&path, &json!({"name": "another"})).expect(200);
    hear(&mut live, &["projects", "audit"]);
    hear(&mut operators, &["server"]);
    // Neither is heard elsewhere.
    other.client.patch("/v1/end-users/ann", &json!({})).expect(200);
    let heard = hear(&mut others, &["end_users"]);
    assert!(!["projects", "audit", "server"].iter().any(|it| heard.contains(*it)), "{heard:?}");
}

/// That they exist, and where else they are, is nobody's who only invited them.
#[test]
fn who_was_only_invited_is_not_heard_of() {
    let server = TestServer::start();
    let (theirs, inviter) = (server.account(), server.account());
    let person = Person::owner(&server, &theirs);
    let body = json!({"email": person.email, "role": "viewer"});
    inviter.client.post("/v1/users", &body).expect(201);
    let (mut live, mut inviters) = (listen(&theirs.client), listen(&inviter.client));
    let ways: [&dyn Fn(); 2] = [&|| drop(person.sign_in(&server)), &|| {
        let path = format!("/v1/users/{}/invite", person.session["user"]["id"].as_str().unwrap());
        theirs.client.post(&path, &json!({})).expect(201);
    }];
    for (n, way) in ways.into_iter().enumerate() {
        way();
        hear(&mut live, &["audit"]);
        // The first that the other hears of is its own.
        inviter.client.patch(&format!("/v1/end-users/user-{n}"), &json!({})).expect(200);
        let heard = hear(&mut inviters, &["end_users"]);
        assert!(!heard.contains("audit") && !heard.contains("members"), "{heard:?}");
    }
}

/// The first person, who is the operator and the owner of the oldest account.
fn setup_operator(server: &TestServer) -> Person {
    let token = skai_server::app::sign_in::new_setup_link(&server.app()).unwrap().unwrap();
    Person::accept(server, token.expose(), &json!({"email": "op@x"}))
}
