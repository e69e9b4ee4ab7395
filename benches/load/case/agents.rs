//! Runs of agents: what an agent adds to accepting a job. The queue is paused, so that nothing else happens.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    drive::{self, AGENT, Ask},
    report::{Metric, latencies},
    server::{Installation, Settings},
};

const WARM_UP_RUNS: usize = 2_000;
const RUNS: usize = 60_000;

pub(crate) fn run(
    template: &Installation,
    connections: usize,
    share: usize,
) -> Result<Vec<Metric>> {
    let settings = Settings { paused: true, ..Settings::default() };
    let server = template.copy()?.start(&settings)?;
    for account in 0..server.keys().len() {
        server.post(account, "/v1/agents", &agent())?;
    }
    drive::submit_as(Ask::Runs, &server, connections, WARM_UP_RUNS / share)?;
    let runs = RUNS / share;
    let submitted = drive::submit_as(Ask::Runs, &server, connections, runs)?;

    let mut metrics = vec![Metric::rate("accepted_runs_per_second", runs, submitted.took())];
    metrics.extend(latencies("accept", submitted.latencies()));
    Ok(metrics)
}

/// A prompt of some kilobytes, and contracts of some dozen members.
fn agent() -> Value {
    let rules =
        "Say nothing that the text does not say, and keep its names and its numbers. ".repeat(40);
    let member = |n: usize| {
        let member =
            json!({"type": "string", "maxLength": 200, "description": format!("part {n}")});
        (format!("part_{n}"), member)
    };
    let members: serde_json::Map<_, _> = (0..24).map(member).collect();
    json!({
        "name": AGENT, "model": "mock", "max_tokens": 64,
        "messages": [
            {"role": "system", "content": format!("{rules}{{% if input.style %}}Style: {{{{ input.style }}}}.{{% endif %}}")},
            {"role": "user", "content": "Write of {{ input.topic }}: {{ input.text }}"},
        ],
        "input_schema": {
            "type": "object", "required": ["topic", "text"],
            "properties": {
                "topic": {"type": "string"}, "text": {"type": "string"}, "style": {"type": "string"},
            },
        },
        "output_schema": {"type": "object", "properties": members},
    })
}
