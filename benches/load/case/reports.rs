//! How long reports of usage take over a million jobs of one account, in 90 days.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use skai_server::domain::Day;

use crate::{
    report::{Metric, median, worst},
    server::{Installation, Server, Settings},
};

const JOBS: usize = 1_000_000;
const DAYS: i64 = 90;
/// How often each report is asked for.
const TIMES: usize = 40;
/// Rows that may wait to be counted.
const TAIL: i64 = 500;
const LONGEST: Duration = Duration::from_mins(5);
const GROUPS: [&str; 5] = ["model", "agent", "project", "api_key", "user"];

pub(crate) fn run(template: &Installation, share: usize) -> Result<Vec<Metric>> {
    let installation = template.copy()?;
    let jobs = JOBS / share;
    let database = open(&installation)?;
    fill(&database, &installation, jobs)?;
    let start = installation.clock().monotonic();
    let server = installation.start(&Settings::default())?;
    while waiting(&database)? > TAIL {
        ensure!(server.clock().monotonic().saturating_sub(start) < LONGEST, "jobs are not counted");
        thread::sleep(Duration::from_millis(20));
    }
    let took = server.clock().monotonic().saturating_sub(start);
    let rows: i64 = database.query_row("select count(*) from usage_day", [], |row| row.get(0))?;
    let mut metrics = vec![
        Metric::rate("counted_jobs_per_second", jobs, took),
        Metric::new("rows_of_days", rows as f64),
    ];
    let from = Day::of_utc(server.clock().now()).plus(1 - DAYS);
    let summary = server.get(0, &format!("/v1/usage/summary?from={from}"))?;
    ensure!(summary["jobs"] == jobs, "other jobs are shown: {summary}");
    metrics.extend(timed(&server, "summary", &format!("/v1/usage/summary?from={from}"))?);
    let daily = format!("/v1/usage/daily?limit=100&from={from}");
    metrics.extend(timed(&server, "daily", &daily)?);
    for group in GROUPS {
        let name = format!("daily_{group}");
        metrics.extend(timed(&server, &name, &format!("{daily}&group_by={group}"))?);
    }
    for group in ["model", "user"] {
        let (name, path) = (format!("csv_{group}"), format!("/v1/usage/daily?from={from}"));
        metrics.extend(timed(&server, &name, &format!("{path}&group_by={group}"))?);
    }
    server.stop()?;
    Ok(metrics)
}

#[expect(
    clippy::disallowed_methods,
    reason = "jobs are made past the server, which has not started"
)]
fn open(installation: &Installation) -> Result<Connection> {
    let database = Connection::open(installation.database())?;
    database.busy_timeout(Duration::from_secs(10))?;
    Ok(database)
}

fn waiting(database: &Connection) -> Result<i64> {
    let sql = "select coalesce(max(seq) - min(seq), 0) from usage_tail";
    Ok(database.query_row(sql, [], |row| row.get(0))?)
}

/// Jobs of the first account: those of a day by 5 models, 10 agents or none, 3 projects with 12 keys, and 200 end users.
fn fill(database: &Connection, installation: &Installation, jobs: usize) -> Result<()> {
    let today = Day::of_utc(installation.clock().now()).number();
    let jobs = i64::try_from(jobs)?;
    database.execute_batch("pragma synchronous = off; begin")?;
    let statements = [
        "insert into spending (account, month, project, api_key, reserved)
           select 1, 0, cast(printf('project%09d', value % 3) as blob), cast(printf('key%013d', value) as blob), 0
           from generate where ?1 + ?2 > 0 and value < 12",
        "insert into agent (account, id, name, tags, active_version, latest_version, created_at, updated_at)
           select 1, cast(printf('agent%011d', value) as blob), 'agent-' || value, '[]', 1, 1, 1, 1
           from generate where ?1 + ?2 > 0 and value < 10",
        "insert into job (account, id, project, api_key, status, round, attempts, max_attempts, priority, model,
             agent, agent_version, end_user, reserved_free, reserved_paid, spending, price_list, completion_bound,
             request_id, run_at, created_at, started_at, listed)
           select 1, cast(printf('%016d', value) as blob), 1, 1, 4 + (value % 50 = 0), 1, 1, 6, 0, 'model-' || (value % 5),
             iif(value % 11 < 10, 1 + value % 11, null), iif(value % 11 < 10, 1, null), 'user ' || (value % 200),
             0, 0, (select min(seq) from spending) + value % 12, 0, 100, 'bench', 0,
             (?1 - 89 + value * 90 / ?2) * 86400000, (?1 - 89 + value * 90 / ?2) * 86400000, 0
           from generate where value < ?2",
        "insert into job_result (job, account, output_text, model, prompt_tokens, completion_tokens, charged, finished_at)
           select seq, 1, printf('%0200d', seq), model, 100, 20, 1000, started_at + 200 + seq * 7919 % 20000
           from job where ?1 + ?2 > 0",
        "insert into job_event (job, n, account, name, created_at)
           select seq, n.value, 1, iif(n.value < 2, 'queued', iif(status = 4, 'succeeded', 'failed')), started_at
           from job join generate n on n.value < 3 where ?1 + ?2 > 0",
        "insert into usage_tail (account, day, outcome, spending, agent, model, end_user, latency_ms, prompt_tokens,
             completion_tokens, charged)
           select 1, started_at / 86400000, status - 2, spending, agent, j.model, end_user,
             iif(status = 4, finished_at - started_at, null), iif(status = 4, 100, null), iif(status = 4, 20, null),
             iif(status = 4, 1000, null)
           from job j join job_result r on r.job = j.seq where ?1 + ?2 > 0 order by j.seq",
    ];
    database.execute_batch("create temp table generate (value integer primary key)")?;
    database.execute(
        "with recursive n (n) as (select 0 union all select n + 1 from n where n + 1 < ?1)
         insert into generate select n from n",
        [jobs],
    )?;
    for sql in statements {
        database.execute(sql, (today, jobs)).with_context(|| sql.to_owned())?;
    }
    database.execute_batch("commit; drop table generate; pragma wal_checkpoint(truncate)")?;
    Ok(())
}

/// The median and the longest of some times that a report took, from the request to its last byte.
fn timed(server: &Server, name: &str, path: &str) -> Result<Vec<Metric>> {
    let mut samples = Vec::new();
    for _ in 0..TIMES {
        let start = server.clock().monotonic();
        let accept = if name.starts_with("csv") { "text/csv" } else { "application/json" };
        ensure!(!server.text(0, path, accept)?.is_empty(), "an empty report: {path}");
        samples.push(server.clock().monotonic().saturating_sub(start));
    }
    let longest = worst(name, &samples);
    Ok(vec![Metric::millis(format!("{name}_p50_ms"), median(samples)), longest])
}
