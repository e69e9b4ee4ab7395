//! Payments of Stripe's: each gave once what its grant's entry says, what went back is what the ledger says and what was
//! returned, and no event is lost.

use std::collections::HashMap;

use super::Breach;
use crate::{
    domain::{Result, stripe::Returned},
    store::{
        scope::SystemScope,
        stripe::payments::{GrantedPayment, granted, read_returned, returned_columns},
        tx::Snapshot,
    },
};

/// What of each payment's money went back and stayed there.
const RETURNED: &str = concat!(
    "select r.payment, ",
    returned_columns!(),
    " from main.stripe_return r where r.won = 0"
);

/// Granted payments of which something went back or should have, but those for which something is still to be done.
const TAKEN_BACK: &str = "select p.*, a.id as account_id from main.stripe_payment p
     join main.account a on a.seq = p.owner
     where p.grant_id is not null
       and (p.merged_into is not null or p.taken_back > 0
         or exists (select 1 from main.stripe_return r where r.payment = p.seq and r.won = 0))
       and not exists (select 1 from main.stripe_event e
         where e.payment = coalesce(p.merged_into, p.seq) and e.status in ('pending', 'failed'))
     order by p.seq";

/// Up to `limit` payments of which other than what went back of their money was taken back. The arithmetic is not
/// SQLite's: a product of money and credits may need more than 64 bits.
pub(super) fn broken(snapshot: &Snapshot<'_, SystemScope>, limit: usize) -> Result<Vec<Breach>> {
    let system = snapshot.scope();
    let mut returned: HashMap<i64, Vec<Returned>> = HashMap::new();
    snapshot.each(RETURNED, [], |row| {
        returned.entry(row.get("payment")?).or_default().push(read_returned(row)?);
        Ok(())
    })?;
    let mut breaches = Vec::new();
    snapshot.each(TAKEN_BACK, [], |row| {
        let payment = granted(row, system)?;
        let returned = returned.get(&payment.seq).map_or(&[][..], Vec::as_slice);
        breaches.extend(wrong(&payment, returned).filter(|_| breaches.len() < limit));
        Ok(())
    })?;
    Ok(breaches)
}

fn wrong(payment: &GrantedPayment, returned: &[Returned]) -> Option<Breach> {
    let (seq, owner) = (payment.seq, payment.scope.seq().number());
    let (back, expected) = (payment.taken_back.micros(), payment.to_take_back(returned).micros());
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
