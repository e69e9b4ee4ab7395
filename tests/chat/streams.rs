//! Answers in pieces.

use std::time::Duration;

use serde_json::{Value, json};

use super::rig::{
    DONE, Rig, begins, delta, done, ends, error_of, event, events, job_of, rest, says, streamed,
    usage,
};
use crate::support::{Answer, Piece, server::COST};

fn with_usage() -> Value {
    json!({"stream_options": {"include_usage": true}})
}

#[test]
fn chunks_have_the_form_that_clients_read() {
    let rig = Rig::start();
    rig.provider.always(streamed([
        begins(),
        says("Hé"),
        says("llo 😀"),
        ends("stop"),
        usage(10, 5),
        done(),
    ]));
    let mut stream = rig.stream(&json!({}));
    assert_eq!(stream.head.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert!(stream.head.header("x-request-id").is_some());
    let text = rest(&mut stream);
    assert!(text.ends_with(DONE), "{text}");
    let chunks = events(&text);
    assert_eq!(chunks.len(), 4);
    let fields = |chunk: &Value| chunk.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for chunk in &chunks {
        assert_eq!(fields(chunk), ["id", "object", "created", "model", "choices"]);
        assert_eq!((&chunk["id"], &chunk["created"]), (&chunks[0]["id"], &chunks[0]["created"]));
        assert_eq!(
            (&chunk["object"], &chunk["model"]),
            (&json!("chat.completion.chunk"), &json!("m"))
        );
        assert_eq!(chunk["choices"].as_array().unwrap().len(), 1);
        assert_eq!(chunk["choices"][0]["index"], 0);
    }
    let deltas: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(deltas[0]["role"], "assistant");
    assert_eq!((&deltas[1]["content"], &deltas[2]["content"]), (&json!("Hé"), &json!("llo 😀")));
    let reasons: Vec<_> =
        chunks.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
    assert_eq!(reasons, [&Value::Null, &Value::Null, &Value::Null, &json!("stop")]);

    let asked = rig.provider.received()[0].json();
    assert_eq!(
        (&asked["stream"], &asked["stream_options"]),
        (&json!(true), &with_usage()["stream_options"])
    );
    let job = rig.account.wait_job(&job_of(&chunks[0]));
    assert_eq!((&job["status"], &job["output_text"]), (&json!("succeeded"), &json!("Héllo 😀")));
    assert_eq!((&job["model"], &job["provider"]), (&json!("m"), &json!("test")));
    rig.assert_charged(&job, COST);
    assert_eq!(rig.account.story(&job), ["started", "succeeded"]);
}

#[test]
fn the_last_chunk_tells_the_tokens_to_who_wants_to_know() {
    let rig = Rig::start();
    rig.provider.always(streamed([begins(), says("Hi"), ends("stop"), usage(10, 5), done()]));
    let chunks = events(&rest(&mut rig.stream(&with_usage())));
    let (last, before) = chunks.split_last().unwrap();
    for chunk in before {
        assert_eq!(chunk.get("usage"), Some(&Value::Null), "{chunk}");
    }
    let told = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1}});
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &told));
    assert_eq!(last["id"], before[0]["id"]);
}

#[test]
fn tokens_that_the_provider_did_not_tell_are_estimated() {
    let rig = Rig::start();
    rig.provider.always(streamed([begins(), says("Hello there"), ends("stop"), done()]));
    let chunks = events(&rest(&mut rig.stream(&with_usage())));
    let told = &chunks.last().unwrap()["usage"];
    assert_eq!(told["estimated"], true);
    let job = rig.account.wait_job(&job_of(&chunks[0]));
    assert_eq!(
        (&job["usage"]["estimated"], &job["usage"]["total_tokens"]),
        (&json!(true), &told["total_tokens"])
    );
    let tokens = |name: &str| told[name].as_u64().unwrap();
    rig.assert_charged(&job, tokens("prompt_tokens") + 2 * tokens("completion_tokens"));
}

#[test]
fn calls_of_tools_and_probabilities_come_as_they_are() {
    let rig = Rig::start();
    let call = |arguments: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]});
    let first = json!({"tool_calls": [{"index": 0, "id": "c", "type": "function",
        "function": {"name": "f", "arguments": ""}}]});
    let likely =
        json!({"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]});
    let with_logprobs = event(&json!({"choices": [{"index": 0, "delta": {"content": "a"},
        "logprobs": likely, "finish_reason": null}]}));
    let pieces = [
        begins(),
        with_logprobs,
        delta(&first),
        delta(&call("{\"x\"")),
        delta(&call(":1}")),
        ends("tool_calls"),
        usage(10, 5),
        done(),
    ];
    rig.provider.always(streamed(pieces));
    let chunks = events(&rest(&mut rig.stream(&json!({}))));
    assert_eq!(chunks[1]["choices"][0]["logprobs"], likely);
    assert_eq!(chunks[2]["choices"][0]["delta"], first);
    assert_eq!(chunks[4]["choices"][0]["delta"], call(":1}"));
    assert_eq!(chunks[5]["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn another_model_streams_where_the_first_cannot() {
    let rig = Rig::start();
    rig.provider.always(crate::support::provider::error(503, "down"));
    rig.other.always(streamed([begins(), says("Hi"), ends("stop"), usage(10, 5), done()]));
    let chunks = events(&rest(&mut rig.stream(&json!({"fallback_models": ["second"]}))));
    let job = rig.account.wait_job(&job_of(&chunks[0]));
    assert_eq!(job["provider"], "other");
    rig.assert_charged(&job, 45);
}

#[test]
fn a_failure_after_the_first_piece_is_told_in_the_stream() {
    let failed = json!({"error": {"message": "overloaded", "type": "server_error"}});
    for broken in [Piece::Break, event(&failed)] {
        let rig = Rig::start();
        rig.provider.always(streamed([begins(), says("Hel"), broken]));
        let text = rest(&mut rig.stream(&with_usage()));
        assert!(!text.contains("[DONE]"), "{text}");
        let told = events(&text);
        let error = error_of(told.last().unwrap(), "server_error");
        assert_eq!(error["type"], "api_error");
        let job = rig.job();
        assert_eq!(
            (&job["status"], &job["error"]["code"]),
            (&json!("failed"), &json!("SERVER_ERROR"))
        );
        assert_eq!(job["error"]["message"], error["message"]);
        rig.assert_charged(&job, 0);
    }
}

#[test]
fn each_piece_comes_as_soon_as_it_is_there() {
    let rig = Rig::start();
    rig.provider.always(streamed([
        begins(),
        says("one"),
        Piece::Hold,
        says("two"),
        Piece::Hold,
        ends("stop"),
        usage(10, 5),
        done(),
    ]));
    let mut stream = rig.stream(&json!({}));
    assert!(!stream.read_until("one").contains("two"));
    rig.provider.release();
    assert!(!stream.read_until("two").contains("stop"));
    rig.provider.release();
    stream.read_until("[DONE]");
    rig.assert_charged(&rig.job(), COST);
}

fn impatient() -> Rig {
    Rig::with(|config| config.http.keep_alive = Duration::from_millis(20))
}

#[test]
fn a_silent_stream_says_that_it_is_alive() {
    let rig = impatient();
    rig.provider.always(streamed([
        begins(),
        says("one"),
        Piece::Hold,
        ends("stop"),
        usage(10, 5),
        done(),
    ]));
    let mut stream = rig.stream(&json!({}));
    stream.read_until("one");
    stream.read_until(": keep-alive\n\n");
    stream.read_until(": keep-alive\n\n");
    rig.provider.release();
    stream.read_until("[DONE]");
}

#[test]
fn an_answer_whose_first_piece_takes_long_begins_without_it() {
    for fails in [false, true] {
        let rig = impatient();
        let answer = if fails {
            crate::support::provider::error(500, "oops")
        } else {
            streamed([begins(), says("one"), ends("stop"), usage(10, 5), done()])
        };
        if fails {
            rig.provider.always(answer.held());
        } else {
            rig.provider.always(streamed([
                Piece::Hold,
                begins(),
                says("one"),
                ends("stop"),
                usage(10, 5),
                done(),
            ]));
        }
        let mut stream = rig.stream(&json!({}));
        assert_eq!(stream.head.status, 200);
        stream.read_until(": keep-alive\n\n");
        rig.provider.release();
        let text = rest(&mut stream);
        let told = events(&text);
        if fails {
            error_of(told.last().unwrap(), "server_error");
            assert!(!text.contains("[DONE]"));
            rig.assert_charged(&rig.job(), 0);
        } else {
            assert!(text.contains("one") && text.ends_with(DONE));
            rig.assert_charged(&rig.job(), COST);
        }
    }
}

#[test]
fn followers_of_a_job_are_kept_alive_too() {
    let rig = impatient();
    rig.provider.always(Answer::new(200, "").held());
    let job = rig.account.post_job(&json!({}));
    let path = format!("/v1/jobs/{}/events", job["id"].as_str().unwrap());
    let mut stream = rig.account.client.stream(&path, &[("Accept", "text/event-stream")]);
    stream.read_until("event: started\n");
    stream.read_until(": keep-alive\n\n");
    stream.read_until(": keep-alive\n\n");
    rig.account.deed(&job, "cancel").expect(200);
    stream.read_until("event: canceled\n");
}
