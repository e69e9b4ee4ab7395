//! What the operator sees of the test environment and does with it.

use serde_json::{Value, json};

use super::{Rig, TEST_CREDITS};
use crate::{
    api::conventions::refused,
    support::server::{CREDITS, TestServer},
};

fn account(server: &TestServer, id: &str) -> Value {
    server.operator().get(&format!("/admin/v1/accounts/{id}")).expect(200).json()
}

#[test]
fn an_account_is_one_and_shows_both_balances() {
    let rig = Rig::start();
    assert_eq!(rig.server.account_count(), 1);
    let shown = account(&rig.server, &rig.live.id);
    assert_eq!(shown["balance"]["available"], CREDITS);
    assert_eq!(shown["test_balance"]["available"], TEST_CREDITS);
    let other = rig.server.account();
    assert_eq!(account(&rig.server, &other.id)["test_balance"], Value::Null);
    let path = format!("/admin/v1/accounts/{}", rig.live.id);
    rig.server.operator().patch(&path, &json!({"name": "renamed"})).expect(200);
    for account in [&rig.live, &rig.test] {
        let me = account.client.get("/v1/me").expect(200).json();
        assert_eq!(me["account"]["name"], "renamed");
    }
}

#[test]
fn the_operator_gives_and_takes_test_credits() {
    let rig = Rig::start();
    let operator = rig.server.operator();
    let path = |what: &str| format!("/admin/v1/accounts/{}/credits/{what}", rig.live.id);
    let body = json!({"amount": 20, "environment": "test"});
    for _ in 0..2 {
        operator.post_once(&path("grants"), "once", &body).expect(201);
    }
    let after = operator.post(&path("adjust"), &json!({"amount": -5, "environment": "test"}));
    assert_eq!(after.expect(201).json()["available"], TEST_CREDITS + 15);
    assert_eq!(rig.test.balance(), (json!(TEST_CREDITS + 15), json!(0)));
    assert_eq!(rig.live.balance(), (json!(CREDITS), json!(0)));
    operator.post(&path("grants"), &json!({"amount": 1, "environment": "live"})).expect(201);
    assert_eq!(rig.live.balance(), (json!(CREDITS + 1), json!(0)));
    let reply = operator.post(&path("grants"), &json!({"amount": 1, "environment": "none"}));
    assert_eq!(refused(&reply, 400, "INVALID_REQUEST")["param"], "environment");
}

#[test]
fn test_credits_need_a_test_project() {
    let server = TestServer::start();
    let account = server.account();
    for what in ["grants", "adjust"] {
        let path = format!("/admin/v1/accounts/{}/credits/{what}", account.id);
        let reply = server.operator().post(&path, &json!({"amount": 1, "environment": "test"}));
        let error = refused(&reply, 404, "NOT_FOUND");
        assert_eq!(error["param"], "environment");
        assert!(error["message"].as_str().unwrap().contains("POST /v1/projects"), "{error}");
    }
}
