//! Making, showing, listing and changing projects.

use serde_json::{Value, json};

use super::{KEYS, PROJECTS, id, make};
use crate::{
    api::conventions::refused,
    support::server::{Account, TestServer},
};

fn default_of(account: &Account) -> Value {
    let projects = account.list(PROJECTS);
    projects.into_iter().find(|project| project["name"] == "default").unwrap()
}

fn path(project: &Value) -> String {
    format!("{PROJECTS}/{}", id(project))
}

#[test]
fn an_account_has_a_default_project_and_makes_others() {
    let server = TestServer::start();
    let account = server.account();
    let default = default_of(&account);
    assert_eq!(default["object"], "project");
    assert_eq!(default["environment"], "live");
    assert_eq!(default["monthly_credit_limit"], Value::Null);

    let plain = make(&account, &json!({"name": "plain"}));
    assert_eq!((&plain["environment"], &plain["name"]), (&json!("live"), &json!("plain")));
    let limited =
        json!({"name": "Two words", "environment": "live", "monthly_credit_limit": "12.5"});
    let limited = make(&account, &limited);
    assert_eq!(limited["monthly_credit_limit"], 12.5);
    assert_eq!(account.client.get(&path(&limited)).expect(200).json(), limited);
    assert_eq!(account.list(PROJECTS), [limited.clone(), plain.clone(), default]);

    let first = account.client.get(&format!("{PROJECTS}?limit=1")).expect(200).json();
    assert_eq!((&first["has_more"], &first["data"]), (&json!(true), &json!([limited])));
    let next = first["next_cursor"].as_str().unwrap();
    let second = account.list(&format!("{PROJECTS}?limit=1&cursor={next}"));
    assert_eq!(second, [plain]);
}

#[test]
fn a_project_is_made_once_for_each_idempotency_key() {
    let server = TestServer::start();
    let account = server.account();
    for environment in ["live", "test"] {
        let body = json!({"name": environment, "environment": environment});
        let one = account.client.post_once(PROJECTS, environment, &body).expect(201);
        let again = account.client.post_once(PROJECTS, environment, &body).expect(201);
        assert_eq!(one.body, again.body);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let other = json!({"name": "other", "environment": environment});
        let reply = account.client.post_once(PROJECTS, environment, &other);
        refused(&reply, 409, "IDEMPOTENCY_KEY_CONFLICT");
    }
    assert_eq!(account.list(PROJECTS).len(), 3);
}

#[test]
fn bad_projects_are_refused_with_the_field_at_fault() {
    let server = TestServer::start();
    let account = server.account();
    let long = "n".repeat(201);
    for (body, param) in [
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "  "}), "name"),
        (json!({"name": long}), "name"),
        (json!({"name": "p", "environment": "staging"}), "environment"),
        (json!({"name": "p", "environment": null}), "environment"),
        (json!({"name": "p", "monthly_credit_limit": 0}), "monthly_credit_limit"),
        (json!({"name": "p", "monthly_credit_limit": -1}), "monthly_credit_limit"),
        (json!({"name": "p", "monthly_credit_limit": "0.0000001"}), "monthly_credit_limit"),
        (json!({"name": "p", "limit": 1}), "limit"),
    ] {
        let reply = account.client.post(PROJECTS, &body);
        let error = refused(&reply, 400, "INVALID_REQUEST");
        assert_eq!(error["param"], param, "{body}: {error}");
    }
    assert_eq!(account.list(PROJECTS).len(), 1);
}

#[test]
fn names_are_unique_in_their_account_alone() {
    let server = TestServer::start();
    let (one, two) = (server.account(), server.account());
    let project = make(&one, &json!({"name": "p"}));
    make(&two, &json!({"name": "p"}));
    let other = make(&one, &json!({"name": "q", "environment": "test"}));
    for environment in ["live", "test"] {
        let body = json!({"name": "p", "environment": environment});
        let error = refused(&one.client.post(PROJECTS, &body), 409, "CONFLICT");
        assert_eq!(error["param"], "name");
    }
    refused(&one.client.post(PROJECTS, &json!({"name": "default"})), 409, "CONFLICT");
    refused(&one.client.patch(&path(&other), &json!({"name": "p"})), 409, "CONFLICT");
    // Its own name is no other's.
    one.client.patch(&path(&project), &json!({"name": "p"})).expect(200);
}

#[test]
fn a_change_leaves_what_it_does_not_name() {
    let server = TestServer::start();
    let account = server.account();
    let project = make(&account, &json!({"name": "p", "monthly_credit_limit": 5}));
    let change = |body: Value| account.client.patch(&path(&project), &body).expect(200).json();
    let renamed = change(json!({"name": "q"}));
    let shown = (&renamed["name"], &renamed["monthly_credit_limit"]);
    assert_eq!(shown, (&json!("q"), &json!(5)));
    assert_eq!(change(json!({})), renamed);
    assert_eq!(change(json!({"monthly_credit_limit": 7}))["monthly_credit_limit"], 7);
    assert_eq!(change(json!({"monthly_credit_limit": null}))["monthly_credit_limit"], Value::Null);
    assert_eq!(account.client.get(&path(&project)).expect(200).json()["name"], "q");

    for (body, param) in [
        (json!({"environment": "test"}), "environment"),
        (json!({"name": " "}), "name"),
        (json!({"monthly_credit_limit": 0}), "monthly_credit_limit"),
    ] {
        let error = refused(&account.client.patch(&path(&project), &body), 400, "INVALID_REQUEST");
        assert_eq!(error["param"], param);
    }
}

#[test]
fn the_default_project_keeps_its_name_and_may_have_a_limit() {
    let server = TestServer::start();
    let account = server.account();
    let default = path(&default_of(&account));
    let error = refused(&account.client.patch(&default, &json!({"name": "p"})), 409, "CONFLICT");
    assert_eq!(error["param"], "name");
    let body = json!({"name": "default", "monthly_credit_limit": 3});
    let changed = account.client.patch(&default, &body).expect(200).json();
    assert_eq!(changed["monthly_credit_limit"], 3);
    let me = account.client.get("/v1/me").expect(200).json();
    assert_eq!(me["project"], changed);
}

#[test]
fn projects_of_others_are_nowhere() {
    let server = TestServer::start();
    let (one, two) = (server.account(), server.account());
    let theirs = make(&one, &json!({"name": "p"}));
    refused(&two.client.get(&path(&theirs)), 404, "NOT_FOUND");
    refused(&two.client.patch(&path(&theirs), &json!({"name": "q"})), 404, "NOT_FOUND");
    refused(&two.client.get(&format!("{PROJECTS}/nonsense")), 404, "NOT_FOUND");
    let key = json!({"name": "k", "scopes": ["jobs:read"], "project_id": theirs["id"]});
    let error = refused(&two.client.post(KEYS, &key), 400, "INVALID_REQUEST");
    assert_eq!(error["param"], "project_id");
    assert_eq!(one.client.get(&path(&theirs)).expect(200).json(), theirs);
}

#[test]
fn an_account_has_so_many_projects_and_no_more() {
    let server = TestServer::start();
    let account = server.account();
    for n in 1..1_000 {
        make(&account, &json!({"name": format!("p{n}")}));
    }
    let reply = account.client.post(PROJECTS, &json!({"name": "one more"}));
    refused(&reply, 409, "CONFLICT");
}
