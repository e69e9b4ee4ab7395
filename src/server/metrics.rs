//! Numbers that are asked for when somebody looks at the metrics, and those that are counted for it beforehand.

use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    ambient::lock,
    app::{App, stripe},
    domain::{QueueName, RecordKind, stripe::EventStatus},
    observe::metrics::Sample,
    providers::BreakerState,
    queue::{Kind, QueueStats, Runner},
    store::telemetry::PerKind,
    webhooks::send::{Attempt, Outcome},
};

/// How an attempt to deliver ended, in the few words that a label may have.
pub(super) const fn outcome_of(attempt: &Attempt) -> &'static str {
    match attempt.outcome {
        Outcome::Status(200..=299) => "delivered",
        Outcome::Status(500..) => "5xx",
        Outcome::Status(400..) => "4xx",
        Outcome::Status(_) => "other_status",
        Outcome::Refused(_) => "refused",
        Outcome::Timeout => "timeout",
        Outcome::Connection(_) => "connection",
    }
}

/// What waits and runs in a queue.
pub(super) fn pull_queue<K: Kind>(app: &Arc<App>, runner: &Arc<Runner<K>>) {
    let runner: Weak<Runner<K>> = Arc::downgrade(runner);
    app.metrics.pull(move || match runner.upgrade() {
        Some(runner) => queue_samples(K::QUEUE, runner.stats()),
        None => Vec::new(),
    });
}

#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
fn queue_samples(queue: QueueName, stats: QueueStats) -> Vec<Sample> {
    let QueueStats { ready, later, running, paused } = stats;
    let depth = |state, number: usize| {
        let help = "Work in the queue by state: ready, later (not due yet), running";
        let sample = Sample::gauge("queue_depth", help, number as f64);
        sample.label("queue", queue.as_str()).label("state", state)
    };
    let pause = Sample::gauge("queue_paused", "1 while the queue stands still", f64::from(paused));
    vec![
        depth("ready", ready),
        depth("later", later),
        depth("running", running),
        pause.label("queue", queue.as_str()),
    ]
}

/// Which providers are called.
pub(super) fn pull_breakers(app: &App) {
    let providers = Arc::clone(&app.providers);
    app.metrics.pull(move || {
        let sample = |(name, state): (&str, BreakerState)| {
            let number = match state {
                BreakerState::Closed => 0.0,
                BreakerState::HalfOpen => 1.0,
                BreakerState::Open => 2.0,
            };
            let help = "Whether a provider is called: 0 closed, 1 half open, 2 open";
            let sample = Sample::gauge("provider_breaker_state", help, number);
            sample.label("provider", name.to_owned())
        };
        providers.breakers().map(sample).collect()
    });
}

#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
pub(super) fn pull_totals(app: &Arc<App>) {
    let app_of = Arc::downgrade(app);
    app.metrics.pull(move || {
        let Some(app) = app_of.upgrade() else { return Vec::new() };
        let writer = app.store.totals();
        let (reused, compiled) = app.contracts.totals();
        vec![
            Sample::counter("store_commits", "Commits since the start", writer.commits as f64),
            Sample::counter("store_deeds", "Writes within the commits", writer.deeds as f64),
            Sample::counter(
                "store_busy_seconds",
                "Time that the writer spent on commits",
                writer.busy.as_secs_f64(),
            ),
            Sample::counter(
                "auth_verifications",
                "API keys that were hashed, because they were not in the cache",
                app.auth.hashings() as f64,
            ),
            Sample::counter("schemas_reused", "JSON Schemas that were in the cache", reused as f64),
            Sample::counter("schemas_compiled", "JSON Schemas that were not", compiled as f64),
        ]
    });
}

/// What the last proof of the books found, once there was one.
#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
pub(super) fn pull_audit(app: &Arc<App>) {
    let app_of = Arc::downgrade(app);
    app.metrics.pull(move || {
        let Some(found) = app_of.upgrade().and_then(|app| app.last_audit.found()) else {
            return Vec::new();
        };
        let help = "What the last proof of the books found wrong; at most 100 are counted";
        let problems = Sample::gauge("ledger_problems", help, found.problems as f64);
        let help = "When the books were last verified";
        let at = found.verified_at.seconds() as f64;
        vec![problems, Sample::gauge("ledger_verified_timestamp_seconds", help, at)]
    });
}

/// What became of spans, where they are exported.
#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
pub(super) fn pull_traces(app: &App) {
    let traces = app.traces.clone();
    app.metrics.pull(move || {
        let Some(totals) = traces.totals() else { return Vec::new() };
        let exported = "Spans that the collector of traces took";
        let dropped = "Spans that were lost: there was no room, or the collector did not take them";
        vec![
            Sample::counter("traces_exported", exported, totals.exported as f64),
            Sample::counter("traces_dropped", dropped, totals.dropped as f64),
        ]
    });
}

/// Events of Stripe's for which something has still to be done, as they were last counted.
#[derive(Clone, Default)]
pub(super) struct StripeEvents(Arc<Mutex<Vec<(EventStatus, u64)>>>);

impl StripeEvents {
    /// Shows them in the metrics.
    pub(super) fn pull(app: &App) -> Self {
        let events = Self::default();
        events.count(app);
        let shown = events.clone();
        app.metrics.pull(move || lock(&shown.0).iter().map(stripe_sample).collect());
        events
    }

    /// Counts them again. Blocks while it reads; where that fails, the numbers stay.
    pub(super) fn count(&self, app: &App) {
        if let Ok(counts) = stripe::troubled(app) {
            *lock(&self.0) = counts;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
fn stripe_sample((status, count): &(EventStatus, u64)) -> Sample {
    let help = "Events of Stripe's that are not done, by status";
    Sample::gauge("stripe_events", help, *count as f64).label("status", status.as_str())
}

#[expect(clippy::cast_precision_loss, reason = "there are never that many connections")]
pub(super) fn pull_connections(app: &App, open: &Arc<AtomicUsize>) {
    let open = Arc::clone(open);
    app.metrics.pull(move || {
        let number = open.load(Ordering::Relaxed) as f64;
        vec![Sample::gauge("http_connections", "Open connections", number)]
    });
}

/// What is recorded beside the books, and what of it is lost.
#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
pub(super) fn pull_telemetry(app: &Arc<App>) {
    let recording = Arc::clone(&app.recording);
    app.metrics.pull(move || {
        let telemetry = &recording.telemetry;
        let totals = telemetry.totals();
        let of_kind = |name, help, numbers: PerKind| {
            RecordKind::ALL.map(|kind| {
                let number = numbers[kind as usize] as f64;
                Sample::counter(name, help, number).label("kind", kind.as_str())
            })
        };
        let help =
            "Records of telemetry that were lost: they had no place, or could not be written";
        let mut samples = of_kind("telemetry_dropped", help, totals.dropped).to_vec();
        let help = "Records of telemetry that were written";
        samples.extend(of_kind("telemetry_written", help, totals.written));
        let help = "Reports that wait to be written to telemetry";
        samples.push(Sample::gauge("telemetry_pending", help, totals.pending as f64));
        let help = "1 while telemetry cannot be written";
        let is_degraded = f64::from(telemetry.trouble().is_some());
        samples.push(Sample::gauge("telemetry_degraded", help, is_degraded));
        let help = "Bytes of telemetry.db and its log";
        samples.push(Sample::gauge("telemetry_bytes", help, telemetry.size() as f64));
        samples
    });
}
