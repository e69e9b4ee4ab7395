//! What people may do on the routes that everybody uses, and who pays for it.

use serde_json::{Value, json};
use skai_server::domain::{MemberRole, Scope};

use super::{SESSION, text};
use crate::{
    api::conventions::refused,
    support::{
        Provider,
        people::Person,
        server::{TestServer, job},
    },
};

/// An id that nothing has.
const NOBODY: &str = "01939b2a-7c1e-7000-8000-000000000000";

/// Every route of tenants by method, path and scope, as the server's document has it.
fn routes(server: &TestServer) -> Vec<(String, String, String)> {
    let document = server.client().get("/openapi.json").expect(200).json();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(scope) = operation["security"][0]["apiKey"][0].as_str() else { continue };
            let path =
                path.split('/').map(|part| if part.starts_with('{') { NOBODY } else { part });
            let path = path.collect::<Vec<_>>().join("/");
            found.push((method.to_ascii_uppercase(), path, scope.to_owned()));
        }
    }
    found
}

#[test]
fn every_route_holds_each_role_to_the_table() {
    let server = TestServer::start();
    let account = server.account();
    let routes = routes(&server);
    let writes = routes.iter().filter(|(_, _, scope)| scope.ends_with(":write")).count();
    assert!(routes.len() > 60 && writes > 30, "only {} and {writes}", routes.len());
    for role in MemberRole::ALL {
        let client = Person::member(&server, &account, role.as_str()).client(&server);
        for (method, path, scope) in &routes {
            let scope = *Scope::ALL.iter().find(|known| known.as_str() == scope).unwrap();
            let reply = client.send_json(method, path, &[], &json!({"unknown": 1}));
            let case = format!("{} {method} {path}", role.as_str());
            if role.scopes().contains(scope) {
                assert_ne!(reply.status, 403, "{case}");
            } else {
                let text = reply.text().to_owned();
                assert_eq!(reply.status, 403, "{case}: {text}");
                assert!(text.to_ascii_lowercase().contains("scope"), "{case}: {text}");
            }
        }
    }
}

#[test]
fn what_people_start_is_charged_to_their_project() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let person = Person::member(&server, &account, "developer");
    let client = person.client(&server);
    let me = client.get("/v1/me").expect(200).json();
    let key = &me["key"];
    assert_eq!(
        (text(key, "name"), &me["project"]["id"]),
        ("Dashboard", &person.session["project"]["id"])
    );
    let posted = client.post("/v1/jobs/generations", &job(&json!({}))).expect(202).json();
    let done = client.get(&format!("/v1/jobs/{}?wait=15", text(&posted, "id"))).expect(200).json();
    assert_eq!(done["status"], "succeeded");
    assert_eq!(account.look(&posted)["credits"], done["credits"]);
    let me = client.get("/v1/me").expect(200).json();
    let spent = &me["limits"]["project_credits"]["spent"];
    assert_eq!(spent, &done["credits"]["charged"]);
    // The key that pays is nobody's.
    let path = format!("/v1/api-keys/{}", text(key, "id"));
    assert_eq!(&account.client.get(&path).expect(200).json(), key);
    let listed = account.client.get("/v1/api-keys?limit=100").expect(200).text().to_owned();
    assert!(!listed.contains(text(key, "id")), "{listed}");
    refused(&account.client.delete(&path), 409, "CONFLICT");
    refused(&account.client.post(&format!("{path}/rotate"), &json!({})), 409, "CONFLICT");
    let path = format!("/admin/v1/keys/{}", text(key, "id"));
    refused(&server.operator().delete(&path), 409, "CONFLICT");
}

#[test]
fn no_member_makes_a_key_that_may_do_more() {
    let server = TestServer::start();
    let account = server.account();
    let key = |scope: &str| {
        let body = json!({"name": "made", "scopes": [scope]});
        let made = account.client.post("/v1/api-keys", &body).expect(201).json();
        format!("/v1/api-keys/{}", text(&made, "id"))
    };
    let (strong, weak) = (key("*"), key("jobs:write"));
    let admin = Person::member(&server, &account, "admin").client(&server);
    let body = json!({"name": "made", "scopes": ["*"]});
    refused(&admin.post("/v1/api-keys", &body), 403, "INSUFFICIENT_SCOPE");
    refused(&admin.post(&format!("{strong}/rotate"), &json!({})), 403, "INSUFFICIENT_SCOPE");
    // Whoever manages keys ends every key: one that leaked must end at once.
    admin.delete(&weak).expect(204);
    admin.delete(&strong).expect(204);
}

#[test]
fn a_test_project_is_a_place_to_act_in_too() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let person = Person::owner(&server, &account);
    let body = json!({"name": "tests", "environment": "test"});
    let client = person.client(&server);
    let project = client.post("/v1/projects", &body).expect(201).json();
    let tests = client.with_header("Skai-Project", text(&project, "id"));
    let session = tests.get(SESSION).expect(200).json();
    assert_eq!(text(&session["project"], "environment"), "test");
    assert_eq!(session["home_project_id"], person.session["project"]["id"]);
    let body = job(&json!({"model": "sandbox"}));
    let posted = tests.post("/v1/jobs/generations", &body).expect(202).json();
    let path = format!("/v1/jobs/{}?wait=15", text(&posted, "id"));
    assert_eq!(tests.get(&path).expect(200).json()["status"], "succeeded");
    refused(&client.get(&path), 404, "NOT_FOUND");
    // People manage members and keys from there as well: they are the account's.
    let users: Value = tests.get("/v1/users").expect(200).json();
    assert_eq!(users["data"].as_array().unwrap().len(), 1);
    tests.get("/v1/api-keys").expect(200);
}

#[test]
fn a_suspended_account_is_closed_to_its_people() {
    let server = TestServer::start();
    let account = server.account();
    let client = Person::owner(&server, &account).client(&server);
    client.get("/v1/jobs").expect(200);
    let path = format!("/admin/v1/accounts/{}", account.id);
    server.operator().patch(&path, &json!({"suspended": true})).expect(200);
    refused(&client.get("/v1/jobs"), 403, "ACCOUNT_SUSPENDED");
    let session = client.get(SESSION).expect(200).json();
    assert_eq!(session["account"]["suspended"], true);
    client.get(super::SESSIONS).expect(200);
    server.operator().patch(&path, &json!({"suspended": false})).expect(200);
    client.get("/v1/jobs").expect(200);
}
