//! Clients that leave, calls that are canceled, and jobs that are tried again.

use std::time::Duration;

use serde_json::{Value, json};

use super::rig::{CHAT, Rig, begins, done, ends, error_of, events, rest, says, streamed, usage};
use crate::support::{
    Answer, LIMIT, Piece,
    provider::{TEXT, completion, error},
    server::{COST, job},
};

/// Pieces, and then silence.
fn silent_after(pieces: impl IntoIterator<Item = Piece>) -> Answer {
    streamed(pieces.into_iter().chain([Piece::Hold]))
}

/// The job, which the provider did not count and whose client left.
#[track_caller]
fn assert_cut_short(rig: &Rig, text: &str) {
    rig.provider.wait_for_in_flight(0);
    let job = rig.job();
    assert_eq!((&job["status"], &job["output_text"]), (&json!("succeeded"), &json!(text)));
    assert_eq!(job["usage"]["estimated"], true);
    let tokens = |name: &str| job["usage"][name].as_u64().unwrap();
    rig.assert_charged(&job, tokens("prompt_tokens") + 2 * tokens("completion_tokens"));
    let end = rig.end_of(&job);
    assert_eq!(
        (&end["data"]["cut_short"], &end["data"]["estimated"]),
        (&json!(true), &json!(true))
    );
}

#[test]
fn a_client_that_leaves_while_the_provider_is_silent_pays_for_what_it_got() {
    let rig = Rig::start();
    rig.provider.always(silent_after([begins(), says("One, "), says("two")]));
    let mut stream = rig.stream(&json!({}));
    stream.read_until("two");
    drop(stream);
    assert_cut_short(&rig, "One, two");
}

#[test]
fn a_client_that_leaves_a_stream_that_never_ends_ends_it() {
    let rig = Rig::start();
    let Piece::Send(piece) = says("x") else { unreachable!() };
    let endless = Answer::endless(piece, Duration::from_millis(2));
    rig.provider.always(endless.header("content-type", "text/event-stream"));
    let mut stream = rig.stream(&json!({}));
    stream.read_until("\"x\"");
    drop(stream);
    rig.provider.wait_for_in_flight(0);
    let job = rig.job();
    assert_eq!((&job["status"], &job["usage"]["estimated"]), (&json!("succeeded"), &json!(true)));
    assert_eq!(rig.end_of(&job)["data"]["cut_short"], true);
}

#[test]
fn what_the_provider_counted_before_the_client_left_is_charged() {
    let rig = Rig::start();
    rig.provider.always(silent_after([begins(), usage(10, 5), says("One")]));
    let mut stream = rig.stream(&json!({}));
    stream.read_until("One");
    drop(stream);
    rig.provider.wait_for_in_flight(0);
    let job = rig.job();
    assert!(job["status"] == "succeeded" && job["usage"]["estimated"] != true, "{job}");
    rig.assert_charged(&job, COST);
    assert_eq!(rig.end_of(&job)["data"]["cut_short"], true);
}

/// The client is gone before there was anything to pay for.
#[track_caller]
fn assert_left(rig: &Rig) {
    rig.provider.wait_for_in_flight(0);
    let job = rig.job();
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("canceled"), &json!("CANCELED")));
    rig.assert_charged(&job, 0);
}

#[test]
fn a_client_that_leaves_before_the_first_piece_pays_nothing() {
    for answer in [silent_after([]), Answer::new(200, "").held()] {
        let rig = Rig::start();
        rig.provider.always(answer);
        let body = job(&json!({"stream": true}));
        let connection = rig.account.client.begin_post(CHAT, &[], &body);
        rig.provider.wait_for_in_flight(1);
        drop(connection);
        assert_left(&rig);
    }
}

#[test]
fn nor_does_one_whose_answer_began_without_a_piece() {
    let rig = Rig::with(|config| config.http.keep_alive = Duration::from_millis(10));
    rig.provider.always(silent_after([]));
    let mut stream = rig.stream(&json!({}));
    stream.read_until(": keep-alive");
    drop(stream);
    assert_left(&rig);
}

#[test]
fn a_whole_answer_is_waited_for_though_its_client_left() {
    let rig = Rig::start();
    rig.provider.always(completion(TEXT).held());
    let key = [("Idempotency-Key", "k")];
    let connection = rig.account.client.begin_post(CHAT, &key, &job(&json!({})));
    rig.provider.wait_for_in_flight(1);
    drop(connection);
    rig.provider.release();
    let job = rig.job();
    assert_eq!(job["status"], "succeeded");
    rig.assert_charged(&job, COST);
    let reply = rig.ask_once("k", &json!({})).expect(200);
    assert_eq!(reply.header("idempotent-replayed"), Some("true"));
    assert_eq!(reply.json()["choices"][0]["message"]["content"], TEXT);
    assert_eq!(rig.provider.received().len(), 1);
}

#[test]
fn canceling_the_job_ends_the_call() {
    let rig = Rig::start();
    rig.provider.always(completion(TEXT).held());
    let key = [("Idempotency-Key", "k")];
    let mut waiting = rig.account.client.begin_post(CHAT, &key, &job(&json!({})));
    rig.provider.wait_for_in_flight(1);
    let running = rig.accepted();
    assert_eq!(running["status"], "running");
    rig.account.deed(&running, "cancel").expect(200);
    rig.provider.wait_for_in_flight(0);
    let reply = waiting.read_reply(true).unwrap().expect(409);
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    error_of(&reply.json(), "conflict");
    let job = rig.job();
    assert_eq!(job["status"], "canceled");
    rig.assert_charged(&job, 0);
    // Its key is free again.
    rig.provider.say(TEXT);
    rig.ask_once("k", &json!({})).expect(200);
}

#[test]
fn canceling_a_stream_ends_it_and_what_was_sent_is_paid_for() {
    let rig = Rig::start();
    rig.provider.always(silent_after([begins(), says("One")]));
    let mut stream = rig.stream(&json!({}));
    stream.read_until("One");
    let running = rig.accepted();
    rig.account.deed(&running, "cancel").expect(200);
    rig.provider.wait_for_in_flight(0);
    let text = rest(&mut stream);
    assert!(!text.contains("[DONE]"), "{text}");
    error_of(events(&text).last().unwrap(), "conflict");
    assert_cut_short(&rig, "One");
}

#[test]
fn a_stream_that_is_canceled_again_and_again_is_paid_for() {
    for _ in 0..10 {
        let rig = Rig::start();
        rig.provider.always(silent_after([begins(), says("One")]));
        let mut stream = rig.stream(&json!({}));
        stream.read_until("One");
        let running = rig.accepted();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let account = rig.account.at(&rig.server);
                let running = &running;
                scope.spawn(move || {
                    let again = |_: &u32| account.deed(running, "cancel").status == 200;
                    assert_ne!((0..1_000).take_while(again).count(), 1_000, "it never ends");
                });
            }
        });
        assert_cut_short(&rig, "One");
    }
}

/// Fails the call, and lets the job wait for its turn like any other.
fn retried(rig: &Rig, more: &Value, answer: Answer) -> Value {
    rig.provider.queue(error(500, "oops"));
    rig.ask(more).expect(502);
    let failed = rig.job();
    assert_eq!(failed["status"], "failed");
    rig.provider.always(answer);
    rig.account.deed(&failed, "retry").expect(202);
    rig.job()
}

#[test]
fn a_failed_call_is_retried_by_the_queue_as_it_was_asked() {
    let rig = Rig::start();
    let more = json!({
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
                "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "content": "a duck", "tool_call_id": "c"},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "stop": "x", "seed": 1, "reasoning_effort": "low", "max_completion_tokens": 9,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n",
            "schema": {"type": "object"}}},
    });
    let job = retried(&rig, &more, completion("{}"));
    assert_eq!((&job["status"], &job["output"]), (&json!("succeeded"), &json!({})), "{job}");
    let asked = rig.provider.wait_for(2, LIMIT);
    assert_eq!(asked[0].json(), asked[1].json());
    assert_eq!(job["credits"]["charged"].as_u64(), Some(COST));
    assert_eq!(rig.account.story(&job), ["started", "failed", "queued", "started", "succeeded"]);
}

#[test]
fn a_stream_that_was_canceled_before_it_began_is_retried_whole() {
    let rig = Rig::start();
    rig.provider.queue(silent_after([]));
    let mut waiting = rig.account.client.begin_post(CHAT, &[], &job(&json!({"stream": true})));
    rig.provider.wait_for_in_flight(1);
    let running = rig.accepted();
    rig.account.deed(&running, "cancel").expect(200);
    waiting.read_reply(true).unwrap().expect(409);
    rig.assert_charged(&rig.job(), 0);
    rig.account.deed(&running, "retry").expect(202);
    let job = rig.job();
    assert_eq!((&job["status"], &job["output_text"]), (&json!("succeeded"), &json!(TEXT)));
    assert!(rig.provider.received()[1].json().get("stream").is_none());
}

#[test]
fn a_provider_that_says_nothing_more_is_given_up() {
    let rig = Rig::start();
    rig.provider.always(silent_after([begins(), says("One")]));
    let mut stream = rig.stream(&json!({"timeout_ms": 100}));
    let text = rest(&mut stream);
    error_of(events(&text).last().unwrap(), "timeout");
    rig.provider.wait_for_in_flight(0);
    rig.assert_charged(&rig.job(), 0);
}

#[test]
fn the_next_call_is_not_harmed_by_one_that_was_cut() {
    let rig = Rig::start();
    for _ in 0..3 {
        rig.provider.queue(silent_after([begins(), says("One")]));
        let mut stream = rig.stream(&json!({}));
        stream.read_until("One");
        drop(stream);
        rig.provider.queue(streamed([begins(), says("Two"), ends("stop"), usage(10, 5), done()]));
        assert!(rest(&mut rig.stream(&json!({}))).contains("[DONE]"));
        rig.ask(&json!({})).expect(200);
    }
    rig.provider.wait_for_in_flight(0);
}
