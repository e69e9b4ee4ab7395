//! Generation jobs against scripted providers: what is asked, what is stored, what is charged.

mod outages;
mod streams;
mod whole;

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{
    app::Settings,
    domain::{JobErrorCode, JobStatus, Model, Secret, Usage},
    providers::{ProviderLimits, ProviderSettings, RemoteSettings},
    queue::{GiveUp, Kind as _, Stop},
    store::{AccountScope, jobs::Job},
    workers::RunGeneration,
};

use crate::support::{
    Answer, LIMIT, Provider,
    deeds::{Deeds, model},
    provider::{completion, completion_body, error},
};

const MAX_RUNTIME: Duration = Duration::from_mins(15);
/// What an attempt has of it for its calls.
const DEADLINE: Duration = Duration::from_mins(12);

/// Deeds, an account with 1,000 microcredits, two providers and the worker.
struct Bench {
    deeds: Deeds,
    scope: AccountScope,
    provider: Provider,
    spare: Provider,
    worker: RunGeneration,
    token: i64,
}

fn remote(
    name: &str,
    provider: &Provider,
    limits: ProviderLimits,
) -> (String, ProviderSettings, ProviderLimits) {
    let settings = RemoteSettings {
        base_url: provider.base_url(),
        api_key: Secret::new("sk-operator".to_owned()),
        timeout: LIMIT,
        allow_media_urls: false,
    };
    (name.to_owned(), ProviderSettings::OpenAi(settings), limits)
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::limited(ProviderLimits::default(), change)
    }

    fn limited(limits: ProviderLimits, change: impl FnOnce(&mut Settings)) -> Self {
        let spare_model = Model { provider: "spare".to_owned(), ..model("s", 2) };
        let lost = Model { provider: "lost".to_owned(), ..model("lost", 0) };
        let (provider, spare) = (Provider::start(), Provider::start());
        let served = [remote("test", &provider, limits), remote("spare", &spare, limits)];
        let deeds = Deeds::served([model("m", 1), spare_model, lost], served, change);
        let worker = RunGeneration::new(deeds.app.clone(), MAX_RUNTIME);
        let scope = deeds.funded(1_000);
        Self { deeds, scope, provider, spare, worker, token: 0 }
    }

    fn submit(&self, more: &Value) -> Job {
        self.deeds.submit(self.scope, more).unwrap()
    }

    /// Makes one attempt; gives the job afterwards.
    fn attempt(&mut self, job: &Job) -> Job {
        self.token += 1;
        let (claimed, begun) = self.deeds.begin(job.seq, self.token);
        self.worker.run(&claimed, begun, &Stop::default()).unwrap();
        self.deeds.verify();
        self.deeds.job(self.scope, job.id)
    }

    fn run(&mut self, more: &Value) -> Job {
        let job = self.submit(more);
        self.attempt(&job)
    }

    fn available(&self) -> i64 {
        let balance = self.deeds.balance(self.scope);
        balance.available.total().unwrap().micros()
    }

    /// The provider answers so, and the clock runs on by `time` meanwhile.
    fn answers_after(&self, time: Duration, answer: Answer) {
        let ambient = self.deeds.ambient.clone();
        self.provider.answer_with(move |_| {
            ambient.advance(time);
            answer.clone()
        });
    }

    fn last_event(&self, job: &Job) -> (String, Value) {
        self.deeds.story(self.scope, job.seq).pop().unwrap()
    }
}

fn schema() -> Value {
    json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}})
}

fn failed_with(job: &Job) -> (JobErrorCode, String) {
    assert_eq!(job.status, JobStatus::Failed);
    let error = job.result.as_ref().unwrap().error.clone().unwrap();
    (error.code, error.message)
}

#[test]
fn an_answer_is_stored_and_charged() {
    let mut bench = Bench::new();
    let body = json!({
        "temperature": 0.5, "max_tokens": 64, "stop": ["x"], "seed": 3, "user": "u",
    });
    let job = bench.run(&body);
    let result = job.result.as_ref().unwrap();
    assert_eq!(job.status, JobStatus::Succeeded);
    assert_eq!(result.output_text.as_deref(), Some("Hello from the test provider."));
    assert!(result.output.is_none());
    assert_eq!(result.usage, Some(Usage::new(10, 5)));
    assert_eq!((result.provider.as_deref(), result.charged.micros()), (Some("test"), 15));
    assert_eq!(bench.available(), 985);

    let sent = bench.provider.received()[0].json();
    assert_eq!(sent["model"], "upstream-m");
    assert_eq!((&sent["temperature"], &sent["seed"]), (&json!(0.5), &json!(3)));
    assert_eq!(bench.provider.received()[0].header("x-request-id"), Some("req-1"));
}

#[test]
fn an_answer_that_keeps_the_contract_is_stored_as_json() {
    let mut bench = Bench::new();
    bench.provider.say("```json\n{\"a\": 1.0}\n```");
    let job = bench.run(&json!({"output_schema": schema()}));
    let result = job.result.unwrap();
    assert_eq!(result.output.unwrap().get(), "{\"a\": 1.0}");
    assert_eq!(result.output_text.as_deref(), Some("```json\n{\"a\": 1.0}\n```"));
}

#[test]
fn a_broken_contract_is_quoted_and_repaired() {
    let mut bench = Bench::new();
    bench.provider.queue(completion("{\"a\":\"x\"}"));
    bench.provider.queue(completion("{\"a\":2}"));
    let job = bench.run(&json!({"output_schema": schema()}));
    let result = job.result.clone().unwrap();
    assert_eq!(result.output.unwrap().get(), "{\"a\":2}");
    assert_eq!(result.usage, Some(Usage::new(20, 10)), "both calls count");
    assert_eq!(result.charged.micros(), 30);

    let data = bench.last_event(&job).1;
    assert_eq!((&data["model"], &data["repairs"]), (&json!("m"), &json!(1)));
    assert!(data.get("tried").is_none());

    let repair = bench.provider.received()[1].json();
    let messages = repair["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[1], json!({"role": "assistant", "content": "{\"a\":\"x\"}"}));
    assert_eq!(messages[2]["role"], "user");
    let told = messages[2]["content"].as_str().unwrap();
    assert!(told.contains("- /a: must be of type integer"), "{told}");
}

#[test]
fn a_contract_that_stays_broken_fails_the_job_and_charges_nothing() {
    for (repairs, calls) in [(0, 1), (3, 4)] {
        let mut bench = Bench::with(|settings| settings.max_repairs = repairs);
        bench.provider.say("I would rather not write JSON.");
        let job = bench.run(&json!({"output_schema": schema(), "fallback_models": ["s"]}));
        let (code, message) = failed_with(&job);
        assert_eq!(code, JobErrorCode::OutputSchemaMismatch);
        assert!(message.contains("must be one JSON value"), "{message}");
        assert_eq!(bench.provider.received().len(), calls);
        assert!(bench.spare.received().is_empty());
        assert_eq!(bench.available(), 1_000);
        let result = job.result.clone().unwrap();
        assert_eq!(result.output_text.as_deref(), Some("I would rather not write JSON."));
        assert!(result.output.is_none() && result.provider.is_some());
        let data = bench.last_event(&job).1;
        assert_eq!((&data["model"], &data["provider"]), (&json!("m"), &json!("test")));
        assert_eq!(data.get("repairs").and_then(Value::as_u64).unwrap_or(0), u64::from(repairs));
        let calls = u64::try_from(calls).unwrap();
        assert_eq!(result.usage, Some(Usage::new(10 * calls, 5 * calls)), "all calls count");
        assert_eq!(result.charged.micros(), 0);
    }
}

#[test]
fn a_refusal_is_a_bad_request() {
    let mut bench = Bench::new();
    let mut body = completion_body("", &json!(null));
    body["choices"][0]["message"] =
        json!({"role": "assistant", "content": null, "refusal": "I cannot help with that."});
    bench.provider.always(Answer::json(200, &body));
    let job = bench.run(&json!({"output_schema": schema()}));
    let (code, message) = failed_with(&job);
    assert_eq!(code, JobErrorCode::BadRequest);
    assert_eq!(message, "the model declined to answer: I cannot help with that.");
    assert_eq!(bench.last_event(&job).1["tried"][0]["provider"], "test", "who declined is told");
    assert_eq!(bench.provider.received().len(), 1, "a refusal is not repaired");
    assert_eq!(bench.available(), 1_000);
}

#[test]
fn a_failing_provider_is_tried_again_after_the_pause() {
    let mut bench = Bench::new();
    let answer = error(429, "slow down").header("retry-after", "60");
    bench.provider.queue(answer);
    let job = bench.submit(&json!({}));
    let waiting = bench.attempt(&job);
    assert_eq!((waiting.status, waiting.attempts), (JobStatus::Queued, 1));
    let (name, data) = bench.last_event(&job);
    assert_eq!((name.as_str(), &data["error"]["code"]), ("retrying", &json!("RATE_LIMIT")));

    bench.deeds.ambient.advance(Duration::from_secs(59));
    assert!(bench.deeds.claim(job.seq, 99).is_none(), "Retry-After is not undercut");
    bench.deeds.ambient.advance(Duration::from_secs(14));
    let done = bench.attempt(&job);
    assert_eq!((done.status, done.attempts), (JobStatus::Succeeded, 2));
    assert_eq!(bench.available(), 985);
}

#[test]
fn attempts_end() {
    let mut bench = Bench::new();
    bench.provider.always(error(503, "down"));
    let job = bench.submit(&json!({}));
    for attempt in 1..=5 {
        assert_eq!(bench.attempt(&job).status, JobStatus::Queued, "attempt {attempt}");
        bench.deeds.ambient.advance(Duration::from_mins(6));
    }
    let failed = bench.attempt(&job);
    assert_eq!(failed_with(&failed).0, JobErrorCode::ServerError);
    assert_eq!(bench.provider.received().len(), 6);
    assert_eq!(bench.available(), 1_000);
    assert_eq!(dead_letters(&bench), ["SERVER_ERROR"]);
}

fn dead_letters(bench: &Bench) -> Vec<String> {
    let app = &bench.deeds.app;
    let listed = app.store.read(bench.scope, |snapshot| {
        skai_server::store::dead_letters::list(snapshot, None, None, 10)
    });
    listed.unwrap().into_iter().map(|letter| letter.reason).collect()
}

#[test]
fn no_attempt_is_put_off_beyond_the_time_to_live() {
    let mut bench = Bench::with(|settings| settings.job_ttl = Duration::from_secs(30));
    bench.provider.always(error(429, "slow down").header("retry-after", "31"));
    let job = bench.run(&json!({}));
    assert_eq!(failed_with(&job).0, JobErrorCode::RateLimit);
    assert_eq!(dead_letters(&bench), ["RATE_LIMIT"]);
}

#[test]
fn a_request_that_the_provider_refuses_is_not_tried_again() {
    let mut bench = Bench::new();
    bench.provider.always(error(400, "no such parameter"));
    let job = bench.run(&json!({"fallback_models": ["s"]}));
    assert_eq!(failed_with(&job).0, JobErrorCode::BadRequest);
    assert!(bench.spare.received().is_empty());
    assert!(dead_letters(&bench).is_empty());
}

#[test]
fn fallbacks_answer_at_their_own_price() {
    let mut bench = Bench::new();
    bench.provider.always(error(503, "down"));
    let job = bench.run(&json!({"fallback_models": ["lost", "s"]}));
    let result = job.result.as_ref().unwrap();
    assert_eq!((result.provider.as_deref(), result.charged.micros()), (Some("spare"), 25));
    assert_eq!(bench.spare.received()[0].json()["model"], "upstream-s");
    let (name, data) = bench.last_event(&job);
    assert_eq!((name.as_str(), &data["model"]), ("succeeded", &json!("s")));
    assert_eq!(data["provider"], "spare");
    let tried = json!([
        {"model": "m", "provider": "test", "code": "SERVER_ERROR",
         "message": "the provider answered with status 503: down"},
        {"model": "lost", "provider": "lost", "code": "SERVER_ERROR",
         "message": "the provider of model `lost` is not configured any more"},
    ]);
    assert_eq!((&data["tried"], data.get("repairs")), (&tried, None));
    assert_eq!(job.attempts, 1);
}

#[test]
fn when_all_models_fail_the_error_that_can_pass_decides() {
    let mut bench = Bench::new();
    bench.provider.always(error(429, "slow down"));
    bench.spare.always(error(400, "no such parameter"));
    let job = bench.submit(&json!({"fallback_models": ["s"]}));
    assert_eq!(bench.attempt(&job).status, JobStatus::Queued);
    assert_eq!(bench.last_event(&job).1["error"]["code"], "RATE_LIMIT");
    let lost = bench.run(&json!({"model": "lost"}));
    let (code, message) = failed_with(&lost);
    assert_eq!(code, JobErrorCode::ServerError);
    assert_eq!(message, "the provider of model `lost` is not configured any more");
}

#[test]
fn a_call_has_the_jobs_own_timeout() {
    let mut bench = Bench::new();
    bench.provider.always(completion("late").held());
    let job = bench.submit(&json!({"timeout_ms": 50}));
    assert_eq!(bench.attempt(&job).status, JobStatus::Queued);
    assert_eq!(bench.last_event(&job).1["error"]["code"], "TIMEOUT");
}

/// Timeouts, repairs and fallback models add up to more than the queue lets an attempt take.
#[test]
fn no_call_begins_after_the_attempts_deadline() {
    for answer in [completion("This is no JSON."), error(503, "down")] {
        let mut bench = Bench::with(|settings| settings.max_repairs = 3);
        bench.answers_after(DEADLINE, answer);
        let job = bench.submit(&json!({"output_schema": schema(), "fallback_models": ["s"]}));
        let waiting = bench.attempt(&job);
        assert_eq!((waiting.status, waiting.attempts), (JobStatus::Queued, 1));
        let (name, data) = bench.last_event(&job);
        assert_eq!((name.as_str(), &data["error"]["code"]), ("retrying", &json!("TIMEOUT")));
        assert_eq!(bench.provider.received().len(), 1, "no repair begins");
        assert!(bench.spare.received().is_empty(), "no fallback begins");

        // The next attempt has all of its time.
        bench.provider.say("{\"a\":1}");
        bench.deeds.ambient.advance(Duration::from_secs(6));
        assert_eq!(bench.attempt(&job).status, JobStatus::Succeeded);
    }
}

#[test]
fn a_repair_in_time_has_what_is_left_of_the_attempt() {
    let almost_all = DEADLINE.saturating_sub(Duration::from_millis(50));
    let mut bench = Bench::new();
    let held = completion("{\"a\":1}").held();
    let ambient = bench.deeds.ambient.clone();
    bench.provider.answer_with(move |call| {
        if call.json()["messages"].as_array().unwrap().len() > 1 {
            return held.clone();
        }
        ambient.advance(almost_all);
        completion("This is no JSON.")
    });
    let job = bench.submit(&json!({"output_schema": schema(), "timeout_ms": 600_000}));
    assert_eq!(bench.attempt(&job).status, JobStatus::Queued);
    assert_eq!(bench.provider.received().len(), 2);
    let failure = &bench.last_event(&job).1["error"];
    let told = json!({"code": "TIMEOUT", "message": "the provider did not answer within 50ms"});
    assert_eq!(*failure, told);
}

#[test]
fn what_is_given_up_says_why() {
    for (why, status, code, letters) in [
        (GiveUp::Expired, JobStatus::Expired, JobErrorCode::Expired, 0),
        (GiveUp::CrashLoop, JobStatus::Failed, JobErrorCode::CrashLoop, 1),
    ] {
        let bench = Bench::new();
        let job = bench.submit(&json!({}));
        let claimed = bench.deeds.claim(job.seq, 1).unwrap();
        bench.worker.give_up(&claimed, why).unwrap();
        let job = bench.deeds.job(bench.scope, job.id);
        assert_eq!((job.status, job.result.unwrap().error.unwrap().code), (status, code));
        assert_eq!(dead_letters(&bench).len(), letters);
        bench.deeds.verify();
    }
}
