//! Members of an account: who makes, changes and removes whom.

use serde_json::{Value, json};

use super::{ACCEPT, OPEN, SESSION, SIGN_IN, USERS, setup, text};
use crate::{
    api::conventions::refused,
    support::{
        Client,
        people::{PASSWORD, Person, page, token},
        server::{Account, TestServer},
    },
};

const ROLES: [&str; 4] = ["owner", "admin", "developer", "viewer"];

fn one(id: &Value) -> String {
    format!("{USERS}/{}", id.as_str().unwrap())
}

fn of(person: &Person) -> String {
    one(&person.session["user"]["id"])
}

fn invite(client: &Client, email: &str, role: &str) -> Value {
    client.post(USERS, &json!({"email": email, "role": role})).expect(201).json()
}

#[test]
fn a_member_is_invited_shown_and_removed() {
    let server = TestServer::start();
    let account = server.account();
    let body = json!({"email": "Eve@Example.com", "role": "developer"});
    let made = account.client.post_once(USERS, "once", &body).expect(201);
    let replayed = account.client.post_once(USERS, "once", &body).expect(201);
    assert_eq!(
        (replayed.json(), replayed.header("idempotent-replayed")),
        (made.json(), Some("true"))
    );
    let made = made.json();
    let url = text(&made, "invite_url");
    assert!(
        url.starts_with(&format!("http://{}/dashboard/welcome#sl_", server.address())),
        "{url}"
    );
    let mut member = made.clone();
    member.as_object_mut().unwrap().remove("invite_url");
    assert_eq!(
        member,
        json!({
            "id": made["id"], "object": "user", "email": "Eve@Example.com", "role": "developer",
            "status": "invited", "created_at": made["created_at"], "last_signed_in_at": null,
        })
    );
    assert_eq!(account.client.get(&one(&made["id"])).expect(200).json(), member);
    let again = json!({"email": "eve@example.com", "role": "viewer"});
    let error = refused(&account.client.post(USERS, &again), 409, "CONFLICT");
    assert_eq!(error["param"], "email");
    for (bad, param) in [
        (json!({"email": "eve", "role": "viewer"}), "email"),
        (json!({"email": "e@x", "role": "root"}), "role"),
    ] {
        let error = refused(&account.client.post(USERS, &bad), 400, "INVALID_REQUEST");
        assert_eq!(error["param"], param);
    }
    // A newer link voids the one before.
    let newer = account.client.post(&format!("{}/invite", one(&made["id"])), &json!({}));
    let newer = newer.expect(201).json();
    refused(
        &page(&server).post(OPEN, &json!({"token": token(&made["invite_url"])})),
        404,
        "NOT_FOUND",
    );
    let person = Person::accept(&server, &token(&newer["invite_url"]), &json!({}));
    let shown = account.client.get(USERS).expect(200).json()["data"][0].clone();
    assert_eq!(text(&shown, "status"), "active");
    assert!(shown["last_signed_in_at"].is_string());
    let client = person.client(&server);
    client.get("/v1/jobs").expect(200);
    account.client.delete(&of(&person)).expect(204);
    refused(&client.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    assert_eq!(client.get(SESSION).expect(200).json()["signed_in"], false);
    refused(&account.client.get(&of(&person)), 404, "NOT_FOUND");
    refused(&account.client.delete(&of(&person)), 404, "NOT_FOUND");
    let body = json!({"email": person.email, "password": PASSWORD});
    refused(&page(&server).post(SIGN_IN, &body), 401, "UNAUTHENTICATED");
    // Nothing is left of who is a member of nothing.
    let count = "select (select count(*) from person) + (select count(*) from dashboard_session)";
    let left: i64 = server.outside().query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn nobody_manages_a_role_above_their_own() {
    let server = TestServer::start();
    let account = server.account();
    let people = ROLES.map(|role| Person::member(&server, &account, role));
    for (at, (mine, me)) in ROLES.iter().zip(&people).enumerate() {
        let client = me.client(&server);
        for (other, role) in ROLES.iter().enumerate() {
            let may = at < 2 && at <= other;
            let expected = |status| if may { status } else { 403 };
            let case = format!("{mine} and {role}");
            let body = json!({"email": format!("{at}{other}@x"), "role": role});
            assert_eq!(client.post(USERS, &body).status, expected(201), "{case}");
            let target = invite(&account.client, &format!("{at}-{other}@x"), role);
            let path = one(&target["id"]);
            let link = client.post(&format!("{path}/invite"), &json!({}));
            assert_eq!(link.status, expected(201), "{case}");
            // From that role to the weakest, and from the weakest to that one.
            let weaker = client.patch(&path, &json!({"role": "viewer"}));
            assert_eq!(weaker.status, expected(200), "{case}");
            account.client.patch(&path, &json!({"role": "viewer"})).expect(200);
            let stronger = client.patch(&path, &json!({"role": role}));
            assert_eq!(stronger.status, expected(200), "{case}");
            account.client.patch(&path, &json!({"role": role})).expect(200);
            assert_eq!(client.delete(&path).status, expected(204), "{case}");
        }
    }
    // Nor does a key that may do less.
    let weak = server.key(&account.id, &json!(["keys:write", "keys:read"]), &json!({}));
    let weak = server.client().with_key(&weak);
    let body = json!({"email": "weak@x", "role": "viewer"});
    refused(&weak.post(USERS, &body), 403, "INSUFFICIENT_SCOPE");
}

#[test]
fn the_last_owner_stays() {
    let server = TestServer::start();
    let account = server.account();
    let owner = Person::owner(&server, &account);
    // Who is only invited owns nothing yet.
    invite(&account.client, "invited@x", "owner");
    let client = owner.client(&server);
    refused(&client.delete(&of(&owner)), 409, "CONFLICT");
    refused(&client.patch(&of(&owner), &json!({"role": "admin"})), 409, "CONFLICT");
    client.patch(&of(&owner), &json!({"role": "owner"})).expect(200);
    let other = Person::owner(&server, &account);
    client.patch(&of(&owner), &json!({"role": "viewer"})).expect(200);
    // At once.
    let body = json!({"name": "made", "scopes": ["jobs:read"]});
    refused(&client.post("/v1/api-keys", &body), 403, "INSUFFICIENT_SCOPE");
    assert_eq!(client.get(SESSION).expect(200).json()["role"], "viewer");
    refused(&account.client.delete(&of(&other)), 409, "CONFLICT");
}

#[test]
fn an_account_has_so_many_members() {
    let server = TestServer::start();
    let account = server.account();
    let sql = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 200)
        insert into member (account, id, email, role, created_at)
        select (select seq from account where environment = 'live' order by seq desc limit 1), randomblob(16),
          i || '@y', 'viewer', 1 from n";
    server.outside().execute_batch(sql).unwrap();
    let body = json!({"email": "e@x", "role": "viewer"});
    refused(&account.client.post(USERS, &body), 409, "CONFLICT");
}

#[test]
fn a_link_for_a_new_password_opens_no_other_account() {
    let server = TestServer::start();
    let (first, second) = (server.account(), server.account());
    let person = Person::member(&server, &first, "viewer");
    let path = format!("{}/invite", of(&person));
    first.client.post(&path, &json!({})).expect(201);
    let invited = invite(&second.client, &person.email, "viewer");
    Person::accept(&server, &token(&invited["invite_url"]), &json!({}));
    refused(&first.client.post(&path, &json!({})), 409, "CONFLICT");
    // Nor an operator's.
    let link = setup_operator(&server, &first);
    let path = format!("{}/invite", of(&link));
    refused(&first.client.post(&path, &json!({})), 403, "INSUFFICIENT_SCOPE");
    link.client(&server).post(&path, &json!({})).expect(201);
}

/// Somebody whom the operator at the command line made an operator too.
fn setup_operator(server: &TestServer, account: &Account) -> Person {
    let new = skai_server::app::members::MemberRequest {
        email: "operator@x".to_owned(),
        role: skai_server::domain::MemberRole::Viewer,
    };
    let id = account.id.parse().unwrap();
    let made = skai_server::app::members::create_by_operator(&server.app(), id, new, true, "");
    let url = json!(made.unwrap().url.expose());
    Person::accept(server, &token(&url), &json!({}))
}

#[test]
fn who_is_removed_from_one_account_stays_in_the_other() {
    let server = TestServer::start();
    let (first, second) = (server.account(), server.account());
    let person = Person::member(&server, &first, "viewer");
    let invited = invite(&second.client, &person.email, "admin");
    let there = Person::accept(&server, &token(&invited["invite_url"]), &json!({}));
    let client = person.client(&server);
    let project = text(&there.session["project"], "id");
    let in_second = client.with_header("Skai-Project", project);
    in_second.get("/v1/users").expect(200);
    second.client.delete(&of(&person)).expect(204);
    refused(&in_second.get("/v1/users"), 404, "NOT_FOUND");
    client.get("/v1/users").expect(200);
    // The session says where they may go on.
    let session = in_second.get(SESSION).expect(200).json();
    assert_eq!(session["account"]["id"], first.id);
}

#[test]
fn an_operator_acts_in_every_account_and_nobody_else_does() {
    let server = TestServer::start();
    let (mine, theirs) = (server.account(), server.account());
    let operator = Person::accept(&server, &setup(&server), &json!({"email": "op@x"}));
    let project = theirs.client.get("/v1/me").expect(200).json()["project"]["id"].clone();
    let project = project.as_str().unwrap();
    let there = operator.client(&server).with_header("Skai-Project", project);
    let session = there.get(SESSION).expect(200).json();
    assert_eq!((&session["account"]["id"], text(&session, "role")), (&json!(theirs.id), "owner"));
    invite(&there, "eve@x", "owner");
    let accounts = there.get(super::ACCOUNTS).expect(200).json()["data"].clone();
    assert_eq!(accounts.as_array().unwrap().len(), 2);
    assert_eq!((&accounts[0]["id"], text(&accounts[0], "role")), (&json!(theirs.id), "owner"));
    there.get("/admin/v1/accounts").expect(200);
    there.post("/admin/v1/accounts", &json!({"name": "made"})).expect(201);
    let owner = Person::owner(&server, &mine).client(&server);
    let stranger = owner.with_header("Skai-Project", project);
    for path in ["/v1/jobs", "/v1/users", super::ACCOUNTS] {
        refused(&stranger.get(path), 404, "NOT_FOUND");
    }
    refused(&owner.with_header("Skai-Project", "default").get("/v1/jobs"), 404, "NOT_FOUND");
    refused(&owner.get("/admin/v1/accounts"), 403, "INSUFFICIENT_SCOPE");
    refused(&page(&server).get("/admin/v1/accounts"), 401, "UNAUTHENTICATED");
    let bad = json!({"token": "sl_", "password": PASSWORD});
    refused(&page(&server).post(ACCEPT, &bad), 404, "NOT_FOUND");
}
