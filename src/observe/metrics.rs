//! Numbers for Prometheus. What happens often is counted here as it happens; what others count
//! anyway is asked for when somebody looks.

mod pulled;

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};

pub use pulled::Sample;

use pulled::Pulled;

/// The numbers of one server.
pub struct Metrics {
    registry: Registry,
    pulled: Arc<Pulled>,
    requests: Family<RequestLabels, Counter>,
    request_durations: Family<RouteLabels, Histogram, Buckets>,
    jobs: Family<StatusLabels, Counter>,
    provider_calls: Family<ProviderLabels, Counter>,
    provider_durations: Family<ProviderName, Histogram, Buckets>,
    webhook_attempts: Family<OutcomeLabels, Counter>,
    webhook_durations: Histogram,
    tasks: Family<StatusLabels, Counter>,
    task_attempts: Family<AttemptLabels, Counter>,
    task_durations: Family<KindLabels, Histogram, Buckets>,
    task_lag: Histogram,
    occurrences: Family<OutcomeLabels, Counter>,
    duty_runs: Family<DutyLabels, Counter>,
    duty_durations: Family<DutyName, Histogram, Buckets>,
    duty_successes: Family<DutyName, Gauge>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ProviderLabels {
    provider: String,
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ProviderName {
    provider: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct AttemptLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DutyLabels {
    duty: &'static str,
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DutyName {
    duty: &'static str,
}

/// Upper bounds of a histogram, in seconds.
#[derive(Clone)]
struct Buckets(&'static [f64]);

/// Our own answers take a millisecond or a few; `?wait=` up to a minute.
const ANSWERS: Buckets = Buckets(&[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
]);
/// Others' answers take longer.
const CALLS: Buckets =
    Buckets(&[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0]);

/// A task begins within some milliseconds, or when there is a place for it.
const LAGS: Buckets = Buckets(&[0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

impl Metrics {
    /// All numbers at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("skai"),
            pulled: Arc::default(),
            requests: Family::default(),
            request_durations: Family::new_with_constructor(ANSWERS),
            jobs: Family::default(),
            provider_calls: Family::default(),
            provider_durations: Family::new_with_constructor(CALLS),
            webhook_attempts: Family::default(),
            webhook_durations: CALLS.new_metric(),
            tasks: Family::default(),
            task_attempts: Family::default(),
            task_durations: Family::new_with_constructor(CALLS),
            task_lag: LAGS.new_metric(),
            occurrences: Family::default(),
            duty_runs: Family::default(),
            duty_durations: Family::new_with_constructor(CALLS),
            duty_successes: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "http_requests",
            "Requests that were answered, by route and status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "From the end of a request's headers to the beginning of its answer",
            Unit::Seconds,
            self.request_durations.clone(),
        );
        registry.register(
            "jobs_ended",
            "Jobs that reached a terminal status since the start",
            self.jobs.clone(),
        );
        registry.register(
            "provider_calls",
            "Calls to providers, by outcome",
            self.provider_calls.clone(),
        );
        registry.register_with_unit(
            "provider_call_duration",
            "How long providers took",
            Unit::Seconds,
            self.provider_durations.clone(),
        );
        registry.register(
            "webhook_attempts",
            "Tries to deliver a webhook, by outcome",
            self.webhook_attempts.clone(),
        );
        registry.register_with_unit(
            "webhook_attempt_duration",
            "How long endpoints took",
            Unit::Seconds,
            self.webhook_durations.clone(),
        );
        self.register_tasks();
        self.register_duties();
        self.registry.register_collector(Box::new(Arc::clone(&self.pulled)));
    }

    fn register_tasks(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "tasks_ended",
            "Scheduled tasks that reached a terminal status since the start",
            self.tasks.clone(),
        );
        registry.register(
            "task_attempts",
            "Attempts at scheduled tasks, by what they run and outcome; accepted: the run of an agent is a job now",
            self.task_attempts.clone(),
        );
        registry.register_with_unit(
            "task_attempt_duration",
            "How long attempts at scheduled tasks took",
            Unit::Seconds,
            self.task_durations.clone(),
        );
        registry.register_with_unit(
            "task_lag",
            "From when an attempt at a scheduled task was due until it began",
            Unit::Seconds,
            self.task_lag.clone(),
        );
        registry.register(
            "schedule_occurrences",
            "Occurrences of schedules: task, or why they made none",
            self.occurrences.clone(),
        );
    }

    fn register_duties(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "duty_runs",
            "Runs of the server's own duties, by outcome: ok or failed",
            self.duty_runs.clone(),
        );
        registry.register_with_unit(
            "duty_duration",
            "How long the server's own duties took",
            Unit::Seconds,
            self.duty_durations.clone(),
        );
        registry.register(
            "duty_last_success_timestamp_seconds",
            "When a run of a duty last ended well, also before this start",
            self.duty_successes.clone(),
        );
    }

    /// Asks `source` at each look. It must be quick and must not wait.
    pub fn pull(&self, source: impl Fn() -> Vec<Sample> + Send + Sync + 'static) {
        self.pulled.add(Box::new(source));
    }

    /// Counts an answer. `route` is the path in the route table, so that there are only so many.
    pub fn request(&self, method: &str, route: Option<&'static str>, status: u16, took: Duration) {
        let (method, route) = (known_method(method), route.unwrap_or("none"));
        self.requests.get_or_create(&RequestLabels { method, route, status }).inc();
        let labels = RouteLabels { method, route };
        self.request_durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a job that reached this terminal status.
    pub fn job_ended(&self, status: &'static str) {
        self.jobs.get_or_create(&StatusLabels { status }).inc();
    }

    /// Counts a call to a provider of the configuration or to test mode's, and how long it took if it was made.
    pub fn provider_call(&self, provider: &str, outcome: &'static str, took: Option<Duration>) {
        let labels = ProviderLabels { provider: provider.to_owned(), outcome };
        self.provider_calls.get_or_create(&labels).inc();
        if let Some(took) = took {
            let labels = ProviderName { provider: provider.to_owned() };
            self.provider_durations.get_or_create(&labels).observe(took.as_secs_f64());
        }
    }

    /// Counts a try to deliver a webhook.
    pub fn webhook_attempt(&self, outcome: &'static str, took: Duration) {
        self.webhook_attempts.get_or_create(&OutcomeLabels { outcome }).inc();
        self.webhook_durations.observe(took.as_secs_f64());
    }

    /// Counts a scheduled task that reached this terminal status.
    pub fn task_ended(&self, status: &'static str) {
        self.tasks.get_or_create(&StatusLabels { status }).inc();
    }

    /// Counts an attempt at a scheduled task.
    pub fn task_attempt(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.task_attempts.get_or_create(&AttemptLabels { kind, outcome }).inc();
        self.task_durations.get_or_create(&KindLabels { kind }).observe(took.as_secs_f64());
    }

    /// Notes how late an attempt at a scheduled task began.
    pub fn task_lag(&self, lag: Duration) {
        self.task_lag.observe(lag.as_secs_f64());
    }

    /// Counts occurrences of schedules: `task`, or why they made none.
    pub fn occurrences(&self, outcome: &'static str, count: u64) {
        self.occurrences.get_or_create(&OutcomeLabels { outcome }).inc_by(count);
    }

    /// Counts a run of a duty, and how long it took.
    pub fn duty_ended(&self, duty: &'static str, outcome: &'static str, took: Duration) {
        self.duty_runs.get_or_create(&DutyLabels { duty, outcome }).inc();
        self.duty_durations.get_or_create(&DutyName { duty }).observe(took.as_secs_f64());
    }

    /// A run of a duty ended well at this time, in seconds since 1970.
    pub fn duty_succeeded(&self, duty: &'static str, at: i64) {
        self.duty_successes.get_or_create(&DutyName { duty }).set(at);
    }

    /// All numbers in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        // Writing to a string does not fail.
        let _infallible = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Metrics")
    }
}

/// Clients may invent methods; labels must not multiply with them.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_was_counted_and_what_is_asked_for() {
        let metrics = Metrics::new();
        let took = Duration::from_millis(2);
        metrics.request("GET", Some("/v1/jobs/{id}"), 200, took);
        metrics.request("BREW", None, 404, took);
        metrics.job_ended("succeeded");
        metrics.provider_call("sandbox", "ok", Some(took));
        metrics.webhook_attempt("timeout", took);
        metrics.task_ended("failed");
        metrics.task_attempt("http", "completed", took);
        metrics.task_lag(took);
        metrics.occurrences("overlap", 3);
        metrics.pull(|| {
            vec![
                Sample::gauge("queue_depth", "Work", 7.0)
                    .label("queue", "a")
                    .label("state", "ready"),
                Sample::counter("commits", "Commits", 9.0),
                Sample::gauge("queue_depth", "Work", 1.0)
                    .label("queue", "b")
                    .label("state", "ready"),
            ]
        });
        let text = metrics.render();
        for line in [
            r#"skai_http_requests_total{method="GET",route="/v1/jobs/{id}",status="200"} 1"#,
            r#"skai_http_requests_total{method="other",route="none",status="404"} 1"#,
            r#"skai_http_request_duration_seconds_bucket{le="0.0025",method="GET",route="/v1/jobs/{id}"} 1"#,
            r#"skai_jobs_ended_total{status="succeeded"} 1"#,
            r#"skai_provider_calls_total{provider="sandbox",outcome="ok"} 1"#,
            r#"skai_webhook_attempts_total{outcome="timeout"} 1"#,
            r#"skai_tasks_ended_total{status="failed"} 1"#,
            r#"skai_task_attempts_total{kind="http",outcome="completed"} 1"#,
            r#"skai_task_attempt_duration_seconds_count{kind="http"} 1"#,
            r#"skai_task_lag_seconds_bucket{le="0.005"} 1"#,
            r#"skai_schedule_occurrences_total{outcome="overlap"} 3"#,
            "skai_commits_total 9.0",
            r#"skai_queue_depth{queue="a",state="ready"} 7.0"#,
            r#"skai_queue_depth{queue="b",state="ready"} 1.0"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert_eq!(text.matches("# TYPE skai_queue_depth gauge").count(), 1);
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn two_servers_count_apart() {
        let (one, other) = (Metrics::new(), Metrics::new());
        one.job_ended("failed");
        assert!(!other.render().contains("status=\"failed\""));
    }
}
