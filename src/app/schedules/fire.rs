//! Making the tasks of schedules that are due: each occurrence becomes one task or none, in the transaction in which
//! its schedule goes on to the next one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    App,
    plan::{Plan, Run, plan},
    scheduled_tasks, task_of,
    tasks::{self, HELD_MAX},
};
use crate::{
    domain::{CatchUp, Error, ErrorKind, Overlap, Result, Timestamp},
    store::{
        AccountScope, Commit, SystemScope, Tx,
        scheduled_tasks::NewTask,
        schedules::{self, Due, Schedule, ScheduleRules},
    },
};

/// Schedules that are dealt with at a time: their transactions share a commit.
const DUE_MAX: u32 = 100;
/// Rounds of them in one turn.
const ROUNDS_MAX: u32 = 100;
/// How long to wait where the database takes no writes.
const REST: Duration = Duration::from_secs(1);

/// What a schedule did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fired {
    /// Tasks that were made.
    tasks: u64,
    /// Occurrences that made none, by the reason.
    skipped: BTreeMap<&'static str, u64>,
}

impl Fired {
    /// That so many occurrences made no task.
    fn left_out(why: &'static str, count: u64) -> Self {
        let mut fired = Self::default();
        fired.skip(why, count);
        fired
    }

    fn skip(&mut self, why: &'static str, count: u64) {
        if count > 0 {
            *self.skipped.entry(why).or_default() += count;
        }
    }

    /// Tells metrics and log, once it is on disk.
    fn tell(&self, app: &App, due: &Due) {
        app.metrics.occurrences("task", self.tasks);
        for (why, count) in &self.skipped {
            app.metrics.occurrences(why, *count);
            let account = due.scope.account_id();
            tracing::info!(%account, schedule = due.seq, why, count, "occurrences made no task");
        }
    }
}

/// Makes the tasks of all schedules that are due; gives when the next is due. Blocks.
pub fn fire_due(app: &Arc<App>) -> Result<Option<Timestamp>> {
    for _ in 0..ROUNDS_MAX {
        let due =
            app.store.read(SystemScope::new(), |snapshot| schedules::due(snapshot, DUE_MAX))?;
        let is_last = due.len() < DUE_MAX as usize;
        let commits: Vec<_> = due.into_iter().map(|due| (due.clone(), fire(app, due))).collect();
        let mut failed = None;
        for (due, commit) in commits {
            match commit.wait().or_else(|error| pass_over(app, &due, &error)) {
                Ok(fired) => fired.tell(app, &due),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if is_last {
            break;
        }
    }
    app.store.read(SystemScope::new(), schedules::next_due)
}

/// Deals with one schedule. Its plan is made before, since many occurrences may have been missed.
fn fire(app: &Arc<App>, due: Due) -> Commit<Fired> {
    let Due { scope, is_suspended, seq, at, schedule } = due;
    let this = Arc::clone(app);
    let Some(schedule) = schedule else {
        tracing::error!(
            schedule = seq,
            "a schedule says what this server does not know, and is paused"
        );
        return app.store.write(scope, move |tx| {
            schedules::pause(tx, seq)?;
            Ok(Fired::default())
        });
    };
    let planned = plan(&schedule, at, app.ambient.now());
    app.store.write(scope, move |tx| {
        let Plan { last, next, .. } = planned;
        let Some(next) = next else {
            schedules::pause(tx, seq)?;
            return Ok(Fired::default());
        };
        if !schedules::advance(tx, (seq, at, schedule.updated_at), last, next)? {
            return Ok(Fired::default());
        }
        let fired = if is_suspended {
            Fired::left_out("suspended", planned.count())
        } else {
            make(&this, tx, &schedule, &planned)?
        };
        note(tx, &schedule, last, &fired)?;
        Ok(fired)
    })
}

/// Goes on with the next occurrence of a schedule whose tasks cannot be made for a reason of its own, so that it holds
/// up no other.
fn pass_over(app: &App, due: &Due, error: &Error) -> Result<Fired> {
    if error.kind() == ErrorKind::Unavailable {
        return Err(Error::unavailable(error.message(), REST));
    }
    let (seq, at) = (due.seq, due.at);
    let error: &dyn std::error::Error = error;
    tracing::error!(error, schedule = seq, "the tasks of a schedule could not be made");
    let planned = due.schedule.as_ref().map(|it| (it.updated_at, plan(it, at, app.ambient.now())));
    let passed = app.store.write(due.scope, move |tx| {
        let Some((updated_at, Plan { last, next: Some(next), .. })) = &planned else {
            schedules::pause(tx, seq)?;
            return Ok(Fired::default());
        };
        if !schedules::advance(tx, (seq, at, *updated_at), *last, *next)? {
            return Ok(Fired::default());
        }
        let count = planned.as_ref().map_or(0, |(_, plan)| plan.count());
        schedules::skip(tx, seq, count, *last, "error")?;
        Ok(Fired::left_out("error", count))
    });
    passed.wait()
}

/// Makes the tasks of a plan, but for those that overlap with others.
fn make(app: &App, tx: &Tx<'_, AccountScope>, schedule: &Schedule, plan: &Plan) -> Result<Fired> {
    let mut fired = Fired::left_out("missed", plan.missed);
    let (mut at_work, mut held) = scheduled_tasks::open_of(tx, schedule.seq)?;
    let mut left = tasks::left(app, tx)?;
    for run in &plan.runs {
        let waits = match admit(&schedule.rules, *run, at_work, held) {
            Ok(waits) if left > 0 => waits,
            Ok(_) => {
                fired.skip("too_many_tasks", 1);
                continue;
            }
            Err(why) => {
                fired.skip(why, 1);
                continue;
            }
        };
        let new =
            NewTask { occurrence: Some(run.at), held: waits, ..task_of(app, schedule, run.at) };
        if tasks::insert(app, tx, &new, run_at(app, tx, schedule, *run))?.is_some() {
            fired.tasks += 1;
            left -= 1;
            *(if waits { &mut held } else { &mut at_work }) += 1;
        }
    }
    Ok(fired)
}

/// When the task of an occurrence may begin: what is made up for counts from now.
fn run_at(app: &App, tx: &Tx<'_, AccountScope>, schedule: &Schedule, run: Run) -> Timestamp {
    let jitter = Duration::from_millis(schedule.rules.jitter_ms.into());
    let from = if run.is_late { tx.now() } else { run.at };
    from.plus(jitter.mul_f64(app.ambient.fraction()))
}

/// Whether an occurrence waits for tasks of its schedule that are not over; or why it makes no task. Where all are made
/// up for, they wait for each other.
fn admit(
    rules: &ScheduleRules,
    run: Run,
    at_work: u32,
    held: u32,
) -> std::result::Result<bool, &'static str> {
    let is_free = at_work + held == 0;
    let is_one_of_all = run.is_late && rules.catch_up == CatchUp::All;
    match rules.overlap {
        Overlap::Allow => Ok(false),
        _ if is_free => Ok(false),
        Overlap::Skip if !is_one_of_all => Err("overlap"),
        _ if held < HELD_MAX => Ok(true),
        _ => Err("too_many_tasks"),
    }
}

/// Writes down what made no task.
fn note(
    tx: &Tx<'_, AccountScope>,
    schedule: &Schedule,
    last: Timestamp,
    fired: &Fired,
) -> Result<()> {
    for (why, count) in &fired.skipped {
        schedules::skip(tx, schedule.seq, *count, last, why)?;
    }
    Ok(())
}
