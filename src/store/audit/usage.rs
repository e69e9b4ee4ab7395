//! What is counted of each day against jobs, their steps and the ledger.

use super::Breach;
use crate::{
    domain::{Day, Latencies, Result},
    store::{scope::SystemScope, tx::Snapshot, usage_tail::Dimension},
};

/// What is counted by days, and what waits to be counted, of all jobs (dimension 2): `d`, a row for each account and
/// day.
macro_rules! days {
    () => {
        "d as (
           select account, day, sum(succeeded) as succeeded, sum(failed) as failed, sum(canceled) as canceled,
             sum(prompt_tokens) as prompt_tokens, sum(completion_tokens) as completion_tokens,
             sum(charged) as charged
           from (
             select account, day, succeeded, failed, canceled, prompt_tokens, completion_tokens, charged
               from main.usage_day where dimension = 2
             union all
             select account, day, outcome = 2, outcome = 3, outcome = 4, coalesce(prompt_tokens, 0),
               coalesce(completion_tokens, 0), coalesce(charged, 0)
               from main.usage_tail where outcome <= 4)
           group by account, day)"
    };
}

/// No command recounts a day: what is said is what somebody can do with the database, while the server is stopped.
macro_rules! by_hand {
    () => {
        "while the server is stopped, set the figures of that day in usage_day by hand, in every dimension, to those \
         of the jobs and the ledger; or restore a backup"
    };
}

/// How a day is spelled.
macro_rules! date {
    ($day:literal) => {
        concat!("date(", $day, " * 86400, 'unixepoch')")
    };
}

/// See [`RULES`](super::RULES).
pub(super) const RULES: &[&str] = &[
    concat!(
        "with ",
        days!(),
        ", l as (
           select account, created_at / 86400000 as day, -sum(delta) as charged
           from main.ledger where kind = 'charge' group by 1, 2)
         select coalesce(d.account, l.account), null,
           'has a day whose usage is not that of its ledger: on ' || ",
        date!("coalesce(d.day, l.day)"),
        " || ' it counts charges of ' || coalesce(d.charged, 0) || ', the ledger has ' || coalesce(l.charged, 0),
           '", by_hand!(), "'
         from d full join l on l.account = d.account and l.day = d.day
         where coalesce(d.charged, 0) <> coalesce(l.charged, 0) limit ?1"
    ),
    concat!(
        "with ",
        days!(),
        ", j as (
           select j.account, r.finished_at / 86400000 as day, count(*) as succeeded,
             sum(coalesce(r.prompt_tokens, 0)) as prompt_tokens,
             sum(coalesce(r.completion_tokens, 0)) as completion_tokens
           from main.job j join main.job_result r on r.job = j.seq where j.status = 4 group by 1, 2)
         select coalesce(d.account, j.account), null,
           'has a day whose usage is not that of its jobs: on ' || ",
        date!("coalesce(d.day, j.day)"),
        " || ' it counts ' || coalesce(d.succeeded, 0) || ' jobs that succeeded with '
             || coalesce(d.prompt_tokens, 0) || ' and ' || coalesce(d.completion_tokens, 0)
             || ' tokens, there are ' || coalesce(j.succeeded, 0) || ' with '
             || coalesce(j.prompt_tokens, 0) || ' and ' || coalesce(j.completion_tokens, 0),
           '", by_hand!(), "'
         from d full join j on j.account = d.account and j.day = d.day
         where coalesce(d.succeeded, 0) <> coalesce(j.succeeded, 0)
           or coalesce(d.prompt_tokens, 0) <> coalesce(j.prompt_tokens, 0)
           or coalesce(d.completion_tokens, 0) <> coalesce(j.completion_tokens, 0) limit ?1"
    ),
    // The steps of a canceled job that was removed are gone, so that up to the day of the last removal there may be
    // more than are left.
    concat!(
        "with ",
        days!(),
        ", e as (
           select account, created_at / 86400000 as day, sum(name <> 'canceled') as failed,
             sum(name = 'canceled') as canceled
           from main.job_event where name in ('failed', 'expired', 'canceled') group by 1, 2),
         r as (
           select account, max(removed_at) / 86400000 as day from main.removed_job group by account)
         select coalesce(d.account, e.account), null,
           'has a day whose usage is not that of the steps of its jobs: on ' || ",
        date!("coalesce(d.day, e.day)"),
        " || ' it counts ' || coalesce(d.failed, 0) || ' that failed and ' || coalesce(d.canceled, 0)
             || ' that were canceled, there are ' || coalesce(e.failed, 0) || ' and ' || coalesce(e.canceled, 0),
           '", by_hand!(), "'
         from d full join e on e.account = d.account and e.day = d.day
           left join r on r.account = coalesce(d.account, e.account)
         where case when coalesce(d.day, e.day) <= r.day
           then coalesce(d.failed, 0) < coalesce(e.failed, 0) or coalesce(d.canceled, 0) < coalesce(e.canceled, 0)
           else coalesce(d.failed, 0) <> coalesce(e.failed, 0) or coalesce(d.canceled, 0) <> coalesce(e.canceled, 0)
           end limit ?1"
    ),
    // Before a day, what was counted by end user may have been forgotten.
    concat!(
        "with k as (
           select coalesce((select value from main.meta where name = 'usage_by_user_since'), 0) as since),
         s as (
           select account, dimension, day, sum(succeeded) as succeeded, sum(failed) as failed,
             sum(canceled) as canceled, sum(prompt_tokens) as prompt_tokens,
             sum(completion_tokens) as completion_tokens, sum(charged) as charged, sum(latency_ms) as latency_ms
           from main.usage_day, k where dimension <= iif(day < since, 6, 7) group by account, dimension, day)
         select account, null,
           'has a day whose usage by group is not that of all: on ' || ",
        date!("day"),
        " || ' there are ' || count(*) || ' of ' || iif(day < since, 5, 6)
             || ' groups, or they sum up to other figures',
           '", by_hand!(), "'
         from s, k group by account, day
         having count(*) <> iif(day < since, 5, 6) or min(succeeded) <> max(succeeded) or min(failed) <> max(failed)
           or min(canceled) <> max(canceled) or min(prompt_tokens) <> max(prompt_tokens)
           or min(completion_tokens) <> max(completion_tokens) or min(charged) <> max(charged)
           or min(latency_ms) <> max(latency_ms) limit ?1"
    ),
];

/// What mends a histogram.
const HISTOGRAM_REPAIR: &str = "take the row's latencies from a backup; without one the percentiles of that day are of \
     those jobs alone that were counted since, and its counts and sums are right nevertheless";

/// What the rows of days have histograms for.
const HISTOGRAMS: &str = "select account, dimension, day, succeeded, latencies from main.usage_day";

/// Up to `limit` rows of days whose histogram has not as many jobs as succeeded. Looks at one after the other.
pub(super) fn broken(snapshot: &Snapshot<'_, SystemScope>, limit: usize) -> Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    snapshot.each(HISTOGRAMS, [], |row| {
        let (dimension, succeeded): (i64, u64) = (row.get("dimension")?, row.get("succeeded")?);
        // Nobody looks how long deliveries took.
        let expected = if dimension == Dimension::Deliveries.number() { 0 } else { succeeded };
        let latencies = Latencies::from_bytes(row.get_ref("latencies")?.as_blob()?);
        let found = latencies.ok().map(|latencies| latencies.count());
        if found != Some(expected) && breaches.len() < limit {
            let found = found.map_or("cannot be read".to_owned(), |jobs| format!("has {jobs} jobs"));
            let day: Day = row.get("day")?;
            let what = format!(
                "has a day whose histogram of latencies {found}, and {expected} succeeded: {day}, dimension {dimension}"
            );
            let repair = HISTOGRAM_REPAIR.to_owned();
            breaches.push(Breach { account: row.get("account")?, job: None, what, repair });
        }
        Ok(())
    })?;
    Ok(breaches)
}
