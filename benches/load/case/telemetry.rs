//! What recording costs: the same server with telemetry on and off, in turns, so that both see the same machine.

use std::time::Duration;

use anyhow::Result;

use crate::{
    drive::{self, Ask},
    report::{Metric, median, percentile},
    server::{Installation, Settings},
};

const PAIRS: usize = 5;
const WARM_UP: usize = 2_000;
const JOBS: usize = 30_000;
const CALLS: usize = 4_000;

/// What one server did.
struct Seen {
    accept_took: Duration,
    call_p50: Duration,
    call_p99: Duration,
}

pub(crate) fn run(
    template: &Installation,
    connections: usize,
    share: usize,
) -> Result<Vec<Metric>> {
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Whoever comes second finds a warmer machine, so they take turns.
        for is_on in [pair % 2 == 0, pair % 2 == 1] {
            let seen = measure(template, is_on, connections, share)?;
            if is_on { on.push(seen) } else { off.push(seen) }
        }
    }
    let mut metrics = Vec::new();
    for (name, seen) in [("on", &on), ("off", &off)] {
        let took = median(seen.iter().map(|seen| seen.accept_took).collect());
        metrics.push(Metric::rate(&format!("accepted_jobs_per_second_{name}"), JOBS / share, took));
        let p50 = median(seen.iter().map(|seen| seen.call_p50).collect());
        metrics.push(Metric::millis(format!("call_{name}_p50_ms"), p50));
        let p99 = median(seen.iter().map(|seen| seen.call_p99).collect());
        metrics.push(Metric::millis(format!("call_{name}_p99_ms"), p99));
    }
    let ratio = |of: fn(&Seen) -> Duration| {
        let ratios = on.iter().zip(&off).map(|(on, off)| of(on).div_duration_f64(of(off)));
        middle(ratios.collect())
    };
    metrics.push(Metric::new("accept_rate_ratio", 1.0 / ratio(|seen| seen.accept_took)));
    metrics.push(Metric::new("call_p50_ratio", ratio(|seen| seen.call_p50)));
    metrics.push(Metric::new("call_p99_ratio", ratio(|seen| seen.call_p99)));
    Ok(metrics)
}

fn measure(
    template: &Installation,
    telemetry: bool,
    connections: usize,
    share: usize,
) -> Result<Seen> {
    let settings = Settings { paused: true, telemetry, ..Settings::default() };
    let server = template.copy()?.start(&settings)?;
    drive::submit(&server, connections, WARM_UP / share)?;
    let accepted = drive::submit(&server, connections, JOBS / share)?;
    drive::submit_as(Ask::Calls, &server, 1, CALLS / 10 / share)?;
    let called = drive::submit_as(Ask::Calls, &server, 1, CALLS / share)?;
    Ok(Seen {
        accept_took: accepted.took(),
        call_p50: percentile(called.latencies(), 50),
        call_p99: percentile(called.latencies(), 99),
    })
}

fn middle(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_unstable_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
