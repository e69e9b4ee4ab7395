//! Scheduled tasks, when the process is killed while they run.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{COST, Random, all, answer_to, load::World, text};
use crate::support::{Answer, Client, LIMIT, eventually, receiver};

const KILLS: usize = 10;
/// Long enough that every kill meets tasks at work.
const CALL: Duration = Duration::from_millis(20);

/// The functions and the schedule of the tests; gives the secret of `ask` and the schedule's id.
fn prepare(world: &World, client: &Client) -> (String, String) {
    world.receiver.answer_with(|_| Answer::new(200, r#"{"ok":true}"#).delay(CALL));
    let ask = json!({"kind": "http", "url": world.receiver.url("/ask")});
    let secret = client.put("/v1/functions/ask", &ask).expect(200).json();
    let chain = json!({"kind": "http", "url": world.receiver.url("/chain")});
    client.put("/v1/functions/chain", &chain).expect(200);
    let prompt = json!([{"role": "user", "content": "{{ input.n }}"}]);
    let agent = json!({"name": "writer", "model": "test", "messages": prompt, "max_tokens": 5});
    client.post("/v1/agents", &agent).expect(201);
    let run = json!({"kind": "agent", "agent": "writer"});
    client.put("/v1/functions/write", &run).expect(200);
    let schedule = json!({"name": "chain", "cron": "@yearly", "function_name": "chain",
        "overlap": "queue"});
    let schedule = client.post("/v1/schedules", &schedule).expect(201).json();
    (text(&secret["secret"]).to_owned(), text(&schedule["id"]).to_owned())
}

/// Asks for some tasks of each kind; gives their ids.
fn ask(client: &Client, schedule: &str, round: usize) -> Vec<String> {
    let mut tasks = Vec::new();
    let mut post = |path: &str, body: &Value| {
        let task = client.post(path, body).expect(201).json();
        tasks.push(text(&task["id"]).to_owned());
    };
    for n in 0..12 {
        let payload = json!({"n": format!("{round}.{n}")});
        let function = if n % 3 == 0 { "write" } else { "ask" };
        post("/v1/scheduled-tasks", &json!({"function_name": function, "payload": payload}));
    }
    for _ in 0..3 {
        post(&format!("/v1/schedules/{schedule}/run"), &json!({}));
    }
    tasks
}

fn of(client: &Client, function: &str) -> Vec<Value> {
    all(client, &format!("/v1/scheduled-tasks?function_name={function}"))
}

#[test]
fn kills_lose_no_task_and_record_none_twice() {
    let world = World::new("", "max_crashes = 100");
    let mut server = world.serve();
    let (secret, schedule) = prepare(&world, &world.client(&server));
    let (mut asked, mut random) = (Vec::new(), Random(0x7A5C));
    for round in 0..KILLS {
        let before = world.receiver.received().len();
        asked.append(&mut ask(&world.client(&server), &schedule, round));
        world.receiver.wait_for(before + 1 + random.below(10), LIMIT);
        server.kill();
        server = world.serve();
    }
    let client = world.client(&server);
    for status in ["pending", "running"] {
        eventually("all tasks are over", || {
            all(&client, &format!("/v1/scheduled-tasks?status={status}")).is_empty().then_some(())
        });
    }
    let mut tasks = BTreeMap::new();
    for function in ["ask", "write", "chain"] {
        for task in of(&client, function) {
            assert_eq!(task["status"], "completed", "{task}");
            tasks.insert(text(&task["id"]).to_owned(), task);
        }
    }
    assert!(tasks.keys().eq(&asked.iter().cloned().collect::<std::collections::BTreeSet<_>>()));
    let crashed = tasks.values().filter(|task| task["attempts"].as_u64() > Some(1)).count();
    assert!(crashed > 0, "no kill met a task");
    prove_requests(&world, &client, &secret);
    prove_runs(&world, &client);
    prove_chain(&of(&client, "chain"));
    assert_eq!(all(&client, "/v1/dlq"), Vec::<Value>::new());
}

/// Each task arrived, signed, under its own id.
fn prove_requests(world: &World, client: &Client, secret: &str) {
    let mut arrived: BTreeMap<String, Value> = BTreeMap::new();
    for request in world.receiver.received() {
        if request.path == "/ask" {
            receiver::verify(&request, secret).unwrap();
            let task = request.json();
            assert_eq!(request.header("webhook-id"), task["id"].as_str());
            arrived.insert(text(&task["id"]).to_owned(), task["payload"].clone());
        }
    }
    let known = of(client, "ask");
    assert_eq!(known.len(), arrived.len());
    for task in known {
        assert_eq!(arrived.get(text(&task["id"])), Some(&task["payload"]));
        assert_eq!(task["result"], json!({"status_code": 200, "body": {"ok": true}}));
    }
}

/// Each run of the agent is one job, which was charged once.
fn prove_runs(world: &World, client: &Client) {
    let (runs, jobs) = (of(client, "write"), all(client, "/v1/jobs"));
    assert_eq!(runs.len(), jobs.len());
    for run in runs {
        let job = jobs.iter().find(|job| job["id"] == run["job_id"]).expect("its job is there");
        assert_eq!(job["output_text"], answer_to(text(&run["payload"]["n"])));
        assert_eq!(job["credits"]["charged"].as_f64(), Some(COST), "{job}");
        assert_eq!(run["result"], json!({"job_id": job["id"], "status": "succeeded"}));
    }
    world.program.verify();
}

/// The tasks of a schedule that queues them ran one after the other.
fn prove_chain(tasks: &[Value]) {
    assert_eq!(tasks.len(), 3 * KILLS);
    // Newest first.
    for two in tasks.windows(2) {
        assert!(text(&two[1]["finished_at"]) <= text(&two[0]["started_at"]), "{two:?}");
    }
}
