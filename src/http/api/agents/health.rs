//! How an agent does, as clients see it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::agents::health::{Health, Period},
    domain::{AgentTotals, DriftMetric, Timestamp},
};

/// What an agent did within some hours. Means are those of jobs that succeeded; null where there are none.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AgentPeriod")]
struct PeriodBody {
    from: Timestamp,
    to: Timestamp,
    /// Jobs that ended, but for those that a client canceled.
    jobs: u64,
    /// Answers that were quoted back to be repaired.
    repairs: u64,
    #[serde(flatten)]
    figures: Figures,
}

/// Figures of an agent, or how they changed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AgentFigures")]
struct Figures {
    /// The part of jobs that succeeded.
    success_rate: Option<f64>,
    /// The part of jobs whose output did not satisfy its schema.
    schema_failure_rate: Option<f64>,
    latency_ms_mean: Option<f64>,
    tokens_mean: Option<f64>,
    credits_mean: Option<f64>,
}

impl Figures {
    fn of(totals: &AgentTotals) -> Self {
        Self {
            success_rate: totals.success_rate(),
            schema_failure_rate: totals.figure(DriftMetric::SchemaFailureRate),
            latency_ms_mean: totals.figure(DriftMetric::LatencyMsMean),
            tokens_mean: totals.figure(DriftMetric::TokensMean),
            credits_mean: totals.figure(DriftMetric::CreditsMean),
        }
    }

    /// How many times as large these are.
    fn over(&self, before: &Self) -> Self {
        let times = |now: Option<f64>, before: Option<f64>| {
            now.zip(before).filter(|(_, before)| *before > 0.0).map(|(now, before)| now / before)
        };
        Self {
            success_rate: times(self.success_rate, before.success_rate),
            schema_failure_rate: times(self.schema_failure_rate, before.schema_failure_rate),
            latency_ms_mean: times(self.latency_ms_mean, before.latency_ms_mean),
            tokens_mean: times(self.tokens_mean, before.tokens_mean),
            credits_mean: times(self.credits_mean, before.credits_mean),
        }
    }
}

impl PeriodBody {
    fn of(period: &Period) -> Self {
        Self {
            from: period.from,
            to: period.to,
            jobs: period.totals.jobs,
            repairs: period.totals.repairs,
            figures: Figures::of(&period.totals),
        }
    }
}

/// How an agent does, all its versions together.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AgentHealth")]
pub(in crate::http::api) struct HealthBody<'a> {
    #[schemars(extend("const" = "agent_health"))]
    object: &'static str,
    /// The agent's name.
    agent: &'a str,
    window_hours: u32,
    /// The latest hours, with the one that has begun.
    current: PeriodBody,
    /// As many before them.
    previous: PeriodBody,
    /// How many times as large the current figures are as the previous; null where one is missing or that was
    /// zero.
    change: Figures,
    /// What became much worse, by the limits of the operator.
    drifting: &'a [DriftMetric],
}

impl<'a> HealthBody<'a> {
    pub(super) fn of(health: &'a Health) -> Self {
        let (current, previous) =
            (PeriodBody::of(&health.current), PeriodBody::of(&health.previous));
        Self {
            object: "agent_health",
            agent: &health.agent,
            window_hours: health.window_hours,
            change: current.figures.over(&previous.figures),
            current,
            previous,
            drifting: &health.drifting,
        }
    }
}
