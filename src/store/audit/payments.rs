//! Payments of Stripe's: each gave once what its grant's entry says, what went back is what the ledger says, and no event
//! is lost.

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
            stripe::StripeEvent,
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
            let subject = events::insert(tx, &event, payment, EVENT)?.unwrap();
            events::assign(tx, subject, scope.seq())?;
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
}
