//! Projects, the test environment that test projects bring, and what keys are limited to: over sockets, against
//! the whole server.

mod crud;
mod keys;
mod operator;
mod universe;
mod work;

use serde_json::{Value, json};

use crate::support::{
    Provider,
    server::{Account, TestServer},
};

const PROJECTS: &str = "/v1/projects";
const KEYS: &str = "/v1/api-keys";
/// What test keys have to spend at first.
const TEST_CREDITS: u64 = 5_000;

/// A server, an account with live credits, and the same account as its test key sees it.
struct Rig {
    server: TestServer,
    provider: Provider,
    live: Account,
    test: Account,
    /// The test project.
    project: Value,
}

impl Rig {
    fn start() -> Self {
        let provider = Provider::start();
        let server = TestServer::builder()
            .provider(&provider)
            .other_provider(&provider)
            .config(|config| {
                config.credits.test_credits = TEST_CREDITS.to_string().parse().unwrap();
            })
            .start();
        let live = server.account();
        let project = make(&live, &json!({"name": "tests", "environment": "test"}));
        let test = live.in_project(&server, &project);
        Self { server, provider, live, test, project }
    }
}

/// A new project.
#[track_caller]
fn make(account: &Account, body: &Value) -> Value {
    account.client.post(PROJECTS, body).expect(201).json()
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}
