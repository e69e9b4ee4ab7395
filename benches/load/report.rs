//! The report: lines as soon as they are known, JSON at the end.

use std::{fs, path::Path, thread, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// One number with its name, which ends in its unit.
pub(crate) struct Metric {
    name: String,
    value: f64,
}

impl Metric {
    /// Rounded to what is worth reading.
    pub(crate) fn new(name: impl Into<String>, value: f64) -> Self {
        let scale = if value.abs() < 100.0 { 1_000.0 } else { 10.0 };
        Self { name: name.into(), value: (value * scale).round() / scale }
    }

    /// How many a second.
    pub(crate) fn rate(name: &str, count: usize, took: Duration) -> Self {
        Self::new(name, count as f64 / took.as_secs_f64())
    }

    /// A duration in milliseconds.
    pub(crate) fn millis(name: impl Into<String>, duration: Duration) -> Self {
        Self::new(name, duration.as_secs_f64() * 1e3)
    }
}

/// The median and the 99th percentile of `samples`, by nearest rank over all of them.
pub(crate) fn latencies(name: &str, mut samples: Vec<Duration>) -> Vec<Metric> {
    samples.sort_unstable();
    let quantiles = [(50, "p50"), (99, "p99")];
    let metric = |(percent, suffix)| {
        Metric::millis(format!("{name}_{suffix}_ms"), nearest_rank(&samples, percent))
    };
    quantiles.map(metric).into()
}

/// The longest of `samples`.
pub(crate) fn worst(name: &str, samples: &[Duration]) -> Metric {
    Metric::millis(format!("{name}_max_ms"), samples.iter().max().copied().unwrap_or_default())
}

/// The middle of `samples`.
pub(crate) fn median(samples: Vec<Duration>) -> Duration {
    percentile(samples, 50)
}

/// So many in a hundred of `samples` are not longer than this.
pub(crate) fn percentile(mut samples: Vec<Duration>, percent: usize) -> Duration {
    samples.sort_unstable();
    nearest_rank(&samples, percent)
}

fn nearest_rank(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// All results of a run.
pub(crate) struct Report {
    trial: bool,
    cases: Map<String, Value>,
}

impl Report {
    /// An empty report, of a trial or of a whole run.
    pub(crate) fn new(trial: bool) -> Self {
        println!("{:<24} {:<28} {:>12}", "case", "metric", "value");
        Self { trial, cases: Map::new() }
    }

    /// Prints a case's metrics and keeps them for [`Report::write`].
    pub(crate) fn add(&mut self, case: String, metrics: Vec<Metric>) {
        for metric in &metrics {
            println!("{case:<24} {:<28} {:>12}", metric.name, metric.value);
        }
        let metrics: Map<_, _> =
            metrics.into_iter().map(|metric| (metric.name, metric.value.into())).collect();
        self.cases.insert(case, metrics.into());
    }

    /// Writes everything to `path` as one JSON object.
    pub(crate) fn write(self, path: &Path) -> Result<()> {
        let report = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "trial": self.trial,
            "processors": thread::available_parallelism()?.get(),
            "cases": self.cases,
        });
        let text = serde_json::to_string_pretty(&report)? + "\n";
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }
}
