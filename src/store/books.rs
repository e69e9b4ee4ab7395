//! An account's balance on its way through a transaction, with the entries that say why it changes. Only
//! [`ledger`](super::ledger) and [`grants`](super::grants) write here.

use super::{
    scope::AccountScope,
    signal::Signal,
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

    pub(in crate::store) fn at(tx: &'t Tx<'c, AccountScope>, balance: Balance) -> Self {
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
        self.tx.signal(Signal::Posted(kind, self.tx.scope().environment(), delta));
        Ok(())
    }

    /// Moves `held` into what is set aside (`kind` reserve) or back (release).
    pub(in crate::store) fn hold(
        &mut self,
        kind: EntryKind,
        held: Split,
        of: JobRound,
    ) -> Result<()> {
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
    pub(in crate::store) fn resolve(&mut self, held: Split, of: JobRound) -> Result<()> {
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
