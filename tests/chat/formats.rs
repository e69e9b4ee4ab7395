//! `response_format`: answers that have to be JSON, and those that are none.

use serde_json::{Value, json};

use super::rig::{Rig, delta, done, ends, error_of, events, job_of, rest, streamed, usage};
use crate::support::{
    Answer,
    provider::{completion, completion_body},
    server::COST,
};

fn schema() -> Value {
    json!({"type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"type": "integer"}}})
}

fn format() -> Value {
    json!({"response_format": {"type": "json_schema",
        "json_schema": {"name": "answer", "strict": true, "schema": schema()}}})
}

#[test]
fn an_answer_that_keeps_its_schema_is_kept_as_the_output() {
    let rig = Rig::start();
    rig.provider.say("{\"a\": 1}");
    let answer = rig.ask(&format()).expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "{\"a\": 1}");
    let job = rig.account.look(&job_of(&answer));
    assert_eq!((&job["output"], &job["output_schema"]), (&json!({"a": 1}), &schema()));
    rig.assert_charged(&job, COST);
    let asked = rig.provider.received()[0].json();
    assert_eq!(asked["response_format"], format()["response_format"]);
}

#[test]
fn a_code_fence_around_it_is_taken_off() {
    let rig = Rig::start();
    rig.provider.say("```json\n{\"a\": 1}\n```");
    let answer = rig.ask(&format()).expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "{\"a\": 1}");
}

#[test]
fn an_answer_that_breaks_its_schema_is_repaired_once() {
    let rig = Rig::start();
    rig.provider.queue(completion("{\"a\":\"x\"}"));
    rig.provider.queue(completion("{\"a\":2}"));
    let answer = rig.ask(&format()).expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "{\"a\":2}");
    assert_eq!(answer["usage"]["total_tokens"], 30);
    let asked = rig.provider.received()[1].json();
    let messages = asked["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[1], json!({"role": "assistant", "content": "{\"a\":\"x\"}"}));
    let told = messages[2]["content"].as_str().unwrap();
    assert!(told.contains("/a: must be of type integer"), "{told}");
    assert_eq!(asked["response_format"], format()["response_format"]);
    let job = rig.account.look(&job_of(&answer));
    assert_eq!(job["output"], json!({"a": 2}));
    rig.assert_charged(&job, 2 * COST);
    assert_eq!(rig.end_of(&job)["data"]["repairs"], 1);
}

#[test]
fn an_answer_that_no_repair_mends_is_refused_and_not_charged() {
    let rig = Rig::start();
    rig.provider.say("No JSON.");
    let reply = rig.ask(&format()).expect(502);
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    assert_eq!(error_of(&reply.json(), "output_schema_mismatch")["type"], "api_error");
    assert_eq!(rig.provider.received().len(), 2);
    let job = rig.job();
    assert_eq!((&job["status"], &job["output_text"]), (&json!("failed"), &json!("No JSON.")));
    assert_eq!(job["error"]["code"], "OUTPUT_SCHEMA_MISMATCH");
    rig.assert_charged(&job, 0);
}

#[test]
fn some_object_is_asked_for_and_held_to() {
    let rig = Rig::start();
    let format = json!({"response_format": {"type": "json_object"}});
    rig.provider.queue(completion("[1]"));
    rig.provider.queue(completion("{\"any\":[1]}"));
    let answer = rig.ask(&format).expect(200).json();
    assert_eq!(rig.account.look(&job_of(&answer))["output"], json!({"any": [1]}));
    let asked = rig.provider.received();
    assert_eq!((asked.len(), &asked[0].json()["response_format"]), (2, &format["response_format"]));
}

/// A completion that is no whole answer.
fn unfinished(message: &Value, reason: &str) -> Answer {
    let mut body = completion_body("", &json!({"prompt_tokens": 10, "completion_tokens": 5}));
    body["choices"][0]["message"] = message.clone();
    body["choices"][0]["finish_reason"] = json!(reason);
    Answer::json(200, &body)
}

#[test]
fn refusals_and_answers_that_were_cut_are_told_as_they_are() {
    let said = |text: &str| json!({"role": "assistant", "content": text, "refusal": null});
    let refused = json!({"role": "assistant", "content": null, "refusal": "I cannot."});
    for (message, reason) in [
        (refused, "stop"),
        (said("{\"a\": "), "length"),
        (said(""), "length"),
        (said("{\"a"), "content_filter"),
    ] {
        for format in [format(), json!({})] {
            let rig = Rig::start();
            rig.provider.always(unfinished(&message, reason));
            let answer = rig.ask(&format).expect(200).json();
            let choice = &answer["choices"][0];
            assert_eq!((&choice["message"], &choice["finish_reason"]), (&message, &json!(reason)));
            assert_eq!(rig.provider.received().len(), 1, "it was repaired");
            let job = rig.account.look(&job_of(&answer));
            assert_eq!((&job["status"], &job["output"]), (&json!("succeeded"), &Value::Null));
            rig.assert_charged(&job, COST);
        }
    }
}

#[test]
fn a_model_that_calls_tools_has_not_answered_yet() {
    let rig = Rig::start();
    let calls =
        json!([{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
    rig.provider.always(unfinished(&message, "tool_calls"));
    let mut request = format();
    request["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let answer = rig.ask(&request).expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["tool_calls"], calls);
    assert_eq!(rig.provider.received().len(), 1);
}

#[test]
fn a_stream_stands_whether_it_keeps_its_schema_or_not() {
    for (text, output) in [("{\"a\":1}", json!({"a": 1})), ("{\"a\":", Value::Null)] {
        let rig = Rig::start();
        let said = delta(&json!({"role": "assistant", "content": text}));
        rig.provider.always(streamed([said, ends("stop"), usage(10, 5), done()]));
        let told = events(&rest(&mut rig.stream(&format())));
        assert_eq!(told[0]["choices"][0]["delta"]["content"], text);
        assert_eq!(rig.provider.received().len(), 1);
        let job = rig.job();
        assert_eq!((&job["status"], &job["output"]), (&json!("succeeded"), &output));
        rig.assert_charged(&job, COST);
    }
}

#[test]
fn formats_that_cannot_be_are_refused_with_their_place() {
    let rig = Rig::start();
    let named = |name: &str, schema: Value| json!({"type": "json_schema", "json_schema": {"name": name, "schema": schema}});
    let schema_param = "response_format/json_schema/schema";
    for (format, code, param) in [
        (json!("json"), "invalid_request", "response_format"),
        (json!({"type": "xml"}), "invalid_request", "response_format"),
        (json!({"type": "json_object", "more": 1}), "invalid_request", "response_format"),
        (json!({"type": "json_schema"}), "invalid_request", "response_format/json_schema"),
        (
            json!({"type": "json_schema", "json_schema": {"name": "a"}}),
            "invalid_request",
            "response_format/json_schema",
        ),
        (named("", json!({})), "invalid_request", "response_format/json_schema/name"),
        (named(&"n".repeat(65), json!({})), "invalid_request", "response_format/json_schema/name"),
        (named("a", json!(true)), "invalid_schema", schema_param),
        (named("a", json!({"type": "nothing"})), "invalid_schema", schema_param),
        (named("a", json!({"$ref": "https://example.com/s"})), "invalid_schema", schema_param),
    ] {
        let body = rig.ask(&json!({"response_format": format})).expect(400).json();
        assert_eq!(error_of(&body, code)["param"], param, "{format}");
    }
    assert!(rig.provider.received().is_empty() && rig.account.list("/v1/jobs").is_empty());
}
