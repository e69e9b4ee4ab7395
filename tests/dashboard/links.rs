//! Links: whom they make what, and what voids them.

use serde_json::{Value, json};
use skai_server::{
    app::members,
    domain::{ErrorKind, MemberRole},
};

use super::{ACCEPT, OPEN, SESSION, SIGN_IN, USERS, setup, text};
use crate::{
    api::conventions::refused,
    support::{
        Client,
        people::{PASSWORD, Person, page, token},
        server::{Account, TestServer},
    },
};

const OTHER: &str = "another horse";

fn of(person: &Person) -> String {
    format!("{USERS}/{}", text(&person.session["user"], "id"))
}

/// Invites somebody; gives the path of the member and what the link says.
#[track_caller]
fn invite(client: &Client, email: &str, role: &str) -> (String, String) {
    let made = client.post(USERS, &json!({"email": email, "role": role})).expect(201).json();
    (format!("{USERS}/{}", text(&made, "id")), token(&made["invite_url"]))
}

/// A new link for a member.
#[track_caller]
fn link(client: &Client, member: &str) -> String {
    let made = client.post(&format!("{member}/invite"), &json!({})).expect(201).json();
    token(&made["invite_url"])
}

/// Opens and accepts nothing.
#[track_caller]
fn is_void(server: &TestServer, link: &str) {
    refused(&page(server).post(OPEN, &json!({"token": link})), 404, "NOT_FOUND");
    let body = json!({"token": link, "password": PASSWORD});
    refused(&page(server).post(ACCEPT, &body), 404, "NOT_FOUND");
}

#[track_caller]
fn is_good(server: &TestServer, link: &str) -> Value {
    page(server).post(OPEN, &json!({"token": link})).expect(200).json()
}

/// The operator's own link for a future operator.
fn operators_link(server: &TestServer, account: &Account, email: &str) -> String {
    let new = members::MemberRequest { email: email.to_owned(), role: MemberRole::Viewer };
    let id = account.id.parse().unwrap();
    let made = members::create_by_operator(&server.app(), id, new, true, "").unwrap();
    token(&json!(made.url.expose()))
}

fn operators(server: &TestServer) -> i64 {
    let sql = "select count(*) from person where is_operator = 1";
    server.outside().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn an_operator_is_made_by_the_operators_own_link_alone() {
    let server = TestServer::start();
    let (first, second) = (server.account(), server.account());
    let own = operators_link(&server, &first, "op@x");
    assert_eq!(operators(&server), 0, "not before the link is used");
    // No tenant gets a link that would set the password.
    let body = json!({"email": "OP@x", "role": "viewer"});
    refused(&second.client.post(USERS, &body), 403, "INSUFFICIENT_SCOPE");
    let listed = first.client.get(USERS).expect(200).json();
    let member = format!("{USERS}/{}", text(&listed["data"][0], "id"));
    let again = first.client.post(&format!("{member}/invite"), &json!({}));
    refused(&again, 403, "INSUFFICIENT_SCOPE");
    let person = Person::accept(&server, &own, &json!({}));
    assert_eq!((operators(&server), &person.session["user"]["is_operator"]), (1, &json!(true)));
    refused(&first.client.post(&format!("{member}/invite"), &json!({})), 403, "INSUFFICIENT_SCOPE");
    // To an account more they are invited like everybody with a password: they prove it.
    let (_, invitation) = invite(&second.client, "op@x", "viewer");
    assert_eq!(is_good(&server, &invitation)["has_password"], true);
}

#[test]
fn one_link_at_most_makes_a_person_an_operator() {
    let server = TestServer::start();
    let (first, second) = (server.account(), server.account());
    let app = server.app();
    invite(&first.client, "op@x", "viewer");
    let one = operators_link(&server, &second, "op@x");
    let again = skai_server::app::sign_in::link_for(&app, "op@x").unwrap();
    is_void(&server, &one);
    let leads_to = |link: &str| text(&is_good(&server, link)["account"], "id").to_owned();
    assert_eq!(leads_to(again.expose()), second.id);
    let promotion = members::promote(&app, "op@x", "").unwrap();
    let promotion = token(&json!(promotion.expose()));
    is_void(&server, again.expose());
    assert_eq!(leads_to(&promotion), second.id);
    let third = server.account();
    let last = operators_link(&server, &third, "op@x");
    is_void(&server, &promotion);
    Person::accept(&server, &last, &json!({}));
    assert_eq!(operators(&server), 1);
}

#[test]
fn nothing_of_whoever_was_in_before_stays_with_an_operator() {
    let server = TestServer::start();
    let (theirs, other) = (server.account(), server.account());
    // Whoever manages the account took the invitation themselves.
    let squatter = Person::member(&server, &theirs, "viewer");
    let (_, invitation) = invite(&other.client, &squatter.email, "viewer");
    let reset = link(&theirs.client, &of(&squatter));
    let url = members::promote(&server.app(), &squatter.email, "").unwrap();
    let own = token(&json!(url.expose()));
    refused(
        &theirs.client.post(&format!("{}/invite", of(&squatter)), &json!({})),
        403,
        "INSUFFICIENT_SCOPE",
    );
    is_void(&server, &reset);
    let client = squatter.client(&server);
    client.get("/v1/jobs").expect(200);
    refused(&client.get("/admin/v1/accounts"), 403, "INSUFFICIENT_SCOPE");
    let opened = is_good(&server, &own);
    assert_eq!((text(&opened, "purpose"), &opened["has_password"]), ("reset", &json!(false)));
    let body = json!({"token": own, "password": OTHER});
    let operator = Person::of(&page(&server).post(ACCEPT, &body).expect(201));
    operator.client(&server).get("/admin/v1/accounts").expect(200);
    refused(&client.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    let old = json!({"email": squatter.email, "password": PASSWORD});
    refused(&page(&server).post(SIGN_IN, &old), 401, "UNAUTHENTICATED");
    is_void(&server, &invitation);
}

#[test]
fn a_link_is_void_once_its_person_may_more() {
    let server = TestServer::start();
    let (first, second) = (server.account(), server.account());
    Person::owner(&server, &first);
    let admin = Person::member(&server, &first, "admin").client(&server);
    // Whoever came to another account meanwhile.
    let person = Person::member(&server, &first, "viewer");
    let reset = link(&admin, &of(&person));
    let (_, elsewhere) = invite(&second.client, &person.email, "viewer");
    is_good(&server, &reset);
    Person::accept(&server, &elsewhere, &json!({}));
    is_void(&server, &reset);
    // Who became an owner meanwhile.
    let person = Person::member(&server, &first, "developer");
    let reset = link(&admin, &of(&person));
    first.client.patch(&of(&person), &json!({"role": "owner"})).expect(200);
    is_void(&server, &reset);
    // Who is to become one.
    let (member, invitation) = invite(&admin, "pending@x", "viewer");
    first.client.patch(&member, &json!({"role": "owner"})).expect(200);
    is_void(&server, &invitation);
    // Less is no harm.
    let (member, invitation) = invite(&admin, "less@x", "developer");
    first.client.patch(&member, &json!({"role": "viewer"})).expect(200);
    Person::accept(&server, &invitation, &json!({}));
    // Who was removed, here.
    let person = Person::member(&server, &second, "viewer");
    let (_, here) = invite(&first.client, &person.email, "viewer");
    let reset = link(&second.client, &of(&person));
    second.client.delete(&of(&person)).expect(204);
    is_void(&server, &reset);
    // They have nothing any more that they could prove, and choose a password where they are still invited.
    assert_eq!(is_good(&server, &here)["has_password"], false);
    Person::accept(&server, &here, &json!({}));
}

#[test]
fn who_never_chose_the_password_of_their_e_mail_is_sent_to_the_operator() {
    let server = TestServer::start();
    let (theirs, own) = (server.account(), server.account());
    let squatter = Person::member(&server, &theirs, "viewer");
    let (_, invitation) = invite(&own.client, &squatter.email, "owner");
    let body = json!({"token": invitation, "password": OTHER});
    let error = refused(&page(&server).post(ACCEPT, &body), 401, "UNAUTHENTICATED");
    assert!(text(&error, "message").contains("ask the operator"), "{error}");
    members::forget(&server.app(), &squatter.email).unwrap();
    refused(&squatter.client(&server).get("/v1/jobs"), 401, "UNAUTHENTICATED");
    let (_, invitation) = invite(&own.client, &squatter.email, "owner");
    Person::of(
        &page(&server).post(ACCEPT, &json!({"token": invitation, "password": OTHER})).expect(201),
    );
}

#[test]
fn an_account_voids_no_link_of_somebody_it_only_invited() {
    let server = TestServer::start();
    let (first, second) = (server.account(), server.account());
    let person = Person::member(&server, &first, "viewer");
    let reset = link(&first.client, &of(&person));
    let (member, _) = invite(&second.client, &person.email, "viewer");
    second.client.patch(&member, &json!({"role": "owner"})).expect(200);
    is_good(&server, &reset);
    second.client.delete(&member).expect(204);
    is_good(&server, &reset);
    Person::accept(&server, &reset, &json!({}));
}

#[test]
fn a_link_is_void_once_who_made_it_may_less() {
    let server = TestServer::start();
    let account = server.account();
    let person = Person::member(&server, &account, "viewer");
    let made_by = |client: &Client, name: &str| {
        [link(client, &of(&person)), invite(client, &format!("{name}@x"), "viewer").1]
    };
    let demoted = Person::member(&server, &account, "admin");
    let [reset, invitation] = made_by(&demoted.client(&server), "demoted");
    is_good(&server, &reset);
    account.client.patch(&of(&demoted), &json!({"role": "developer"})).expect(200);
    is_void(&server, &reset);
    is_void(&server, &invitation);
    let removed = Person::member(&server, &account, "admin");
    let links = made_by(&removed.client(&server), "removed");
    account.client.delete(&of(&removed)).expect(204);
    for link in &links {
        is_void(&server, link);
    }
    let scopes = json!(["*"]);
    let body = json!({"name": "made", "scopes": scopes});
    let made = account.client.post("/v1/api-keys", &body).expect(201).json();
    let links = made_by(&server.client().with_key(text(&made, "key")), "key");
    for link in &links {
        is_good(&server, link);
    }
    account.client.delete(&format!("/v1/api-keys/{}", text(&made, "id"))).expect(204);
    for link in &links {
        is_void(&server, link);
    }
}

#[test]
fn a_new_link_is_not_given_again_to_who_may_not_make_it_now() {
    let server = TestServer::start();
    let (first, second) = (server.account(), server.account());
    let person = Person::member(&server, &first, "viewer");
    let path = format!("{}/invite", of(&person));
    first.client.post_once(&path, "once", &json!({})).expect(201);
    let (_, elsewhere) = invite(&second.client, &person.email, "viewer");
    Person::accept(&server, &elsewhere, &json!({}));
    refused(&first.client.post_once(&path, "once", &json!({})), 409, "CONFLICT");
}

#[test]
fn only_an_operator_ends_the_setup() {
    let server = TestServer::start();
    let account = server.account();
    let printed = setup(&server);
    Person::owner(&server, &account);
    assert_eq!(text(&is_good(&server, &printed), "purpose"), "setup");
    assert_eq!(page(&server).get(SESSION).expect(200).json()["needs_setup"], false);
    // Also one who had an account's invitation before: what was known of them is not any more.
    let person = Person::member(&server, &account, "viewer");
    let body = json!({"token": printed, "email": person.email, "password": OTHER});
    let operator = Person::of(&page(&server).post(ACCEPT, &body).expect(201));
    refused(&person.client(&server).get("/v1/jobs"), 401, "UNAUTHENTICATED");
    assert!(skai_server::app::sign_in::new_setup_link(&server.app()).unwrap().is_none());
    // It is told as theirs.
    let client = operator.client(&server);
    let log = client.get("/admin/v1/audit-log?limit=100").expect(200).json();
    let told = log["data"].as_array().unwrap().iter();
    let told: Vec<_> = told.filter(|entry| entry["action"] == "user.operator_changed").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (text(&told[0]["actor"], "kind"), &told[0]["actor"]["id"]),
        ("user", &operator.session["user"]["id"])
    );
}

#[test]
fn what_the_first_person_makes_is_told_as_theirs() {
    let server = TestServer::start();
    let person = Person::accept(&server, &setup(&server), &json!({"email": "ada@x"}));
    let client = person.client(&server);
    let mut found = Vec::new();
    for path in ["/admin/v1/audit-log?limit=100", "/v1/audit-log?limit=100"] {
        let log = client.get(path).expect(200).json();
        // The prices come from the configuration.
        let is_theirs = |entry: &&Value| entry["action"] != "price.created";
        for entry in log["data"].as_array().unwrap().iter().filter(is_theirs) {
            let action = text(entry, "action").to_owned();
            assert_eq!(text(&entry["actor"], "kind"), "user", "{entry}");
            assert_eq!(entry["actor"]["id"], person.session["user"]["id"], "{entry}");
            found.push(action);
        }
    }
    for action in ["account.created", "user.invited", "user.operator_changed", "user.joined"] {
        assert!(found.iter().any(|it| it == action), "{action} in {found:?}");
    }
}

#[test]
fn operators_come_and_go_by_the_operators_word() {
    let server = TestServer::start();
    let account = server.account();
    let app = server.app();
    let first = Person::accept(&server, &setup(&server), &json!({"email": "first@x"}));
    let is_refused = |error: skai_server::domain::Error| {
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    };
    is_refused(members::demote(&app, "first@x").unwrap_err());
    is_refused(members::forget(&app, "first@x").unwrap_err());
    let second = operators_link(&server, &account, "second@x");
    let second = Person::accept(&server, &second, &json!({}));
    members::demote(&app, "FIRST@x").unwrap();
    refused(&first.client(&server).get("/admin/v1/accounts"), 403, "INSUFFICIENT_SCOPE");
    first.client(&server).get("/v1/jobs").expect(200);
    // They are the only owner of the account.
    let error = members::forget(&app, "first@x").unwrap_err();
    assert!(error.message().contains("last owner"), "{error}");
    Person::owner(&server, &account);
    let (_, pending) = invite(&server.account().client, "first@x", "viewer");
    members::forget(&app, "first@x").unwrap();
    refused(&first.client(&server).get("/v1/jobs"), 401, "UNAUTHENTICATED");
    is_void(&server, &pending);
    let nobody = members::forget(&app, "first@x").unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::NotFound);
    let left = second.client(&server).get("/admin/v1/accounts").status;
    assert_eq!((left, operators(&server)), (200, 1));
}
