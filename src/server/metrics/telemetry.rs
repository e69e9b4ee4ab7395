//! What is recorded beside the books.

use std::sync::Arc;

use crate::{app::App, domain::RecordKind, observe::metrics::Sample, store::telemetry::PerKind};

/// What is recorded beside the books, and what of it is lost.
#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
pub(in crate::server) fn pull_telemetry(app: &Arc<App>) {
    let recording_of = Arc::downgrade(&app.recording);
    app.metrics.pull(move || {
        let Some(recording) = recording_of.upgrade() else { return Vec::new() };
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
