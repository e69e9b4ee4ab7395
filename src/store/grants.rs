//! Credits that were given at one time: what is left of each, who it paid for, and when it expires.
//!
//! Grants fund everything: what an account has is what is left of its grants, less what was charged beyond
//! them. Each entry that takes credits names the grant that it takes them from.

use super::{
    audit_log,
    books::{Balance, Books, Cause, Change, beyond},
    row::named,
    scope::{AccountScope, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::domain::{Bucket, Credits, EntryKind, Error, GrantId, Result, Timestamp};

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
    /// The event of Stripe's that paid for them, if one did.
    pub stripe_event: Option<String>,
}

/// Gives credits. What of them pays a debt is spent at once: it cannot expire later.
pub fn grant(tx: &Tx<'_, AccountScope>, new: &NewGrant) -> Result<()> {
    give(tx, EntryKind::Grant, new)
}

fn give(tx: &Tx<'_, AccountScope>, kind: EntryKind, new: &NewGrant) -> Result<()> {
    let mut books = Books::open(tx)?;
    let Balance { available, reserved, .. } = books.balance;
    let owned = available.of(new.bucket).checked_add(reserved.of(new.bucket)).ok_or_else(beyond)?;
    let all = books.balance.owned().and_then(|owned| owned.checked_add(new.amount));
    all.ok_or_else(too_much)?;
    let debt = owned.negated().max(Credits::ZERO).min(new.amount);
    let remaining = new.amount.checked_sub(debt).ok_or_else(beyond)?;
    tx.execute(
        "insert into main.credit_grant
           (account, id, bucket, amount, debt, remaining, reason, expires_at, created_at)
         values (current_account(), ?1, ?2, ?3, ?8, ?7, ?4, ?5, ?6)",
        (
            new.id,
            new.bucket.as_str(),
            new.amount,
            &new.reason,
            new.expires_at,
            tx.now(),
            remaining,
            debt,
        ),
    )?;
    let cause = Cause {
        grant: Some(new.id),
        reason: Some(&new.reason),
        request_id: new.request_id.as_deref(),
        stripe_event: new.stripe_event.as_deref(),
        ..Cause::default()
    };
    books.post(kind, new.bucket, new.amount, cause)?;
    books.close().map(drop)
}

fn too_much() -> Error {
    Error::invalid("amount", "the account would have more credits than can be counted; give fewer")
}

/// A correction by hand, or what a payment takes back.
#[derive(Clone, Copy, Debug)]
pub struct Correction<'a> {
    /// The bucket that changes.
    pub bucket: Bucket,
    /// By how much, above zero.
    pub amount: Credits,
    /// Why, for the ledger.
    pub reason: &'a str,
    /// The request that asked for it, if one did.
    pub request_id: Option<&'a str>,
    /// The event of Stripe's that asked for it, if one did.
    pub stripe_event: Option<&'a str>,
}

/// Corrects the balance upwards: a grant that never expires.
pub fn add(tx: &Tx<'_, AccountScope>, id: GrantId, by: &Correction<'_>) -> Result<()> {
    let new = NewGrant {
        id,
        bucket: by.bucket,
        amount: by.amount,
        reason: by.reason.to_owned(),
        expires_at: None,
        request_id: by.request_id.map(str::to_owned),
        stripe_event: by.stripe_event.map(str::to_owned),
    };
    give(tx, EntryKind::Adjust, &new)
}

/// Corrects the balance downwards, also below zero. Takes from `first` as far as that goes, if it is given, and
/// then from the bucket's grants like a charge.
pub fn remove(
    tx: &Tx<'_, AccountScope>,
    first: Option<GrantId>,
    by: &Correction<'_>,
) -> Result<Change> {
    audit_log::credits_taken(tx, by.bucket, by.amount, by.reason)?;
    let mut books = Books::open(tx)?;
    let mut cause = Cause {
        reason: Some(by.reason),
        request_id: by.request_id,
        stripe_event: by.stripe_event,
        ..Cause::default()
    };
    let mut left = by.amount;
    if let Some(grant) = first {
        let part = remaining(tx, grant)?.min(left);
        take(tx, grant, part)?;
        cause.grant = Some(grant);
        books.post(EntryKind::Adjust, by.bucket, part.negated(), cause)?;
        left = left.checked_sub(part).ok_or_else(beyond)?;
    }
    spend(tx, by.bucket, left, |grant, part| {
        cause.grant = grant;
        books.post(EntryKind::Adjust, by.bucket, part.negated(), cause)
    })?;
    books.close()
}

fn remaining(tx: &Tx<'_, AccountScope>, grant: GrantId) -> Result<Credits> {
    let sql = "select remaining from credit_grant where id = ?1";
    let found = tx.one(sql, [grant], |row| row.get(0))?;
    found.ok_or_else(|| Error::internal("a grant is gone"))
}

fn take(tx: &Tx<'_, AccountScope>, grant: GrantId, amount: Credits) -> Result<()> {
    let changed = tx.execute(
        "update main.credit_grant set remaining = remaining - ?2
         where account = current_account() and id = ?1",
        (grant, amount),
    )?;
    if changed == 1 { Ok(()) } else { Err(Error::internal("a grant is gone")) }
}

/// Takes `amount` from the bucket's grants, soonest-expiring first, and tells each part with the grant that
/// pays it. What is left in the end no grant covers.
pub(in crate::store) fn spend(
    tx: &Tx<'_, AccountScope>,
    bucket: Bucket,
    amount: Credits,
    mut each: impl FnMut(Option<GrantId>, Credits) -> Result<()>,
) -> Result<()> {
    let mut left = amount;
    while left.is_positive() {
        let grant = tx.one(NEXT_TO_SPEND, [bucket.as_str()], |row| {
            Ok((row.get::<_, GrantId>(0)?, row.get::<_, Credits>(1)?))
        })?;
        let Some((id, remaining)) = grant else { return each(None, left) };
        let part = remaining.min(left);
        take(tx, id, part)?;
        each(Some(id), part)?;
        left = left.checked_sub(part).ok_or_else(beyond)?;
    }
    Ok(())
}

/// In the words of the index `credit_grant_to_spend`, so that it need not look at more than one.
pub(in crate::store) const NEXT_TO_SPEND: &str =
    "select id, remaining from credit_grant where bucket = ?1 and remaining > 0
     order by coalesce(expires_at, 9223372036854775807), id limit 1";

/// What is left of all grants past their date, by bucket.
pub(in crate::store) fn expired(
    snapshot: &Snapshot<'_, AccountScope>,
) -> Result<Vec<(Bucket, Credits)>> {
    snapshot.all(EXPIRED, [snapshot.now()], |row| {
        Ok((named(row, "bucket", Bucket::parse)?, row.get("remaining")?))
    })
}

/// In the words of the same index, so that it reads what has expired and nothing else.
pub(in crate::store) const EXPIRED: &str =
    "select bucket, sum(remaining) as remaining from credit_grant
     where bucket in ('free', 'paid') and remaining > 0
       and coalesce(expires_at, 9223372036854775807) <= ?1
     group by bucket";

/// What is to be taken back of a bucket where so much is left of its grants past their date: nothing that is set
/// aside for a job, which goes when the job gives it back. What is set aside is taken from the soonest-expiring
/// grants.
pub(in crate::store) fn overdue(
    balance: &Balance,
    bucket: Bucket,
    remaining: Credits,
) -> Result<Credits> {
    let left = remaining.checked_sub(balance.reserved.of(bucket)).ok_or_else(beyond)?;
    Ok(left.min(balance.available.of(bucket)).max(Credits::ZERO))
}

/// Grants that one write lets expire.
const GRANTS_PER_WRITE: u32 = 100;

/// Takes back what is left of grants past their date: of up to 100 of them, the others next time. Gives how many it
/// touched and what that did to the balance; `None`, and nothing is written, where all that is left is set aside
/// for jobs.
pub fn expire(tx: &Tx<'_, AccountScope>) -> Result<Option<(usize, Change)>> {
    let mut books = Books::open(tx)?;
    let Balance { reserved, .. } = books.balance;
    let due =
        tx.all(OVERDUE, (tx.now(), reserved.free, reserved.paid, GRANTS_PER_WRITE), |row| {
            let bucket = named(row, "bucket", Bucket::parse)?;
            Ok((row.get::<_, GrantId>("id")?, bucket, row.get::<_, Credits>("overdue")?))
        })?;
    let mut touched = 0;
    for (grant, bucket, overdue) in due {
        let amount = overdue.min(books.balance.available.of(bucket));
        if amount.is_positive() {
            take(tx, grant, amount)?;
            let cause = Cause { grant: Some(grant), reason: Some("expired"), ..Cause::default() };
            books.post(EntryKind::Expire, bucket, amount.negated(), cause)?;
            touched += 1;
        }
    }
    if touched == 0 { Ok(None) } else { Ok(Some((touched, books.close()?))) }
}

/// What of each grant past its date is above what is set aside, of which those that expire first are taken first.
pub(in crate::store) const OVERDUE: &str =
    "select id, bucket, min(remaining, upto - held) as overdue from (
       select id, bucket, remaining, case bucket when 'free' then ?2 else ?3 end as held,
         sum(remaining) over (partition by bucket
           order by coalesce(expires_at, 9223372036854775807), id) as upto
       from credit_grant
       where bucket in ('free', 'paid') and remaining > 0
         and coalesce(expires_at, 9223372036854775807) <= ?1)
     where upto > held order by bucket, upto limit ?4";

/// Accounts of whose grants past their date something is to be taken back.
pub fn accounts_with_expired(
    snapshot: &Snapshot<'_, SystemScope>,
    limit: u32,
) -> Result<Vec<AccountScope>> {
    let system = snapshot.scope();
    snapshot.all(
        "select distinct a.seq, a.id, a.environment
         from (select account, bucket, sum(remaining) as expired from main.credit_grant
               where remaining > 0 and expires_at is not null and expires_at <= ?1
               group by account, bucket) g
         join main.balance b on b.account = g.account join main.account a on a.seq = g.account
         where (g.bucket = 'free' and g.expired > b.reserved_free and b.free > 0)
           or (g.bucket = 'paid' and g.expired > b.reserved_paid and b.paid > 0)
         limit ?2",
        (snapshot.now(), limit),
        |row| Ok(system.account(row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}
