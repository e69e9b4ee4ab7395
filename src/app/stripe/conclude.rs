//! What follows from an event: the grant of its payment, and what is taken back of it. Both follow from what is known of
//! the payment by now, not from the one event, so that their order does not matter.

use std::sync::Arc;

use super::{
    super::App,
    look,
    outcome::{GRANTED, Outcome, outcome_without_grant, understand},
    whose::{contradiction, contradicts},
    work, write,
};
use crate::{
    app::credits,
    domain::{
        Bucket, Credits, DeadLetterId, Error, ErrorKind, GrantId, JobErrorCode, Result,
        stripe::{EventStatus, Meaning, Paid, StripeEvent},
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

/// A try begins, in the transaction that leases the event; gives its body. `None` where it had its effect already.
pub fn begin(tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<String>> {
    match waiting(tx, claimed)? {
        Some(stored) => events::payload(tx, stored.seq),
        None => Ok(None),
    }
}

/// The event, unless it had its effect or is another account's by now. One that was given up waits again once it is
/// redriven.
fn waiting(tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<StoredEvent>> {
    let stored = events::by_seq(tx, claimed.lease.id.subject)?;
    let waits = |stored: &StoredEvent| {
        matches!(stored.status, EventStatus::Pending | EventStatus::Failed)
            && stored.owner == Some(claimed.scope.seq())
    };
    Ok(stored.filter(waits))
}

/// Grants and takes back what follows from the event with this body. False where the lease is not valid any more.
pub fn conclude(app: &Arc<App>, claimed: &Claimed, payload: &str) -> Commit<bool> {
    let event = match StripeEvent::read(payload.as_bytes()) {
        Ok(Some(event)) => event,
        Ok(None) => return Commit::refused(Error::internal("a kept event is not about credits")),
        Err(error) => return Commit::refused(error),
    };
    let (this, claimed) = (Arc::clone(app), claimed.clone());
    write(app, move |tx| {
        let Some(stored) = waiting(tx, &claimed)? else { return queue::finish(tx, claimed.lease) };
        if !queue::finish(tx, claimed.lease)? {
            return Ok(false);
        }
        let (status, reason) = conclude_within(&this, tx, claimed.scope, stored.clone(), &event)?;
        events::set_status(tx, stored.seq, status, reason.as_deref())?;
        Ok(true)
    })
}

fn conclude_within(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    scope: AccountScope,
    mut stored: StoredEvent,
    event: &StripeEvent,
) -> Result<Outcome> {
    if let Some(reason) = app.settings.stripe.policy.refuses(event) {
        return Ok((EventStatus::Ignored, Some(reason.to_owned())));
    }
    if stored.by_operator {
        // It may have been refused when it came.
        stored.payment = understand(tx, event)?;
        events::set_payment(tx, stored.seq, stored.payment)?;
    }
    let outcome = outcome(app, tx, scope, (&stored, event))?;
    settle(app, tx, &stored)?;
    events::settle_granted(tx, stored.payment, GRANTED)?;
    Ok(outcome)
}

fn outcome(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    scope: AccountScope,
    (stored, event): (&StoredEvent, &StripeEvent),
) -> Result<Outcome> {
    let granted = payments::granted_as(tx, stored.payment)?.into_iter().next();
    match (&event.meaning, granted) {
        (Meaning::Paid(_) | Meaning::Left { .. }, Some(granted)) if stored.by_operator => {
            Ok(if granted.scope.seq() == scope.seq() {
                (EventStatus::Duplicate, Some(GRANTED.to_owned()))
            } else {
                (EventStatus::Ignored, Some(contradicts(event, scope, granted.scope)))
            })
        }
        (_, Some(_)) if let Some(reason) = contradiction(tx, event, stored.payment)? => {
            Ok((EventStatus::Ignored, Some(reason)))
        }
        (Meaning::Paid(_), Some(_)) => Ok((EventStatus::Duplicate, Some(GRANTED.to_owned()))),
        (Meaning::Paid(paid), None) => grant(app, tx, scope, (stored, event), paid),
        (Meaning::Left { paid, .. }, None) if stored.by_operator => {
            grant(app, tx, scope, (stored, event), paid)
        }
        (Meaning::Refunded { .. } | Meaning::Disputed { .. }, _) => {
            Ok((EventStatus::Processed, None))
        }
        _ => Ok(outcome_without_grant(event)),
    }
}

/// Grants a payment that was not, unless another event knows better what it buys.
fn grant(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    scope: AccountScope,
    (stored, event): (&StoredEvent, &StripeEvent),
    paid: &Paid,
) -> Result<Outcome> {
    let policy = &app.settings.stripe.policy;
    if let Some(other) = policy.left_to(paid).filter(|_| !stored.by_operator) {
        let reason = format!("{other} knows the prices that were paid, and grants");
        return Ok((EventStatus::Linked, Some(reason)));
    }
    let amount = match policy.credits(paid) {
        Ok(amount) => amount,
        Err(reason) => {
            tracing::error!(event = stored.id, reason, "a payment was not granted");
            return Ok((EventStatus::Ignored, Some(reason)));
        }
    };
    let id = GrantId::from_uuid(app.ambient.uuid());
    let money = (paid.amount, &*paid.currency);
    if !payments::set_granted(tx, stored.payment, scope.seq(), money, (id, amount))? {
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
    let returned = payments::all_returned(tx, payment)?;
    let event = payments::last_returned(tx, payment)?;
    let of = |payment: GrantedPayment| {
        let target = payment.to_take_back(&returned);
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

/// Ends an event that will not be tried again. One whose time to live is over is concluded nevertheless: that is work
/// of this server alone, and a payment is not lost because the server was. Blocks.
pub fn give_up(app: &Arc<App>, claimed: &Claimed, code: JobErrorCode) -> Result<bool> {
    if code != JobErrorCode::Expired {
        return bury(app, claimed, code, "too many tries broke off").wait();
    }
    conclude_late(app, claimed).or_else(|error| {
        if error.kind() == ErrorKind::Unavailable {
            return Err(error);
        }
        tracing::error!(error = &error as &dyn std::error::Error, "an event of Stripe's failed");
        bury(app, claimed, code, "its time to live in the queue was over, and the last try failed")
            .wait()
    })
}

fn conclude_late(app: &Arc<App>, claimed: &Claimed) -> Result<bool> {
    let payload = look(app, |snapshot| events::payload(snapshot, claimed.lease.id.subject))?;
    let payload = payload.ok_or_else(|| Error::internal("an event in the queue is gone"))?;
    conclude(app, claimed, &payload).wait()
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
        tracing::error!(event = stored.id, reason, "an event of Stripe's was given up");
        let id = DeadLetterId::from_uuid(this.ambient.uuid());
        tx.within(claimed.scope, |tx| {
            let (attempts, work) = (claimed.attempts, work(stored.seq));
            dead_letters::insert(tx, id, work, code.as_str(), &message, attempts)
        })?;
        Ok(true)
    })
}

/// The transaction of redriving a dead letter: the event waits in its queue again.
pub(in crate::app) fn requeue(app: &App, tx: &Tx<'_, AccountScope>, seq: i64) -> Result<()> {
    app.push_event(tx, seq)?;
    dead_letters::redriven(tx, work(seq))
}
