//! How an agent does: its latest hours beside as many before them, and the news of a drift.

use std::{ops::Range, sync::Arc};

use serde::Serialize;

use super::{Versioned, must_find};
use crate::{
    app::{self, App},
    domain::{
        AccountId, AgentTotals, DriftLimits, DriftMetric, Error, EventType, Result, Timestamp,
        drifting,
    },
    store::{
        AccountScope, Snapshot, SystemScope, Tx,
        agent_hours::{self, Busy},
    },
};

/// The longest window, in hours.
pub const WINDOW_MAX: u32 = 30 * 24;
/// Hours that are kept: two of the longest windows, and the one that has begun.
const HOURS_KEPT: i64 = 2 * WINDOW_MAX as i64 + 1;
/// Rows that one write forgets.
const HOURS_FORGOTTEN: u32 = 1_000;

/// What an agent did within a window.
#[derive(Clone, Copy, Debug)]
pub struct Period {
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// What was done.
    pub totals: AgentTotals,
}

/// How an agent does.
#[derive(Clone, Debug)]
pub struct Health {
    /// The agent's name.
    pub agent: String,
    /// Hours of each of the two.
    pub window_hours: u32,
    /// The latest hours, with the one that has begun.
    pub current: Period,
    /// As many before them.
    pub previous: Period,
    /// What became much worse.
    pub drifting: Vec<DriftMetric>,
}

/// How the agent did in the latest hours, 1 to [`WINDOW_MAX`]. Blocks while it reads.
pub fn health(app: &App, scope: AccountScope, name: &str, window_hours: u32) -> Result<Health> {
    let limits = app.settings.drift;
    app.store.read(scope, |snapshot| {
        let Versioned { agent, .. } = must_find(snapshot, name)?;
        let [current, previous] = periods(snapshot, agent.seq, window_hours)?;
        let drifting = drifting(&current.totals, &previous.totals, &limits);
        Ok(Health { agent: agent.name, window_hours, current, previous, drifting })
    })
}

/// The latest hours, the one that has begun included, and as many before.
fn periods(
    snapshot: &Snapshot<'_, AccountScope>,
    agent: i64,
    window_hours: u32,
) -> Result<[Period; 2]> {
    let window = i64::from(window_hours);
    let end = agent_hours::hour(snapshot.now()) + 1;
    let period = |hours: Range<i64>| {
        let totals = agent_hours::sum(snapshot, agent, &hours)?;
        let (from, to) = (agent_hours::beginning(hours.start), agent_hours::beginning(hours.end));
        Ok(Period { from, to, totals })
    };
    Ok([period(end - window..end)?, period(end - 2 * window..end - window)?])
}

/// The data of `agent.drift`.
#[derive(Serialize)]
struct Drift<'a> {
    agent: &'a str,
    account_id: AccountId,
    metric: DriftMetric,
    previous: Option<f64>,
    current: Option<f64>,
    window_hours: u32,
}

/// Tells endpoints of agents that became worse, once per metric and window: looks at up to `most` agents with
/// jobs in the window, from the one after `place` on. That becomes the last that it looked at, or `None` after
/// the last of all. Gives how many there were, or the first error, which does not keep it from the others.
pub fn watch_drift(app: &Arc<App>, place: &mut Option<i64>, most: u32) -> Result<usize> {
    let limits = app.settings.drift;
    let after = place.unwrap_or(0);
    let busy = app.store.read(SystemScope::new(), |snapshot| {
        let since = agent_hours::hour(snapshot.now()) + 1 - i64::from(limits.window_hours);
        agent_hours::busy(snapshot, since, after, most)
    })?;
    let is_last = busy.len() < most as usize;
    *place = busy.last().map(|last| last.agent).filter(|_| !is_last);
    app::total(busy.iter().map(|agent| look_at(app, agent, limits).map(|()| 1)))
}

fn look_at(app: &Arc<App>, busy: &Busy, limits: DriftLimits) -> Result<()> {
    let periods =
        app.store.read(busy.account, |it| periods(it, busy.agent, limits.window_hours))?;
    let [current, previous] = periods.map(|period| period.totals);
    let metrics = drifting(&current, &previous, &limits);
    if metrics.is_empty() {
        return Ok(());
    }
    let (this, busy) = (Arc::clone(app), busy.clone());
    let told = app.store.write(busy.account, move |tx| {
        metrics.iter().try_for_each(|metric| {
            let drift = Drift {
                agent: &busy.name,
                account_id: tx.scope().account_id(),
                metric: *metric,
                previous: previous.figure(*metric),
                current: current.figure(*metric),
                window_hours: limits.window_hours,
            };
            tell(&this, tx, busy.agent, &drift)
        })
    });
    told.wait()
}

fn tell(app: &App, tx: &Tx<'_, AccountScope>, agent: i64, drift: &Drift<'_>) -> Result<()> {
    let window_ms = i64::from(drift.window_hours) * 3_600_000;
    let since = Timestamp::from_millis(tx.now().millis() - window_ms);
    if agent_hours::tell(tx, agent, drift.metric, since)? {
        app.emit(tx, EventType::AgentDrift, drift)?;
    }
    Ok(())
}

/// Forgets hours that no window reaches any more; gives how many rows.
pub fn forget_hours(app: &App) -> Result<usize> {
    let forgotten = app.store.write(SystemScope::new(), |tx| {
        agent_hours::prune(tx, agent_hours::hour(tx.now()) - HOURS_KEPT, HOURS_FORGOTTEN)
    });
    forgotten.wait()
}

/// Reads a window such as `24h` or `7d`, in hours.
pub fn parse_window(text: &str) -> Result<u32> {
    let refused = || {
        let message = "window must be whole hours or days from 1h to 30d, such as 24h";
        Error::invalid("window", message)
    };
    let duration = crate::domain::parse_duration(text).ok_or_else(refused)?;
    let hours = u32::try_from(duration.as_secs() / 3600).ok();
    let is_whole = duration.as_millis().is_multiple_of(3_600_000);
    hours.filter(|hours| is_whole && (1..=WINDOW_MAX).contains(hours)).ok_or_else(refused)
}
