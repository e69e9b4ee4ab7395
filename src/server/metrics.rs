//! Numbers that are asked for when somebody looks at the metrics, and those that are counted for it beforehand.

mod process;
mod queues;
mod store;
mod telemetry;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

pub(super) use process::pull_process;
pub(super) use queues::{pull_jobs, pull_queue};
pub(super) use store::{pull_store, pull_usage};
pub(super) use telemetry::pull_telemetry;

use crate::{
    ambient::lock,
    app::{App, CacheUse, stripe},
    domain::stripe::EventStatus,
    observe::metrics::Sample,
    providers::BreakerState,
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
pub(super) fn pull_hashings(app: &Arc<App>) {
    let app_of = Arc::downgrade(app);
    app.metrics.pull(move || {
        let Some(app) = app_of.upgrade() else { return Vec::new() };
        let help = "API keys that were hashed, because they were not in the cache";
        vec![Sample::counter("auth_verifications", help, app.auth.hashings() as f64)]
    });
}

/// How the caches of this process fare.
pub(super) fn pull_caches(app: &Arc<App>) {
    let app_of = Arc::downgrade(app);
    app.metrics.pull(move || {
        let Some(app) = app_of.upgrade() else { return Vec::new() };
        let caches = [
            ("keys", app.auth.uses()),
            ("agents", app.agents.uses()),
            ("schemas", app.contracts.uses()),
            ("prices", app.catalog.uses()),
            ("switches", app.recording.switches.uses()),
        ];
        caches.into_iter().flat_map(|(name, uses)| cache_samples(name, uses)).collect()
    });
}

#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
fn cache_samples(cache: &'static str, uses: CacheUse) -> [Sample; 3] {
    let asked = |result, number: u64| {
        let help = "What was looked for in memory before anything was read or made";
        let sample = Sample::counter("cache_requests", help, number as f64);
        sample.label("cache", cache).label("result", result)
    };
    let entries = Sample::gauge("cache_entries", "What is kept in memory", uses.entries as f64);
    [asked("hit", uses.hits), asked("miss", uses.misses), entries.label("cache", cache)]
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
