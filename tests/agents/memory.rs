//! Agents that are run from memory: what changes them holds for the very next request, and elsewhere soon.

use serde_json::{Value, json};

use super::{agent, set_up, version};
use crate::support::{
    eventually,
    server::{Account, TestServer},
};

const RUNS: &str = "/v1/agents/greeter/runs";

fn input() -> Value {
    json!({"input": {"name": "ada"}})
}

fn run(account: &Account, body: &Value) -> Value {
    account.client.post(RUNS, body).expect(202).json()["agent"]["version"].clone()
}

/// A server whose agent is in memory, as the active version and by its number.
fn warm() -> (TestServer, Account) {
    let (server, account, _provider) = set_up();
    server.set_paused("generation.create", true);
    account.make_agent(&json!({}));
    let numbered = json!({"input": {"name": "ada"}, "version": 1});
    for body in [input(), numbered.clone(), input(), numbered] {
        assert_eq!(run(&account, &body), 1);
    }
    assert_eq!(server.cache_uses("agents"), (2, 2));
    (server, account)
}

#[test]
fn what_was_answered_holds_for_the_next_run() {
    let (server, account) = warm();
    for n in 2..=20 {
        let made = account.client.post("/v1/agents/greeter/versions", &version(&json!({})));
        assert_eq!(made.expect(201).json()["version"], n);
        assert_eq!(run(&account, &input()), n);
        let back = json!({"version": n - 1});
        account.client.post("/v1/agents/greeter/activate", &back).expect(200);
        assert_eq!(run(&account, &input()), n - 1);
    }
    let idle = version(&json!({"activate": false}));
    account.client.post("/v1/agents/greeter/versions", &idle).expect(201);
    assert_eq!(run(&account, &input()), 19);
    // A change of another agent, or of another account's of the same name, costs this one nothing.
    let before = server.cache_uses("agents");
    account.client.post("/v1/agents", &agent(&json!({"name": "other"}))).expect(201);
    account.client.delete("/v1/agents/other").expect(204);
    let stranger = server.account();
    stranger.make_agent(&json!({}));
    stranger.client.delete("/v1/agents/greeter").expect(204);
    assert_eq!(run(&account, &input()), 19);
    assert_eq!(server.cache_uses("agents"), (before.0 + 1, before.1));
}

#[test]
fn an_archived_agent_is_refused_at_once_and_what_was_accepted_is_repeated() {
    let (_server, account) = warm();
    let keyed = |key: &str| account.client.post_once(RUNS, key, &input());
    let first = keyed("before").expect(202).json();
    account.client.delete("/v1/agents/greeter").expect(204);
    let numbered = json!({"input": {"name": "ada"}, "version": 1});
    for body in [input(), numbered] {
        assert_eq!(
            account.client.post(RUNS, &body).expect(409).json()["error"]["code"],
            "CONFLICT"
        );
    }
    let chat = json!({
        "model": "agent:greeter", "messages": [{"role": "user", "content": "{\"name\": \"ada\"}"}],
    });
    let refused = account.client.post("/v1/chat/completions", &chat);
    assert_eq!(refused.status, 404, "{}", refused.text());
    assert_eq!(keyed("before").expect(202).json(), first);
    assert_eq!(keyed("after").expect(409).json()["error"]["code"], "CONFLICT");
}

#[test]
fn what_another_process_changes_is_seen_soon() {
    let (server, account) = warm();
    account.client.post("/v1/agents/greeter/versions", &version(&json!({}))).expect(201);
    assert_eq!(run(&account, &input()), 2);
    server.outside().execute("update agent set active_version = 1", []).unwrap();
    eventually("the version that was activated elsewhere", || {
        (run(&account, &input()) == 1).then_some(())
    });
}

#[test]
fn accounts_with_agents_of_one_name_run_their_own() {
    let (server, account) = warm();
    let other = server.account();
    assert_eq!(other.client.post(RUNS, &input()).expect(404).json()["error"]["code"], "NOT_FOUND");
    let prompt = json!([{"role": "user", "content": "Other {{ input.name }}"}]);
    other.make_agent(&json!({"messages": prompt}));
    let job = other.client.post(RUNS, &input()).expect(202).json();
    assert_eq!(other.look(&job)["messages"][0]["content"], "Other ada");
    let job = account.client.post(RUNS, &input()).expect(202).json();
    assert_eq!(account.look(&job)["messages"][1]["content"], "Greet Ada.");
}
