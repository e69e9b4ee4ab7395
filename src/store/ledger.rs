//! Credits: the ledger, which only grows, and the balance that is its sum.
//!
//! Every function here and in [`grants`] that changes a balance writes the entries that say why, in the same
//! transaction. A job's reservation is resolved once: the unique index refuses a second release or charge.

use super::{
    books::{Books, Cause, beyond},
    grants,
    scope::AccountScope,
    tx::{Snapshot, Tx},
};
use crate::domain::{Bucket, Credits, EntryKind, Result, Split};

pub use super::books::{Balance, Change, JobRound, balance};

/// What a job that succeeded costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// How much.
    pub cost: Credits,
    /// Internal number of the price that it was computed with.
    pub price: Option<i64>,
}

/// What is about to be set aside, and the balance that it is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing is set aside before its `HoldParts` are closed"]
pub struct Hold {
    balance: Balance,
    /// The parts of the buckets.
    pub split: Split,
}

impl Hold {
    /// Jobs of the account that are not over, without this one.
    pub const fn open_jobs(&self) -> u64 {
        self.balance.open_jobs
    }
}

/// Whether a balance covers an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// It does.
    Held(Hold),
    /// There is less to spend than that.
    Short {
        /// What can be spent.
        available: Credits,
    },
}

/// What would be taken from which bucket to set `amount` aside now. What has expired is not spent, also
/// where nobody took it back yet.
pub fn cover(snapshot: &Snapshot<'_, AccountScope>, amount: Credits) -> Result<Cover> {
    let balance = balance(snapshot)?;
    let mut spendable = balance.available;
    for (bucket, remaining) in grants::expired(snapshot)? {
        let overdue = grants::overdue(&balance, bucket, remaining)?;
        spendable = spendable.plus(bucket, overdue.negated()).ok_or_else(beyond)?;
    }
    let available = spendable.total().ok_or_else(beyond)?;
    if amount > available.max(Credits::ZERO) {
        return Ok(Cover::Short { available });
    }
    let split = spendable.cover(amount).ok_or_else(beyond)?;
    Ok(Cover::Held(Hold { balance, split }))
}

/// What [`cover`] found in the same transaction, for one job or many, set aside job by job: each has its own
/// entries, and the balance is written once.
pub struct HoldParts<'t, 'c> {
    books: Books<'t, 'c>,
    /// What no job was given yet.
    left: Split,
}

impl<'t, 'c> HoldParts<'t, 'c> {
    /// Nothing of it is set aside yet.
    pub fn of(tx: &'t Tx<'c, AccountScope>, hold: Hold) -> Self {
        Self { books: Books::at(tx, hold.balance), left: hold.split }
    }

    /// What the next job is given of it, for `amount`.
    pub fn next(&mut self, amount: Credits) -> Result<Split> {
        let part = self.left.cover(amount).ok_or_else(beyond)?;
        for bucket in Bucket::ALL {
            let taken = part.of(bucket).negated();
            self.left = self.left.plus(bucket, taken).ok_or_else(beyond)?;
        }
        Ok(part)
    }

    /// Sets a part aside for its job.
    pub fn reserve(&mut self, of: JobRound, part: Split) -> Result<()> {
        self.books.balance.open_jobs += 1;
        self.books.hold(EntryKind::Reserve, part, of)
    }

    /// Writes the balance.
    pub fn close(self) -> Result<()> {
        self.books.close().map(drop)
    }
}

/// Gives back what was set aside for a job that ended without success.
pub fn release(tx: &Tx<'_, AccountScope>, of: JobRound, held: Split) -> Result<()> {
    let mut books = Books::open(tx)?;
    books.resolve(held, of)?;
    books.close().map(drop)
}

/// Gives back what was set aside and takes what the job cost, also where that is more. Each grant that pays
/// for it has an entry, and so has what none covers.
pub fn settle(
    tx: &Tx<'_, AccountScope>,
    of: JobRound,
    held: Split,
    charge: Charge,
) -> Result<Change> {
    let mut books = Books::open(tx)?;
    books.resolve(held, of)?;
    let charged = books.balance.available.cover(charge.cost).ok_or_else(beyond)?;
    let mut cause = Cause { job: Some(of), price: charge.price, ..Cause::default() };
    for bucket in Bucket::ALL {
        grants::spend(tx, bucket, charged.of(bucket), |grant, part| {
            cause.grant = grant;
            books.post(EntryKind::Charge, bucket, part.negated(), cause)?;
            cause.part += 1;
            Ok(())
        })?;
    }
    books.close()
}
