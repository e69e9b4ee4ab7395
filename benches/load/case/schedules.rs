//! What many schedules cost while none is due, and how soon tasks begin that are.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::json;
use skai_server::domain::Timestamp;

use crate::{
    process::Usage,
    report::{Metric, latencies, worst},
    server::{Installation, Server, Settings},
};

const SCHEDULES: usize = 10_000;
const SETTLE: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(20);
/// Tasks whose beginnings are looked at, and how far apart they are due.
const TASKS: u32 = 200;
const APART: Duration = Duration::from_millis(20);
const FUNCTION: &str = "daily-token-reset";
/// Schedules that are due at the next full minute.
const MINUTELY: usize = 20;

/// A scheduled task, as far as it matters here.
#[derive(Deserialize)]
struct Task {
    scheduled_time: String,
    started_at: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Task>,
    next_cursor: Option<String>,
}

pub(crate) fn run(template: &Installation, share: usize) -> Result<Vec<Metric>> {
    let server = template.copy()?.start(&Settings::default())?;
    let accounts = server.keys().len();
    for number in 0..SCHEDULES / share {
        schedule(&server, number % accounts, "0 0 1 1 *")?;
    }
    let mut metrics = idle(&server, share)?;
    let wait = at_their_times(&server)?;
    thread::sleep(wait);
    metrics.extend(beginnings("task_lag", &lags(&server, 0)?)?);
    for _ in 0..MINUTELY {
        schedule(&server, 1, "* * * * *")?;
    }
    // Longer than until the next full minute.
    thread::sleep(Duration::from_mins(1) + SETTLE);
    metrics.extend(beginnings("occurrence_lag", &lags(&server, 1)?)?);
    server.stop()?;
    Ok(metrics)
}

/// Processor time while nothing is due.
fn idle(server: &Server, share: usize) -> Result<Vec<Metric>> {
    thread::sleep(SETTLE);
    let length = IDLE / u32::try_from(share)?;
    let before = Usage::of(server.pid());
    thread::sleep(length);
    let Some((before, after)) = before.zip(Usage::of(server.pid())) else { return Ok(Vec::new()) };
    let busy = after.processor.saturating_sub(before.processor).as_secs_f64();
    let percent = 100.0 * busy / length.as_secs_f64();
    Ok(vec![after.memory_metric("idle_memory_mb"), Metric::new("idle_core_percent", percent)])
}

/// Asks for tasks, each due a little after the one before; gives how long it takes until all of them are.
fn at_their_times(server: &Server) -> Result<Duration> {
    let begin = server.clock().now().plus(Duration::from_secs(2));
    for number in 0..TASKS {
        let due = begin.plus(APART * number).to_string();
        let task = json!({"function_name": FUNCTION, "scheduled_time": due});
        server.post(0, "/v1/scheduled-tasks", &task)?;
    }
    Ok(begin.plus(APART * TASKS).since(server.clock().now()) + SETTLE)
}

fn schedule(server: &Server, account: usize, cron: &str) -> Result<()> {
    let body = json!({"name": "bench", "cron": cron, "function_name": FUNCTION});
    server.post(account, "/v1/schedules", &body).map(drop)
}

/// From when the account's tasks were due until they began.
fn lags(server: &Server, account: usize) -> Result<Vec<Duration>> {
    let (mut lags, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(account, &format!("/v1/scheduled-tasks?limit=100{cursor}"))?;
        let page: Page = serde_json::from_value(page)?;
        for task in &page.data {
            let began = task.started_at.as_ref().context("a task did not begin")?;
            let (due, began): (Timestamp, Timestamp) =
                (task.scheduled_time.parse()?, began.parse()?);
            lags.push(began.since(due));
        }
        let Some(next) = page.next_cursor else { return Ok(lags) };
        cursor = format!("&cursor={next}");
    }
}

fn beginnings(name: &str, lags: &[Duration]) -> Result<Vec<Metric>> {
    ensure!(!lags.is_empty(), "no task was due");
    let mut metrics = latencies(name, lags.to_vec());
    metrics.push(worst(name, lags));
    Ok(metrics)
}
