//! Calls whose clients wait, when the process is killed or told to stop.

use std::thread;

use serde_json::{Value, json};

use super::{
    COST, all, ended,
    load::{World, answer_to},
    text,
};
use crate::support::{
    Answer, Client, Piece,
    client::Connection,
    program::Running,
    provider::{DONE, completion, ends, events, says, streamed},
};

const CHAT: &str = "/v1/chat/completions";

fn question(stream: bool) -> Value {
    json!({"model": "test", "messages": [{"role": "user", "content": "It"}], "max_tokens": 5,
        "stream": stream})
}

fn begin(client: &Client, stream: bool) -> Connection {
    client.begin_post(CHAT, &[("Idempotency-Key", "once")], &question(stream))
}

/// The only job, once it is on disk. The provider may be asked a moment before.
fn only_job(client: &Client) -> Value {
    loop {
        if let Some(job) = all(client, "/v1/jobs").pop() {
            return job;
        }
    }
}

/// After a crash the job has failed for nothing, nobody asked again, and its key is free.
fn prove_lost(world: &World, server: &Running, job: &Value) {
    let client = world.client(server);
    let job = ended(&client, text(&job["id"]));
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("SERVER_ERROR")));
    assert_eq!(job["credits"]["charged"].as_f64(), Some(0.0));
    let balance = client.get("/v1/credits/balance").expect(200).json();
    assert_eq!(balance["available"].as_f64(), Some(super::CREDITS));
    assert_eq!(balance["reserved"].as_f64(), Some(0.0));
    assert_eq!(all(&client, "/v1/dlq"), Vec::<Value>::new());
    world.program.verify();
    assert_eq!(world.provider.received().len(), 1, "it was run again");

    world.provider.say(&answer_to("It"));
    let again = client.post_once(CHAT, "once", &question(false)).expect(200);
    assert_eq!(again.header("idempotent-replayed"), None);
    assert_eq!(again.json()["choices"][0]["message"]["content"], answer_to("It"));
    let balance = client.get("/v1/credits/balance").expect(200).json();
    assert_eq!(balance["available"].as_f64(), Some(super::CREDITS - COST));
    world.program.verify();
}

#[test]
fn a_call_that_meets_a_kill_has_failed_and_costs_nothing() {
    let world = World::new("", "");
    let server = world.serve();
    world.provider.always(Answer::new(200, "").held());
    let client = world.client(&server);
    let mut connection = begin(&client, false);
    world.provider.wait_for_in_flight(1);
    let job = only_job(&client);
    server.kill();
    assert!(connection.read_reply(true).is_err(), "nobody is told of an answer");
    prove_lost(&world, &world.serve(), &job);
}

#[test]
fn so_has_a_stream() {
    let world = World::new("", "");
    let server = world.serve();
    world.provider.always(two_halves());
    let client = world.client(&server);
    let mut stream = client.post_stream(CHAT, &question(true));
    stream.read_until("Half");
    let job = only_job(&client);
    server.kill();
    drop(stream);
    prove_lost(&world, &world.serve(), &job);
}

/// The server says so to whoever looks whether it is ready. A connection that it has used it may close at
/// any moment, so each look needs its own.
fn wait_for_drain(client: &Client) {
    while client.clone().get("/readyz").status != 503 {
        thread::yield_now();
    }
}

#[test]
fn a_signal_lets_calls_end() {
    for stream in [false, true] {
        let world = World::new("", "");
        let server = world.serve();
        world.provider.always(if stream { two_halves() } else { completion("Whole").held() });
        let client = world.client(&server);
        let mut connection = begin(&client, stream);
        world.provider.wait_for_in_flight(1);
        server.signal("TERM");
        wait_for_drain(&client);
        client.clone().post(CHAT, &question(stream)).expect(503);
        world.provider.release();
        let reply = connection.read_reply(true).unwrap().expect(200);
        assert!(reply.text().contains("Whole") && (!stream || reply.text().contains("[DONE]")));
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log:?}");
        assert!(!world.program.data_dir().join("skai.db-wal").exists(), "the log was not folded");

        let server = world.serve();
        let job = only_job(&world.client(&server));
        assert_eq!(job["status"], "succeeded");
        assert_eq!(world.provider.received().len(), 1);
        world.program.verify();
    }
}

fn two_halves() -> Answer {
    let rest = events([&says("Whole"), &ends("stop")]) + DONE;
    streamed([Piece::text(events([&says("Half")])), Piece::Hold, Piece::text(rest)])
}

#[test]
fn a_call_whose_client_left_is_waited_for_too() {
    let world = World::new("", "");
    let server = world.serve();
    world.provider.always(completion(&answer_to("It")).held());
    let client = world.client(&server);
    let connection = begin(&client, false);
    world.provider.wait_for_in_flight(1);
    drop(connection);
    server.signal("TERM");
    // It says so, and waits.
    let drains =
        || client.try_send("GET", "/readyz", &[], None).map_or(true, |it| it.status == 503);
    while !drains() {
        thread::yield_now();
    }
    world.provider.release();
    assert_eq!(server.wait().0.code(), Some(0));

    let server = world.serve();
    let reply = world.client(&server).post_once(CHAT, "once", &question(false)).expect(200);
    assert_eq!(reply.header("idempotent-replayed"), Some("true"));
    assert_eq!(world.provider.received().len(), 1);
    world.program.verify();
}

#[test]
fn a_stream_that_outlasts_the_drain_costs_nothing_and_says_so() {
    let world = World::new("drain_timeout = \"100ms\"", "");
    let server = world.serve();
    world.provider.always(two_halves());
    let client = world.client(&server);
    let mut stream = client.post_stream(CHAT, &question(true));
    stream.read_until("Half");
    server.signal("TERM");
    stream.read_until("\"error\"");
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log:?}");
    let server = world.serve();
    let job = only_job(&world.client(&server));
    assert_eq!((&job["status"], &job["output_text"]), (&json!("failed"), &json!(null)));
    assert_eq!(job["credits"]["charged"], 0);
    world.program.verify();
}

#[test]
fn a_call_that_outlasts_the_drain_costs_nothing() {
    let world = World::new("drain_timeout = \"100ms\"", "");
    let server = world.serve();
    world.provider.always(Answer::new(200, "").held());
    let connection = begin(&world.client(&server), false);
    world.provider.wait_for_in_flight(1);
    server.signal("TERM");
    assert_eq!(server.wait().0.code(), Some(0));
    assert!(!world.program.data_dir().join("skai.db-wal").exists(), "the log was not folded");
    drop(connection);
    let server = world.serve();
    let job = only_job(&world.client(&server));
    prove_lost(&world, &server, &job);
}
