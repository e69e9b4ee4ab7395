//! Credits: the ledger, which only grows, and the balance that is its sum.
//!
//! Every function here and in [`grants`] that changes a balance writes the entries that say why, in the same
//! transaction. A job's reservation is resolved once: the unique index refuses a second release or charge.

use super::{
    grants,
    scope::AccountScope,
    tx::{Snapshot, Tx},
};
use crate::domain::{Bucket, Credits, EntryKind, Error, GrantId, Result, Split};

/// What an account can spend and what is set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What can be spent.
    pub available: Split,
    /// What open reservations hold.
    pub reserved: Split,
    /// How many entries the ledger has.
    pub entries: i64,
    /// Jobs that are not over. Each has its reservation, if only of nothing.
    pub open_jobs: u64,
    /// The account's own mark for `credits.low`, if it has one.
    pub low_mark: Option<Credits>,
}

impl Balance {
    /// What the account has: what is set aside is still its own.
    pub fn owned(&self) -> Option<Credits> {
        self.available.total()?.checked_add(self.reserved.total()?)
    }
}

/// A balance before and after a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub before: Balance,
    /// What it is now.
    pub after: Balance,
}

impl Change {
    /// Whether the account had at least `mark` before and has less now.
    pub fn falls_below(&self, mark: Credits) -> bool {
        self.before.owned() >= Some(mark) && self.after.owned() < Some(mark)
    }
}

/// The job an entry belongs to: its internal number and its round, which a retry raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobRound {
    /// The job's internal number.
    pub job: i64,
    /// Which of its reservations.
    pub round: u32,
}

/// What a job that succeeded costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// How much.
    pub cost: Credits,
    /// Internal number of the price that it was computed with.
    pub price: Option<i64>,
}

/// Why the balance changes.
#[derive(Clone, Copy, Default)]
pub(in crate::store) struct Cause<'a> {
    pub(in crate::store) job: Option<JobRound>,
    /// Numbers the parts of one charge, each of which another grant pays.
    pub(in crate::store) part: u32,
    pub(in crate::store) grant: Option<GrantId>,
    pub(in crate::store) price: Option<i64>,
    pub(in crate::store) reason: Option<&'a str>,
    pub(in crate::store) request_id: Option<&'a str>,
    pub(in crate::store) stripe_event: Option<&'a str>,
}

/// What is about to be set aside, and the balance that it is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing is set aside before `reserve`"]
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

/// A balance on its way through a transaction: entries are written one by one, the balance at the end.
pub(in crate::store) struct Books<'t, 'c> {
    tx: &'t Tx<'c, AccountScope>,
    before: Balance,
    pub(in crate::store) balance: Balance,
}

impl<'t, 'c> Books<'t, 'c> {
    pub(in crate::store) fn open(tx: &'t Tx<'c, AccountScope>) -> Result<Self> {
        Ok(Self::at(tx, balance(tx)?))
    }

    fn at(tx: &'t Tx<'c, AccountScope>, balance: Balance) -> Self {
        Self { tx, before: balance, balance }
    }

    /// Writes an entry; one of zero says nothing and is left out.
    pub(in crate::store) fn post(
        &mut self,
        kind: EntryKind,
        bucket: Bucket,
        delta: Credits,
        cause: Cause<'_>,
    ) -> Result<()> {
        if delta.is_zero() {
            return Ok(());
        }
        let after = self.balance.available.plus(bucket, delta).ok_or_else(beyond)?;
        self.balance.available = after;
        self.balance.entries += 1;
        let part = match (kind, cause.job) {
            (EntryKind::Charge, _) => cause.part,
            (_, Some(_)) => u32::from(bucket == Bucket::Paid),
            (_, None) => 0,
        };
        self.tx.execute(
            "insert into main.ledger (account, n, kind, bucket, delta, balance_after, job, round, part,
               grant_id, price, reason, request_id, stripe_event, created_at)
             values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            rusqlite::params![
                self.balance.entries,
                kind.as_str(),
                bucket.as_str(),
                delta,
                after.total().ok_or_else(beyond)?,
                cause.job.map(|of| of.job),
                cause.job.map(|of| of.round),
                part,
                cause.grant,
                cause.price,
                cause.reason,
                cause.request_id,
                cause.stripe_event,
                self.tx.now(),
            ],
        )?;
        Ok(())
    }

    /// Moves `held` into what is set aside (`kind` reserve) or back (release).
    fn hold(&mut self, kind: EntryKind, held: Split, of: JobRound) -> Result<()> {
        for bucket in Bucket::ALL {
            let amount = held.of(bucket);
            let (delta, reserved) = match kind {
                EntryKind::Reserve => (amount.negated(), amount),
                _ => (amount, amount.negated()),
            };
            self.post(kind, bucket, delta, Cause { job: Some(of), ..Cause::default() })?;
            self.balance.reserved =
                self.balance.reserved.plus(bucket, reserved).ok_or_else(beyond)?;
        }
        Ok(())
    }

    /// Gives back what was set aside for a job that is over now.
    fn resolve(&mut self, held: Split, of: JobRound) -> Result<()> {
        let left = self.balance.open_jobs.checked_sub(1);
        self.balance.open_jobs =
            left.ok_or_else(|| Error::internal("a job ends that was not counted as open"))?;
        self.hold(EntryKind::Release, held, of)
    }

    pub(in crate::store) fn close(self) -> Result<Change> {
        let Balance { available, reserved, entries, open_jobs, .. } = self.balance;
        let changed = self.tx.execute(
            "update main.balance set free = ?1, paid = ?2, reserved_free = ?3, reserved_paid = ?4,
               entries = ?5, open_jobs = ?6 where account = current_account()",
            (available.free, available.paid, reserved.free, reserved.paid, entries, open_jobs),
        )?;
        if changed != 1 {
            return Err(Error::internal("an account has no balance"));
        }
        Ok(Change { before: self.before, after: self.balance })
    }
}

/// Amounts are bounded far below this at the edge.
pub(in crate::store) fn beyond() -> Error {
    Error::internal("a balance went beyond what 64 bits hold")
}

/// The account's balance.
pub fn balance(snapshot: &Snapshot<'_, AccountScope>) -> Result<Balance> {
    let found = snapshot.one("select * from balance", [], |row| {
        Ok(Balance {
            available: Split { free: row.get("free")?, paid: row.get("paid")? },
            reserved: Split { free: row.get("reserved_free")?, paid: row.get("reserved_paid")? },
            entries: row.get("entries")?,
            open_jobs: row.get("open_jobs")?,
            low_mark: row.get("low_mark")?,
        })
    })?;
    found.ok_or_else(|| Error::internal("an account has no balance"))
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

/// Sets aside what [`cover`] found in the same transaction.
pub fn reserve(tx: &Tx<'_, AccountScope>, of: JobRound, hold: Hold) -> Result<()> {
    let mut parts = HoldParts::of(tx, hold);
    parts.reserve(of, hold.split)?;
    parts.close()
}

/// What [`cover`] found for many jobs together, set aside job by job: each has its own entries, and the
/// balance is written once.
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
