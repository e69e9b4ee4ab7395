//! How an agent does over time, and when that changed so much that somebody should know.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Credits, JobErrorCode, Usage};

/// Sums over jobs of an agent that ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AgentTotals {
    /// Jobs that ended otherwise than by a client.
    pub jobs: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those whose output did not satisfy its schema, not even after repairs.
    pub schema_failed: u64,
    /// Answers that were quoted back to be repaired.
    pub repairs: u64,
    /// Milliseconds that those took that succeeded.
    pub latency_ms: u64,
    /// Tokens read by those that succeeded.
    pub prompt_tokens: u64,
    /// Tokens written by those that succeeded.
    pub completion_tokens: u64,
    /// What those cost that succeeded.
    pub charged: Credits,
}

/// A figure of an agent that may drift.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftMetric {
    /// The part of jobs whose output did not satisfy its schema.
    SchemaFailureRate,
    /// Milliseconds of a job that succeeded.
    LatencyMsMean,
    /// Tokens of a job that succeeded.
    TokensMean,
    /// Credits of a job that succeeded.
    CreditsMean,
}

impl DriftMetric {
    /// Every metric.
    pub const ALL: [Self; 4] =
        [Self::SchemaFailureRate, Self::LatencyMsMean, Self::TokensMean, Self::CreditsMean];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SchemaFailureRate => "schema_failure_rate",
            Self::LatencyMsMean => "latency_ms_mean",
            Self::TokensMean => "tokens_mean",
            Self::CreditsMean => "credits_mean",
        }
    }
}

/// From where on a change is drift.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DriftLimits {
    /// The hours that are compared with as many before them.
    pub window_hours: u32,
    /// Jobs that both must have: that ended for the part of failures, that succeeded for a mean.
    pub min_jobs: u64,
    /// How much the part of schema failures rises, in percentage points.
    pub schema_failures: u64,
    /// How much the mean latency rises, in percent.
    pub latency: u64,
    /// How much the mean of tokens rises, in percent.
    pub tokens: u64,
    /// How much the mean of credits rises, in percent.
    pub credits: u64,
}

impl AgentTotals {
    /// One job that succeeded.
    pub fn success(repairs: u32, latency_ms: u64, usage: Usage, charged: Credits) -> Self {
        Self {
            jobs: 1,
            succeeded: 1,
            schema_failed: 0,
            repairs: repairs.into(),
            latency_ms,
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            charged,
        }
    }

    /// One job that failed.
    pub fn failure(repairs: u32, code: JobErrorCode) -> Self {
        let schema_failed = u64::from(code == JobErrorCode::OutputSchemaMismatch);
        Self { jobs: 1, schema_failed, repairs: repairs.into(), ..Self::default() }
    }

    /// The figure; `None` where there are no jobs to make it of.
    pub fn figure(&self, metric: DriftMetric) -> Option<f64> {
        let tokens = self.prompt_tokens.saturating_add(self.completion_tokens);
        match metric {
            DriftMetric::SchemaFailureRate => ratio(self.schema_failed, self.jobs),
            DriftMetric::LatencyMsMean => ratio(self.latency_ms, self.succeeded),
            DriftMetric::TokensMean => ratio(tokens, self.succeeded),
            DriftMetric::CreditsMean => {
                let micros = u64::try_from(self.charged.micros()).unwrap_or(0);
                ratio(micros, self.succeeded).map(|mean| mean / 1_000_000.0)
            }
        }
    }

    /// How many jobs the figure is made of.
    const fn sample(&self, metric: DriftMetric) -> u64 {
        match metric {
            DriftMetric::SchemaFailureRate => self.jobs,
            DriftMetric::LatencyMsMean | DriftMetric::TokensMean | DriftMetric::CreditsMean => {
                self.succeeded
            }
        }
    }

    /// The part of jobs that succeeded.
    pub fn success_rate(&self) -> Option<f64> {
        ratio(self.succeeded, self.jobs)
    }
}

/// The metrics that rose from `previous` to `current` by more than the limits allow, of those that both have
/// enough jobs for.
pub fn drifting(
    current: &AgentTotals,
    previous: &AgentTotals,
    limits: &DriftLimits,
) -> Vec<DriftMetric> {
    let rises = |metric: &DriftMetric| {
        let jobs = current.sample(*metric).min(previous.sample(*metric));
        let (Some(now), Some(before)) = (current.figure(*metric), previous.figure(*metric)) else {
            return false;
        };
        // A hair below the limit still counts: it is the rounding of floats. A mean of nothing, such as the
        // credits of a model without a price, has no percentage to rise by.
        let by = |percent: u64| {
            let is_more = before > 0.0 && now > before;
            is_more && now >= before * part(100 + percent) - 1e-9
        };
        let rises = match metric {
            DriftMetric::SchemaFailureRate => now - before >= part(limits.schema_failures) - 1e-9,
            DriftMetric::LatencyMsMean => by(limits.latency),
            DriftMetric::TokensMean => by(limits.tokens),
            DriftMetric::CreditsMean => by(limits.credits),
        };
        rises && jobs >= limits.min_jobs
    };
    DriftMetric::ALL.into_iter().filter(rises).collect()
}

fn part(percent: u64) -> f64 {
    ratio(percent, 100).unwrap_or_default()
}

/// One number divided by another; `None` where that is zero.
#[expect(clippy::cast_precision_loss, reason = "figures are shown, not counted on")]
pub fn ratio(number: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| number as f64 / of as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DriftLimits = DriftLimits {
        window_hours: 24,
        min_jobs: 10,
        schema_failures: 10,
        latency: 50,
        tokens: 50,
        credits: 50,
    };

    fn totals(failed: u64, latency_ms: u64, tokens: u64, micros: i64) -> AgentTotals {
        AgentTotals {
            jobs: 10 + failed,
            succeeded: 10,
            schema_failed: failed,
            repairs: 0,
            latency_ms: latency_ms * 10,
            prompt_tokens: tokens * 10,
            completion_tokens: 0,
            charged: Credits::from_micros(micros * 10),
        }
    }

    #[test]
    fn a_metric_drifts_from_its_limit_on() {
        use DriftMetric::{CreditsMean, LatencyMsMean, SchemaFailureRate, TokensMean};
        let before = totals(0, 100, 20, 30);
        for (now, expected) in [
            (before, vec![]),
            (totals(0, 149, 29, 44), vec![]),
            (totals(0, 150, 20, 30), vec![LatencyMsMean]),
            (totals(0, 100, 30, 30), vec![TokensMean]),
            (totals(0, 100, 20, 45), vec![CreditsMean]),
            (totals(1, 100, 20, 30), vec![]),
            (totals(2, 100, 20, 30), vec![SchemaFailureRate]),
            (totals(2, 200, 40, 60), DriftMetric::ALL.to_vec()),
            (totals(0, 1, 1, 1), vec![]),
        ] {
            assert_eq!(drifting(&now, &before, &LIMITS), expected, "{now:?}");
        }
    }

    #[test]
    fn few_jobs_tell_nothing() {
        let few = AgentTotals { jobs: 9, succeeded: 9, ..totals(9, 900, 900, 900) };
        assert!(drifting(&few, &totals(0, 1, 1, 1), &LIMITS).is_empty());
        assert!(drifting(&totals(9, 900, 900, 900), &few, &LIMITS).is_empty());
        // Means are of those that succeeded: however many failed, one tells nothing.
        let one = AgentTotals { jobs: 40, succeeded: 1, ..totals(30, 900, 900, 900) };
        let before = totals(0, 1, 1, 1);
        assert_eq!(drifting(&one, &before, &LIMITS), [DriftMetric::SchemaFailureRate]);
        let one = AgentTotals { jobs: 40, succeeded: 1, ..totals(0, 1, 1, 1) };
        assert!(drifting(&totals(0, 900, 900, 900), &one, &LIMITS).is_empty());
        assert_eq!(AgentTotals::default().figure(DriftMetric::TokensMean), None);
        assert_eq!(AgentTotals::default().success_rate(), None);
    }

    #[test]
    fn a_mean_of_nothing_rises_by_no_percentage() {
        let free = totals(0, 1, 1, 0);
        assert!(drifting(&free, &free, &LIMITS).is_empty());
        assert!(drifting(&totals(0, 1, 1, 30), &free, &LIMITS).is_empty());
        // That nothing failed before is a part like any other.
        let failing = drifting(&totals(5, 1, 1, 0), &free, &LIMITS);
        assert_eq!(failing, [DriftMetric::SchemaFailureRate]);
    }
}
