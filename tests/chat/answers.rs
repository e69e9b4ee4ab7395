//! Whole answers: what the provider is asked, what the client gets, what is kept and charged.

use serde_json::{Value, json};

use super::rig::{Rig, events, job_of, rest};
use crate::support::{
    Answer,
    provider::{TEXT, completion_body, completion_with_usage, error},
    server::COST,
};

#[test]
fn an_answer_is_given_charged_and_kept_as_a_job() {
    let rig = Rig::start();
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2}});
    rig.provider.always(Answer::json(200, &completion_body(TEXT, &usage)));
    let reply = rig.ask(&json!({"user": "u-1", "metadata": {"k": "v"}})).expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("idempotent-replayed"), None);
    let answer = reply.json();
    assert_eq!((&answer["object"], &answer["model"]), (&json!("chat.completion"), &json!("m")));
    assert!(answer["created"].is_u64(), "{answer}");
    let choices = json!([{
        "index": 0,
        "message": {"role": "assistant", "content": TEXT, "refusal": null},
        "logprobs": null,
        "finish_reason": "stop",
    }]);
    assert_eq!(answer["choices"], choices);
    let told = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2}});
    assert_eq!(answer["usage"], told);

    let job = rig.account.look(&job_of(&answer));
    assert_eq!((&job["status"], &job["attempts"]), (&json!("succeeded"), &json!(1)));
    assert_eq!((&job["model"], &job["provider"]), (&json!("m"), &json!("test")));
    assert_eq!((&job["output_text"], &job["output"]), (&json!(TEXT), &Value::Null));
    assert_eq!((&job["user"], &job["metadata"]), (&json!("u-1"), &json!({"k": "v"})));
    assert_eq!(job["messages"], json!([{"role": "user", "content": "hi"}]));
    assert_eq!(job["request_id"], reply.header("x-request-id").unwrap());
    assert_eq!(job["usage"]["total_tokens"], 15);
    assert!(job["error"].is_null() && job["usage"]["estimated"] != true, "{job}");
    rig.assert_charged(&job, COST);
    assert_eq!(rig.account.story(&job), ["started", "succeeded"]);
    let end = rig.end_of(&job)["data"].clone();
    assert_eq!((&end["model"], &end["provider"]), (&json!("m"), &json!("test")));
    assert_eq!((end["credits_charged"].as_u64(), end.get("tried")), (Some(COST), None), "{end}");
}

#[test]
fn what_the_client_sets_is_what_the_provider_gets() {
    let rig = Rig::start();
    let handed = json!({
        "temperature": 0.5, "top_p": 0.9, "seed": -7, "user": "u-1", "stop": ["a", "b"],
        "response_format": {"type": "text"},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": false,
        "functions": [{"name": "g"}], "function_call": "none",
        "frequency_penalty": -0.5, "presence_penalty": 1.5, "logit_bias": {"50256": -100},
        "logprobs": true, "top_logprobs": 3, "reasoning_effort": "low", "verbosity": "high",
        "service_tier": "flex", "store": false,
        "prediction": {"type": "content", "content": "x"},
        "modalities": ["text"], "audio": {"voice": "alloy", "format": "wav"},
        "web_search_options": {"search_context_size": "low"},
        "safety_identifier": "s", "prompt_cache_key": "k", "prompt_cache_retention": "24h",
        "top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1,
        "chat_template_kwargs": {"enable_thinking": false},
    });
    let mut request = handed.clone();
    // Not for the provider.
    request["metadata"] = json!({"k": "v"});
    request["n"] = json!(1);
    request["stream"] = json!(false);
    request["max_completion_tokens"] = json!(9);
    rig.ask(&request).expect(200);
    let mut asked = rig.provider.received()[0].json();
    for (field, value) in handed.as_object().unwrap() {
        assert_eq!(asked.as_object_mut().unwrap().remove(field).as_ref(), Some(value), "{field}");
    }
    let left = json!({"model": "upstream-m", "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 9});
    assert_eq!(asked, left);
}

#[test]
fn both_spellings_of_a_field_mean_the_same() {
    let rig = Rig::start();
    for (more, field, expected) in [
        (json!({"max_tokens": 7}), "max_tokens", json!(7)),
        (json!({"max_completion_tokens": 7}), "max_tokens", json!(7)),
        (json!({"max_tokens": 9, "max_completion_tokens": 7}), "max_tokens", json!(7)),
        (json!({"stop": "x"}), "stop", json!(["x"])),
        (json!({"stop": ["x", "y"]}), "stop", json!(["x", "y"])),
        (json!({"stop": null, "max_tokens": null, "n": null, "tools": null}), "stop", Value::Null),
    ] {
        rig.ask(&more).expect(200);
        let asked = rig.provider.received().pop().unwrap().json();
        assert_eq!(asked[field], expected, "{more}");
        assert!(asked.get("n").is_none() && asked.get("tools").is_none(), "{asked}");
    }
}

#[test]
fn tools_and_their_calls_pass_both_ways() {
    let rig = Rig::start();
    let calls = json!([{"id": "call_1", "type": "function",
        "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}}]);
    let mut body = completion_body("", &json!({"prompt_tokens": 10, "completion_tokens": 5}));
    body["choices"][0]["message"] =
        json!({"role": "assistant", "content": null, "tool_calls": calls});
    body["choices"][0]["finish_reason"] = json!("tool_calls");
    rig.provider.queue(Answer::json(200, &body));
    let tools = json!([{"type": "function", "function": {"name": "weather", "strict": true,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]);
    let answer = rig.ask(&json!({"tools": tools, "tool_choice": "auto"})).expect(200).json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(
        (&choice["message"]["content"], &choice["message"]["tool_calls"]),
        (&Value::Null, &calls)
    );

    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Use tools.", "name": "dev"},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
    ]);
    rig.ask(&json!({"tools": tools, "messages": messages})).expect(200);
    let asked = rig.provider.received();
    assert_eq!(asked[0].json()["tools"], tools);
    assert_eq!(asked[1].json()["messages"], messages);
}

#[test]
fn parts_of_all_kinds_pass_through() {
    let rig = Rig::start();
    let messages = json!([
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"file_id": "f-1"}},
        ]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": [{"type": "text", "text": "And now?"}]},
    ]);
    let answer = rig.ask(&json!({ "messages": messages })).expect(200).json();
    assert_eq!(rig.provider.received()[0].json()["messages"], messages);
    assert_eq!(rig.account.look(&job_of(&answer))["messages"], messages);
}

#[test]
fn what_only_some_models_say_passes_through() {
    let rig = Rig::start();
    let message = json!({
        "role": "assistant", "content": null, "refusal": null,
        "function_call": {"name": "f", "arguments": "{}"}, "audio": {"id": "a", "data": "AAAA"},
        "annotations": [{"type": "url_citation"}], "reasoning_content": "I think.",
        "reasoning": "I think.", "reasoning_details": [{"type": "reasoning.text"}],
    });
    let mut body = completion_body("", &json!({"prompt_tokens": 10, "completion_tokens": 5}));
    body["choices"][0]["message"] = message.clone();
    body["choices"][0]["logprobs"] = json!({"content": []});
    rig.provider.always(Answer::json(200, &body));
    let functions = json!([{"name": "f"}]);
    let format = json!({"type": "json_object"});
    let more = json!({"functions": functions, "logprobs": true, "response_format": format});
    let choice = &rig.ask(&more).expect(200).json()["choices"][0];
    assert_eq!((&choice["message"], &choice["logprobs"]), (&message, &json!({"content": []})));
    assert_eq!(rig.provider.received().len(), 1, "a call of a function is no answer to repair");

    let streamed = events(&rest(&mut rig.stream(&more)));
    let choice = &streamed[0]["choices"][0];
    let mut message = message;
    message.as_object_mut().unwrap().remove("refusal");
    assert_eq!((&choice["delta"], &choice["logprobs"]), (&message, &json!({"content": []})));

    let messages = json!([
        {"role": "user", "content": "Call f."},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "content": "7", "name": "f"},
    ]);
    rig.ask(&json!({ "messages": messages })).expect(200);
    assert_eq!(rig.provider.received()[2].json()["messages"], messages);
}

#[test]
fn thoughts_go_back_to_their_model() {
    let rig = Rig::start();
    let messages = json!([
        {"role": "user", "content": "3 and 4?"},
        {"role": "assistant", "content": "7", "reasoning_content": "I count.",
            "reasoning": "I count.", "reasoning_details": [{"type": "reasoning.text", "text": "I"}]},
        {"role": "user", "content": "And 5?"},
    ]);
    rig.ask(&json!({ "messages": messages })).expect(200);
    assert_eq!(rig.provider.received()[0].json()["messages"], messages);
}

#[test]
fn another_model_answers_where_the_first_cannot() {
    let rig = Rig::start();
    rig.provider.always(error(503, "down"));
    rig.other.always(completion_with_usage("I am the second.", 10, 5));
    let answer = rig.ask(&json!({"fallback_models": ["second"]})).expect(200).json();
    assert_eq!(answer["model"], "second");
    assert_eq!(answer["choices"][0]["message"]["content"], "I am the second.");
    let job = rig.account.look(&job_of(&answer));
    assert_eq!(job["provider"], "other");
    // Three credits for each of its tokens.
    rig.assert_charged(&job, 45);
    let end = rig.end_of(&job);
    let tried = &end["data"]["tried"];
    assert_eq!(tried.as_array().unwrap().len(), 1, "{end}");
    assert_eq!((&tried[0]["model"], &tried[0]["provider"]), (&json!("m"), &json!("test")));
    assert_eq!(tried[0]["code"], "SERVER_ERROR");
    assert!(rig.other.received()[0].json().get("fallback_models").is_none());
}

#[test]
fn tokens_that_no_provider_counted_are_an_estimate_that_says_so() {
    let rig = Rig::start();
    rig.provider.always(Answer::json(200, &completion_body(TEXT, &Value::Null)));
    let answer = rig.ask(&json!({})).expect(200).json();
    assert_eq!(answer["usage"]["estimated"], true);
    let job = rig.account.look(&job_of(&answer));
    assert_eq!(job["usage"]["estimated"], true);
    assert_eq!(job["usage"]["total_tokens"], answer["usage"]["total_tokens"]);
    let tokens = |name: &str| answer["usage"][name].as_u64().unwrap();
    let cost = tokens("prompt_tokens") + 2 * tokens("completion_tokens");
    assert!(cost > 0);
    rig.assert_charged(&job, cost);
    assert_eq!(rig.end_of(&job)["data"]["estimated"], true);
}

#[test]
fn a_free_model_charges_nothing() {
    let rig = Rig::start();
    let answer = rig.ask(&json!({"model": "free"})).expect(200).json();
    let job = rig.account.look(&job_of(&answer));
    assert_eq!(
        (&job["status"], job["credits"]["charged"].as_u64()),
        (&json!("succeeded"), Some(0))
    );
}
