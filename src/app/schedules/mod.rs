//! What can be done with schedules, which make tasks again and again.

mod change;
mod fire;
pub(in crate::app) mod nightly;
mod plan;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use change::SchedulePatch;
pub use fire::fire_due;

use change::{change, check, next};

use super::{App, Caller, Reply, Secrecy, functions, once, tasks};
use crate::{
    domain::{
        CatchUp, Cursor, Error, ErrorKind, Idempotency, Overlap, Page, PageRequest, Recurrence,
        Result, ScheduleId, TaskId, TimeZone, Timestamp,
    },
    store::{
        AccountScope, Commit, Snapshot,
        scheduled_tasks::{self, NewTask, Task},
        schedules::{self, Schedule, ScheduleRules},
    },
};

/// `POST /v1/schedules`: what is to be done, and when.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRequest {
    /// What you call it.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// When it is due: five fields of cron, a name such as `@daily`, or `every 15m`.
    pub cron: Recurrence,
    /// In the time of this zone.
    #[serde(default = "utc")]
    pub timezone: TimeZone,
    /// The function that is run.
    pub function_name: String,
    /// What it is given: any JSON value up to 64 KiB.
    #[schemars(with = "Option<serde_json::Value>")]
    pub payload: Option<Box<RawValue>>,
    /// What becomes of occurrences that are more than a minute late, as after a stop of the server.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What becomes of an occurrence while an earlier task of the schedule is not over.
    #[serde(default)]
    pub overlap: Overlap,
    /// Each task starts up to so many seconds late, by chance.
    #[serde(default)]
    #[schemars(range(max = 60))]
    pub jitter_seconds: u32,
    /// Whether it stands still.
    #[serde(default)]
    pub paused: bool,
}

fn utc() -> TimeZone {
    TimeZone::UTC
}

/// Adds a schedule.
pub fn create(
    app: &Arc<App>,
    caller: &Caller,
    new: ScheduleRequest,
    request: Option<Idempotency>,
    render: once::Render<Schedule>,
) -> Commit<Reply> {
    let rules = ScheduleRules {
        name: new.name,
        function: new.function_name,
        payload: new.payload,
        cron: new.cron,
        timezone: new.timezone,
        catch_up: new.catch_up,
        overlap: new.overlap,
        jitter_ms: new.jitter_seconds.saturating_mul(1_000),
    };
    if let Err(error) = check(&rules) {
        return Commit::refused(error);
    }
    let (this, caller) = (Arc::clone(app), caller.clone());
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let most = this.settings.tasks.max_schedules;
        if schedules::count(tx)? >= most {
            let message = format!("the account has {most} schedules; delete one first");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        check_function(tx, &rules)?;
        let next_at = if new.paused { None } else { Some(next(&rules, tx.now(), tx.now())?) };
        let id = ScheduleId::from_uuid(this.ambient.uuid());
        schedules::insert(tx, id, &rules, Some((caller.project, caller.key)), next_at)?;
        must_find(tx, id)
    })
}

/// Refuses a function that is not there, and a payload that it does not understand.
fn check_function(snapshot: &Snapshot<'_, AccountScope>, rules: &ScheduleRules) -> Result<()> {
    let function = functions::named(snapshot, &rules.function)?;
    tasks::check_payload(&function, rules.payload.as_deref())
}

/// The schedule of that id. Blocks while it reads.
pub fn get(app: &App, scope: AccountScope, id: ScheduleId) -> Result<Schedule> {
    app.store.read(scope, |snapshot| must_find(snapshot, id))
}

/// The account's schedules, newest first. Blocks while it reads.
pub fn list(app: &App, scope: AccountScope, page: &PageRequest) -> Result<Page<Schedule>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(ScheduleId::from_uuid);
    let limit = super::one_more(page);
    let rows = app.store.read(scope, |snapshot| schedules::list(snapshot, before, limit))?;
    Ok(Page::cut(rows, page.limit, |schedule| Cursor::from_uuid(schedule.id.uuid())))
}

/// Changes a schedule, at once. Whoever changes it pays for what its tasks spend from then on.
pub fn update(
    app: &App,
    caller: &Caller,
    id: ScheduleId,
    patch: SchedulePatch,
) -> Commit<Schedule> {
    let asked_by = (caller.project, caller.key);
    app.store.write(caller.scope, move |tx| {
        let mut schedule = must_find(tx, id)?;
        let overdue = plan::overdue(&schedule, tx.now());
        let before = schedule.next_at;
        change(&mut schedule, &patch, tx.now())?;
        if let (true, Some((count, newest))) = (schedule.next_at != before, overdue) {
            schedules::skip(tx, schedule.seq, count, newest, "changed")?;
        }
        check(&schedule.rules)?;
        check_function(tx, &schedule.rules)?;
        schedule.asked_by = Some(asked_by);
        schedules::update(tx, &schedule)?;
        must_find(tx, id)
    })
}

/// Removes a schedule and cancels its tasks that wait, as many as one transaction may; those at work go on. Gives whether
/// more of them wait, for [`cancel_rest`]. Until then they end when their turn comes.
pub fn delete(app: &App, caller: &Caller, id: ScheduleId) -> Commit<Deleted> {
    app.store.write(caller.scope, move |tx| {
        let schedule = must_find(tx, id)?.seq;
        schedules::delete(tx, schedule)?;
        Ok(Deleted { schedule, has_more: tasks::cancel_orphans(tx, schedule)? })
    })
}

/// A schedule that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    schedule: i64,
    /// Whether tasks of it may still wait.
    pub has_more: bool,
}

/// Goes on with canceling the tasks of a schedule that was deleted.
pub fn cancel_rest(app: &App, caller: &Caller, deleted: Deleted) -> Commit<Deleted> {
    app.store.write(caller.scope, move |tx| {
        Ok(Deleted { has_more: tasks::cancel_orphans(tx, deleted.schedule)?, ..deleted })
    })
}

/// Makes a task of the schedule now, whatever is due and also while it is paused.
pub fn run(
    app: &Arc<App>,
    caller: &Caller,
    id: ScheduleId,
    request: Option<Idempotency>,
    render: once::Render<Task>,
) -> Commit<Reply> {
    let (this, caller) = (Arc::clone(app), caller.clone());
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let schedule = must_find(tx, id)?;
        let queues = schedule.rules.overlap == Overlap::Queue;
        let new = NewTask {
            asked_by: Some((caller.project, caller.key)),
            request_id: caller.request_id.clone(),
            held: queues && tasks::waits(tx, schedule.seq)?,
            ..task_of(&this, &schedule, tx.now())
        };
        tasks::add(&this, tx, &new)
    })
}

/// A task of the schedule that is no occurrence of it.
fn task_of(app: &App, schedule: &Schedule, at: Timestamp) -> NewTask {
    let id = TaskId::from_uuid(app.ambient.uuid());
    NewTask {
        id,
        function: schedule.rules.function.clone(),
        schedule: Some(schedule.seq),
        occurrence: None,
        scheduled_time: at,
        payload: schedule.rules.payload.clone(),
        asked_by: schedule.asked_by,
        request_id: id.to_string(),
        held: false,
    }
}

/// The next occurrences of a schedule, for people who look; none while it is paused.
pub fn next_runs(schedule: &Schedule, count: usize) -> Vec<Timestamp> {
    let Some(first) = schedule.next_at else { return Vec::new() };
    let ScheduleRules { cron, timezone, .. } = &schedule.rules;
    let later = cron.upcoming(timezone, schedule.anchor, first, count.saturating_sub(1));
    std::iter::once(first).chain(later).take(count).collect()
}

fn must_find(snapshot: &Snapshot<'_, AccountScope>, id: ScheduleId) -> Result<Schedule> {
    schedules::find(snapshot, id)?.ok_or_else(|| Error::not_found("schedule"))
}
