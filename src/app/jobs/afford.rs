//! What jobs need before they are accepted, and what becomes of it when they are over: credits, and room in the
//! budgets of whoever pays for them. Every door sets aside by [`afford`], every end gives back by [`release`] or
//! [`charge`].

use serde::Serialize;

use super::admit::may_open;
use crate::{
    app::{App, budgets, credits},
    domain::{Credits, Error, ErrorKind, Month, Payer, Result},
    store::{
        AccountScope, Tx,
        ledger::{self, Charge, Cover, Hold, HoldParts, JobRound},
        open_jobs::OpenJob,
        spending::{self, SetAside},
    },
};

/// Enough for some jobs. Nothing of it is set aside yet.
#[must_use = "nothing is set aside before it is opened"]
pub(in crate::app) struct Afforded {
    hold: Hold,
    month: Month,
    payer: Payer,
    required: Credits,
}

/// What so many jobs need that may cost `required` together. Else 402, or 429 where too many are open. Refusals
/// come before the first write, so that they cost the other deeds of a commit nothing.
pub(in crate::app) fn afford(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    payer: &Payer,
    required: Credits,
    jobs: usize,
) -> Result<Afforded> {
    let hold = match ledger::cover(tx, required)? {
        Cover::Held(hold) => hold,
        Cover::Short { available } => return Err(short(jobs, required, available)),
    };
    may_open(app, hold.open_jobs(), jobs)?;
    let month = Month::of(tx.now());
    budgets::check(tx, month, payer, required)?;
    Ok(Afforded { hold, month, payer: *payer, required })
}

impl Afforded {
    /// Begins to set it aside, job by job.
    pub(in crate::app) fn open<'t, 'c>(
        self,
        tx: &'t Tx<'c, AccountScope>,
    ) -> Result<SettingAside<'t, 'c>> {
        let spending = spending::set_aside(tx, self.month, &self.payer, self.required)?;
        Ok(SettingAside { parts: HoldParts::of(tx, self.hold), spending })
    }
}

/// What was found to be enough, on its way to the jobs.
#[must_use = "nothing is set aside before it is closed"]
pub(in crate::app) struct SettingAside<'t, 'c> {
    parts: HoldParts<'t, 'c>,
    spending: i64,
}

impl SettingAside<'_, '_> {
    /// What the next job is given of it, for what it may cost.
    pub(in crate::app) fn next(&mut self, estimate: Credits) -> Result<SetAside> {
        Ok(SetAside { held: self.parts.next(estimate)?, spending: self.spending })
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
pub(super) fn release(tx: &Tx<'_, AccountScope>, job: &OpenJob) -> Result<()> {
    ledger::release(tx, job.round, job.reserved)?;
    spending::release(tx, job.spending, held(job))
}

/// Gives back what was set aside for a job that succeeded, takes what it costs, and tells endpoints where that
/// makes credits or a budget short.
pub(super) fn charge(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: &OpenJob,
    cost: Charge,
) -> Result<()> {
    let change = ledger::settle(tx, job.round, job.reserved, cost)?;
    credits::tell_low(app, tx, &change)?;
    let counted = spending::settle(tx, job.spending, held(job), cost.cost)?;
    budgets::tell(app, tx, job.spending, &counted)
}

fn held(job: &OpenJob) -> Credits {
    job.reserved.total().unwrap_or_default()
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
