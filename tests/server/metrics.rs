//! What `/metrics` says after some work: valid, exact, and all that the dashboard and the alerts ask for.

use serde_json::json;

use super::openmetrics::{self, Metrics};
use crate::support::{
    Provider, Receiver, eventually,
    server::{Account, COST, TestServer},
};

/// A server that did a little of everything.
pub(super) struct Busy {
    server: TestServer,
    account: Account,
    _provider: Provider,
    _receiver: Receiver,
    _collector: Receiver,
}

impl Busy {
    pub(super) fn new() -> Self {
        let (provider, receiver) = (Provider::start(), Receiver::start());
        let collector = Receiver::start();
        let traces = collector.url("/v1/traces");
        let server = TestServer::builder()
            .provider(&provider)
            .config(|config| config.traces.endpoint = traces)
            .start();
        let account = server.account();
        account.endpoint(&receiver, "/good", &json!({}));
        let job = account.run_job(&json!({"model": "m"}));
        assert_eq!(job["status"], "succeeded", "{job}");
        receiver.wait_for_deliveries(1);
        let it = Self {
            server,
            account,
            _provider: provider,
            _receiver: receiver,
            _collector: collector,
        };
        it.run_an_agent();
        it.run_a_task();
        it.run_a_duty();
        it
    }

    fn run_an_agent(&self) {
        let client = &self.account.client;
        let prompt = json!([{"role": "user", "content": "Hi {{ input.name }}"}]);
        let agent = json!({"name": "greeter", "model": "m", "messages": prompt});
        client.post("/v1/agents", &agent).expect(201);
        for _ in 0..2 {
            let run = json!({"input": {"name": "ada"}});
            client.post("/v1/agents/greeter/runs?wait=15", &run).expect(202);
        }
    }

    fn run_a_task(&self) {
        let client = &self.account.client;
        let task = json!({"function_name": "daily-token-reset"});
        client.post("/v1/scheduled-tasks", &task).expect(201);
        let schedule = json!({
            "name": "again", "cron": "@yearly", "function_name": "daily-token-reset",
        });
        let made = client.post("/v1/schedules", &schedule).expect(201).json();
        let path = format!("/v1/schedules/{}/run", made["id"].as_str().unwrap());
        client.post(&path, &json!({})).expect(201);
        eventually("the end of both tasks", || {
            let series = "skai_tasks_ended_total{status=\"completed\"}";
            (self.server.metric(series) >= Some(2.0)).then_some(())
        });
    }

    fn run_a_duty(&self) {
        let path = "/admin/v1/duties/ledger.verify/run";
        self.server.operator().post(path, &json!({})).expect(202);
        let ended = "skai_duty_runs_total{duty=\"ledger.verify\",outcome=\"ok\"}";
        eventually("the proof of the books", || self.server.metric(ended).filter(|it| *it >= 1.0));
    }

    pub(super) fn metrics(&self) -> Metrics {
        openmetrics::parse(self.server.operator().get("/metrics").expect(200).text())
    }
}

#[test]
fn what_was_done_is_counted_once() {
    let busy = Busy::new();
    let metrics = busy.metrics();
    for (series, value) in [
        (r#"skai_jobs_ended_total{status="succeeded"}"#, 3.0),
        (r#"skai_jobs_ended_total{status="failed"}"#, 0.0),
        (r#"skai_jobs{status="queued"}"#, 0.0),
        (r#"skai_jobs{status="running"}"#, 0.0),
        (r#"skai_credits_total{kind="grant",environment="live"}"#, 1_000_000.0),
        (r#"skai_credits_total{kind="charge",environment="test"}"#, 0.0),
        (r#"skai_credits_total{kind="expire",environment="live"}"#, 0.0),
        (r#"skai_webhook_deliveries_ended_total{outcome="failed"}"#, 0.0),
        (r#"skai_cache_requests_total{cache="agents",result="miss"}"#, 1.0),
        (r#"skai_cache_requests_total{cache="agents",result="hit"}"#, 1.0),
        (r#"skai_cache_entries{cache="agents"}"#, 1.0),
        (r#"skai_queue_oldest_ready_seconds{queue="task.run",lane="foreground"}"#, 0.0),
        (r#"skai_duty_runs_total{duty="ledger.verify",outcome="ok"}"#, 1.0),
        (r#"skai_duty_runs_total{duty="backup",outcome="failed"}"#, 0.0),
        ("skai_store_failing", 0.0),
    ] {
        assert!((metrics.get(series) - value).abs() < 1e-9, "{series} {}", metrics.get(series));
    }
    let credits =
        |kind| metrics.get(&format!("skai_credits_total{{kind=\"{kind}\",environment=\"live\"}}"));
    let cost = f64::from(u32::try_from(COST).unwrap());
    assert!((credits("charge") - 3.0 * cost).abs() < 1e-9);
    assert!((credits("reserve") - credits("release")).abs() < 1e-9);
    let commits = metrics.get("skai_store_commits_total");
    assert!((metrics.get("skai_store_commit_duration_seconds_count") - commits).abs() < 1e-9);
    let deeds = metrics.get("skai_store_deeds_total");
    assert!((metrics.get("skai_store_commit_deeds_sum") - deeds).abs() < 1e-9);
    for series in [
        "skai_store_wal_bytes",
        "skai_store_database_bytes",
        "process_start_time_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        r#"skai_cache_requests_total{cache="keys",result="hit"}"#,
        r#"skai_cache_requests_total{cache="keys",result="miss"}"#,
        r#"skai_cache_requests_total{cache="prices",result="hit"}"#,
        r#"skai_build_info{version="0.1.0"}"#,
    ] {
        assert!(metrics.get(series) > 0.0, "{series}");
    }
}

#[test]
fn work_that_waits_grows_old() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    server.set_paused("generation.create", true);
    let job = account.post_job(&json!({"model": "m"}));
    let series = "skai_queue_oldest_ready_seconds{queue=\"generation.create\",lane=\"foreground\"}";
    eventually("a second of waiting", || server.metric(series).filter(|age| *age >= 1.0));
    assert_eq!(server.metric("skai_jobs{status=\"queued\"}"), Some(1.0));
    server.set_paused("generation.create", false);
    account.wait_job(&job);
    eventually("nothing that waits", || server.metric(series).filter(|age| *age < 1e-9));
}

#[test]
fn what_is_given_up_is_counted_by_its_queue() {
    let server = TestServer::start();
    let account = server.account();
    // Nobody listens where the provider should be.
    let job = account.run_job(&json!({"model": "m"}));
    assert_eq!(job["status"], "failed", "{job}");
    let series = "skai_dead_letters_total{queue=\"generation.create\"}";
    assert_eq!(server.metric(series), Some(1.0));
    assert_eq!(server.metric("skai_dead_letters_total{queue=\"task.run\"}"), Some(0.0));
}
