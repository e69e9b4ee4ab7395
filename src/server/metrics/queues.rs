//! What waits and runs, as the queues know it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    app::App,
    domain::QueueName,
    observe::metrics::Sample,
    queue::{Kind, QueueStats, Runner},
    workers::RunGeneration,
};

/// What waits and runs in a queue.
pub(in crate::server) fn pull_queue<K: Kind>(app: &Arc<App>, runner: &Arc<Runner<K>>) {
    let runner: Weak<Runner<K>> = Arc::downgrade(runner);
    app.metrics.pull(move || match runner.upgrade() {
        Some(runner) => queue_samples(K::QUEUE, runner.stats()),
        None => Vec::new(),
    });
}

#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
fn queue_samples(queue: QueueName, stats: QueueStats) -> Vec<Sample> {
    let QueueStats { ready, later, running, paused, oldest, oldest_in_background } = stats;
    let depth = |state, number: usize| {
        let help = "Work in the queue by state: ready, later (not due yet), running";
        let sample = Sample::gauge("queue_depth", help, number as f64);
        sample.label("queue", queue.as_str()).label("state", state)
    };
    let age = |lane, age: Duration| {
        let help = "For how long the oldest ready work has been due; background: of batches, which wait for all else";
        let sample = Sample::gauge("queue_oldest_ready_seconds", help, age.as_secs_f64());
        sample.label("queue", queue.as_str()).label("lane", lane)
    };
    let pause = Sample::gauge("queue_paused", "1 while the queue stands still", f64::from(paused));
    vec![
        depth("ready", ready),
        depth("later", later),
        depth("running", running),
        age("foreground", oldest),
        age("background", oldest_in_background),
        pause.label("queue", queue.as_str()),
    ]
}

/// How many jobs wait and run, calls that clients wait for included.
#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
pub(in crate::server) fn pull_jobs(app: &Arc<App>, runner: &Arc<Runner<RunGeneration>>) {
    let (app_of, runner) = (Arc::downgrade(app), Arc::downgrade(runner));
    app.metrics.pull(move || {
        let (Some(app), Some(runner)) = (app_of.upgrade(), runner.upgrade()) else {
            return Vec::new();
        };
        let QueueStats { ready, later, running, .. } = runner.stats();
        let jobs = |status, number: usize| {
            let help = "Jobs that are not over, by status";
            Sample::gauge("jobs", help, number as f64).label("status", status)
        };
        vec![jobs("queued", ready + later), jobs("running", running + app.calls.running())]
    });
}
