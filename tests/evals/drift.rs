//! The figures of an agent's hours, and the news of a drift, on a clock that only the test moves.

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{
    app::{
        agents::{
            self,
            health::{self, Health},
        },
        asking::Trail,
        jobs::{self, Outcome},
    },
    domain::{EndpointId, JobError, JobErrorCode, Usage},
    store::{AccountScope, webhooks},
    workers::Maintenance,
};

use crate::support::{
    client::Reply,
    deeds::{Deeds, caller, failure, model, success},
    server::TestServer,
};

const HOUR: Duration = Duration::from_hours(1);

struct Bench {
    deeds: Deeds,
    scope: AccountScope,
    maintenance: Maintenance,
    token: i64,
}

impl Bench {
    fn new() -> Self {
        let deeds = Deeds::new([model("m", 1)]);
        let scope = deeds.funded(1_000_000);
        let maintenance = Maintenance::new(deeds.app.clone());
        let bench = Self { deeds, scope, maintenance, token: 0 };
        bench.make("helper");
        bench.listen();
        bench
    }

    fn make(&self, name: &str) {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let body = json!({"name": name, "model": "m", "messages": messages}).to_string();
        let app = &self.deeds.app;
        let new = serde_json::from_str(&body).unwrap();
        agents::create(app, &caller(self.scope), &new, None, |_| Ok(Vec::new())).unwrap();
    }

    /// An endpoint that wants to hear of drift.
    fn listen(&self) {
        let id = EndpointId::from_uuid(self.deeds.ambient.uuid());
        let new = webhooks::NewEndpoint {
            id,
            url: "https://example.com/".to_owned(),
            events: "agent.drift".to_owned(),
            description: None,
            active: true,
            retry_policy: "standard".to_owned(),
            secret: vec![1],
        };
        let added = self.deeds.app.store.write(self.scope, move |tx| webhooks::insert(tx, &new));
        added.wait().unwrap();
    }

    /// A run of `helper` that takes so long and ends so.
    fn run(&mut self, took: Duration, outcome: Outcome) {
        self.run_of("helper", took, outcome);
    }

    fn run_of(&mut self, agent: &str, took: Duration, outcome: Outcome) {
        self.token += 1;
        let app = &self.deeds.app;
        let run = serde_json::from_str("{}").unwrap();
        let caller = caller(self.scope);
        let agents::Run::New(new) = agents::prepare_run(app, &caller, agent, &run, None).unwrap()
        else {
            panic!("the run is new");
        };
        let job = jobs::submit(app, &caller, *new, None).wait().unwrap().job;
        let (claimed, job) = self.deeds.begin(job.seq, self.token);
        self.deeds.ambient.advance(took);
        assert!(self.deeds.finish(&claimed, job, outcome));
    }

    fn health(&self, hours: u32) -> Health {
        health::health(&self.deeds.app, self.scope, "helper", hours).unwrap()
    }

    /// Lets another round begin, and gives the events that were told so far.
    fn told(&self) -> Vec<Value> {
        self.deeds.ambient.advance(Duration::from_mins(5));
        self.maintenance.tick();
        self.deeds.told()
    }
}

fn mismatch(repairs: u32) -> Outcome {
    let message = "no".to_owned();
    let error = JobError { code: JobErrorCode::OutputSchemaMismatch, message };
    let trail = Trail { repairs, ..Trail::default() };
    Outcome::Failed { error, retry_at: None, exhausted: false, answer: None, trail }
}

fn costly(tokens: u64, cost: i64) -> Outcome {
    let Outcome::Succeeded(mut it) = success(cost) else { panic!("it succeeds") };
    it.usage = Usage::new(tokens - 1, 1);
    Outcome::Succeeded(it)
}

#[test]
fn figures_are_those_of_the_jobs_that_ended() {
    let mut bench = Bench::new();
    let second = Duration::from_secs(1);
    bench.run(second, costly(10, 4));
    bench.run(3 * second, costly(20, 6));
    bench.run(second, mismatch(2));
    bench.run(second, failure(None));
    let totals = bench.health(1).current.totals;
    assert_eq!((totals.jobs, totals.succeeded, totals.schema_failed), (4, 2, 1));
    assert_eq!((totals.repairs, totals.latency_ms), (2, 4_000));
    assert_eq!(totals.prompt_tokens + totals.completion_tokens, 30);
    assert_eq!(totals.charged.micros(), 10);
    // They leave the window hour by hour.
    bench.deeds.ambient.advance(HOUR);
    let health = bench.health(1);
    assert_eq!((health.current.totals.jobs, health.previous.totals), (0, totals));
    assert_eq!(bench.health(2).current.totals, totals);
    assert_eq!(health.current.from, health.previous.to);
    bench.deeds.ambient.advance(HOUR);
    assert_eq!(bench.health(1).previous.totals.jobs, 0);
}

#[test]
fn a_job_that_is_canceled_or_tried_again_does_not_count() {
    let mut bench = Bench::new();
    let later = bench.deeds.ambient.now().plus(HOUR / 4);
    bench.run(Duration::ZERO, failure(Some(later)));
    assert_eq!(bench.health(1).current.totals.jobs, 0);
    let store = &bench.deeds.app.store;
    let waiting = store.read(bench.scope, |it| skai_server::store::jobs::by_seq(it, 1));
    bench.deeds.cancel(&caller(bench.scope), waiting.unwrap().unwrap().id).unwrap();
    assert_eq!(bench.health(1).current.totals.jobs, 0);
}

#[test]
fn a_drift_is_told_once_in_a_window() {
    let mut bench = Bench::new();
    let second = Duration::from_secs(1);
    for _ in 0..2 {
        bench.run(second, costly(10, 10));
    }
    assert!(bench.told().is_empty());
    bench.deeds.ambient.advance(2 * HOUR);
    bench.run(second, costly(10, 10));
    bench.run(2 * second, costly(10, 10));
    let told = bench.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["type"], "agent.drift");
    let account = bench.scope.account_id().to_string();
    let data = json!({
        "agent": "helper", "account_id": account, "metric": "latency_ms_mean",
        "previous": 1_000.0, "current": 1_500.0, "window_hours": 2,
    });
    assert_eq!(told[0]["data"], data);
    assert_eq!(bench.told().len(), 1);
    // Another metric is news, and so is the same one in another window.
    bench.run(second, mismatch(1));
    assert_eq!(bench.told().pop().unwrap()["data"]["metric"], "schema_failure_rate");
    assert_eq!(bench.told().len(), 2);
    bench.deeds.ambient.advance(2 * HOUR);
    for _ in 0..3 {
        bench.run(5 * second, costly(10, 10));
    }
    let told = bench.told();
    assert_eq!((told.len(), &told[2]["data"]["metric"]), (3, &json!("latency_ms_mean")));
}

#[test]
fn many_agents_are_looked_at_in_turn() {
    let mut bench = Bench::new();
    let (busy, second) = (["first", "second", "third"], Duration::from_secs(1));
    for name in busy {
        bench.make(&format!("idle-{name}"));
        bench.make(name);
    }
    for seconds in [1, 2] {
        bench.deeds.ambient.advance(2 * HOUR);
        for name in busy {
            for _ in 0..2 {
                bench.run_of(name, seconds * second, success(1));
            }
        }
    }
    let (app, told) = (&bench.deeds.app, |bench: &Bench| {
        let agents = bench.deeds.told().into_iter().map(|event| event["data"]["agent"].clone());
        agents.collect::<Vec<_>>()
    });
    // Those without jobs take no place in a page, and the last page goes on after the one before.
    let mut place = None;
    assert_eq!(health::watch_drift(app, &mut place, 2).unwrap(), 2);
    assert_eq!(told(&bench), ["first", "second"]);
    assert_eq!(health::watch_drift(app, &mut place, 2).unwrap(), 1);
    assert_eq!(
        (place, told(&bench)),
        (None, ["first", "second", "third"].map(Value::from).to_vec())
    );
}

#[test]
fn an_agent_that_cannot_be_looked_at_does_not_hold_up_the_others() {
    let mut bench = Bench::new();
    bench.make("sound");
    for seconds in [1, 2] {
        bench.deeds.ambient.advance(2 * HOUR);
        for name in ["helper", "sound"] {
            for _ in 0..2 {
                bench.run_of(name, Duration::from_secs(seconds), success(1));
            }
        }
    }
    let outside = bench.deeds.outside();
    outside.execute("update agent_hour set latency_ms = -1000000 where agent = 1", []).unwrap();
    let mut place = None;
    health::watch_drift(&bench.deeds.app, &mut place, 9).unwrap_err();
    let told = bench.deeds.told();
    assert_eq!((told.len(), &told[0]["data"]["agent"]), (1, &json!("sound")));
}

#[test]
fn hours_are_forgotten_once_no_window_reaches_them() {
    let mut bench = Bench::new();
    bench.run(Duration::ZERO, success(1));
    bench.deeds.ambient.advance(60 * 24 * HOUR);
    assert_eq!(health::forget_hours(&bench.deeds.app).unwrap(), 0);
    bench.deeds.ambient.advance(2 * HOUR);
    assert_eq!(health::forget_hours(&bench.deeds.app).unwrap(), 1);
}

#[test]
fn health_is_shown_for_whole_hours() {
    let server = TestServer::start();
    let account = server.account();
    let messages = json!([{"role": "user", "content": "hi"}]);
    let body = json!({"name": "helper", "model": "sandbox", "messages": messages});
    account.client.post("/v1/agents", &body).expect(201);
    account.client.post("/v1/agents/helper/runs?wait=15", &json!({})).expect(202);
    let get = |query: &str| account.client.get(&format!("/v1/agents/helper/health{query}"));
    let health = get("").expect(200).json();
    assert_eq!((&health["object"], &health["window_hours"]), (&json!("agent_health"), &json!(24)));
    assert_eq!((&health["current"]["jobs"], &health["previous"]["jobs"]), (&json!(1), &json!(0)));
    assert_eq!(health["current"]["success_rate"], 1.0);
    assert!(health["current"]["tokens_mean"].as_f64().unwrap() > 0.0);
    assert_eq!(health["previous"]["success_rate"], Value::Null);
    assert_eq!(health["change"]["latency_ms_mean"], Value::Null);
    assert_eq!(health["drifting"], json!([]));
    for (window, hours) in
        [("1h", 1), ("7d", 168), ("30d", 720), ("90m", 0), ("0h", 0), ("31d", 0), ("x", 0)]
    {
        let reply: Reply = get(&format!("?window={window}"));
        match hours {
            0 => assert_eq!(reply.expect(400).json()["error"]["param"], "window"),
            _ => assert_eq!(reply.expect(200).json()["window_hours"], hours),
        }
    }
    server.account().client.get("/v1/agents/helper/health").expect(404);
}
