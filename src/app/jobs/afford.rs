//! What jobs need before they are accepted, and what becomes of it when they are over: credits, room in the
//! budgets of whoever pays for them, and tokens that their end users may still use today. Every door sets aside by
//! [`set_aside`] or [`afford_all`], every end gives back by [`release`] or [`charge`].

use serde::Serialize;

use super::admit::may_open;
use crate::{
    app::{
        App, budgets, credits,
        end_users::{self, DailyUse, InFlight},
    },
    domain::{Credits, Error, ErrorKind, Month, Payer, Result, Timestamp, Usage},
    store::{
        AccountScope, Tx,
        ledger::{self, Charge, Cover, Hold, HoldParts, JobRound},
        open_jobs::Reservation,
        spending::{self, SetAside},
    },
};

/// What one job needs.
#[derive(Clone, Copy)]
pub(in crate::app) struct Need<'a> {
    /// What it may cost.
    pub(in crate::app) estimate: Credits,
    /// How many tokens it may use.
    pub(in crate::app) tokens: u64,
    /// The end user whose they are, if any.
    pub(in crate::app) user: Option<&'a str>,
    /// When it may begin.
    pub(in crate::app) run_at: Timestamp,
}

/// Enough for some jobs. Nothing of it is set aside yet.
#[must_use = "nothing is set aside before it is opened"]
pub(in crate::app) struct Afforded<'a> {
    daily: DailyUse<'a>,
    hold: Hold,
    month: Month,
    payer: Payer,
    required: Credits,
}

/// Sets aside what one job needs, for the job that `keep` writes. What is refused is that of [`afford_all`].
pub(super) fn set_aside<T>(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    payer: &Payer,
    need: Need<'_>,
    keep: impl FnOnce(SetAside) -> Result<(JobRound, T)>,
) -> Result<T> {
    let (hold, month) = afford_credits(app, tx, payer, need.estimate, 1)?;
    let mut daily = DailyUse::default();
    daily.add(app, tx, need)?;
    let afforded = Afforded { daily, hold, month, payer: *payer, required: need.estimate };
    let mut setting = afforded.open(app, tx)?;
    let aside = setting.next(need)?;
    let (of, kept) = keep(aside)?;
    setting.reserve(of, aside)?;
    setting.close()?;
    Ok(kept)
}

/// What jobs need that may cost `required` together. Else 402, or 429 where too many are open or an end user has
/// reached its cap; the error names the first request of those. Refusals come before the first write, so that they
/// cost the other deeds of a commit nothing.
pub(in crate::app) fn afford_all<'a>(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    payer: &Payer,
    required: Credits,
    needs: impl ExactSizeIterator<Item = Need<'a>>,
) -> Result<Afforded<'a>> {
    let (hold, month) = afford_credits(app, tx, payer, required, needs.len())?;
    let mut daily = DailyUse::default();
    for (at, need) in needs.enumerate() {
        let added = daily.add(app, tx, need);
        added.map_err(|error| error.within(&format!("requests/{at}")))?;
    }
    Ok(Afforded { daily, hold, month, payer: *payer, required })
}

/// What is to be set aside, and the month whose budgets it counts in.
fn afford_credits(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    payer: &Payer,
    required: Credits,
    jobs: usize,
) -> Result<(Hold, Month)> {
    let hold = match ledger::cover(tx, required)? {
        Cover::Held(hold) => hold,
        Cover::Short { available } => return Err(short(jobs, required, available)),
    };
    may_open(app, hold.open_jobs(), jobs)?;
    let month = Month::of(tx.now());
    budgets::check(tx, month, payer, required)?;
    Ok((hold, month))
}

impl Afforded<'_> {
    /// Begins to set it aside, job by job.
    pub(in crate::app) fn open<'t, 'c>(
        self,
        app: &App,
        tx: &'t Tx<'c, AccountScope>,
    ) -> Result<SettingAside<'t, 'c>> {
        let in_flight = self.daily.open(app, tx)?;
        let spending = spending::set_aside(tx, self.month, &self.payer, self.required)?;
        Ok(SettingAside { parts: HoldParts::of(tx, self.hold), spending, in_flight })
    }
}

/// What was found to be enough, on its way to the jobs.
#[must_use = "nothing is set aside before it is closed"]
pub(in crate::app) struct SettingAside<'t, 'c> {
    parts: HoldParts<'t, 'c>,
    spending: i64,
    in_flight: InFlight,
}

impl SettingAside<'_, '_> {
    /// What the next job is given of it, for what it needs.
    pub(in crate::app) fn next(&mut self, need: Need<'_>) -> Result<SetAside> {
        let tokens = self.in_flight.of(need);
        Ok(SetAside { held: self.parts.next(need.estimate)?, spending: self.spending, tokens })
    }

    /// Sets it aside for that job.
    pub(in crate::app) fn reserve(&mut self, of: JobRound, aside: SetAside) -> Result<()> {
        self.parts.reserve(of, aside.held)
    }

    /// Writes the balance.
    pub(in crate::app) fn close(self) -> Result<()> {
        self.parts.close()
    }
}

/// Gives back what was set aside for a job that ended without success.
pub(super) fn release(tx: &Tx<'_, AccountScope>, job: Reservation<'_>) -> Result<()> {
    let SetAside { held, spending, tokens } = job.aside;
    ledger::release(tx, job.of, held)?;
    end_users::close(tx, job.user, tokens)?;
    spending::release(tx, spending, held.total().unwrap_or_default())
}

/// Gives back what was set aside for a job that succeeded, takes what it costs, counts what it used, and tells
/// endpoints where that makes credits or a budget short.
pub(super) fn charge(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: Reservation<'_>,
    cost: Charge,
    usage: Usage,
) -> Result<()> {
    let SetAside { held, spending, .. } = job.aside;
    let change = ledger::settle(tx, job.of, held, cost)?;
    credits::tell_low(app, tx, &change)?;
    end_users::count(app, tx, job, usage, cost.cost)?;
    let held = held.total().unwrap_or_default();
    let counted = spending::settle(tx, spending, held, cost.cost)?;
    budgets::tell(app, tx, spending, &counted)
}

/// The details of a 402. Not `json!`, which would read the numbers as floats.
#[derive(Serialize)]
struct Shortage {
    required: Credits,
    available: Credits,
}

fn short(jobs: usize, required: Credits, available: Credits) -> Error {
    let what = if jobs == 1 { "the job".to_owned() } else { format!("the {jobs} jobs together") };
    let message = format!(
        "{what} may cost {required} credits and {available} are available; add credits, or lower \
         max_tokens"
    );
    Error::new(ErrorKind::InsufficientCredits, message)
        .with_details(&Shortage { required, available })
}
