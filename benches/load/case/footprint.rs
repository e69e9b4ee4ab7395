//! Memory, idle processor time and start time: before any job, and after many.

use std::{thread, time::Duration};

use anyhow::Result;

use super::end_to_end::complete;
use crate::{
    process::Usage,
    report::{Metric, median},
    server::{Installation, Settings},
};

const JOBS: usize = 100_000;
const SETTLE: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(20);
const STARTS: usize = 5;

pub(crate) fn run(template: &Installation, share: usize) -> Result<Vec<Metric>> {
    let settings = Settings::default();
    let mut metrics = Vec::new();

    let server = template.copy()?.start(&settings)?;
    template.outside().set_provider_latency(Duration::ZERO);
    thread::sleep(SETTLE);
    let before = Usage::of(server.pid());
    thread::sleep(IDLE / u32::try_from(share)?);
    let after = Usage::of(server.pid());
    if let (Some(before), Some(after)) = (before, after) {
        let busy = after.processor.saturating_sub(before.processor);
        let idle = IDLE / u32::try_from(share)?;
        metrics.push(after.memory_metric("idle_memory_mb"));
        metrics.push(Metric::new(
            "idle_core_percent",
            100.0 * busy.as_secs_f64() / idle.as_secs_f64(),
        ));
    }

    complete(template, &server, JOBS / share)?;
    thread::sleep(SETTLE);
    metrics.extend(Usage::of(server.pid()).map(|usage| usage.memory_metric("loaded_memory_mb")));

    // The same database again: its hundred thousand jobs are what a restart finds.
    let mut folder = server.stop()?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let server = folder.start(&settings)?;
        starts.push(server.start_to_ready());
        folder = server.stop()?;
    }
    metrics.push(Metric::millis("start_to_ready_ms", median(starts)));
    Ok(metrics)
}
