//! What follows from an event: the grant of its payment, and what is taken back of it. Both follow from what is known of
//! the payment by now, not from the one event, so that their order does not matter.

use std::sync::Arc;

use super::{super::App, work, write};
use crate::{
    app::credits,
    domain::{
        Bucket, Credits, DeadLetterId, Error, GrantId, JobErrorCode, Result,
        stripe::{EventStatus, Meaning, Paid, StripeEvent, taken_back},
    },
    store::{
        AccountScope, Commit, SystemScope, Tx, dead_letters,
        grants::{self, Correction, NewGrant},
        queue::{self, Claimed},
        stripe::{
            events::{self, StoredEvent},
            payments::{self, GrantedPayment},
        },
    },
};

/// Why an event has no effect.
const GRANTED: &str = "another event granted this payment";

/// A try begins, in the transaction that leases the event. `None` where it had its effect already.
pub fn begin(tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<StripeEvent>> {
    let Some(stored) = waiting(tx, claimed)? else { return Ok(None) };
    let event = StripeEvent::read(stored.payload.as_bytes())?;
    event.map(Some).ok_or_else(|| Error::internal("a kept event is not about credits"))
}

/// The event, unless it had its effect. One that was given up waits again once it is redriven.
fn waiting(tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<StoredEvent>> {
    let stored = events::by_seq(tx, claimed.lease.id.subject)?;
    let waits =
        |stored: &StoredEvent| matches!(stored.status, EventStatus::Pending | EventStatus::Failed);
    Ok(stored.filter(waits))
}

/// Grants and takes back what follows from the event. False where the lease is not valid any more.
pub fn conclude(app: &Arc<App>, claimed: &Claimed, event: StripeEvent) -> Commit<bool> {
    let (this, claimed) = (Arc::clone(app), claimed.clone());
    write(app, move |tx| {
        let Some(stored) = waiting(tx, &claimed)? else { return queue::finish(tx, claimed.lease) };
        if !queue::finish(tx, claimed.lease)? {
            return Ok(false);
        }
        let (status, reason) = match &event.meaning {
            Meaning::Paid(paid) => grant(&this, tx, claimed.scope, (&stored, &event), paid)?,
            _ => (EventStatus::Processed, None),
        };
        settle(&this, tx, &stored)?;
        events::set_status(tx, stored.seq, status, reason.as_deref())?;
        events::settle_unmatched(tx, stored.payment, GRANTED)?;
        Ok(true)
    })
}

/// Grants the payment unless it was.
fn grant(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    scope: AccountScope,
    (stored, event): (&StoredEvent, &StripeEvent),
    paid: &Paid,
) -> Result<(EventStatus, Option<String>)> {
    if stored.grant_id.is_some() {
        return Ok((EventStatus::Duplicate, Some(GRANTED.to_owned())));
    }
    let policy = &app.settings.stripe.policy;
    if let Some(other) = policy.left_to(paid) {
        let reason = format!("{other} knows the prices that were paid, and grants");
        return Ok((EventStatus::Processed, Some(reason)));
    }
    let amount = match policy.credits(paid) {
        Ok(amount) => amount,
        Err(reason) => {
            tracing::error!(event = stored.id, reason, "a payment was not granted");
            return Ok((EventStatus::Ignored, Some(reason)));
        }
    };
    let id = GrantId::from_uuid(app.ambient.uuid());
    let is_new = payments::set_granted(
        tx,
        stored.payment,
        scope.seq(),
        (paid.amount, &paid.currency),
        (id, amount),
    )?;
    if !is_new {
        return Err(Error::internal("a payment was granted meanwhile"));
    }
    let new = NewGrant {
        id,
        bucket: Bucket::Paid,
        amount,
        reason: format!("Stripe payment {}", event.payment()),
        expires_at: None,
        request_id: None,
        stripe_event: Some(stored.id.clone()),
    };
    tx.within(scope, |tx| credits::give(app, tx, &new, "stripe"))?;
    Ok((EventStatus::Processed, None))
}

/// A grant of which another amount should be taken back than was.
pub(super) struct Unsettled {
    pub(super) payment: GrantedPayment,
    /// How much is to be taken back in all.
    target: Credits,
    /// The event that told of it last.
    event: Option<String>,
}

/// What is to be taken back of a payment, or given back. Where it was granted as two payments, the later grant goes
/// back whole.
pub(super) fn unsettled(tx: &Tx<'_, SystemScope>, payment: i64) -> Result<Vec<Unsettled>> {
    let grants = payments::granted_as(tx, payment)?;
    if grants.is_empty() {
        return Ok(Vec::new());
    }
    let (returned, event) = payments::total_returned(tx, payment)?;
    let of = |payment: GrantedPayment| {
        let target = if payment.is_merged {
            payment.granted
        } else {
            taken_back(payment.granted, payment.amount, returned)
        };
        Unsettled { event: event.clone().filter(|_| !payment.is_merged), payment, target }
    };
    let differs = |it: &Unsettled| it.target != it.payment.taken_back;
    Ok(grants.into_iter().map(of).filter(differs).collect())
}

/// Takes back, or gives back, until what went back is what should.
fn settle(app: &App, tx: &Tx<'_, SystemScope>, stored: &StoredEvent) -> Result<()> {
    for Unsettled { payment, target, event } in unsettled(tx, stored.payment)? {
        let more = target.checked_sub(payment.taken_back);
        let more = more.ok_or_else(|| Error::internal("a payment goes back beyond 64 bits"))?;
        let reason = if payment.is_merged {
            "Stripe: granted before as another object of the same payment"
        } else if more.is_positive() {
            "Stripe: the payment was refunded or disputed"
        } else {
            "Stripe: a dispute was won"
        };
        let by = Correction {
            bucket: Bucket::Paid,
            amount: more.magnitude(),
            reason,
            request_id: None,
            stripe_event: Some(event.as_deref().unwrap_or(&stored.id)),
        };
        tx.within(payment.scope, |tx| {
            if more.is_positive() {
                let change = grants::remove(tx, Some(payment.grant), &by)?;
                return credits::tell_low(app, tx, &change);
            }
            grants::add(tx, GrantId::from_uuid(app.ambient.uuid()), &by)
        })?;
        payments::set_taken_back(tx, payment.seq, target)?;
    }
    Ok(())
}

/// Lets an event whose try failed wait for the next one, or gives it up after the last.
pub fn fail(app: &Arc<App>, claimed: &Claimed, error: &Error) -> Commit<bool> {
    let backoff = &app.settings.stripe.backoff;
    let delay = backoff.delay(claimed.attempts, app.ambient.fraction(), None);
    tracing::error!(error = error as &dyn std::error::Error, "an event of Stripe's failed");
    let Some(delay) = delay else {
        return bury(app, claimed, JobErrorCode::ServerError, "the last try failed");
    };
    let lease = claimed.lease;
    write(app, move |tx| queue::release(tx, lease, tx.now().plus(delay), true))
}

/// Ends an event that will not be tried again: its time to live is over, or too many tries broke off.
pub fn give_up(app: &Arc<App>, claimed: &Claimed, code: JobErrorCode) -> Commit<bool> {
    let reason = match code {
        JobErrorCode::Expired => "its time to live in the queue was over",
        _ => "too many tries broke off",
    };
    bury(app, claimed, code, reason)
}

fn bury(
    app: &Arc<App>,
    claimed: &Claimed,
    code: JobErrorCode,
    reason: &'static str,
) -> Commit<bool> {
    let (this, claimed) = (Arc::clone(app), claimed.clone());
    write(app, move |tx| {
        let stored = waiting(tx, &claimed)?;
        if !queue::finish(tx, claimed.lease)? {
            return Ok(false);
        }
        let Some(stored) = stored else { return Ok(false) };
        events::set_status(tx, stored.seq, EventStatus::Failed, Some(reason))?;
        let message = format!("Stripe's event {} had no effect: {reason}", stored.id);
        let id = DeadLetterId::from_uuid(this.ambient.uuid());
        tx.within(claimed.scope, |tx| {
            let (attempts, work) = (claimed.attempts, work(stored.seq));
            dead_letters::insert(tx, id, work, code.as_str(), &message, attempts)
        })?;
        Ok(true)
    })
}

/// The transaction of redriving a dead letter: the event waits in its queue again.
pub fn requeue(app: &App, tx: &Tx<'_, AccountScope>, seq: i64) -> Result<()> {
    app.push_event(tx, seq)?;
    dead_letters::redriven(tx, work(seq))
}
