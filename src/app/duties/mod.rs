//! The server's own duties: when they are due, that they begin and end, and what each of them does.
//!
//! Of each there is a row that says when it is due. A run begins in a transaction of its own, and ends in another: what
//! a crash breaks off is seen by the next start and begun again. What is due while no server runs is done once after the
//! next start.

mod backup;
mod prune;
mod vacuum;

pub use backup::{Copy, copies};

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{App, ledger_audit};
use crate::{
    domain::{DutyName, Error, ErrorKind, Recurrence, Result, Rhythm, TimeZone, Timestamp},
    store::{
        Commit, Snapshot, SystemScope, Tx,
        duties::{self, Duty},
    },
};

/// A duty that broke off so often is left until its next time: it may be what ends the server.
const BEGUN_MAX: u32 = 3;
/// The longest error that is kept, in characters.
const ERROR_MAX: usize = 1_000;

/// What the operator decided about duties.
#[derive(Clone, Debug)]
pub struct DutySettings {
    /// Where the days of `crons` begin.
    pub timezone: TimeZone,
    /// When duties are due; those that are not here are never due by themselves.
    pub crons: BTreeMap<DutyName, Recurrence>,
    /// How long things are kept.
    pub retention: Retention,
    /// Where copies go.
    pub backup: Option<BackupSettings>,
}

impl Default for DutySettings {
    /// Nothing is ever due.
    fn default() -> Self {
        let (crons, retention) = (BTreeMap::new(), Retention::default());
        Self { timezone: TimeZone::UTC, crons, retention, backup: None }
    }
}

/// How long things are kept after they ended; `None`: for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// Deliveries and their attempts.
    pub deliveries: Option<Duration>,
    /// Scheduled tasks.
    pub tasks: Option<Duration>,
    /// Dead letters that were redriven.
    pub dead_letters: Option<Duration>,
    /// Dead letters of deliveries and tasks that nobody redrove.
    pub open_dead_letters: Option<Duration>,
    /// The payloads of Stripe's events.
    pub stripe_events: Option<Duration>,
    /// Entries of the audit log.
    pub audit_log: Option<Duration>,
    /// What is counted by day of each end user.
    pub usage_by_user: Option<Duration>,
    /// The copies that migrations made of the database.
    pub snapshots: Option<Duration>,
}

/// Where copies go.
#[derive(Clone, Debug)]
pub struct BackupSettings {
    /// The folder that they are in.
    pub folder: PathBuf,
    /// How many are kept.
    pub keep: usize,
}

impl DutySettings {
    fn rhythm(&self, name: DutyName) -> Rhythm<'_> {
        Rhythm { cron: self.crons.get(&name), timezone: &self.timezone }
    }
}

/// Says of all duties when they are due by the configuration of this start. What was due by the same configuration
/// before stays so.
pub fn plan(app: &Arc<App>) -> Result<()> {
    let this = Arc::clone(app);
    let planned = write(app, move |tx| {
        DutyName::ALL.into_iter().map(|name| plan_one(&this, tx, name)).collect::<Result<Vec<_>>>()
    });
    for Planned { name, succeeded_at, due_at } in planned.wait()? {
        if let Some(succeeded_at) = succeeded_at {
            app.metrics.duty_succeeded(name.as_str(), succeeded_at.seconds());
        }
        app.metrics.duty_due(name.as_str(), due_at.map(Timestamp::seconds));
    }
    Ok(())
}

/// What the metrics tell of a duty from the start on.
struct Planned {
    name: DutyName,
    /// When a run last ended well.
    succeeded_at: Option<Timestamp>,
    /// When the first run after that was or is due; `None` where the duty has no schedule.
    due_at: Option<Timestamp>,
}

fn plan_one(app: &App, tx: &Tx<'_, SystemScope>, name: DutyName) -> Result<Planned> {
    let rhythm = app.settings.duties.rhythm(name);
    let (cron, timezone) = (rhythm.cron(), rhythm.timezone.name());
    let known = duties::find(tx, name)?;
    let succeeded_at = known.as_ref().and_then(|known| known.succeeded_at);
    let due_at = match known.filter(|known| known.cron == cron && known.timezone == timezone) {
        // A run that failed is still owed, though the next one is only due at the next time.
        Some(known) if known.error.is_some() => {
            rhythm.next(succeeded_at.unwrap_or(known.created_at))
        }
        Some(known) if known.due_at.is_some() || rhythm.cron.is_none() => {
            known.due_at.filter(|_| rhythm.cron.is_some())
        }
        // New, by another rule, or of a copy, which knows not when.
        _ => {
            let next = rhythm.next(tx.now());
            duties::plan(tx, name, (&cron, timezone), next)?;
            next
        }
    };
    Ok(Planned { name, succeeded_at, due_at })
}

/// All duties. Blocks while it reads.
pub fn list(app: &App) -> Result<Vec<Duty>> {
    look(app, |snapshot| {
        let all = DutyName::ALL.into_iter().map(|name| duties::find(snapshot, name));
        all.filter_map(Result::transpose).collect()
    })
}

/// Lets a duty be due now. [`ErrorKind::Conflict`] while it runs, and where it is not configured.
pub fn ask(app: &Arc<App>, name: DutyName) -> Commit<Duty> {
    if name == DutyName::Backup && app.settings.duties.backup.is_none() {
        return Commit::refused(conflict("there is no folder for backups; set backup.folder"));
    }
    write(app, move |tx| {
        let duty = must_find(tx, name)?;
        if duty.is_begun() {
            return Err(conflict("the duty is running; ask again once it has ended"));
        }
        duties::set_due(tx, name, Some(tx.now()))?;
        must_find(tx, name)
    })
}

/// The first duty that is to be run now. Blocks while it reads.
pub fn next(app: &Arc<App>) -> Result<Option<DutyName>> {
    let now = app.ambient.now();
    let known = list(app)?;
    for duty in known.iter().filter(|duty| !duty.is_due(now)) {
        let rhythm = app.settings.duties.rhythm(duty.name);
        if duty.due_at.is_some_and(|due_at| rhythm.was_set_back(due_at, now)) {
            let (name, due_at) = (duty.name, rhythm.next(now));
            write(app, move |tx| duties::set_due(tx, name, due_at)).wait()?;
            // A run that failed is still owed.
            if duty.error.is_none() {
                app.metrics.duty_due(name.as_str(), due_at.map(Timestamp::seconds));
            }
        }
    }
    Ok(known.iter().find(|duty| duty.is_due(now)).map(|duty| duty.name))
}

/// A run begins; false where it broke off too often, and so is over.
pub fn begin(app: &Arc<App>, name: DutyName) -> Result<bool> {
    let begun = write(app, move |tx| {
        let begun = must_find(tx, name)?.begun;
        duties::begin(tx, name)?;
        Ok(begun)
    });
    if begun.wait()? < BEGUN_MAX {
        return Ok(true);
    }
    let message = format!("it was begun {BEGUN_MAX} times and the server ended while it ran");
    end(app, name, Ended { outcome: Err(message), duration: Duration::ZERO })?;
    Ok(false)
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What it did, as JSON, or why it failed.
    pub outcome: std::result::Result<String, String>,
    /// How long it took.
    pub duration: Duration,
}

/// A run ended; the next one is due by its rule, after this one, whatever the clock did.
pub fn end(app: &Arc<App>, name: DutyName, ended: Ended) -> Result<()> {
    let (this, Ended { outcome, duration }) = (Arc::clone(app), ended);
    let word = if outcome.is_ok() { "ok" } else { "failed" };
    let ended = write(app, move |tx| {
        let duty = must_find(tx, name)?;
        let after = [duty.due_at, duty.started_at].into_iter().flatten().fold(tx.now(), Ord::max);
        let due_at = this.settings.duties.rhythm(name).next(after);
        let outcome = outcome.as_deref().map_err(String::as_str);
        duties::finish(tx, name, outcome, duration, due_at)?;
        Ok((tx.now(), due_at))
    });
    let (now, due_at) = ended.wait()?;
    if word == "ok" {
        app.metrics.duty_succeeded(name.as_str(), now.seconds());
        app.metrics.duty_due(name.as_str(), due_at.map(Timestamp::seconds));
    }
    app.metrics.duty_ended(name.as_str(), word, duration);
    Ok(())
}

/// A run was stopped with the server: the next start does it again.
pub fn put_back(app: &App, name: DutyName) -> Result<()> {
    write(app, move |tx| duties::put_back(tx, name)).wait()
}

/// Does what the duty is for; gives what it did, as JSON. An error where the server is to stop meanwhile. Blocks.
pub fn run(app: &Arc<App>, name: DutyName) -> Result<Value> {
    match name {
        DutyName::Backup => backup::run(app),
        DutyName::LedgerVerify => ledger_audit::watch(app).map(|report| {
            let (accounts, entries, jobs) = (report.accounts, report.entries, report.jobs);
            let problems = report.problems.len();
            json!({"accounts": accounts, "entries": entries, "jobs": jobs, "problems": problems})
        }),
        DutyName::Prune => prune::run(app),
        DutyName::Vacuum => vacuum::run(app),
    }
}

/// What the operator is told of an error: it is his server, so its causes too.
pub fn explain(error: &Error) -> String {
    let mut text = match error.kind() {
        ErrorKind::ServerError => String::new(),
        _ => error.message().to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.contains(&more) {
            text += if text.is_empty() { "" } else { ": " };
            text += &more;
        }
        cause = source.source();
    }
    text.chars().take(ERROR_MAX).collect()
}

/// Fails where the server is to stop.
fn go_on(app: &App) -> Result<()> {
    if app.watches.is_closed() {
        return Err(Error::new(ErrorKind::Unavailable, "the server is stopping"));
    }
    Ok(())
}

fn must_find(snapshot: &Snapshot<'_, SystemScope>, name: DutyName) -> Result<Duty> {
    duties::find(snapshot, name)?.ok_or_else(|| Error::internal("a duty was not planned"))
}

fn conflict(message: &str) -> Error {
    Error::new(ErrorKind::Conflict, message)
}

fn look<T>(app: &App, look: impl FnOnce(&Snapshot<'_, SystemScope>) -> Result<T>) -> Result<T> {
    app.store.read(SystemScope::new(), look)
}

fn write<T: Send + 'static>(
    app: &App,
    deed: impl FnMut(&Tx<'_, SystemScope>) -> Result<T> + Send + 'static,
) -> Commit<T> {
    app.store.write(SystemScope::new(), deed)
}
