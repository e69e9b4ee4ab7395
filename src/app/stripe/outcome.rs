//! What an event says of its payment, and where one stands that grants nothing.

use crate::{
    domain::{
        Result,
        stripe::{EventStatus, Meaning, StripeEvent},
    },
    store::{SystemScope, Tx, stripe::payments},
};

/// Why an event has no effect.
pub(super) const GRANTED: &str = "another event granted this payment";

/// Where an event stands now, and why.
pub(super) type Outcome = (EventStatus, Option<String>);

/// The payment that the event is about, with what it says of its objects, and of its money that went back.
pub(super) fn understand(tx: &Tx<'_, SystemScope>, event: &StripeEvent) -> Result<i64> {
    let payment = payments::of_objects(tx, &event.objects)?;
    match &event.meaning {
        Meaning::Refunded { charge, returned } => {
            payments::returned(tx, payment, charge, returned, false, &event.id)?;
        }
        Meaning::Disputed { dispute, returned, won } => {
            payments::returned(tx, payment, dispute, returned, *won, &event.id)?;
        }
        _ => {}
    }
    Ok(payment)
}

/// Where an event stands that grants nothing, with no reason where that depends on what is to be taken back.
pub(super) fn outcome_without_grant(event: &StripeEvent) -> Outcome {
    match &event.meaning {
        Meaning::Unreadable(what) => {
            tracing::error!(event = event.id, what, "an event of Stripe's cannot be read");
            (EventStatus::Ignored, Some((*what).to_owned()))
        }
        Meaning::Left { why, .. } => (EventStatus::Linked, Some((*why).to_owned())),
        Meaning::Linked(why) => (EventStatus::Processed, Some((*why).to_owned())),
        Meaning::Paid(_) | Meaning::Refunded { .. } | Meaning::Disputed { .. } => {
            (EventStatus::Processed, None)
        }
    }
}
