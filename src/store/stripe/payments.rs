//! Payments: which of Stripe's objects are one, what each gave, and how much of its money went back.
//!
//! Objects are known to be one payment only when an event names two of them, and events come in any order. So every
//! object begins as a payment of its own, and payments are merged when they turn out to be the same.

use rusqlite::Row;

use crate::{
    domain::{
        AccountId, Credits, Environment, GrantId, Result,
        stripe::{Returned, taken_back},
    },
    store::{AccountScope, AccountSeq, Snapshot, SystemScope, Tx},
};

/// What a payment gave.
#[derive(Clone, Debug)]
pub struct GrantedPayment {
    /// Internal number of the payment.
    pub seq: i64,
    /// The account that got the credits.
    pub scope: AccountScope,
    /// What was paid, in the currency's smallest unit.
    pub amount: i64,
    /// Lower-case ISO code of that.
    pub currency: String,
    /// The grant.
    pub grant: GrantId,
    /// How many credits it was.
    pub granted: Credits,
    /// How many of them went back.
    pub taken_back: Credits,
    /// It turned out to be another payment.
    pub is_merged: bool,
}

impl GrantedPayment {
    /// How much of it is to be taken back in all. What turned out to be another payment goes back whole; of any
    /// other goes back what its returns demand.
    pub fn to_take_back(&self, returned: &[Returned]) -> Credits {
        if self.is_merged {
            return self.granted;
        }
        taken_back(self.granted, self.amount, &self.currency, returned)
    }
}

/// Reads what a payment gave, with its account's id.
pub(in crate::store) fn granted(
    row: &Row<'_>,
    system: SystemScope,
) -> rusqlite::Result<GrantedPayment> {
    let merged: Option<i64> = row.get("merged_into")?;
    Ok(GrantedPayment {
        seq: row.get("seq")?,
        scope: system.account(
            row.get::<_, AccountSeq>("owner")?,
            row.get::<_, AccountId>("account_id")?,
            Environment::Live,
        ),
        amount: row.get("amount")?,
        currency: row.get("currency")?,
        grant: row.get("grant_id")?,
        granted: row.get("granted")?,
        taken_back: row.get("taken_back")?,
        is_merged: merged.is_some(),
    })
}

/// The number of the payment that all these objects are, which are known as one from now on.
pub fn of_objects(tx: &Tx<'_, SystemScope>, objects: &[String]) -> Result<i64> {
    let mut payments = Vec::new();
    for object in objects {
        payments.extend(of_object(tx, object)?);
    }
    payments.sort_unstable();
    payments.dedup();
    let Some(payment) = first_granted(tx, &payments)? else { return insert(tx, objects) };
    for other in payments.into_iter().filter(|other| *other != payment) {
        merge(tx, other, payment)?;
    }
    name(tx, objects, payment)?;
    Ok(payment)
}

fn of_object(snapshot: &Snapshot<'_, SystemScope>, object: &str) -> Result<Option<i64>> {
    let sql = "select payment from main.stripe_object where id = ?1";
    snapshot.one(sql, [object], |row| row.get(0))
}

/// The one that others are merged into: the first that was granted, or else the first.
fn first_granted(snapshot: &Snapshot<'_, SystemScope>, payments: &[i64]) -> Result<Option<i64>> {
    for payment in payments {
        let sql = "select 1 from main.stripe_payment where seq = ?1 and grant_id is not null";
        if snapshot.one(sql, [payment], |_| Ok(()))?.is_some() {
            return Ok(Some(*payment));
        }
    }
    Ok(payments.first().copied())
}

fn insert(tx: &Tx<'_, SystemScope>, objects: &[String]) -> Result<i64> {
    let sql = "insert into main.stripe_payment (created_at) values (?1)";
    let payment = tx.insert(sql, [tx.now()])?;
    name(tx, objects, payment)?;
    Ok(payment)
}

fn name(tx: &Tx<'_, SystemScope>, objects: &[String], payment: i64) -> Result<()> {
    for object in objects {
        tx.execute(
            "insert into main.stripe_object (id, payment) values (?1, ?2) on conflict do nothing",
            (object, payment),
        )?;
    }
    Ok(())
}

/// A payment turned out to be another one: all that is known of it is known of that. Its row stays where it was
/// granted too, since that goes back.
fn merge(tx: &Tx<'_, SystemScope>, from: i64, into: i64) -> Result<()> {
    for sql in [
        "update main.stripe_object set payment = ?2 where payment = ?1",
        "update main.stripe_return set payment = ?2 where payment = ?1",
        "update main.stripe_event set payment = ?2 where payment = ?1",
        "update main.stripe_payment set merged_into = ?2 where merged_into = ?1 or seq = ?1",
    ] {
        tx.execute(sql, (from, into))?;
    }
    let nothing = "delete from main.stripe_payment where seq = ?1 and grant_id is null";
    tx.execute(nothing, [from]).map(drop)
}

/// So much of a payment went back, by a refunded charge or a dispute: the most that any event told, for they
/// come in any order.
pub fn returned(
    tx: &Tx<'_, SystemScope>,
    payment: i64,
    object: &str,
    returned: &Returned,
    won: bool,
    event: &str,
) -> Result<()> {
    tx.execute(
        "insert into main.stripe_return (id, payment, amount, currency, whole, won, event)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (id) do update set amount = max(amount, excluded.amount),
           won = max(won, excluded.won), event = excluded.event",
        (object, payment, returned.amount, &returned.currency, returned.whole, won, event),
    )?;
    Ok(())
}

/// Columns for [`read_returned`].
macro_rules! returned_columns {
    () => {
        "r.amount, r.currency, r.whole"
    };
}
pub(in crate::store) use returned_columns;

/// Reads [`returned_columns`].
pub(in crate::store) fn read_returned(row: &Row<'_>) -> rusqlite::Result<Returned> {
    let (amount, currency, whole) = (row.get("amount")?, row.get("currency")?, row.get("whole")?);
    Ok(Returned { amount, currency, whole })
}

/// What of a payment's money went back and stayed there.
pub fn all_returned(snapshot: &Snapshot<'_, SystemScope>, payment: i64) -> Result<Vec<Returned>> {
    snapshot.all(
        concat!(
            "select ",
            returned_columns!(),
            " from main.stripe_return r where r.payment = ?1 and r.won = 0"
        ),
        [payment],
        read_returned,
    )
}

/// The event that told last of money of a payment that went back, or came back.
pub fn last_returned(snapshot: &Snapshot<'_, SystemScope>, payment: i64) -> Result<Option<String>> {
    snapshot.one(
        "select e.id from main.stripe_return r join main.stripe_event e on e.id = r.event
         where r.payment = ?1 order by e.seq desc limit 1",
        [payment],
        |row| row.get(0),
    )
}

/// What a payment gave, and what those gave that turned out to be it.
pub fn granted_as(
    snapshot: &Snapshot<'_, SystemScope>,
    payment: i64,
) -> Result<Vec<GrantedPayment>> {
    let system = snapshot.scope();
    snapshot.all(
        "select p.*, a.id as account_id from main.stripe_payment p
         join main.account a on a.seq = p.owner
         where p.grant_id is not null and (p.seq = ?1 or p.merged_into = ?1) order by p.seq",
        [payment],
        |row| granted(row, system),
    )
}

/// Says what a payment gave. It gave nothing before.
pub fn set_granted(
    tx: &Tx<'_, SystemScope>,
    payment: i64,
    owner: AccountSeq,
    (amount, currency): (i64, &str),
    (grant, granted): (GrantId, Credits),
) -> Result<bool> {
    let changed = tx.execute(
        "update main.stripe_payment set owner = ?2, amount = ?3, currency = ?4, grant_id = ?5,
           granted = ?6 where seq = ?1 and grant_id is null",
        (payment, owner, amount, currency, grant, granted),
    )?;
    Ok(changed == 1)
}

/// Says how much of what a payment gave went back.
pub fn set_taken_back(tx: &Tx<'_, SystemScope>, payment: i64, taken_back: Credits) -> Result<()> {
    tx.execute(
        "update main.stripe_payment set taken_back = ?2 where seq = ?1",
        (payment, taken_back),
    )?;
    Ok(())
}
