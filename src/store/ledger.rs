//! Credits: the ledger, which only grows, and the balance that is its sum.
//!
//! Every function here that changes a balance writes the entries that say why, in the same
//! transaction. A job's reservation is resolved once: the unique index refuses a second release or charge.

use super::{
    row::named,
    scope::{AccountScope, AccountSeq, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::domain::{
    AccountId, Bucket, Credits, EntryKind, Error, GrantId, Result, Split, Timestamp,
};

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
struct Cause<'a> {
    job: Option<JobRound>,
    grant: Option<GrantId>,
    reason: Option<&'a str>,
    request_id: Option<&'a str>,
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
struct Books<'t, 'c> {
    tx: &'t Tx<'c, AccountScope>,
    balance: Balance,
}

impl<'t, 'c> Books<'t, 'c> {
    fn open(tx: &'t Tx<'c, AccountScope>) -> Result<Self> {
        Ok(Self { tx, balance: balance(tx)? })
    }

    /// Writes an entry; one of zero says nothing and is left out.
    fn post(
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
        self.tx.execute(
            "insert into main.ledger (account, n, kind, bucket, delta, balance_after, job, round,
               grant_id, reason, request_id, created_at)
             values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            rusqlite::params![
                self.balance.entries,
                kind.as_str(),
                bucket.as_str(),
                delta,
                after.total().ok_or_else(beyond)?,
                cause.job.map(|of| of.job),
                cause.job.map(|of| of.round),
                cause.grant,
                cause.reason,
                cause.request_id,
                self.tx.now(),
            ],
        )?;
        Ok(())
    }

    /// Moves `held` into what is set aside (`kind` reserve) or back (release).
    fn hold(&mut self, kind: EntryKind, held: Split, of: JobRound) -> Result<()> {
        for bucket in [Bucket::Free, Bucket::Paid] {
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

    fn close(self) -> Result<()> {
        let Balance { available, reserved, entries, open_jobs } = self.balance;
        let changed = self.tx.execute(
            "update main.balance set free = ?1, paid = ?2, reserved_free = ?3, reserved_paid = ?4,
               entries = ?5, open_jobs = ?6 where account = current_account()",
            (available.free, available.paid, reserved.free, reserved.paid, entries, open_jobs),
        )?;
        if changed == 1 { Ok(()) } else { Err(Error::internal("an account has no balance")) }
    }
}

/// Amounts are bounded far below this at the edge.
fn beyond() -> Error {
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
        })
    })?;
    found.ok_or_else(|| Error::internal("an account has no balance"))
}

/// What would be taken from which bucket to set `amount` aside now. What has expired is not spent, also
/// where nobody took it back yet.
pub fn cover(snapshot: &Snapshot<'_, AccountScope>, amount: Credits) -> Result<Cover> {
    let balance = balance(snapshot)?;
    let mut spendable = balance.available;
    for Overdue { bucket, amount, .. } in overdue(snapshot, &balance)? {
        spendable = spendable.plus(bucket, amount.negated()).ok_or_else(beyond)?;
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
        Self { books: Books { tx, balance: hold.balance }, left: hold.split }
    }

    /// What the next job is given of it, for `amount`.
    pub fn next(&mut self, amount: Credits) -> Result<Split> {
        let part = self.left.cover(amount).ok_or_else(beyond)?;
        for bucket in [Bucket::Free, Bucket::Paid] {
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
        self.books.close()
    }
}

/// Gives back what was set aside for a job that ended without success.
pub fn release(tx: &Tx<'_, AccountScope>, of: JobRound, held: Split) -> Result<()> {
    let mut books = Books::open(tx)?;
    books.resolve(held, of)?;
    books.close()
}

/// Gives back what was set aside and takes what the job cost, also where that is more.
pub fn settle(tx: &Tx<'_, AccountScope>, of: JobRound, held: Split, cost: Credits) -> Result<()> {
    let mut books = Books::open(tx)?;
    books.resolve(held, of)?;
    let charged = books.balance.available.cover(cost).ok_or_else(beyond)?;
    for bucket in [Bucket::Free, Bucket::Paid] {
        let cause = Cause { job: Some(of), ..Cause::default() };
        books.post(EntryKind::Charge, bucket, charged.of(bucket).negated(), cause)?;
        spend(tx, bucket, charged.of(bucket))?;
    }
    books.close()
}

/// Lets grants of the bucket shrink by `amount`, soonest-expiring first.
fn spend(tx: &Tx<'_, AccountScope>, bucket: Bucket, amount: Credits) -> Result<()> {
    let mut left = amount;
    while left.is_positive() {
        let grant = tx.one(
            "select id, remaining from credit_grant where bucket = ?1 and remaining > 0
             order by coalesce(expires_at, 9e18), id limit 1",
            [bucket.as_str()],
            |row| Ok((row.get::<_, GrantId>(0)?, row.get::<_, Credits>(1)?)),
        )?;
        // An overrun is covered by no grant.
        let Some((id, remaining)) = grant else { break };
        let part = remaining.min(left);
        tx.execute(
            "update main.credit_grant set remaining = remaining - ?2
             where account = current_account() and id = ?1",
            (id, part),
        )?;
        left = left.checked_sub(part).ok_or_else(beyond)?;
    }
    Ok(())
}

/// Credits to be given.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// Public id.
    pub id: GrantId,
    /// Where they go.
    pub bucket: Bucket,
    /// How many; above zero.
    pub amount: Credits,
    /// Why, for the ledger.
    pub reason: String,
    /// When what is left of them expires.
    pub expires_at: Option<Timestamp>,
    /// The request that gave them, if one did.
    pub request_id: Option<String>,
}

/// Gives credits. What of them pays a debt is spent at once: it cannot expire later.
pub fn grant(tx: &Tx<'_, AccountScope>, new: &NewGrant) -> Result<()> {
    let mut books = Books::open(tx)?;
    let Balance { available, reserved, .. } = books.balance;
    let owned = available.of(new.bucket).checked_add(reserved.of(new.bucket)).ok_or_else(beyond)?;
    let debt = owned.negated().max(Credits::ZERO).min(new.amount);
    let remaining = new.amount.checked_sub(debt).ok_or_else(beyond)?;
    tx.execute(
        "insert into main.credit_grant
           (account, id, bucket, amount, remaining, reason, expires_at, created_at)
         values (current_account(), ?1, ?2, ?3, ?7, ?4, ?5, ?6)",
        (new.id, new.bucket.as_str(), new.amount, &new.reason, new.expires_at, tx.now(), remaining),
    )?;
    let cause = Cause {
        grant: Some(new.id),
        reason: Some(&new.reason),
        request_id: new.request_id.as_deref(),
        job: None,
    };
    books.post(EntryKind::Grant, new.bucket, new.amount, cause)?;
    books.close()
}

/// Corrects the balance by hand. A correction downwards is taken from grants like a charge.
pub fn adjust(
    tx: &Tx<'_, AccountScope>,
    bucket: Bucket,
    delta: Credits,
    reason: &str,
    request_id: Option<&str>,
) -> Result<()> {
    let mut books = Books::open(tx)?;
    let cause = Cause { reason: Some(reason), request_id, ..Cause::default() };
    books.post(EntryKind::Adjust, bucket, delta, cause)?;
    spend(tx, bucket, delta.negated())?;
    books.close()
}

/// What is to be taken back of a grant past its date.
struct Overdue {
    grant: GrantId,
    bucket: Bucket,
    amount: Credits,
}

/// What is left of grants past their date, but nothing that is set aside for a job: that goes when the
/// job gives it back. What is set aside is taken from the soonest-expiring grants.
fn overdue(snapshot: &Snapshot<'_, AccountScope>, balance: &Balance) -> Result<Vec<Overdue>> {
    let past = snapshot.all(
        "select id, bucket, remaining from credit_grant
         where remaining > 0 and expires_at <= ?1 order by expires_at, id limit 100",
        [snapshot.now()],
        |row| {
            let bucket = named(row, "bucket", Bucket::parse)?;
            Ok((row.get::<_, GrantId>("id")?, bucket, row.get::<_, Credits>("remaining")?))
        },
    )?;
    let Balance { mut available, reserved: mut set_aside, .. } = *balance;
    let mut found = Vec::new();
    for (grant, bucket, remaining) in past {
        let held = remaining.min(set_aside.of(bucket));
        set_aside = set_aside.plus(bucket, held.negated()).ok_or_else(beyond)?;
        let free = remaining.checked_sub(held).ok_or_else(beyond)?;
        let amount = free.min(available.of(bucket)).max(Credits::ZERO);
        if !amount.is_zero() {
            available = available.plus(bucket, amount.negated()).ok_or_else(beyond)?;
            found.push(Overdue { grant, bucket, amount });
        }
    }
    Ok(found)
}

/// Takes back what is left of grants past their date. Gives how many grants it touched.
pub fn expire_grants(tx: &Tx<'_, AccountScope>) -> Result<usize> {
    let mut books = Books::open(tx)?;
    let due = overdue(tx, &books.balance)?;
    for Overdue { grant, bucket, amount } in &due {
        tx.execute(
            "update main.credit_grant set remaining = remaining - ?2
             where account = current_account() and id = ?1",
            (grant, amount),
        )?;
        let cause = Cause { grant: Some(*grant), reason: Some("expired"), ..Cause::default() };
        books.post(EntryKind::Expire, *bucket, amount.negated(), cause)?;
    }
    if !due.is_empty() {
        books.close()?;
    }
    Ok(due.len())
}

/// Accounts that hold grants past their date.
pub fn accounts_with_expired_grants(
    snapshot: &Snapshot<'_, SystemScope>,
    limit: u32,
) -> Result<Vec<AccountScope>> {
    let system = snapshot.scope();
    snapshot.all(
        "select distinct a.seq, a.id from main.credit_grant g join main.account a on a.seq = g.account
         where g.remaining > 0 and g.expires_at is not null and g.expires_at <= ?1 limit ?2",
        (snapshot.now(), limit),
        |row| Ok(system.account(row.get::<_, AccountSeq>(0)?, row.get::<_, AccountId>(1)?)),
    )
}
