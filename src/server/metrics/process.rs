//! What the process takes of the machine, under the names that all programs use.

use crate::{
    app::App,
    observe::{metrics::Sample, process},
};

/// Memory, processor time, files, and when the server began.
#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
pub(in crate::server) fn pull_process(app: &App) {
    let began = app.started_at.millis() as f64 / 1e3;
    app.metrics.pull_common(move || {
        let help = "When the process started, in seconds since 1970";
        let mut samples = vec![Sample::gauge("process_start_time_seconds", help, began)];
        if let Some(usage) = process::usage() {
            let (cpu, memory) = (usage.cpu.as_secs_f64(), usage.resident_bytes as f64);
            let help = "Processor time that the process used";
            samples.push(Sample::counter("process_cpu_seconds", help, cpu));
            let help = "Memory that the process has in use";
            samples.push(Sample::gauge("process_resident_memory_bytes", help, memory));
        }
        if let Some(files) = process::open_files() {
            let help = "Files and connections that the process holds";
            samples.push(Sample::gauge("process_open_fds", help, files.open as f64));
            let help = "Files and connections that it may hold";
            let most = files.most.map(|most| Sample::gauge("process_max_fds", help, most as f64));
            samples.extend(most);
        }
        samples
    });
}
