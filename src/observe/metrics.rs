//! Numbers for Prometheus. What happens often is counted here as it happens; what others count
//! anyway is asked for when somebody looks.

mod labels;
mod moved;
mod pulled;
mod tally;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor as _},
        gauge::Gauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Registry, Unit},
};

pub use pulled::Sample;
pub use tally::Tally;

use crate::domain::{self, Credits, DeliveryStatus, EntryKind, Environment, JobStatus, QueueName};
use labels::{
    ANSWERS, AttemptLabels, Buckets, CALLS, DutyLabels, DutyName, KindLabels, LAGS, OutcomeLabels,
    ProviderLabels, ProviderName, QueueLabels, RequestLabels, RouteLabels, StatusLabels,
};
use moved::Moved;
use pulled::Pulled;

/// The numbers of one server.
pub struct Metrics {
    registry: Registry,
    pulled: Arc<Pulled>,
    /// What has no `skai_` before its name.
    common: Registry,
    common_pulled: Arc<Pulled>,
    requests: Family<RequestLabels, Counter>,
    request_durations: Family<RouteLabels, Histogram, Buckets>,
    jobs: Family<StatusLabels, Counter>,
    provider_calls: Family<ProviderLabels, Counter>,
    provider_durations: Family<ProviderName, Histogram, Buckets>,
    webhook_attempts: Family<OutcomeLabels, Counter>,
    webhook_durations: Histogram,
    deliveries: Family<OutcomeLabels, Counter>,
    credits: Arc<Moved>,
    dead_letters: Family<QueueLabels, Counter>,
    tasks: Family<StatusLabels, Counter>,
    task_attempts: Family<AttemptLabels, Counter>,
    task_durations: Family<KindLabels, Histogram, Buckets>,
    task_lag: Histogram,
    occurrences: Family<OutcomeLabels, Counter>,
    duty_runs: Family<DutyLabels, Counter>,
    duty_durations: Family<DutyName, Histogram, Buckets>,
    duty_successes: Family<DutyName, Gauge>,
    duty_dues: Family<DutyName, Gauge>,
}

impl Metrics {
    /// All numbers at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("skai"),
            pulled: Arc::default(),
            common: Registry::default(),
            common_pulled: Arc::default(),
            requests: Family::default(),
            request_durations: Family::new_with_constructor(ANSWERS),
            jobs: Family::default(),
            provider_calls: Family::default(),
            provider_durations: Family::new_with_constructor(CALLS),
            webhook_attempts: Family::default(),
            webhook_durations: CALLS.new_metric(),
            deliveries: Family::default(),
            credits: Arc::default(),
            dead_letters: Family::default(),
            tasks: Family::default(),
            task_attempts: Family::default(),
            task_durations: Family::new_with_constructor(CALLS),
            task_lag: LAGS.new_metric(),
            occurrences: Family::default(),
            duty_runs: Family::default(),
            duty_durations: Family::new_with_constructor(CALLS),
            duty_successes: Family::default(),
            duty_dues: Family::default(),
        };
        metrics.begin_at_zero();
        metrics.register();
        metrics
    }

    /// Shows what is watched for its first time: a number that is missing before it is 1 did not rise.
    fn begin_at_zero(&self) {
        for status in [DeliveryStatus::Delivered, DeliveryStatus::Failed] {
            drop(self.deliveries.get_or_create(&OutcomeLabels { outcome: status.as_str() }));
        }
        drop(self.occurrences.get_or_create(&OutcomeLabels { outcome: "task" }));
        for queue in QueueName::ALL {
            drop(self.dead_letters.get_or_create(&QueueLabels { queue: queue.as_str() }));
        }
        for status in JobStatus::ALL.into_iter().filter(|status| status.is_terminal()) {
            drop(self.jobs.get_or_create(&StatusLabels { status: status.as_str() }));
        }
        for duty in domain::DutyName::ALL.map(domain::DutyName::as_str) {
            for outcome in ["ok", "failed"] {
                drop(self.duty_runs.get_or_create(&DutyLabels { duty, outcome }));
            }
        }
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
        registry.register(
            "webhook_deliveries_ended",
            "Deliveries that are over, by outcome: delivered, or failed for good",
            self.deliveries.clone(),
        );
        registry.register(
            "dead_letters",
            "Work that was given up and became a dead letter since the start, by queue",
            self.dead_letters.clone(),
        );
        self.register_tasks();
        self.register_duties();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        self.registry.register("build", "The program that runs", build);
        let credits = Arc::clone(&self.credits);
        self.pulled.add(Box::new(move || credits.samples()));
        self.registry.register_collector(Box::new(Arc::clone(&self.pulled)));
        self.common.register_collector(Box::new(Arc::clone(&self.common_pulled)));
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
        registry.register(
            "duty_due_timestamp_seconds",
            "When a duty with a schedule was or is due since it last ended well: a run that failed changes nothing",
            self.duty_dues.clone(),
        );
    }

    /// Asks `source` at each look. It must be quick and must not wait.
    pub fn pull(&self, source: impl Fn() -> Vec<Sample> + Send + Sync + 'static) {
        self.pulled.add(Box::new(source));
    }

    /// The same for numbers whose names are not this program's own, such as `process_…`.
    pub fn pull_common(&self, source: impl Fn() -> Vec<Sample> + Send + Sync + 'static) {
        self.common_pulled.add(Box::new(source));
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

    /// Counts a delivery that is over.
    pub fn delivery_ended(&self, outcome: &'static str) {
        self.deliveries.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts work of this queue that was given up.
    pub fn buried(&self, queue: QueueName) {
        self.dead_letters.get_or_create(&QueueLabels { queue: queue.as_str() }).inc();
    }

    /// Adds to what moved by entries of this kind. Whether to an account or from it does not matter.
    pub fn credits_moved(&self, kind: EntryKind, environment: Environment, amount: Credits) {
        self.credits.add(kind, environment, amount);
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

    /// The first run of a duty that has to end well is due at this time, in seconds since 1970; `None`: it has no
    /// schedule.
    pub fn duty_due(&self, duty: &'static str, at: Option<i64>) {
        match at {
            Some(at) => {
                self.duty_dues.get_or_create(&DutyName { duty }).set(at);
            }
            None => {
                self.duty_dues.remove(&DutyName { duty });
            }
        }
    }

    /// All numbers in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        // Writing to a string does not fail.
        let _infallible = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &self.common))
            .and_then(|()| encode_eof(&mut text));
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
