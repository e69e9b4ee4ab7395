//! Coming in: the first person, passwords, links.

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{ambient::Ambient, domain::Timestamp};

use super::{ACCEPT, OPEN, SESSION, SIGN_IN, SIGN_OUT, USERS, setup, text};
use crate::{
    api::conventions::refused,
    support::{
        Client,
        people::{PASSWORD, Person, page, token},
        program::Program,
        server::TestServer,
    },
};

#[test]
fn the_first_person_makes_themselves_the_operator() {
    let server = TestServer::start();
    let page = page(&server);
    let nobody = page.get(SESSION).expect(200).json();
    assert_eq!(
        nobody,
        json!({
            "object": "dashboard_session", "signed_in": false, "needs_setup": true,
            "version": env!("CARGO_PKG_VERSION"),
        })
    );
    let (void, token) = (setup(&server), setup(&server));
    refused(&page.post(OPEN, &json!({"token": void})), 404, "NOT_FOUND");
    let opened = page.post(OPEN, &json!({"token": token})).expect(200).json();
    assert_eq!(
        opened,
        json!({"object": "link", "purpose": "setup", "email": null, "account": null, "has_password": false})
    );
    for (bad, param) in [
        (json!({"token": token, "password": PASSWORD}), "email"),
        (json!({"token": token, "password": PASSWORD, "email": "ada"}), "email"),
        (json!({"token": token, "password": "short", "email": "a@b"}), "password"),
        (
            json!({"token": token, "password": PASSWORD, "email": "a@b", "account_name": ""}),
            "account_name",
        ),
    ] {
        let error = refused(&page.post(ACCEPT, &bad), 400, "INVALID_REQUEST");
        assert_eq!(error["param"], param);
    }
    let person = Person::accept(&server, &token, &json!({"email": "Ada@Example.com"}));
    let session = &person.session;
    assert_eq!((&session["signed_in"], &session["role"]), (&json!(true), &json!("owner")));
    assert_eq!(session["user"]["is_operator"], true);
    assert_eq!(
        (text(&session["account"], "name"), text(session, "object")),
        ("Main", "dashboard_session")
    );
    assert_eq!(session["project"]["id"], session["home_project_id"]);
    assert_eq!(session["scopes"].as_array().unwrap().len(), 13, "{session}");
    let client = person.client(&server);
    assert_eq!(&client.get(SESSION).expect(200).json(), session);
    refused(&page.post(OPEN, &json!({"token": token})), 404, "NOT_FOUND");
    assert!(skai_server::app::sign_in::new_setup_link(&server.app()).unwrap().is_none());
    assert_eq!(page.get(SESSION).expect(200).json()["needs_setup"], false);
    // The page works with the API that everybody uses.
    client.get("/v1/jobs").expect(200);
    client.get("/admin/v1/stats").expect(200);
    assert_eq!(client.get("/v1/me").expect(200).json()["account"]["name"], "Main");
}

#[test]
fn the_first_person_joins_the_oldest_account() {
    let server = TestServer::start();
    let account = server.account();
    server.account();
    let token = setup(&server);
    let opened = page(&server).post(OPEN, &json!({"token": token})).expect(200).json();
    assert_eq!(opened["account"]["id"], account.id);
    let person = Person::accept(&server, &token, &json!({"email": "a@b", "account_name": "no"}));
    assert_eq!(person.session["account"]["id"], account.id);
    assert_eq!(server.account_count(), 2);
}

#[test]
fn the_cookie_is_for_this_server_and_its_pages_alone() {
    let server = TestServer::builder()
        .config(|config| config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()])
        .start();
    let account = server.account();
    let person = Person::owner(&server, &account);
    let body = json!({"email": person.email.to_uppercase(), "password": PASSWORD});
    let begun = page(&server).post(SIGN_IN, &body).expect(201);
    let set = begun.header("set-cookie").unwrap();
    let (token, attributes) = set.split_once("; ").unwrap();
    assert!(token.starts_with("skai_session=ss_") && token.len() == 16 + 43, "{token}");
    assert_eq!(attributes, "Path=/; Max-Age=7776000; HttpOnly; SameSite=Strict");
    assert!(!begun.text().contains(&token["skai_session=".len()..]));
    let https = page(&server).with_header("X-Forwarded-Proto", "https");
    let begun = https.post(SIGN_IN, &body).expect(201);
    assert!(begun.header("set-cookie").unwrap().ends_with("; SameSite=Strict; Secure"));
    let client = Person::of(&begun).client(&server).with_header("X-Forwarded-Proto", "https");
    let gone = client.send("POST", SIGN_OUT, &[], None).expect(204);
    let cleared = gone.header("set-cookie").unwrap();
    assert!(cleared.starts_with("__Host-skai_session=; Path=/; Max-Age=0;"), "{cleared}");
    client.get("/v1/jobs").expect(401);
    let stale = client.get(SESSION).expect(200);
    assert_eq!(stale.json()["signed_in"], false);
    assert!(stale.header("set-cookie").unwrap().contains("Max-Age=0"));
    client.send("POST", SIGN_OUT, &[], None).expect(204);
    // A key that comes along has the word.
    let both = person.client(&server).with_key("sk_live_none");
    refused(&both.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    // Only the hash of the token is stored.
    let stored: Vec<u8> = server
        .outside()
        .query_row("select token_hash from dashboard_session limit 1", [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored.len(), 32);
}

#[test]
fn all_who_may_not_come_in_are_refused_alike() {
    let server = TestServer::builder()
        .config(|config| config.auth.failed_attempts = "3,1m".parse().unwrap())
        .start();
    let account = server.account();
    let person = Person::owner(&server, &account);
    let invited = json!({"email": "invited@x", "role": "viewer"});
    account.client.post(USERS, &invited).expect(201);
    let attempt = |email: &str, password: &str| {
        page(&server).post(SIGN_IN, &json!({"email": email, "password": password}))
    };
    let long = "x".repeat(201);
    let refusals = [
        attempt(&person.email, "wrong password"),
        attempt(&person.email, &long),
        attempt(&person.email, ""),
        attempt("invited@x", PASSWORD),
        attempt("nobody", PASSWORD),
    ];
    let messages = refusals.map(|reply| refused(&reply, 401, "UNAUTHENTICATED")["message"].clone());
    assert!(messages.iter().all(|message| *message == messages[0]), "{messages:?}");
    // Whoever failed too often waits, also with the right password.
    let waits = attempt(&person.email, PASSWORD);
    refused(&waits, 429, "RATE_LIMIT");
    assert!(waits.header("retry-after").is_some());
}

#[test]
fn an_invitation_of_somebody_known_asks_for_their_password() {
    let server = TestServer::start();
    let (first, second) = (server.account(), server.account());
    let person = Person::member(&server, &first, "viewer");
    let body = json!({"email": person.email, "role": "admin"});
    let invited = second.client.post(USERS, &body).expect(201).json();
    assert_eq!(text(&invited, "status"), "invited");
    let link = token(&invited["invite_url"]);
    let opened = page(&server).post(OPEN, &json!({"token": link})).expect(200).json();
    assert_eq!((text(&opened, "purpose"), text(&opened, "email")), ("invite", &*person.email));
    assert_eq!(
        (&opened["account"]["id"], &opened["has_password"]),
        (&json!(second.id), &json!(true))
    );
    // The link alone opens nothing, and a wrong password does not use it up.
    let wrong = json!({"token": link, "password": "wrong password"});
    refused(&page(&server).post(ACCEPT, &wrong), 401, "UNAUTHENTICATED");
    let client = person.client(&server);
    let data = client.get(super::ACCOUNTS).expect(200).json()["data"].clone();
    assert_eq!(data.as_array().unwrap().len(), 1);
    let there = Person::accept(&server, &link, &json!({}));
    assert_eq!(
        (&there.session["account"]["id"], &there.session["role"]),
        (&json!(second.id), &json!("admin"))
    );
    let data = client.get(super::ACCOUNTS).expect(200).json()["data"].clone();
    assert_eq!(data.as_array().unwrap().len(), 2);
    assert_eq!((&data[0]["id"], &data[0]["role"]), (&json!(second.id), &json!("admin")));
    assert_eq!(data[1]["projects"][0]["name"], "default");
}

#[test]
fn a_link_works_once_and_for_a_while() {
    let ambient = Ambient::manual(Timestamp::from_millis(1_700_000_000_000), 7);
    let server = TestServer::builder().clock(&ambient).start();
    let account = server.account();
    let invite = |email: &str| {
        let body = json!({"email": email, "role": "viewer"});
        token(&account.client.post(USERS, &body).expect(201).json()["invite_url"])
    };
    let link = invite("once@x");
    let (server, body) = (&server, &json!({"token": link, "password": PASSWORD}));
    let statuses = std::thread::scope(|scope| {
        let tries = [(); 4].map(|()| {
            let page = page(server);
            scope.spawn(move || page.post(ACCEPT, body).status)
        });
        let mut statuses = tries.map(|one| one.join().unwrap());
        statuses.sort_unstable();
        statuses
    });
    assert!(
        statuses[0] == 201 && statuses[1..].iter().all(|it| [404, 409].contains(it)),
        "{statuses:?}"
    );
    refused(&page(server).post(ACCEPT, body), 404, "NOT_FOUND");
    let late = invite("late@x");
    ambient.advance(Duration::from_hours(72));
    let body = json!({"token": late, "password": PASSWORD});
    refused(&page(server).post(OPEN, &json!({"token": late})), 404, "NOT_FOUND");
    refused(&page(server).post(ACCEPT, &body), 404, "NOT_FOUND");
    for none in ["", "sl_", "x", &"sl_".repeat(100)] {
        refused(&page(server).post(OPEN, &json!({"token": none})), 404, "NOT_FOUND");
    }
}

#[test]
fn a_link_for_a_new_password_ends_all_sessions() {
    let server = TestServer::start();
    let account = server.account();
    let person = Person::member(&server, &account, "developer");
    let path = format!("{USERS}/{}/invite", text(&person.session["user"], "id"));
    let made = account.client.post(&path, &json!({})).expect(201).json();
    let link = token(&made["invite_url"]);
    let opened = page(&server).post(OPEN, &json!({"token": link})).expect(200).json();
    assert_eq!((text(&opened, "purpose"), &opened["account"]), ("reset", &json!(null)));
    let body = json!({"token": link, "password": "a new password"});
    let begun = page(&server).post(ACCEPT, &body).expect(201);
    refused(&person.client(&server).get("/v1/jobs"), 401, "UNAUTHENTICATED");
    Person::of(&begun).client(&server).get("/v1/jobs").expect(200);
    let old = json!({"email": person.email, "password": PASSWORD});
    refused(&page(&server).post(SIGN_IN, &old), 401, "UNAUTHENTICATED");
}

#[test]
fn a_start_prints_a_link_until_somebody_came_in() {
    let program = Program::new();
    let running = program.serve();
    let printed = running.line();
    let url = printed.strip_prefix("setup: open http://").expect(&printed);
    let link = url.split('#').nth(1).unwrap();
    let body = json!({"token": link, "password": PASSWORD, "email": "ada@example.com"});
    let page = Client::new(running.address).with_header("Sec-Fetch-Site", "same-origin");
    let begun = page.post(ACCEPT, &body).expect(201);
    let account = begun.json()["account"]["id"].as_str().unwrap().to_owned();
    // Commands work beside the server.
    let made = program.json(&[
        "user",
        "create",
        "--account",
        &account,
        "--email",
        "eve@x",
        "--role",
        "viewer",
        "--json",
    ]);
    assert_eq!((text(&made, "email"), text(&made, "role")), ("eve@x", "viewer"));
    let opened = page.post(OPEN, &json!({"token": token(&made["invite_url"])})).expect(200).json();
    assert_eq!(text(&opened, "purpose"), "invite");
    let made = program.json(&["user", "link", "--email", "ADA@example.com", "--json"]);
    let opened = page.post(OPEN, &json!({"token": token(&made["url"])})).expect(200).json();
    assert_eq!(text(&opened, "purpose"), "reset");
    let listed = program.json(&["user", "list", "--json"]);
    let people: Vec<_> = listed["users"].as_array().unwrap().iter().collect();
    assert_eq!((text(people[0], "email"), &people[0]["has_password"]), ("eve@x", &json!(false)));
    assert_eq!(
        (text(people[1], "email"), &people[1]["operator"]),
        ("ada@example.com", &json!(true))
    );
    running.signal("TERM");
    let log = running.wait().1.concat();
    assert!(!log.contains(link) && !log.contains("ss_"), "{log}");
    let made = program.json(&["account", "create", "--name", "B", "--owner", "owner@x", "--json"]);
    assert!(text(&made, "invite_url").contains("/dashboard/welcome#sl_"));
    program.verify();
}

#[test]
fn commands_make_and_unmake_operators_and_forget_people() {
    let program = Program::new();
    let account = program.account("1").id;
    let user = |arguments: &[&str]| program.json(&[&["user"], arguments, &["--json"]].concat());
    let fails = |arguments: &[&str]| {
        let done = program.run(&[&["user"], arguments].concat());
        assert!(!done.status.success(), "{arguments:?}");
        String::from_utf8(done.stderr).unwrap()
    };
    let create = ["create", "--account", &account, "--email", "ada@x", "--role", "owner"];
    let made = user(&[&create[..], &["--operator"]].concat());
    assert_eq!(user(&["list"])["users"][0]["operator"], false, "not before the link is used");
    let running = program.serve();
    let page = Client::new(running.address).with_header("Sec-Fetch-Site", "same-origin");
    let accept = |url: &Value| {
        page.post(ACCEPT, &json!({"token": token(url), "password": PASSWORD})).expect(201)
    };
    assert_eq!(accept(&made["invite_url"]).json()["user"]["is_operator"], true);
    user(&["create", "--account", &account, "--email", "eve@x", "--role", "viewer"]);
    let made = user(&["update", "--email", "eve@x", "--operator", "true"]);
    assert_eq!(accept(&made["url"]).json()["user"]["is_operator"], true);
    user(&["update", "--email", "eve@x", "--operator", "false"]);
    let refusal = fails(&["update", "--email", "ada@x", "--operator", "false"]);
    assert!(refusal.contains("last operator"), "{refusal}");
    user(&["remove", "--email", "eve@x"]);
    fails(&["remove", "--email", "eve@x"]);
    running.signal("TERM");
    running.wait();
    let sql = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 250)
        insert into person (id, email, email_key, created_at) select randomblob(16), i || '@y', i || '@y', 1 from n";
    let file = rusqlite::Connection::open(program.data_dir().join("skai.db")).unwrap();
    file.execute_batch(sql).unwrap();
    assert_eq!(user(&["list"])["users"].as_array().unwrap().len(), 251);
}
