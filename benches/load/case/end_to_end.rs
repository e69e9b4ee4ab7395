//! Accept, provider call, settling, signed webhook: a job counts when its webhook has arrived.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    drive,
    process::Usage,
    report::{Metric, latencies},
    server::{Installation, Server, Settings},
};

const CONNECTIONS: usize = 16;
const WARM_UP_JOBS: usize = 500;

pub(crate) fn run(
    template: &Installation,
    provider_ms: u64,
    in_flight: usize,
    share: usize,
) -> Result<Vec<Metric>> {
    // About ten seconds and more: what the first and the last jobs do hardly counts then.
    let jobs = match (provider_ms, in_flight) {
        (0, _) => 40_000,
        (_, ..100) => 5_000,
        _ => 25_000,
    };
    let settings = Settings { generations: in_flight, ..Settings::default() };
    let server = template.copy()?.start(&settings)?;
    template.outside().set_provider_latency(Duration::from_millis(provider_ms));
    complete(template, &server, WARM_UP_JOBS / share)?;
    let completed = complete(template, &server, jobs / share)?;

    let mut metrics = vec![Metric::rate("jobs_per_second", jobs / share, completed.took)];
    if provider_ms > 0 {
        let ideal =
            Duration::from_millis(provider_ms).mul_f64((jobs / share) as f64 / in_flight as f64);
        metrics.push(Metric::new("of_ideal", ideal.as_secs_f64() / completed.took.as_secs_f64()));
    }
    metrics.extend(latencies("submit_to_webhook", completed.latencies));
    metrics.extend(Usage::of(server.pid()).map(|usage| usage.peak_memory_metric()));
    Ok(metrics)
}

/// A number of jobs, from the first request to the last webhook.
pub(crate) struct Completed {
    took: Duration,
    latencies: Vec<Duration>,
}

/// Submits `jobs` as fast as they are accepted, and waits until all their webhooks are here.
pub(crate) fn complete(template: &Installation, server: &Server, jobs: usize) -> Result<Completed> {
    let sink = template.outside().sink();
    sink.forget();
    let submitted = drive::submit(server, CONNECTIONS, jobs)?;
    let arrivals = sink.wait_for(jobs)?;

    let mut latencies = Vec::with_capacity(jobs);
    let mut last = submitted.start();
    for job in submitted.jobs() {
        let arrival =
            *arrivals.get(&job.id).context("a webhook told of a job that nobody submitted")?;
        latencies.push(arrival.saturating_sub(job.sent));
        last = last.max(arrival);
    }
    Ok(Completed { took: last.saturating_sub(submitted.start()), latencies })
}
