//! Functions, scheduled tasks and schedules over a real socket: what is promised to those who use them.

mod agents;
mod attempts;
mod functions;
mod life;
mod nightly;
mod occurrences;
mod process;
mod rig;
mod schedules;
mod secrets;
mod universe;

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{ambient::Ambient, config::Config, domain::Timestamp};

use crate::support::{
    Answer, Provider, Receiver,
    client::Reply,
    eventually,
    server::{Account, TestServer},
};

const TASKS: &str = "/v1/scheduled-tasks";
const SCHEDULES: &str = "/v1/schedules";

/// A server, an account, and the account's own server.
struct World {
    server: TestServer,
    account: Account,
    receiver: Receiver,
    provider: Provider,
}

impl World {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (receiver, provider) = (Receiver::start(), Provider::start());
        let server = TestServer::builder().provider(&provider).config(change).start();
        Self { account: server.account(), server, receiver, provider }
    }

    /// The same world for another account.
    fn of(self, account: Account) -> Self {
        Self { account, ..self }
    }

    /// A function `f` that asks the account's server at `/f`; gives the secret that signs for it.
    fn function(&self) -> String {
        self.function_with(&json!({}))["secret"].as_str().unwrap().to_owned()
    }

    /// The same with `more` in it.
    fn function_with(&self, more: &Value) -> Value {
        let mut body = json!({"kind": "http", "url": self.receiver.url("/f")});
        add(&mut body, more);
        self.account.put("f", &body).expect(200).json()
    }

    /// From now on the account's server holds its answers until they are released.
    fn hold(&self) {
        self.receiver.always(Answer::new(200, "").held());
    }

    /// The account's server answers at once again, and lets go what it holds.
    fn let_go(&self) {
        self.receiver.always(Answer::new(200, ""));
        self.receiver.release();
    }
}

impl Account {
    fn put(&self, name: &str, body: &Value) -> Reply {
        self.client.put(&format!("/v1/functions/{name}"), body)
    }

    /// A task of the function `f`, with `more` in it.
    fn task(&self, more: &Value) -> Value {
        let mut body = json!({"function_name": "f"});
        add(&mut body, more);
        self.client.post(TASKS, &body).expect(201).json()
    }

    fn look_at_task(&self, task: &Value) -> Value {
        self.client.get(&task_path(task, "")).expect(200).json()
    }

    /// The task once it stands like this.
    fn wait_task(&self, task: &Value, status: &str) -> Value {
        eventually(&format!("the task is {status}"), || {
            Some(self.look_at_task(task)).filter(|task| task["status"] == status)
        })
    }

    /// Does `cancel` or `retry` with a task.
    fn do_with_task(&self, task: &Value, deed: &str) -> Reply {
        self.client.send("POST", &task_path(task, &format!("/{deed}")), &[], None)
    }

    /// A schedule of the function `f` that is not due soon, with `more` in it.
    fn schedule(&self, more: &Value) -> Value {
        self.try_schedule(more).expect(201).json()
    }

    fn try_schedule(&self, more: &Value) -> Reply {
        let mut body = json!({"name": "yearly", "cron": "@yearly", "function_name": "f"});
        add(&mut body, more);
        self.client.post(SCHEDULES, &body)
    }

    fn look_at_schedule(&self, schedule: &Value) -> Value {
        self.client.get(&schedule_path(schedule, "")).expect(200).json()
    }

    /// A task of the schedule, now.
    fn run_now(&self, schedule: &Value) -> Value {
        let reply = self.client.send("POST", &schedule_path(schedule, "/run"), &[], None);
        reply.expect(201).json()
    }

    /// What waits in `task.run.dlq`.
    fn dead_tasks(&self) -> Vec<Value> {
        self.list("/v1/dlq?queue=task.run.dlq")
    }
}

fn task_path(task: &Value, rest: &str) -> String {
    format!("{TASKS}/{}{rest}", task["id"].as_str().unwrap())
}

fn schedule_path(schedule: &Value, rest: &str) -> String {
    format!("{SCHEDULES}/{}{rest}", schedule["id"].as_str().unwrap())
}

/// Puts `more` into the body.
fn add(body: &mut Value, more: &Value) {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
}

/// So long from now.
fn ahead(time: Duration) -> Timestamp {
    Ambient::system().now().plus(time)
}

/// Refused as a bad request because of this member.
#[track_caller]
fn refused_for(reply: &Reply, param: &str) {
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (400, &json!("INVALID_REQUEST")), "{error}");
    assert_eq!(error["param"], param, "{error}");
}
