//! The process is killed while batches are accepted, run and are canceled: each is there whole or not at all, and
//! ends as it would have.

use std::{io, thread};

use serde_json::{Value, json};

use super::{
    Random, all,
    load::{World, answer_to, job},
    text,
};
use crate::{
    batches::BATCHES,
    support::{Client, LIMIT, client::Reply, program::Running},
};

const BATCH: usize = 400;

/// A batch whose jobs each have an answer of their own.
fn batch(name: &str) -> Value {
    let request = |n: usize| {
        let custom_id = format!("{name} {n}");
        let mut request = job(&custom_id);
        request["custom_id"] = json!(custom_id);
        request
    };
    json!({"requests": (0..BATCH).map(request).collect::<Vec<_>>()})
}

/// Rounds, each of which kills somewhat later than the one before.
const ROUNDS: usize = 8;

/// Sends a request and kills the server so many moments later; gives the answer, if there was one.
fn kill_during(
    world: &World,
    server: Running,
    moments: usize,
    send: impl FnOnce(&Client) -> io::Result<Reply> + Send,
) -> Option<Reply> {
    let (sender, other) = (world.client(&server), world.client(&server));
    // The key is verified once, which takes longer than all the rest.
    sender.get("/v1/me").expect(200);
    thread::scope(|scope| {
        let sending = scope.spawn(move || send(&sender));
        for _ in 0..moments {
            if sending.is_finished() {
                break;
            }
            other.get("/healthz").expect(200);
        }
        server.kill();
        sending.join().unwrap().ok()
    })
}

/// The batch once it has ended.
fn ended(client: &Client, id: &str) -> Value {
    let path = format!("{BATCHES}/{id}?wait=60");
    let batch = client.get(&path).expect(200).json();
    assert!(!batch["finished_at"].is_null(), "the batch does not end: {batch}");
    batch
}

#[test]
fn kills_leave_batches_whole() {
    let world = World::new("", "max_crashes = 100");
    let mut random = Random(0xBA7C);
    let mut accepted = Vec::new();
    for round in 0..ROUNDS {
        let name = &*format!("batch {round}");
        let (body, key) =
            (batch(name), [("Idempotency-Key", name), ("Content-Type", "application/json")]);
        let text_of_body = body.to_string();
        let answer = kill_during(&world, world.serve(), round * 60, |client| {
            client.try_send("POST", BATCHES, &key, Some(text_of_body.as_bytes()))
        });
        let server = world.serve();
        world.program.verify();
        let client = world.client(&server);
        let before = all(&client, BATCHES);
        let again = client.post_once(BATCHES, name, &body).expect(202);
        if let Some(answer) = answer {
            assert_eq!(answer.expect(202).body, again.body, "what was promised is there");
            assert_eq!(before.len(), accepted.len() + 1);
        }
        accepted.push(text(&again.json()["id"]).to_owned());
        assert_eq!(all(&client, BATCHES).len(), accepted.len());
        // Somewhere on its way.
        let calls = world.provider.received().len() + random.below(60);
        world.provider.wait_for(calls, LIMIT);
        server.kill();
        let server = world.serve();
        world.program.verify();
        drop(server);
    }
    for (round, id) in accepted.iter().enumerate() {
        let name = &*format!("canceled {round}");
        let server = world.serve();
        let client = world.client(&server);
        let canceled = client.post_once(BATCHES, name, &batch(name)).expect(202).json();
        let path = format!("{BATCHES}/{}/cancel", text(&canceled["id"]));
        kill_during(&world, server, round * 40, |client| client.try_send("POST", &path, &[], None));
        let server = world.serve();
        world.program.verify();
        let client = world.client(&server);
        let asked = client.get(&format!("{BATCHES}/{}", text(&canceled["id"]))).expect(200).json();
        if !["canceling", "canceled"].contains(&text(&asked["status"])) {
            // The kill came before the request.
            client.send("POST", &path, &[], None).expect(200);
        }
        let canceled = ended(&client, text(&canceled["id"]));
        assert_eq!(canceled["status"], "canceled", "{canceled}");
        assert!(canceled["counts"]["canceled"].as_u64() > Some(0), "{canceled}");
        let done = ended(&client, id);
        assert_eq!(done["status"], "completed");
        assert_eq!(done["counts"]["succeeded"], BATCH, "{done}");
        let results = all(&client, &format!("{BATCHES}/{id}/results"));
        assert_eq!(results.len(), BATCH);
        for result in results {
            assert_eq!(result["output_text"], answer_to(text(&result["custom_id"])));
        }
        world.program.verify();
    }
}
