//! Durable accept: the queue is paused, so that nothing but accepting happens.

use anyhow::Result;

use crate::{
    drive,
    report::{Metric, latencies},
    server::{Installation, Settings},
};

const WARM_UP_JOBS: usize = 2_000;

pub(crate) fn run(
    template: &Installation,
    connections: usize,
    share: usize,
) -> Result<Vec<Metric>> {
    let jobs = if connections == 1 { 10_000 } else { 60_000 };
    let settings = Settings { paused: true, ..Settings::default() };
    let server = template.copy()?.start(&settings)?;
    drive::submit(&server, connections, WARM_UP_JOBS / share)?;
    let submitted = drive::submit(&server, connections, jobs / share)?;

    let mut metrics =
        vec![Metric::rate("accepted_jobs_per_second", jobs / share, submitted.took())];
    metrics.extend(latencies("accept", submitted.latencies()));
    Ok(metrics)
}
