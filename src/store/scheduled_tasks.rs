//! Scheduled tasks: each intent to run a function, and what came of it.

use rusqlite::{Row, ToSql};
use serde_json::value::RawValue;

use super::{
    listing::{LOOKED_AT, Looked},
    queue::Waiting,
    row::{raw, unknown},
    scope::AccountScope,
    signal::Signal,
    tx::{Filling, Snapshot, Tx},
};
use crate::domain::{JobId, Result, ScheduleId, TaskError, TaskId, TaskStatus, Timestamp};

/// A task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: TaskId,
    /// The function's name.
    pub function: String,
    /// Internal number and public id of the schedule that made it.
    pub schedule: Option<(i64, ScheduleId)>,
    /// Whether that was deleted.
    pub is_orphan: bool,
    /// When it is to run.
    pub scheduled_time: Timestamp,
    /// What the function is given.
    pub payload: Option<Box<RawValue>>,
    /// Internal numbers of the project and the key that asked for it.
    pub asked_by: Option<(i64, i64)>,
    /// The request that asked for it.
    pub request_id: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// Whether it waits for an earlier one of its schedule.
    pub held: bool,
    /// Attempts that began.
    pub attempts: u32,
    /// Internal number and public id of the job that a run of an agent became.
    pub job: Option<(i64, Option<JobId>)>,
    /// What the function gave back: a JSON value.
    pub result: Option<Box<RawValue>>,
    /// Why the last attempt failed.
    pub error: Option<TaskError>,
    /// When the last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Task {
    /// What [`step`] knows it by.
    pub const fn key(&self) -> (i64, TaskId) {
        (self.seq, self.id)
    }
}

/// What a new task is made of.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Public id.
    pub id: TaskId,
    /// The function's name.
    pub function: String,
    /// Internal number of the schedule that makes it.
    pub schedule: Option<i64>,
    /// The occurrence of the schedule that it is, each of which is one task.
    pub occurrence: Option<Timestamp>,
    /// When it is to run.
    pub scheduled_time: Timestamp,
    /// What the function is given.
    pub payload: Option<Box<RawValue>>,
    /// Internal numbers of the project and the key that ask for it.
    pub asked_by: Option<(i64, i64)>,
    /// The request that asks for it.
    pub request_id: String,
    /// Whether it waits for an earlier one of its schedule.
    pub held: bool,
}

/// A status as the table keeps it.
fn number(status: TaskStatus) -> i64 {
    match status {
        TaskStatus::Pending => 2,
        TaskStatus::Running => 3,
        TaskStatus::Completed => 4,
        TaskStatus::Failed => 5,
        TaskStatus::Canceled => 6,
    }
}

fn status(row: &Row<'_>) -> rusqlite::Result<TaskStatus> {
    let stored: i64 = row.get("status")?;
    let mut all = TaskStatus::ALL.into_iter();
    all.find(|status| number(*status) == stored).ok_or_else(|| unknown("status"))
}

fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    let schedule: Option<i64> = row.get("schedule")?;
    let schedule_id: Option<ScheduleId> = row.get("schedule_id")?;
    let (project, api_key): (Option<i64>, Option<i64>) = (row.get("project")?, row.get("api_key")?);
    let (job, job_id): (Option<i64>, Option<JobId>) = (row.get("job")?, row.get("job_id")?);
    let code: Option<String> = row.get("error_code")?;
    let message: Option<String> = row.get("error_message")?;
    Ok(Task {
        seq: row.get("seq")?,
        id: row.get("id")?,
        function: row.get("function")?,
        schedule: schedule.zip(schedule_id),
        is_orphan: row.get("is_orphan")?,
        scheduled_time: row.get("scheduled_time")?,
        payload: raw(row, "payload")?,
        asked_by: project.zip(api_key),
        request_id: row.get("request_id")?,
        status: status(row)?,
        held: row.get("held")?,
        attempts: row.get("attempts")?,
        job: job.map(|job| (job, job_id)),
        result: raw(row, "result")?,
        error: code.map(|code| TaskError { code, message: message.unwrap_or_default() }),
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        created_at: row.get("created_at")?,
    })
}

/// Selects rows for [`task`], by the conditions that follow.
macro_rules! select_task {
    ($rest:literal) => {
        concat!(
            "select t.*, s.id as schedule_id, s.deleted_at is not null as is_orphan, j.id as job_id \
             from scheduled_task t \
             left join schedule s on s.seq = t.schedule left join job j on j.seq = t.job where ",
            $rest
        )
    };
}

/// Adds a pending task; gives its internal number, or `None` where its occurrence is one already.
pub fn insert(tx: &Tx<'_, AccountScope>, new: &NewTask) -> Result<Option<i64>> {
    tx.one(
        "insert into main.scheduled_task (account, id, function, schedule, occurrence, scheduled_time,
           payload, project, api_key, request_id, held, status, created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 2, ?11)
         on conflict (account, schedule, occurrence) where occurrence is not null do nothing returning seq",
        (
            new.id,
            &new.function,
            new.schedule,
            new.occurrence,
            new.scheduled_time,
            new.payload.as_ref().map(|payload| payload.get()),
            new.asked_by.map(|(project, _)| project),
            new.asked_by.map(|(_, key)| key),
            &new.request_id,
            new.held,
            tx.now(),
        ),
        |row| row.get(0),
    )
}

/// The account's task of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: TaskId) -> Result<Option<Task>> {
    snapshot.one(select_task!("t.id = ?1"), [id], task)
}

/// The account's task of that internal number.
pub fn by_seq(snapshot: &Snapshot<'_, AccountScope>, seq: i64) -> Result<Option<Task>> {
    snapshot.one(select_task!("t.seq = ?1"), [seq], task)
}

/// The task that waits for this job.
pub fn waiting_for(snapshot: &Snapshot<'_, AccountScope>, job: i64) -> Result<Option<Task>> {
    snapshot.one(WAITING_FOR, [job], task)
}

pub(in crate::store) const WAITING_FOR: &str = select_task!("t.job = ?1 and t.status = 3");

/// Which tasks to list.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Only where they stand like this.
    pub status: Option<TaskStatus>,
    /// Only of this function.
    pub function: Option<String>,
    /// Only of this schedule.
    pub schedule: Option<ScheduleId>,
    /// Only older than this one.
    pub before: Option<TaskId>,
}

/// The account's tasks, newest first: up to `limit`, fewer where they are large or hard to find.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    filter: &TaskFilter,
    limit: usize,
) -> Result<Looked<Task, TaskId>> {
    let before = filter.before.unwrap_or(TaskId::MAX);
    let last: Option<TaskId> = snapshot.one(LAST, (before, LOOKED_AT), |row| row.get(0))?;
    let from = last.map_or([0; 16], |last| *last.as_bytes());
    let (status, rows) = (filter.status.map(number), limit.saturating_add(1));
    let params: [&dyn ToSql; 6] =
        [&before, &from, &status, &filter.function, &filter.schedule, &rows];
    let mut filling = Filling::new(limit);
    snapshot.fill(&mut filling, LIST, params.as_slice(), &task)?;
    Ok(Looked::of(filling.rows(), last, |task| task.id))
}

pub(in crate::store) const LIST: &str = select_task!(
    "t.id < ?1 and t.id >= ?2 and (?3 is null or t.status = ?3) and (?4 is null or t.function = ?4) \
     and (?5 is null or s.id = ?5) order by t.id desc limit ?6"
);
pub(in crate::store) const LAST: &str =
    "select id from scheduled_task where id < ?1 order by id desc limit 1 offset ?2 - 1";

/// How many of the account's tasks are not over, counted up to `most`.
pub fn open(snapshot: &Snapshot<'_, AccountScope>, most: u32) -> Result<u32> {
    Ok(snapshot.one(OPEN, [most], |row| row.get(0))?.unwrap_or(0))
}

pub(in crate::store) const OPEN: &str =
    "select count(*) from (select 1 from scheduled_task where status <= 3 limit ?1)";

/// The tasks of a schedule that are not over: how many are in the queue or at work, and how many are held, each counted
/// up to a hundred.
pub fn open_of(snapshot: &Snapshot<'_, AccountScope>, schedule: i64) -> Result<(u32, u32)> {
    let counts = snapshot.one(OPEN_OF, [schedule], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(counts.unwrap_or_default())
}

pub(in crate::store) const OPEN_OF: &str = "select
       (select count(*) from (select 1 from scheduled_task
         where schedule = ?1 and status <= 3 and held = 0 limit 100)),
       (select count(*) from (select 1 from scheduled_task
         where schedule = ?1 and status <= 3 and held = 1 limit 100))";

/// The next task of a schedule that is held, where none is in the queue or at work.
pub fn next_held(snapshot: &Snapshot<'_, AccountScope>, schedule: i64) -> Result<Option<Held>> {
    snapshot.one(NEXT_HELD, [schedule], |row| {
        Ok(Held { seq: row.get(0)?, scheduled_time: row.get(1)? })
    })
}

pub(in crate::store) const NEXT_HELD: &str = "select seq, scheduled_time from scheduled_task
     where schedule = ?1 and status <= 3 and held = 1 and not exists (
       select 1 from scheduled_task where schedule = ?1 and status <= 3 and held = 0)
     order by seq limit 1";

/// A task that waits for earlier ones of its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Internal number.
    pub seq: i64,
    /// When it was to run.
    pub scheduled_time: Timestamp,
}

/// Tasks of a schedule that wait, some of them, those first that are held: internal numbers and public ids.
pub fn pending_of(
    snapshot: &Snapshot<'_, AccountScope>,
    schedule: i64,
    limit: u32,
) -> Result<Vec<(i64, TaskId)>> {
    snapshot.all(PENDING_OF, (schedule, limit), |row| Ok((row.get(0)?, row.get(1)?)))
}

// `held` need not be sorted by: a schedule has a hundred of them at most.
pub(in crate::store) const PENDING_OF: &str = "select seq, id from (
       select seq, id, 1 as held from scheduled_task
         where schedule = ?1 and status <= 3 and status = 2 and held = 1
       union all
       select seq, id, 0 from scheduled_task
         where schedule = ?1 and status <= 3 and status = 2 and held = 0) limit ?2";

/// A task that is due, or at work.
#[derive(Clone, Debug)]
pub struct DueTask {
    /// Public id.
    pub id: TaskId,
    /// Where it stands.
    pub status: TaskStatus,
    /// Attempts that began.
    pub attempts: u32,
    /// Its place in the queue.
    pub work: Waiting,
}

/// Tasks that are due or at work, the first of them.
pub fn due(snapshot: &Snapshot<'_, AccountScope>, limit: u32) -> Result<Vec<DueTask>> {
    snapshot.all(DUE, (snapshot.now(), limit), |row| {
        Ok(DueTask {
            id: row.get("id")?,
            status: status(row)?,
            attempts: row.get("tries")?,
            work: super::queue::waiting(row)?,
        })
    })
}

pub(in crate::store) const DUE: &str =
    "select t.id, t.status, t.attempts as tries, q.queue, q.subject, q.lane,
       q.priority, q.run_at
     from scheduled_task t cross join queue q
     where t.status <= 3 and t.held = 0 and q.queue = 5 and q.subject = t.seq and q.run_at <= ?1
     order by q.run_at, t.seq limit ?2";

/// How far a task got.
#[derive(Clone, Debug)]
pub struct TaskStep<'a> {
    /// Where it stands.
    pub status: TaskStatus,
    /// What the function gave back.
    pub result: Option<&'a str>,
    /// Why the attempt failed.
    pub error: Option<&'a TaskError>,
}

/// An attempt begins. `job` of an earlier one is forgotten.
pub fn begin(tx: &Tx<'_, AccountScope>, task: &Task) -> Result<()> {
    tx.execute(
        "update main.scheduled_task set status = 3, attempts = attempts + 1, started_at = ?2, job = null
         where account = current_account() and seq = ?1",
        (task.seq, tx.now()),
    )?;
    tx.signal(Signal::Task(task.id, TaskStatus::Running));
    Ok(())
}

/// The task of that number and id takes a step; `finished_at` follows from its status.
pub fn step(
    tx: &Tx<'_, AccountScope>,
    (seq, id): (i64, TaskId),
    step: &TaskStep<'_>,
) -> Result<()> {
    let finished_at = step.status.is_terminal().then(|| tx.now());
    tx.execute(
        "update main.scheduled_task set status = ?2, held = 0, result = ?3, error_code = ?4,
           error_message = ?5, finished_at = ?6
         where account = current_account() and seq = ?1",
        (
            seq,
            number(step.status),
            step.result,
            step.error.map(|error| &error.code),
            step.error.map(|error| &error.message),
            finished_at,
        ),
    )?;
    tx.signal(Signal::Task(id, step.status));
    Ok(())
}

/// A run of an agent became this job.
pub fn set_job(tx: &Tx<'_, AccountScope>, task: i64, job: i64) -> Result<()> {
    let sql =
        "update main.scheduled_task set job = ?2 where account = current_account() and seq = ?1";
    tx.execute(sql, (task, job))?;
    Ok(())
}

/// Whether a task waits for earlier ones of its schedule.
pub fn set_held(tx: &Tx<'_, AccountScope>, task: i64, held: bool) -> Result<()> {
    let sql =
        "update main.scheduled_task set held = ?2 where account = current_account() and seq = ?1";
    tx.execute(sql, (task, held))?;
    Ok(())
}

/// The task belongs to no schedule any more.
pub fn detach(tx: &Tx<'_, AccountScope>, task: i64) -> Result<()> {
    tx.execute(
        "update main.scheduled_task set schedule = null, occurrence = null
         where account = current_account() and seq = ?1",
        [task],
    )?;
    Ok(())
}

/// The key of that number, of the project of that number, asks for the task from now on.
pub fn set_asked_by(
    tx: &Tx<'_, AccountScope>,
    task: i64,
    (project, key): (i64, i64),
) -> Result<()> {
    tx.execute(
        "update main.scheduled_task set project = ?2, api_key = ?3
         where account = current_account() and seq = ?1",
        (task, project, key),
    )?;
    Ok(())
}
