//! How agents did, hour by hour: kept in the transaction that ends a job, so that it is exact and nothing
//! has to be counted again.

use std::ops::Range;

use rusqlite::Row;

use super::{
    scope::{AccountScope, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::domain::{AgentTotals, DriftMetric, Result, Timestamp};

const HOUR_MS: i64 = 3_600_000;

/// The hour of a time, counted from 1970.
pub fn hour(at: Timestamp) -> i64 {
    at.millis().div_euclid(HOUR_MS)
}

/// When an hour begins.
pub fn beginning(hour: i64) -> Timestamp {
    Timestamp::from_millis(hour.saturating_mul(HOUR_MS))
}

/// Adds a job that ended now.
pub fn add(tx: &Tx<'_, AccountScope>, agent: i64, version: u32, more: &AgentTotals) -> Result<()> {
    tx.execute(
        "insert into main.agent_hour
           (account, agent, hour, version, jobs, succeeded, schema_failed, repairs, latency_ms,
            prompt_tokens, completion_tokens, charged)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         on conflict (account, agent, hour, version) do update set
           jobs = jobs + excluded.jobs,
           succeeded = succeeded + excluded.succeeded,
           schema_failed = schema_failed + excluded.schema_failed,
           repairs = repairs + excluded.repairs,
           latency_ms = latency_ms + excluded.latency_ms,
           prompt_tokens = prompt_tokens + excluded.prompt_tokens,
           completion_tokens = completion_tokens + excluded.completion_tokens,
           charged = charged + excluded.charged",
        rusqlite::params![
            agent,
            hour(tx.now()),
            version,
            more.jobs,
            more.succeeded,
            more.schema_failed,
            more.repairs,
            more.latency_ms,
            more.prompt_tokens,
            more.completion_tokens,
            more.charged,
        ],
    )?;
    Ok(())
}

/// The sums of all versions over some hours.
pub fn sum(
    snapshot: &Snapshot<'_, AccountScope>,
    agent: i64,
    hours: &Range<i64>,
) -> Result<AgentTotals> {
    let sums = snapshot.one(
        "select sum(jobs), sum(succeeded), sum(schema_failed), sum(repairs), sum(latency_ms),
           sum(prompt_tokens), sum(completion_tokens), sum(charged)
         from agent_hour where agent = ?1 and hour >= ?2 and hour < ?3",
        (agent, hours.start, hours.end),
        totals,
    )?;
    Ok(sums.unwrap_or_default())
}

fn totals(row: &Row<'_>) -> rusqlite::Result<AgentTotals> {
    let sum = |at| row.get::<_, Option<u64>>(at).map(Option::unwrap_or_default);
    Ok(AgentTotals {
        jobs: sum(0)?,
        succeeded: sum(1)?,
        schema_failed: sum(2)?,
        repairs: sum(3)?,
        latency_ms: sum(4)?,
        prompt_tokens: sum(5)?,
        completion_tokens: sum(6)?,
        charged: row.get::<_, Option<_>>(7)?.unwrap_or_default(),
    })
}

/// An agent that had jobs.
#[derive(Clone, Debug)]
pub struct Busy {
    /// Whose it is.
    pub account: AccountScope,
    /// Its internal number.
    pub agent: i64,
    /// Its name.
    pub name: String,
}

/// Agents that had jobs since an hour, by their number, those after `after`.
pub fn busy(
    snapshot: &Snapshot<'_, SystemScope>,
    since: i64,
    after: i64,
    limit: u32,
) -> Result<Vec<Busy>> {
    let system = snapshot.scope();
    snapshot.all(BUSY, (since, after, limit), |row| {
        let account = system.account(row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(Busy { account, agent: row.get(0)?, name: row.get(1)? })
    })
}

/// Goes from agent to agent and ends with the page, however many hours the window has.
pub(in crate::store) const BUSY: &str =
    "select g.seq, g.name, a.seq, a.id, a.environment from main.agent g
    join main.account a on a.seq = g.account
    where g.seq > ?2 and exists (select 1 from main.agent_hour h
      where h.account = g.account and h.agent = g.seq and h.hour >= ?1)
    order by g.seq limit ?3";

/// Notes that endpoints are told of a drift now; false where they were told since `since`.
pub fn tell(
    tx: &Tx<'_, AccountScope>,
    agent: i64,
    metric: DriftMetric,
    since: Timestamp,
) -> Result<bool> {
    let told = tx.execute(
        "insert into main.agent_drift (account, agent, metric, told_at)
         values (current_account(), ?1, ?2, ?3)
         on conflict (account, agent, metric) do update set told_at = excluded.told_at
         where told_at <= ?4",
        (agent, metric.as_str(), tx.now(), since),
    )?;
    Ok(told > 0)
}

/// Forgets hours before this one, at most `limit` rows; gives how many.
pub fn prune(tx: &Tx<'_, SystemScope>, before: i64, limit: u32) -> Result<usize> {
    tx.execute(
        "delete from main.agent_hour where (account, agent, hour, version) in
           (select account, agent, hour, version from main.agent_hour where hour < ?1 limit ?2)",
        (before, limit),
    )
}
