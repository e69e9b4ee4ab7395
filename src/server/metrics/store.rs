//! What the writer does, and how large the database is.

use std::sync::Arc;

use crate::{
    app::{App, usage},
    observe::metrics::Sample,
};

/// How much waits to be counted by days; nothing is said where it cannot be read.
#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
pub(in crate::server) fn pull_usage(app: &Arc<App>) {
    let app_of = Arc::downgrade(app);
    app.metrics.pull(move || {
        let waiting = app_of.upgrade().and_then(|app| usage::waiting(&app).ok());
        let help = "Jobs and deliveries that ended and are not counted by days yet; some hundreds are ordinary";
        let sample = |rows: u64| Sample::gauge("usage_tail_rows", help, rows as f64);
        waiting.map(sample).into_iter().collect()
    });
}

/// Commits since the start, and files as they are.
#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
pub(in crate::server) fn pull_store(app: &Arc<App>) {
    let app_of = Arc::downgrade(app);
    app.metrics.pull(move || {
        let Some(app) = app_of.upgrade() else { return Vec::new() };
        let writer = app.store.totals();
        let busy = "Time that the writer spent on commits";
        let took =
            "From the beginning of a transaction until it is on disk, without its wait for company";
        let log = "Size of the write-ahead log; it is cut once it was copied, and nobody reads it";
        let failing = "1 while the last commit failed";
        vec![
            Sample::counter("store_commits", "Commits since the start", writer.commits as f64),
            Sample::counter("store_deeds", "Writes within the commits", writer.deeds as f64),
            Sample::counter("store_busy_seconds", busy, writer.busy.as_secs_f64()),
            Sample::histogram("store_commit_deeds", "Writes that shared a commit", &writer.batches),
            Sample::histogram("store_commit_duration_seconds", took, &writer.durations),
            Sample::gauge("store_failing", failing, f64::from(app.store.trouble().is_some())),
            Sample::gauge("store_wal_bytes", log, app.store.log_size() as f64),
            Sample::gauge(
                "store_database_bytes",
                "Size of the database file",
                app.store.file_size() as f64,
            ),
        ]
    });
}
