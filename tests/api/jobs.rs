//! The life of a job, from the request to the signed webhook.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::conventions::refused;
use crate::support::{
    Answer, LIMIT, Provider, Receiver,
    provider::{TEXT, completion, completion_with_usage, error},
    receiver::verify,
    server::{Account, COST, CREDITS, TestServer, job},
};

/// The balance after that was spent of [`CREDITS`].
pub(super) fn left(spent: u64) -> (Value, Value) {
    (json!(u64::try_from(CREDITS).unwrap() - spent), json!(0))
}

/// The kinds of the ledger's entries for the job, oldest first.
pub(super) fn kinds(account: &Account, job: &Value) -> Vec<String> {
    account.entries(job).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn from_acceptance_to_the_signed_webhook() {
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let endpoint = account.endpoint(&receiver, "/hook", &json!({"events": ["job.completed"]}));
    server.set_paused("generation.create", true);
    let accepted = account.client.post(
        "/v1/jobs/generations",
        &job(&json!({"user": "ann", "metadata": {"order": 7}, "max_tokens": 64, "seed": 3,
            "temperature": 0.2, "top_p": 1, "stop": ["END"]})),
    );
    let accepted = accepted.expect(202);
    let waiting = accepted.json();
    let place = format!("/v1/jobs/{}", waiting["id"].as_str().unwrap());
    assert_eq!(accepted.header("location"), Some(&*place));
    assert_eq!(waiting["job_id"], waiting["id"]);
    assert_eq!((&waiting["status"], &waiting["attempts"]), (&json!("queued"), &json!(0)));
    // 82 tokens at most in the prompt, and 64 for the answer at two credits each.
    assert_eq!(waiting["credits"], json!({"reserved": 210, "charged": 0}));
    assert_eq!(account.balance(), (json!(CREDITS - 210), json!(210)));
    server.set_paused("generation.create", false);

    let done = account.wait_job(&waiting);
    assert_eq!(done["status"], "succeeded");
    assert_eq!((&done["output_text"], &done["output"]), (&json!(TEXT), &Value::Null));
    assert_eq!(
        done["usage"],
        json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
    );
    assert_eq!((&done["provider"], &done["error"]), (&json!("test"), &Value::Null));
    assert_eq!(done["credits"], json!({"reserved": 210, "charged": COST}));
    assert_eq!((&done["user"], &done["metadata"]), (&json!("ann"), &json!({"order": 7})));
    assert!(done["started_at"].is_string() && done["latency_ms"].is_u64(), "{done}");
    assert!(done.get("job_id").is_none());
    assert_eq!(account.story(&done), ["queued", "started", "succeeded"]);
    let entries = [("reserve", json!(-210)), ("release", json!(210)), ("charge", json!(-20))];
    let entries = entries.map(|(kind, delta)| (kind.to_owned(), delta));
    assert_eq!(account.entries(&done), entries);
    assert_eq!(account.balance(), left(COST));

    let call = &provider.wait_for_calls(1, LIMIT)[0];
    assert_eq!(call.header("authorization"), Some("Bearer sk-of-test"));
    assert_eq!(call.header("x-request-id"), done["request_id"].as_str());
    let asked = call.json();
    assert_eq!(asked["model"], "upstream-m");
    assert_eq!(asked["messages"], done["messages"]);
    assert_eq!((&asked["seed"], &asked["stop"]), (&json!(3), &json!(["END"])));

    let delivery = &receiver.wait_for_deliveries(1)[0];
    verify(delivery, &endpoint.secret).unwrap();
    let event = delivery.json();
    assert_eq!(event["type"], "job.completed");
    assert_eq!(event["data"]["job_id"], done["id"]);
    assert_eq!(event["data"]["account_id"], account.id.as_str());
    assert_eq!(event["data"]["credits_charged"], json!(COST));
    assert_eq!(event["data"]["request_id"], done["request_id"]);
    assert_eq!(event["data"]["latency_ms"], done["latency_ms"]);
}

#[test]
fn credits_are_exact_to_the_last_digit() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account_with(&json!("1.000001"));
    provider.queue(completion_with_usage("x", 7, 3));
    // 0.15 and 0.6 credits for a million tokens: 2.85 microcredits, rounded up.
    let done = account.run_job(&json!({"model": "exact"}));
    let text = |path: &str| account.client.get(path).expect(200).text().to_owned();
    let place = format!("/v1/jobs/{}", done["id"].as_str().unwrap());
    assert!(text(&place).contains("\"charged\":0.000003}"), "{}", text(&place));
    assert!(text("/v1/credits/balance").contains("\"available\":0.999998,"));
    let ledger = text("/v1/credits/ledger?limit=100");
    let deltas = ledger.split("\"delta\":").skip(1).map(|rest| rest.split(',').next().unwrap());
    let deltas = deltas.map(|delta| delta.parse::<skai_server::domain::Credits>().unwrap());
    assert_eq!(deltas.sum::<skai_server::domain::Credits>().micros(), 999_998);
}

#[test]
fn an_overrun_is_charged_and_shown() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    provider.queue(completion_with_usage("long", 500, 100));
    let done = account.run_job(&json!({"max_tokens": 1}));
    assert_eq!(done["status"], "succeeded");
    assert_eq!(done["credits"], json!({"reserved": 84, "charged": 700}));
    assert_eq!(account.balance(), left(700));
    let events = account.list(&format!("/v1/jobs/{}/events", done["id"].as_str().unwrap()));
    assert_eq!(events[2]["data"]["overrun"], 616);
}

/// A schema that is kept by `{"n": 1}`.
fn schema() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
        "additionalProperties": false})
}

#[test]
fn output_is_held_against_its_schema() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    provider.queue(completion(r#"{"n": 1}"#));
    let done = account.run_job(&json!({"output_schema": schema()}));
    assert_eq!((&done["status"], &done["output"]), (&json!("succeeded"), &json!({"n": 1})));
    assert_eq!((&done["output_text"], &done["output_schema"]), (&json!("{\"n\": 1}"), &schema()));
    let call = provider.wait_for_calls(1, LIMIT)[0].json();
    assert_eq!(call["response_format"]["json_schema"]["schema"], schema());

    provider.queue(completion(r#"{"n": "one"}"#));
    provider.queue(completion(r#"{"n": 2}"#));
    let done = account.run_job(&json!({"output_schema": schema()}));
    assert_eq!((&done["status"], &done["output"]), (&json!("succeeded"), &json!({"n": 2})));
    assert_eq!(done["credits"]["charged"], json!(2 * COST), "both calls were paid for");
    assert_eq!((&done["attempts"], &done["usage"]["total_tokens"]), (&json!(1), &json!(30)));
    let repair = provider.wait_for_calls(3, LIMIT)[2].json();
    let messages = repair["messages"].as_array().unwrap();
    assert_eq!((messages.len(), &messages[1]["content"]), (3, &json!(r#"{"n": "one"}"#)));
    assert!(messages[2]["content"].as_str().unwrap().contains("/n"), "{messages:?}");

    provider.say("no JSON at all");
    let failed = account.run_job(&json!({"output_schema": schema()}));
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"]["code"], "OUTPUT_SCHEMA_MISMATCH");
    assert_eq!(
        (&failed["output"], &failed["output_text"]),
        (&Value::Null, &json!("no JSON at all"))
    );
    assert_eq!(failed["usage"]["total_tokens"], 30, "to see what went wrong");
    assert!(failed["provider"].is_string(), "{failed}");
    assert_eq!(failed["credits"]["charged"], 0);
    assert_eq!(kinds(&account, &failed), ["reserve", "release"]);
    assert_eq!(provider.received().len(), 5, "one repair and no retry");
    assert_eq!(account.balance(), left(3 * COST));
    assert!(account.list("/v1/dlq").is_empty());
}

#[test]
fn failures_of_the_provider_are_retried() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    provider.queue(error(429, "slow down").header("retry-after", "0"));
    provider.queue(error(500, "oops"));
    provider.queue(error(503, "later"));
    provider.queue(Answer::close());
    provider.queue(error(408, "too slow"));
    let done = account.run_job(&json!({}));
    assert_eq!((&done["status"], &done["attempts"]), (&json!("succeeded"), &json!(6)));
    assert_eq!(done["max_attempts"], 6);
    assert_eq!(done["credits"]["charged"], json!(COST));
    let events =
        account.list(&format!("/v1/jobs/{}/events?limit=100", done["id"].as_str().unwrap()));
    let codes: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "retrying")
        .map(|event| event["data"]["error"]["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["RATE_LIMIT", "SERVER_ERROR", "SERVER_ERROR", "SERVER_ERROR", "TIMEOUT"]);
    assert_eq!(kinds(&account, &done), ["reserve", "release", "charge"]);
}

#[test]
fn retry_after_is_honoured() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    provider.queue(error(429, "slow down").header("retry-after", "1"));
    account.run_job(&json!({}));
    let calls = provider.wait_for_calls(2, LIMIT);
    let waited = calls[1].at - calls[0].at;
    assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(10), "{waited:?}");
}

#[test]
fn a_request_that_the_provider_refuses_fails_at_once() {
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let endpoint = account.endpoint(&receiver, "/hook", &json!({"events": ["job.failed"]}));
    provider.queue(error(400, "that is no model"));
    let failed = account.run_job(&json!({}));
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("failed"), &json!(1)));
    assert_eq!(failed["error"]["code"], "BAD_REQUEST");
    assert!(failed["error"]["message"].as_str().unwrap().contains("that is no model"));
    assert_eq!(account.balance(), left(0));
    assert_eq!(provider.received().len(), 1);
    assert!(account.list("/v1/dlq").is_empty());
    let delivery = &receiver.wait_for_deliveries(1)[0];
    verify(delivery, &endpoint.secret).unwrap();
    let event = delivery.json();
    assert_eq!((&event["type"], &event["data"]["error"]), (&json!("job.failed"), &failed["error"]));
}

#[test]
fn a_provider_that_is_too_slow_times_out() {
    let provider = Provider::start();
    let builder = TestServer::builder().provider(&provider);
    let server = builder.config(|c| c.queues.generation_create.backoff.clear()).start();
    let account = server.account();
    provider.always(completion("late").held());
    let began = Instant::now();
    let failed = account.run_job(&json!({"timeout_ms": 100}));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("TIMEOUT"))
    );
    assert_eq!(account.balance(), left(0));
}

#[test]
fn a_job_that_never_succeeds_is_a_dead_letter_until_it_is_redriven() {
    let provider = Provider::start();
    let builder = TestServer::builder().provider(&provider);
    let backoff = vec![Duration::from_millis(1); 2];
    let server = builder.config(|c| c.queues.generation_create.backoff = backoff).start();
    let account = server.account();
    provider.always(error(500, "oops"));
    let failed = account.run_job(&json!({}));
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("failed"), &json!(3)));
    assert_eq!(failed["error"]["code"], "SERVER_ERROR");
    assert_eq!(provider.received().len(), 3);
    let letters = account.list("/v1/dlq?queue=generation.create.dlq");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["job_id"], failed["id"]);
    assert_eq!(
        (&letters[0]["reason"], &letters[0]["attempts"]),
        (&json!("SERVER_ERROR"), &json!(3))
    );
    assert!(account.list("/v1/dlq?queue=webhook.delivery.dlq").is_empty());

    provider.say("well again");
    let path = format!("/v1/dlq/{}/redrive", letters[0]["id"].as_str().unwrap());
    let redriven = account.client.send("POST", &path, &[], None).expect(202).json();
    assert!(redriven["redriven_at"].is_string(), "{redriven}");
    let done = account.wait_job(&failed);
    assert_eq!((&done["status"], &done["attempts"]), (&json!("succeeded"), &json!(1)));
    assert_eq!(kinds(&account, &done), ["reserve", "release", "reserve", "release", "charge"]);
    assert!(account.list("/v1/dlq").is_empty());
    refused(&account.client.send("POST", &path, &[], None), 409, "CONFLICT");
    assert_eq!(account.balance(), left(COST));
}

#[test]
fn a_waiting_job_is_canceled_and_released_at_once() {
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let endpoint = account.endpoint(&receiver, "/hook", &json!({}));
    server.set_paused("generation.create", true);
    let waiting = account.post_job(&json!({}));
    let canceled = account.deed(&waiting, "cancel").expect(200).json();
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(canceled["error"]["code"], "CANCELED");
    assert_eq!(account.balance(), left(0));
    refused(&account.deed(&waiting, "cancel"), 409, "CONFLICT");
    let delivery = &receiver.wait_for_deliveries(1)[0];
    verify(delivery, &endpoint.secret).unwrap();
    assert_eq!(delivery.json()["type"], "job.canceled");
    server.set_paused("generation.create", false);
    // Retried, it runs like any other.
    let again = account.deed(&waiting, "retry").expect(202).json();
    assert_eq!((&again["status"], &again["error"]), (&json!("queued"), &Value::Null));
    assert_eq!((&again["id"], &again["job_id"]), (&waiting["id"], &waiting["id"]));
    assert_eq!(account.wait_job(&again)["status"], "succeeded");
    refused(&account.deed(&waiting, "retry"), 409, "CONFLICT");
    assert_eq!(provider.received().len(), 1);
    assert_eq!(account.balance(), left(COST));
}

#[test]
fn the_late_answer_of_a_canceled_job_is_discarded() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    provider.queue(completion("too late").held());
    let running = account.post_job(&json!({}));
    provider.wait_for_in_flight(1);
    assert_eq!(account.look(&running)["status"], "running");
    let canceled = account.deed(&running, "cancel").expect(200).json();
    assert_eq!((&canceled["status"], account.balance()), (&json!("canceled"), left(0)));
    provider.release();
    provider.wait_for_in_flight(0);
    // By the time another job has run, the late answer has been dealt with too.
    let other = account.run_job(&json!({}));
    assert_eq!(other["status"], "succeeded");
    let still = account.look(&running);
    assert_eq!((&still["status"], &still["output_text"]), (&json!("canceled"), &Value::Null));
    assert_eq!(kinds(&account, &running), ["reserve", "release"]);
    assert_eq!(account.balance(), left(COST));
}

#[test]
fn waiting_for_a_job_ends_when_it_does() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    provider.queue(completion("soon").held());
    let running = account.post_job(&json!({}));
    provider.wait_for_in_flight(1);
    let path = format!("/v1/jobs/{}", running["id"].as_str().unwrap());
    let began = Instant::now();
    let still = account.client.get(&format!("{path}?wait=1")).expect(200).json();
    assert_eq!(still["status"], "running");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let waiting = {
        let (client, path) = (account.client.clone(), path.clone());
        std::thread::spawn(move || client.get(&format!("{path}?wait=60")).expect(200).json())
    };
    provider.release();
    assert_eq!(waiting.join().unwrap()["status"], "succeeded");
    assert!(began.elapsed() < Duration::from_secs(10));
    for bad in ["61", "-1", "x"] {
        let error =
            refused(&account.client.get(&format!("{path}?wait={bad}")), 400, "INVALID_REQUEST");
        assert_eq!(error["param"], "wait");
    }
}

#[test]
fn events_are_followed_live_and_resumed() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    provider.queue(completion("held").held());
    let job = account.post_job(&json!({}));
    let path = format!("/v1/jobs/{}/events", job["id"].as_str().unwrap());
    let accept = ("Accept", "text/event-stream");
    let mut live = account.client.stream(&path, &[accept]);
    assert_eq!(
        (live.head.status, live.head.header("content-type")),
        (200, Some("text/event-stream"))
    );
    let text = live.read_until("event: started\n");
    assert!(text.starts_with("id: 1\nevent: queued\ndata: {"), "{text}");
    provider.wait_for_in_flight(1);
    provider.release();
    live.read_until("id: 3\nevent: succeeded\n");
    assert_eq!(live.next(), None, "the stream ends with the job");
    let resume = |after: &str| {
        let headers = [accept, ("Last-Event-ID", after)];
        account.client.send("GET", &path, &headers, None)
    };
    let rest = resume("1").expect(200);
    assert!(rest.text().starts_with("id: 2\nevent: started\n"), "{}", rest.text());
    assert_eq!(rest.text().matches("event: ").count(), 2);
    assert_eq!(resume("3").expect(200).text(), "");
    refused(&resume("x"), 400, "INVALID_REQUEST");
    let rows = account.list(&path);
    let data = rest.text().lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap(), rows[1]);
}

#[test]
fn fallback_models_answer_where_the_first_cannot() {
    let (provider, other) = (Provider::start(), Provider::start());
    let server = TestServer::builder().provider(&provider).other_provider(&other).start();
    let account = server.account();
    provider.always(error(503, "down"));
    let done = account.run_job(&json!({"fallback_models": ["second"]}));
    assert_eq!((&done["status"], &done["attempts"]), (&json!("succeeded"), &json!(1)));
    assert_eq!((&done["model"], &done["provider"]), (&json!("m"), &json!("other")));
    // Reserved for the dearest of them, charged at the price of the one that answered.
    assert_eq!(done["credits"], json!({"reserved": 3 * (82 + 100), "charged": 45}));
    assert_eq!(other.wait_for_calls(1, LIMIT)[0].json()["model"], "upstream-second");
}

#[test]
fn the_sandbox_needs_no_provider() {
    let server = TestServer::start();
    let account = server.account_with(&json!(0));
    let done = account.run_job(&json!({"model": "sandbox", "output_schema": schema()}));
    assert_eq!((&done["status"], &done["provider"]), (&json!("succeeded"), &json!("sandbox")));
    assert!(done["output"]["n"].is_i64(), "{done}");
    assert_eq!(done["credits"], json!({"reserved": 0, "charged": 0}));
}
