//! The rules of Stripe's payments.

use super::{Books, Case};
use crate::{
    domain::{
        Bucket, Credits, GrantId, QueueName,
        stripe::{Returned, StripeEvent},
    },
    store::{
        grants::{self, Correction, NewGrant},
        queue::{self, Waiting, WorkId},
        stripe::{events, payments},
    },
};

const EVENT: &str = r#"{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":
    {"id":"pi_1","amount_received":100,"currency":"usd"}}}"#;

/// Those of an account with a payment that was granted and partly taken back, whose event waits in the queue.
pub(super) fn books() -> Books {
    Books::with(|tx, ambient, scope| {
        let event = StripeEvent::read(EVENT.as_bytes())?.unwrap();
        let payment = payments::of_objects(tx, &event.objects)?;
        let subject = events::insert(tx, &event, None, payment, EVENT)?;
        events::assign(tx, subject, scope.seq(), false)?;
        let part = Returned { amount: 40, currency: None, whole: Some(100) };
        payments::returned(tx, payment, "ch_1", &part, false, "evt_1")?;
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
            queue::push(tx, Waiting { id, lane: 1, priority: 0, run_at: tx.now() }, tx.now())
        })
    })
}

pub(super) const CHANGED: &[Case] = &[
    (&["update main.stripe_payment set granted = 99"], "gave 99, by its entry 100"),
    (&["delete from main.stripe_payment"], "payment - gave 0, by its entry 100"),
    (&["update main.stripe_payment set grant_id = x'07'"], "gave 100, by its entry 0"),
    (&["update main.stripe_payment set taken_back = 41"], "say: 41, by entries 40"),
    (&["delete from main.queue"], "lost an event of Stripe's: it is pending"),
    (&["update main.queue set subject = 9"], "an event of Stripe's that is done or not there: 9"),
    (&[DONE], "an event of Stripe's that is done or not there: 1"),
];

/// Nothing is to be done for the payment any more.
const DONE: &str = "update main.stripe_event set status = 'processed'";
const MORE: &str = "update main.stripe_return set amount = 50";
const MERGED: &str = "update main.stripe_payment set merged_into = 9";

pub(super) const RETURNED: &[Case] = &[
    (&[DONE, MORE], "gave back 40, and should have 50"),
    (&[DONE, "update main.stripe_return set currency = 'jpy', whole = 200"], "should have 20"),
    (&[DONE, "update main.stripe_return set currency = 'jpy', whole = null"], "should have 100"),
    (&[DONE, "update main.stripe_return set won = 1"], "gave back 40, and should have 0"),
    (&[DONE, "delete from main.stripe_return"], "gave back 40, and should have 0"),
    (&[DONE, MERGED], "gave back 40, and should have 100"),
];

pub(super) const REPAIRS: &[Case] = &[
    (&["update main.stripe_payment set granted = 99"], "let the payment have granted 100"),
    (
        &["delete from main.stripe_payment"],
        "restore a backup: the payment or its grant was removed",
    ),
    (
        &["update main.stripe_payment set grant_id = x'07'"],
        "restore a backup: the payment or its grant was removed",
    ),
    (&[DONE, MORE], "adjust the balance by -10, and let the payment have given back 50"),
    (
        &[DONE, "delete from main.stripe_return"],
        "adjust the balance by 40, and let the payment have given back 0",
    ),
];

#[test]
fn books_that_are_right_have_no_problems() {
    assert_eq!(books().after(&[]), []);
}

/// As long as an event of the payment, or of the one that it turned out to be, is not through.
#[test]
fn what_was_taken_back_is_judged_once_nothing_is_to_be_done() {
    const FAILED: &str = "update main.stripe_event set status = 'failed'";
    const OF_THE_OTHER: &str = "update main.stripe_event set payment = 9";
    let judged: &[&'static [&'static str]] = &[&[DONE, MORE], &[DONE, MERGED]];
    let left: &[&'static [&'static str]] =
        &[&[MORE], &[FAILED, MORE], &[DONE], &[FAILED, OF_THE_OTHER, MERGED]];
    for (cases, expected) in [(judged, true), (left, false)] {
        for tampering in cases {
            let problems = books().after(tampering);
            let found = problems.iter().any(|problem| problem.what.contains("gave back"));
            assert_eq!(found, expected, "{tampering:?}: {problems:#?}");
        }
    }
}
