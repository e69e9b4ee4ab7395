//! End users: their daily caps at every door, day by day, and what is shown of them.

mod days;
mod doors;
mod figures;
mod model;

use serde_json::{Value, json};
use skai_server::{
    ambient::Ambient,
    app::{
        accounts::{self, AccountChange},
        end_users::{self, EndUserPatch, EndUserView},
        jobs::Outcome,
    },
    config::Config,
    domain::Result,
    store::AccountScope,
};

use crate::support::{
    client::Reply,
    deeds::{Deeds, success},
    provider::USAGE,
    server::{Account, TestServer},
};

/// Tokens that the smallest prompt, of one message `hi`, has at most.
const PROMPT: u64 = 82;
/// Tokens that the provider of the tests counts for each completion.
const USED: u64 = USAGE.0 + USAGE.1;

/// What a configuration says of days: it is about noon, so that no test meets the end of one. Gives the hour of UTC at
/// which it ends. By the clock of UTC it is the same date.
fn at_noon(config: &mut Config) -> i64 {
    let hour = Ambient::system().now().seconds() / 3600 % 24;
    // Etc/GMT-5 is five hours ahead of UTC.
    config.end_users.timezone = format!("Etc/GMT{:+}", hour - 12).parse().unwrap();
    (hour + 12) % 24
}

/// What the account is told of an end user.
#[track_caller]
fn look(account: &Account, user: &str) -> Value {
    account.client.get(&format!("/v1/end-users/{user}")).expect(200).json()
}

/// Gives an end user a cap of its own, or takes it.
#[track_caller]
fn set_cap(account: &Account, user: &str, cap: &Value) -> Value {
    let path = format!("/v1/end-users/{user}");
    account.client.patch(&path, &json!({"daily_token_cap": cap})).expect(200).json()
}

/// Changes what the operator says of the account.
#[track_caller]
fn set(server: &TestServer, account: &Account, change: &Value) -> Value {
    let path = format!("/admin/v1/accounts/{}", account.id);
    server.operator().patch(&path, change).expect(200).json()
}

/// The 429 of a cap, in this API's words; gives its message.
#[track_caller]
fn capped(reply: Reply) -> String {
    let reply = reply.expect(429);
    let body = reply.json();
    let error = &body["error"];
    let said = [&error["type"], &error["code"]];
    assert_eq!(said, [&json!("rate_limit_error"), &json!("DAILY_TOKEN_CAP")], "{body}");
    assert!(error["param"].as_str().unwrap().ends_with("user"), "{body}");
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=90_000).contains(&wait), "{wait}");
    error["message"].as_str().unwrap().to_owned()
}

/// Changes an account without a server.
fn change(deeds: &Deeds, scope: AccountScope, change: &Value) {
    let change: AccountChange = serde_json::from_str(&change.to_string()).unwrap();
    accounts::update(&deeds.app, scope.account_id(), change).wait().unwrap();
}

/// What is known of an end user, without a server.
fn view(deeds: &Deeds, scope: AccountScope, user: &str) -> Result<EndUserView> {
    end_users::get(&deeds.app, scope, user)
}

/// Gives an end user a cap of its own, or takes it, without a server.
fn cap(deeds: &Deeds, scope: AccountScope, user: &str, cap: Option<u64>) {
    let patch = EndUserPatch { daily_token_cap: Some(cap) };
    end_users::update(&deeds.app, scope, user.to_owned(), patch).wait().unwrap();
}

/// Success with so many tokens, each of which costs a microcredit.
fn used(tokens: u32) -> Outcome {
    success(tokens.into())
}

/// Runs a job of this end user that uses so many tokens.
fn run(deeds: &Deeds, scope: AccountScope, user: &str, tokens: u32) {
    let job = deeds.submit(scope, &json!({ "user": user })).unwrap();
    let (claimed, job) = deeds.begin(job.seq, 7);
    assert!(deeds.finish(&claimed, job, used(tokens)));
}
