//! What test keys run: everything, on the sandbox, for test credits. The real provider must not hear of it.

use serde_json::{Value, json};

use super::{Rig, TEST_CREDITS, id};
use crate::{
    api::conventions::refused,
    support::server::{COST, CREDITS},
};

pub(super) fn job(model: &str) -> Value {
    crate::support::server::job(&json!({ "model": model }))
}

impl Rig {
    /// The live credits are whole and the real provider received nothing.
    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(self.provider.received().len(), 0, "a real provider was asked");
        assert_eq!(self.live.balance(), (json!(CREDITS), json!(0)));
    }

    /// What the test keys have less than at first.
    fn spent(&self) -> u64 {
        let (available, reserved) = self.test.balance();
        assert_eq!(reserved, 0);
        TEST_CREDITS - available.as_u64().unwrap()
    }
}

#[test]
fn jobs_run_on_the_sandbox_at_their_price() {
    let rig = Rig::start();
    let priced = rig.test.run_job(&json!({}));
    assert_eq!(priced["status"], "succeeded");
    assert_eq!((&priced["provider"], &priced["model"]), (&json!("sandbox"), &json!("m")));
    let usage = |kind: &str| priced["usage"][kind].as_u64().unwrap();
    let cost = usage("prompt_tokens") + 2 * usage("completion_tokens");
    assert_eq!(priced["credits"]["charged"], cost);
    assert_eq!(rig.spent(), cost);
    let free = rig.test.run_job(&json!({"model": "free"}));
    assert_eq!((&free["provider"], &free["credits"]["charged"]), (&json!("sandbox"), &json!(0)));
    let kinds: Vec<_> = rig.test.entries(&priced).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["reserve", "release", "charge"]);
    rig.is_untouched();
    // And live jobs beside them ask the provider.
    let live = rig.live.run_job(&json!({}));
    assert_eq!((&live["provider"], &live["credits"]["charged"]), (&json!("test"), &json!(COST)));
    assert_eq!(rig.provider.received().len(), 1);
}

#[test]
fn schemas_repairs_and_failures_are_those_of_the_sandbox() {
    let rig = Rig::start();
    let schema =
        json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let valid = rig.test.run_job(&json!({"output_schema": schema}));
    assert!(valid["output"]["n"].is_i64(), "{valid}");
    let says = |text: &str| json!([{"role": "user", "content": text}]);
    let broken = json!({"output_schema": schema, "messages": says("[sandbox:text=no json]")});
    let repaired = rig.test.run_job(&broken);
    assert_eq!(
        (&repaired["status"], &repaired["provider"]),
        (&json!("succeeded"), &json!("sandbox"))
    );
    let body =
        json!({"messages": says("[sandbox:fail=BAD_REQUEST]"), "fallback_models": ["second"]});
    let failed = rig.test.run_job(&body);
    assert_eq!(failed["error"]["code"], "BAD_REQUEST");
    // A fallback of another provider is the sandbox too.
    let body =
        json!({"messages": says("[sandbox:fail=SERVER_ERROR]"), "fallback_models": ["second"]});
    let failed = rig.test.run_job(&body);
    assert_eq!(failed["status"], "failed");
    refused(
        &rig.test.client.post("/v1/jobs/generations", &job("unpriced")),
        400,
        "MODEL_NOT_PRICED",
    );
    refused(&rig.test.client.post("/v1/jobs/generations", &job("none")), 400, "UNKNOWN_MODEL");
    rig.is_untouched();
}

#[test]
fn chat_whole_and_streamed_runs_on_the_sandbox() {
    let rig = Rig::start();
    let whole = rig.test.client.post("/v1/chat/completions", &job("m")).expect(200).json();
    assert!(whole["choices"][0]["message"]["content"].as_str().unwrap().contains("hi"), "{whole}");
    let mut body = job("m");
    body["stream"] = json!(true);
    let mut stream = rig.test.client.post_stream("/v1/chat/completions", &body);
    let text = stream.read_until("data: [DONE]\n\n");
    assert!(text.contains("chat.completion.chunk"), "{text}");
    let jobs = rig.test.list("/v1/jobs");
    assert_eq!(jobs.len(), 2);
    for job in &jobs {
        let job = rig.test.wait_job(job);
        assert_eq!((&job["status"], &job["provider"]), (&json!("succeeded"), &json!("sandbox")));
        assert!(job["credits"]["charged"].as_f64().unwrap() > 0.0);
    }
    rig.is_untouched();
}

#[test]
fn batches_agents_and_evals_run_on_the_sandbox() {
    let rig = Rig::start();
    let test = &rig.test;
    let batch = test.client.post(crate::batches::BATCHES, &crate::batches::batch(3, &json!({})));
    let path = format!("{}/{}", crate::batches::BATCHES, id(&batch.expect(202).json()));
    let batch = test.client.get(&format!("{path}?wait=15")).expect(200).json();
    assert_eq!(batch["counts"]["succeeded"], 3, "{batch}");
    let said = "The sandbox has read: hi";
    let results = test.list(&format!("{path}/results"));
    assert!(results.iter().all(|result| result["output_text"] == said), "{results:?}");

    let message = json!({"role": "user", "content": "{{ input.text }}"});
    let agent = json!({"name": "a", "model": "m", "messages": [message]});
    test.client.post("/v1/agents", &agent).expect(201);
    let run = test.client.post("/v1/agents/a/runs?wait=15", &json!({"input": {"text": "hi"}}));
    let run = run.expect(202).json();
    assert_eq!((&run["status"], &run["provider"]), (&json!("succeeded"), &json!("sandbox")));

    let case = json!({"input": {"text": "hi"}, "expect": {"contains": "hi"}});
    let made = test.client.post("/v1/agents/a/evals", &json!({"name": "e", "cases": [case]}));
    let runs = format!("/v1/agents/a/evals/{}/runs", id(&made.expect(201).json()));
    let run = test.client.post(&runs, &json!({})).expect(202).json();
    let run = test.client.get(&format!("{runs}/{}?wait=15", id(&run))).expect(200).json();
    assert_eq!(run["status"], "completed", "{run}");
    assert!(rig.spent() > 0);
    rig.is_untouched();
}

#[test]
fn an_empty_test_balance_is_402_whatever_the_live_one_holds() {
    let rig = Rig::start();
    let adjust = format!("/admin/v1/accounts/{}/credits/adjust", rig.live.id);
    let body = json!({"amount": -i64::try_from(TEST_CREDITS).unwrap(), "bucket": "free", "environment": "test"});
    rig.server.operator().post(&adjust, &body).expect(201);
    let reply = rig.test.client.post("/v1/jobs/generations", &job("m"));
    let error = refused(&reply, 402, "INSUFFICIENT_CREDITS");
    assert_eq!(error["details"]["available"], 0);
    rig.test.run_job(&json!({"model": "free"}));
    rig.is_untouched();
    rig.live.run_job(&json!({}));
}

#[test]
fn work_that_waits_over_a_restart_stays_on_the_sandbox() {
    let mut rig = Rig::start();
    rig.server.set_paused("generation.create", true);
    let job = rig.test.post_job(&json!({}));
    rig.server = rig.server.restart();
    rig.server.set_paused("generation.create", false);
    let (live, test) = (rig.live.at(&rig.server), rig.test.at(&rig.server));
    assert_eq!(test.wait_job(&job)["provider"], "sandbox");
    assert_eq!(rig.provider.received().len(), 0);
    assert_eq!(live.balance(), (json!(CREDITS), json!(0)));
}

#[test]
fn the_delays_of_test_mode_are_short() {
    let rig = Rig::start();
    let text = "[sandbox:delay=1h] Hello";
    let body = json!({"messages": [{"role": "user", "content": text}], "timeout_ms": 14_000});
    let job = rig.test.run_job(&body);
    assert_eq!(job["output_text"], "The sandbox has read: Hello", "{job}");
}
