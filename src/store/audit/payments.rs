//! Payments of Stripe's: each gave once what its grant's entry says, what went back is what the ledger says and what was
//! returned, and no event is lost.

use rusqlite::Row;

use super::Breach;
use crate::{
    domain::{
        Credits, Result,
        stripe::{Returned, taken_back},
    },
    store::{
        scope::SystemScope,
        stripe::payments::{read_returned, returned_columns},
        tx::Snapshot,
    },
};

/// Granted payments of which something went back or should have, each with what was returned of it, but those for which
/// something is still to be done.
const TAKEN_BACK: &str = concat!(
    "select p.seq, p.owner, p.amount as paid, p.currency as paid_in, p.granted, p.taken_back,
       p.merged_into is not null as is_merged, r.id is not null as is_returned, ",
    returned_columns!(),
    " from main.stripe_payment p left join main.stripe_return r on r.payment = p.seq and r.won = 0
     where p.grant_id is not null
       and (p.merged_into is not null or p.taken_back > 0 or r.id is not null)
       and not exists (select 1 from main.stripe_event e
         where e.payment = coalesce(p.merged_into, p.seq) and e.status in ('pending', 'failed'))
     order by p.seq"
);

/// A payment of [`TAKEN_BACK`].
struct Settlement {
    seq: i64,
    owner: i64,
    paid: i64,
    paid_in: String,
    granted: Credits,
    taken_back: Credits,
    is_merged: bool,
    returned: Vec<Returned>,
}

/// Up to `limit` payments of which other than what went back of their money was taken back. The arithmetic is not
/// SQLite's: a product of money and credits may need more than 64 bits.
pub(super) fn broken(snapshot: &Snapshot<'_, SystemScope>, limit: usize) -> Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    let mut last: Option<Settlement> = None;
    let mut look = |payment: Option<Settlement>| {
        breaches
            .extend(payment.and_then(|payment| wrong(&payment)).filter(|_| breaches.len() < limit));
    };
    snapshot.each(TAKEN_BACK, [], |row| {
        let seq: i64 = row.get("seq")?;
        let mut payment = match last.take() {
            Some(payment) if payment.seq == seq => payment,
            other => {
                look(other);
                settlement(row)?
            }
        };
        if row.get("is_returned")? {
            payment.returned.push(read_returned(row)?);
        }
        last = Some(payment);
        Ok(())
    })?;
    look(last);
    Ok(breaches)
}

fn settlement(row: &Row<'_>) -> rusqlite::Result<Settlement> {
    Ok(Settlement {
        seq: row.get("seq")?,
        owner: row.get("owner")?,
        paid: row.get("paid")?,
        paid_in: row.get("paid_in")?,
        granted: row.get("granted")?,
        taken_back: row.get("taken_back")?,
        is_merged: row.get("is_merged")?,
        returned: Vec::new(),
    })
}

/// A payment that turned out to be another one goes back whole; of any other goes back what its returns demand.
fn wrong(payment: &Settlement) -> Option<Breach> {
    let Settlement { seq, owner, paid, ref paid_in, granted, taken_back: back, .. } = *payment;
    let expected = if payment.is_merged {
        granted
    } else {
        taken_back(granted, paid, paid_in, &payment.returned)
    };
    let (back, expected) = (back.micros(), expected.micros());
    if back == expected {
        return None;
    }
    let what = format!(
        "has a payment of Stripe's of which too much or too little was taken back: payment {seq} \
         gave back {back}, and should have {expected}"
    );
    let by = back.saturating_sub(expected);
    let repair =
        format!("adjust the balance by {by}, and let the payment have given back {expected}");
    Some(Breach { account: Some(owner), job: None, what, repair })
}

/// See [`RULES`](super::RULES).
pub(super) const RULES: &[&str] = &[
    "with l as materialized (
       select account, grant_id, delta from main.ledger
       where kind = 'grant' and stripe_event is not null)
     select coalesce(p.owner, l.account), null,
       'has a grant for Stripe that is not what its payment says: payment ' || coalesce(p.seq, '-')
         || ' gave ' || coalesce(p.granted, 0) || ', by its entry ' || coalesce(l.delta, 0),
       case when p.seq is not null and l.grant_id is not null
         then 'let the payment have granted ' || l.delta
         else 'restore a backup: the payment or its grant was removed' end
     from (select * from main.stripe_payment where grant_id is not null) p
     full join l on l.account = p.owner and l.grant_id = p.grant_id
     where p.seq is null or l.grant_id is null or l.delta <> p.granted limit ?1",
    "with l as (
       select account, -sum(delta) as back from main.ledger
       where kind = 'adjust' and stripe_event is not null group by account),
     p as (
       select owner, sum(taken_back) as back from main.stripe_payment
       where grant_id is not null group by owner)
     select coalesce(p.owner, l.account), null,
       'has taken back for Stripe other than its payments say: ' || coalesce(p.back, 0)
         || ', by entries ' || coalesce(l.back, 0),
       'compare the refunds and disputes at Stripe with the entries, and adjust the balance by the difference'
     from p full join l on l.account = p.owner
     where coalesce(p.back, 0) <> coalesce(l.back, 0) limit ?1",
    "select e.owner, null, 'has lost an event of Stripe''s: it is pending and not in the queue: ' || e.id,
       'let the event be failed, and process it again'
     from main.stripe_event e
     where e.status = 'pending' and not exists (select 1 from main.queue q
       where q.queue = 4 and q.subject = e.seq and q.account = e.owner) limit ?1",
    "select q.account, null, 'has a row in the queue for an event of Stripe''s that is done or not there: '
       || q.subject, 'nothing: the queue drops the row when its turn comes'
     from main.queue q left join main.stripe_event e on e.seq = q.subject
     where q.queue = 4 and (e.seq is null or e.status not in ('pending', 'failed')) limit ?1",
];
