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

#[cfg(test)]
mod tests {
    use crate::{
        ambient::Ambient,
        domain::{
            AccountId, Bucket, Credits, GrantId, ProjectId, QueueName, Timestamp,
            stripe::{Returned, StripeEvent},
        },
        store::{
            EngineSettings, Store, SystemScope, accounts, audit,
            grants::{self, Correction, NewGrant},
            queue::{self, Waiting, WorkId},
            stripe::{events, payments},
        },
    };

    const EVENT: &str = r#"{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":
        {"id":"pi_1","amount_received":100,"currency":"usd"}}}"#;

    struct Books {
        store: Store,
        _folder: tempfile::TempDir,
    }

    /// An account with a payment that was granted and partly taken back, whose event waits in the queue.
    fn books() -> Books {
        let folder = tempfile::tempdir().unwrap();
        let ambient = Ambient::manual(Timestamp::from_millis(1_000_000), 7);
        let settings = EngineSettings { durable: false, ..EngineSettings::default() };
        let path = folder.path().join("skai.db");
        let (store, _writer) = Store::open(&path, &settings, &ambient).unwrap();
        let made = store.write(SystemScope::new(), move |tx| {
            let (account, project) = (ambient.uuid(), ambient.uuid());
            let (account, project) = (AccountId::from_uuid(account), ProjectId::from_uuid(project));
            let scope = accounts::insert(tx, account, project, "a")?;
            let event = StripeEvent::read(EVENT.as_bytes())?.unwrap();
            let payment = payments::of_objects(tx, &event.objects)?;
            let subject = events::insert(tx, &event, None, payment, EVENT)?;
            events::assign(tx, subject, scope.seq(), false)?;
            let half = Returned { amount: 40, currency: None, whole: Some(100) };
            payments::returned(tx, payment, "ch_1", &half, false, "evt_1")?;
            let id = GrantId::from_uuid(ambient.uuid());
            let amount = Credits::from_micros(100);
            payments::set_granted(tx, payment, scope.seq(), (100, "usd"), (id, amount))?;
            payments::set_taken_back(tx, payment, Credits::from_micros(40))?;
            tx.within(scope, |tx| {
                let new = NewGrant {
                    id,
                    bucket: Bucket::Paid,
                    amount,
                    reason: "a".to_owned(),
                    expires_at: None,
                    request_id: None,
                    stripe_event: Some("evt_1".to_owned()),
                };
                grants::grant(tx, &new)?;
                let by = Correction {
                    bucket: Bucket::Paid,
                    amount: Credits::from_micros(40),
                    reason: "a",
                    request_id: None,
                    stripe_event: Some("evt_1"),
                };
                grants::remove(tx, Some(id), &by)?;
                let id = WorkId { queue: QueueName::BillingCreditGrant, subject };
                let work = Waiting { id, lane: 1, priority: 0, run_at: tx.now() };
                queue::push(tx, work, tx.now())
            })
        });
        made.wait().unwrap();
        Books { store, _folder: folder }
    }

    impl Books {
        fn after(&self, tampering: &'static str) -> Vec<String> {
            let tampered =
                self.store.write(SystemScope::new(), move |tx| tx.execute(tampering, []));
            assert!(tampered.wait().unwrap() <= 1, "{tampering}");
            let found = self
                .store
                .read(SystemScope::new(), |it| audit::run(it, &|| false))
                .unwrap()
                .problems;
            assert!(found.iter().all(|problem| !problem.repair.is_empty()));
            found.into_iter().map(|problem| problem.what).collect()
        }
    }

    #[test]
    fn every_rule_is_broken_by_somebody_and_then_says_so() {
        assert_eq!(books().after("delete from main.account where seq = 99"), Vec::<String>::new());
        for (tampering, expected) in [
            ("update main.stripe_payment set granted = 99", "gave 99, by its entry 100"),
            ("delete from main.stripe_payment", "payment - gave 0, by its entry 100"),
            ("update main.stripe_payment set grant_id = x'07'", "gave 100, by its entry 0"),
            ("update main.stripe_payment set taken_back = 41", "say: 41, by entries 40"),
            ("delete from main.queue", "lost an event of Stripe's: it is pending"),
            (
                "update main.queue set subject = 9",
                "an event of Stripe's that is done or not there: 9",
            ),
            ("update main.stripe_event set status = 'processed'", "that is done or not there: 1"),
        ] {
            let problems = books().after(tampering);
            let named = |problem: &String| problem.contains(expected);
            assert!(problems.iter().any(named), "{tampering}: {expected}: {problems:#?}");
            assert!(problems.iter().all(|problem| problem.starts_with("account 0000000")));
        }
    }

    /// The same once nothing is to be done for the payment any more.
    #[test]
    fn what_was_taken_back_follows_from_what_was_returned() {
        let books = books();
        let end = "update main.stripe_event set status = 'processed'";
        assert!(books.after(end).iter().all(|problem| !problem.contains("gave back")));
        for (tampering, expected) in [
            ("update main.stripe_return set amount = 50", "gave back 40, and should have 50"),
            ("update main.stripe_return set currency = 'jpy', whole = 200", "should have 25"),
            ("update main.stripe_return set whole = null", "should have 100"),
            ("update main.stripe_return set won = 1", "should have 0"),
            ("delete from main.stripe_return", "gave back 40, and should have 0"),
            ("update main.stripe_payment set merged_into = 9", "should have 100"),
        ] {
            let problems = books.after(tampering);
            let named = |problem: &String| problem.contains(expected);
            assert!(problems.iter().any(named), "{tampering}: {expected}: {problems:#?}");
        }
        let later = books.after("update main.stripe_event set status = 'failed', payment = 9");
        assert!(later.iter().all(|problem| !problem.contains("gave back")), "{later:#?}");
    }
}
