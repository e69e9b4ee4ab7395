//! `cleanup-expired-tokens`: removes what of an account nobody needs any more, some at a time.

use std::{ops::ControlFlow, sync::Arc};

use super::ROWS;
use crate::{
    app::{App, accounts},
    domain::{ApiKeyId, Environment, Result, Timestamp},
    store::{
        AccountScope, Commit, SystemScope, api_keys, canceled_jobs, end_user_days, idempotency,
    },
};

/// API keys that one transaction removes.
const KEYS_PER_WRITE: usize = 50;
/// Canceled jobs that one step looks at.
const LOOKED_AT: u32 = 2_000;
/// Canceled jobs that one transaction removes, each with some rows more.
const JOBS_PER_WRITE: usize = 100;

/// What is removed, in the order in which it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cleaned {
    /// Answers to requests with an `Idempotency-Key` that have expired.
    IdempotencyKeys,
    /// API keys that ended.
    ApiKeys,
    /// Canceled jobs.
    CanceledJobs,
    /// Days of end users (`end_user_day`), which stay in their sums. What reports count by day and end user is another
    /// table's, and forgotten by the duty `prune`.
    UsageDays,
    /// Requests, executions and invocations in telemetry.
    Telemetry,
}

impl Cleaned {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::IdempotencyKeys,
        Self::ApiKeys,
        Self::CanceledJobs,
        Self::UsageDays,
        Self::Telemetry,
    ];

    /// Its name in the result.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdempotencyKeys => "idempotency_keys",
            Self::ApiKeys => "api_keys",
            Self::CanceledJobs => "canceled_jobs",
            Self::UsageDays => "usage_days",
            Self::Telemetry => "telemetry",
        }
    }
}

/// How far a kind was looked through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The last number that was looked at.
    seq: i64,
    /// The last API key.
    key: Option<ApiKeyId>,
}

/// How many were removed, and where to go on, if there may be more.
pub type Step = (usize, ControlFlow<(), Place>);

/// Removes the next of a kind after `place`. Blocks until that is on disk.
pub fn step(app: &Arc<App>, scope: AccountScope, kind: Cleaned, place: Place) -> Result<Step> {
    match kind {
        Cleaned::IdempotencyKeys => forget_answers(app, scope, place.seq).wait(),
        // Keys of both environments are among the live rows.
        Cleaned::ApiKeys if scope.environment() == Environment::Test => {
            Ok((0, ControlFlow::Break(())))
        }
        Cleaned::ApiKeys => delete_keys(app, scope, place.key),
        Cleaned::CanceledJobs => delete_jobs(app, scope, place.seq),
        Cleaned::UsageDays => forget_days(app, scope).wait(),
        Cleaned::Telemetry => Ok(forget_records(app, scope)),
    }
}

fn more(is_more: bool, place: Place) -> ControlFlow<(), Place> {
    if is_more { ControlFlow::Continue(place) } else { ControlFlow::Break(()) }
}

/// They expire in the order of all accounts, so some others' are passed over. The server forgets them too.
fn forget_answers(app: &App, scope: AccountScope, after: i64) -> Commit<Step> {
    app.store.write(SystemScope::new(), move |tx| {
        let (removed, next) = idempotency::prune_account(tx, scope, after, ROWS as usize)?;
        let place = Place { seq: next.unwrap_or_default(), ..Place::default() };
        Ok((removed, more(next.is_some(), place)))
    })
}

/// From the newest on, so that the first of those that share a budget comes after the others. What needs them is
/// looked for in a read, so that nobody waits for it who writes.
fn delete_keys(app: &App, scope: AccountScope, before: Option<ApiKeyId>) -> Result<Step> {
    let (ended, keys) = app.store.read(scope, |snapshot| {
        let ended = snapshot.now().minus(app.settings.cleanup.api_keys);
        Ok((ended, api_keys::ended(snapshot, before, ended, ROWS as usize)?))
    })?;
    let mut old: Vec<_> = keys.iter().filter(|key| key.is_over).collect();
    if !old.is_empty() {
        let needed =
            app.store.read(SystemScope::new(), |snapshot| api_keys::needed(snapshot, scope))?;
        old.retain(|key| !needed.contains(&key.seq));
    }
    let mut removed = 0;
    for some in old.chunks(KEYS_PER_WRITE) {
        let some = some.iter().map(|key| key.id).collect();
        removed += delete_some_keys(app, scope, some, ended).wait()?;
    }
    let place = Place { key: keys.last().map(|key| key.id), ..Place::default() };
    Ok((removed, more(keys.len() == ROWS as usize, place)))
}

fn delete_some_keys(
    app: &App,
    scope: AccountScope,
    keys: Vec<ApiKeyId>,
    ended: Timestamp,
) -> Commit<usize> {
    app.store.write(SystemScope::new(), move |tx| {
        let gone = keys.iter().map(|key| api_keys::delete(tx, scope, *key, ended));
        gone.map(|gone| gone.map(usize::from)).sum()
    })
}

/// Looks for them in a read, so that nobody waits for it who writes.
fn delete_jobs(app: &App, scope: AccountScope, after: i64) -> Result<Step> {
    let settings = &app.settings;
    // An answer that was saved for a job is made again from it.
    let kept = settings.cleanup.canceled_jobs.max(settings.idempotency_ttl);
    let (before, jobs) = app.store.read(scope, |snapshot| {
        let before = snapshot.now().minus(kept);
        Ok((before, canceled_jobs::list(snapshot, after, before, LOOKED_AT)?))
    })?;
    let old: Vec<i64> = jobs.iter().filter(|job| job.is_old).map(|job| job.seq).collect();
    let mut removed = 0;
    for some in old.chunks(JOBS_PER_WRITE) {
        removed += delete_some(app, scope, some.to_vec(), before).wait()?;
    }
    let place = Place { seq: jobs.last().map_or(after, |job| job.seq), ..Place::default() };
    Ok((removed, more(jobs.len() == LOOKED_AT as usize, place)))
}

fn delete_some(app: &App, scope: AccountScope, jobs: Vec<i64>, before: Timestamp) -> Commit<usize> {
    app.store.write(SystemScope::new(), move |tx| {
        let gone = jobs.iter().map(|job| canceled_jobs::delete(tx, scope, *job, before));
        gone.map(|gone| gone.map(usize::from)).sum()
    })
}

/// What end users used on old days becomes a part of their sums.
fn forget_days(app: &Arc<App>, scope: AccountScope) -> Commit<Step> {
    let this = Arc::clone(app);
    app.store.write(scope, move |tx| {
        let zone = accounts::cap_policy(&this, tx)?.timezone;
        let before = zone.day(tx.now().minus(this.settings.cleanup.usage));
        let forgotten = end_user_days::forget(tx, before, ROWS)?;
        Ok((forgotten, more(forgotten == ROWS as usize, Place::default())))
    })
}

/// Where telemetry is in trouble, nothing is removed from it, and that fails nothing else.
fn forget_records(app: &App, scope: AccountScope) -> Step {
    let before = app.ambient.now().minus(app.settings.cleanup.telemetry);
    let forgotten = app.recording.telemetry.forget(scope, before).unwrap_or_else(|error| {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "old telemetry was not cleaned up");
        0
    });
    (forgotten, more(forgotten > 0, Place::default()))
}
