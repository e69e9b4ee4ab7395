//! `credits.low`: told when an account falls below its mark, and not again before it was above it.

use serde_json::{Value, json};

use crate::support::{
    Provider, Receiver,
    server::{Account, COST, TestServer},
};

fn mark(server: &TestServer, account: &Account, mark: &Value) {
    let path = format!("/admin/v1/accounts/{}", account.id);
    let change = json!({"credits_low_mark": mark});
    assert_eq!(
        server.operator().patch(&path, &change).expect(200).json()["credits_low_mark"],
        *mark
    );
}

#[test]
fn endpoints_are_told_when_an_account_falls_below_its_mark() {
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account_with(&json!(20 * COST));
    account.endpoint(&receiver, "/low", &json!({"events": ["credits.low"]}));
    // Exactly at the mark is not below it, and what is set aside still counts.
    mark(&server, &account, &json!(19 * COST));
    account.run_job(&json!({"max_tokens": 1}));
    account.run_job(&json!({"max_tokens": 1}));
    let told = receiver.wait_for_deliveries(1)[0].json();
    assert_eq!(told["type"], "credits.low");
    let expected = json!({
        "account_id": account.id, "available": 18 * COST, "reserved": 0, "mark": 19 * COST,
    });
    assert_eq!(told["data"], expected);
    // It stays below: nothing more. Above again: once more.
    account.run_job(&json!({"max_tokens": 1}));
    let path = format!("/admin/v1/accounts/{}/credits/grants", account.id);
    server.operator().post(&path, &json!({"amount": 10 * COST})).expect(201);
    let adjust = format!("/admin/v1/accounts/{}/credits/adjust", account.id);
    let down = -i64::try_from(9 * COST).unwrap();
    server.operator().post(&adjust, &json!({"amount": down})).expect(201);
    let told = receiver.wait_for_deliveries(2)[1].json();
    assert_eq!(told["data"]["available"], 18 * COST);
}

#[test]
fn a_mark_is_nothing_below_zero() {
    let server = TestServer::start();
    let account = server.account();
    let path = format!("/admin/v1/accounts/{}", account.id);
    for bad in [json!(-1), json!("x"), json!(0.000_000_1), json!([])] {
        let refused = server.operator().patch(&path, &json!({"credits_low_mark": bad}));
        assert_eq!(refused.expect(400).json()["error"]["param"], "credits_low_mark", "{bad}");
    }
    mark(&server, &account, &json!(0));
    mark(&server, &account, &Value::Null);
}
