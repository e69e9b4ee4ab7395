//! What is measured, one file per question.

mod accept;
mod agents;
mod backlog;
mod end_to_end;
mod footprint;
mod reports;
mod schedules;
mod telemetry;

use anyhow::Result;

use crate::{report::Metric, server::Installation};

/// One question to the server, answered on a fresh copy of the data folder.
pub(crate) enum Case {
    /// How many jobs are accepted durably by so many connections, while none of them runs?
    Accept { connections: usize },
    /// How many runs of agents are accepted, while none of them runs?
    AgentRuns { connections: usize },
    /// How many jobs go all the way to their webhook, with a provider this slow?
    EndToEnd { provider_ms: u64, in_flight: usize },
    /// Does the queue become slower when a million jobs wait in it?
    Backlog,
    /// What does the server cost while nothing, or much, has happened?
    Footprint,
    /// How long do reports of usage take over a million jobs?
    Reports,
    /// What do ten thousand schedules cost, and how soon does a task begin that is due?
    Schedules,
    /// What does recording cost?
    Telemetry { connections: usize },
}

impl Case {
    /// All cases, in the order in which they are run.
    pub(crate) fn all() -> Vec<Self> {
        let accept = [1, 16, 64].map(|connections| Self::Accept { connections });
        let end_to_end = [(0, 50), (0, 500), (200, 50), (200, 500)]
            .map(|(provider_ms, in_flight)| Self::EndToEnd { provider_ms, in_flight });
        accept
            .into_iter()
            .chain([Self::AgentRuns { connections: 16 }])
            .chain(end_to_end)
            .chain([Self::Backlog, Self::Footprint, Self::Reports, Self::Schedules])
            .chain([Self::Telemetry { connections: 16 }])
            .collect()
    }

    /// The name in the report.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Accept { connections } => format!("accept_c{connections}"),
            Self::AgentRuns { connections } => format!("agent_runs_c{connections}"),
            Self::EndToEnd { provider_ms, in_flight } => {
                format!("end_to_end_{provider_ms}ms_c{in_flight}")
            }
            Self::Backlog => "queue_backlog".to_owned(),
            Self::Footprint => "footprint".to_owned(),
            Self::Reports => "reports".to_owned(),
            Self::Schedules => "schedules".to_owned(),
            Self::Telemetry { connections } => format!("telemetry_c{connections}"),
        }
    }

    /// Runs the case. With `quick` it is only a trial.
    pub(crate) fn run(&self, template: &Installation, quick: bool) -> Result<Vec<Metric>> {
        let share = if quick { 20 } else { 1 };
        match *self {
            Self::Accept { connections } => accept::run(template, connections, share),
            Self::AgentRuns { connections } => agents::run(template, connections, share),
            Self::EndToEnd { provider_ms, in_flight } => {
                end_to_end::run(template, provider_ms, in_flight, share)
            }
            Self::Backlog => backlog::run(share),
            Self::Footprint => footprint::run(template, share),
            Self::Reports => reports::run(template, share),
            Self::Schedules => schedules::run(template, share),
            Self::Telemetry { connections } => telemetry::run(template, connections, share),
        }
    }
}
