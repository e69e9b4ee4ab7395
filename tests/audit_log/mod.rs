//! Every change of the configuration is told, once, with who made it and what it was before; and nothing secret is.

mod changes;
mod lists;
mod operator;
mod origins;
mod people;
mod work;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    Client,
    client::Reply,
    server::{Account, TestServer},
};

const LOG: &str = "/v1/audit-log";
const ALL: &str = "/admin/v1/audit-log";

/// A server whose changes are watched.
struct World {
    server: TestServer,
    account: Account,
    /// The id of the account's key.
    key: String,
    /// The operations that were done.
    done: BTreeSet<&'static str>,
    steps: u32,
}

/// Who does something.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Key,
    Operator,
}

impl World {
    fn new() -> Self {
        Self::of(
            TestServer::builder()
                .config(|config| {
                    config.stripe.webhook_secrets = crate::stripe::secrets();
                })
                .start(),
        )
    }

    fn of(server: TestServer) -> Self {
        let account = server.account();
        let key = account.client.get("/v1/me").expect(200).json()["key"]["id"].clone();
        let key = key.as_str().unwrap().to_owned();
        Self { server, account, key, done: BTreeSet::new(), steps: 0 }
    }

    fn client(&self, by: By) -> Client {
        match by {
            By::Key => self.account.client.clone(),
            By::Operator => self.server.operator(),
        }
    }

    /// Entries of all accounts, newest first.
    fn all(&self, query: &str) -> Vec<Value> {
        let list = self.server.operator().get(&format!("{ALL}?limit=100{query}")).expect(200);
        list.json()["data"].as_array().unwrap().clone()
    }

    /// The entries of a request, oldest first.
    fn of_request(&self, id: &str) -> Vec<Value> {
        let mut entries = self.all("");
        entries.retain(|entry| entry["request_id"] == id);
        entries.reverse();
        entries
    }

    /// Does it, and looks that it is told by these actions and no others; gives the answer and the entries.
    #[expect(clippy::needless_pass_by_value, reason = "a body is made for one step")]
    #[track_caller]
    fn step(
        &mut self,
        by: By,
        operation: &'static str,
        (method, path): (&str, &str),
        body: Option<Value>,
        actions: &[&str],
    ) -> (Value, Vec<Value>) {
        self.done.insert(operation);
        let (reply, entries) =
            self.ask(&self.client(by), operation, (method, path), body.as_ref(), actions);
        for entry in &entries {
            let (kind, id) = match by {
                By::Key => ("key", json!(self.key)),
                By::Operator => ("operator", Value::Null),
            };
            assert_eq!(
                (&entry["actor"]["kind"], &entry["actor"]["id"]),
                (&json!(kind), &id),
                "{entry}"
            );
        }
        let body = if reply.body.is_empty() { Value::Null } else { reply.json() };
        (body, entries)
    }

    /// Asks for it, and looks that it is told by these actions and no others, whoever did it.
    #[track_caller]
    fn ask(
        &mut self,
        client: &Client,
        operation: &str,
        (method, path): (&str, &str),
        body: Option<&Value>,
        actions: &[&str],
    ) -> (Reply, Vec<Value>) {
        let id = format!("step {} {operation}", self.steps);
        self.steps += 1;
        let reply = send(client, method, path, &[("X-Request-Id", &id)], body);
        assert!((200..300).contains(&reply.status), "{operation}: {}", reply.text());
        let entries = self.of_request(&id);
        let told: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
        assert_eq!(told, actions, "{operation}");
        for entry in &entries {
            assert_eq!(entry["address"], "127.0.0.1");
            assert_eq!(entry["object"], "audit_entry");
        }
        (reply, entries)
    }
}

fn send(
    client: &Client,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Reply {
    match body {
        Some(body) => client.send_json(method, path, headers, body),
        None => client.send(method, path, headers, None),
    }
}

/// What an entry tells of the change.
#[track_caller]
fn change(entry: &Value) -> (&Value, &Value) {
    (&entry["before"], &entry["after"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
