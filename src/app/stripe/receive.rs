//! Taking an event in: proved, kept once, its payment and account found, and its work queued; in one transaction.

use std::{net::IpAddr, sync::Arc};

use super::{
    super::App,
    conclude,
    outcome::{GRANTED, outcome_without_grant, understand},
    prove::verify,
    whose, write,
};
use crate::{
    domain::{
        Error, Result,
        stripe::{EventStatus, Meaning, StripeEvent},
    },
    store::{
        AccountScope, Commit, SystemScope, Tx,
        stripe::{events, payments},
    },
};

/// An event that is proved to be Stripe's, and about credits.
#[derive(Clone, Debug)]
pub struct Received {
    event: StripeEvent,
    payload: String,
}

/// Proves and reads what came. `None` where it is not about credits. Takes some milliseconds where it is large.
pub fn read(
    app: &App,
    signature: Option<&str>,
    body: &[u8],
    client: IpAddr,
) -> Result<Option<Received>> {
    verify(app, signature, body, client)?;
    let Some(event) = StripeEvent::read(body)? else { return Ok(None) };
    let payload = String::from_utf8(body.to_vec()).map_err(Error::internal)?;
    Ok(Some(Received { event, payload }))
}

/// Keeps the event, unless it came before, and queues what follows from it.
pub fn receive(app: &Arc<App>, received: Received) -> Commit<()> {
    let this = Arc::clone(app);
    write(app, move |tx| take(&this, tx, &received))
}

fn take(app: &App, tx: &Tx<'_, SystemScope>, received: &Received) -> Result<()> {
    let Received { event, payload } = received;
    if events::is_known(tx, &event.id)? {
        return Ok(());
    }
    if let Some(reason) = app.settings.stripe.policy.refuses(event) {
        // It must not touch payments that count, so it is one of its own.
        let seq = events::insert(tx, event, None, payments::of_objects(tx, &[])?, payload)?;
        tracing::warn!(event = event.id, reason, "an event of Stripe's is ignored");
        return events::set_status(tx, seq, EventStatus::Ignored, Some(reason));
    }
    let payment = understand(tx, event)?;
    let account = whose::account_of(app, tx, event, payment)?;
    let owner = account.map(|account| account.seq());
    let seq = events::insert(tx, event, owner, payment, payload)?;
    match (&event.meaning, account) {
        (Meaning::Paid(_), Some(account)) => tx.within(account, |tx| app.push_event(tx, seq)),
        (Meaning::Paid(_), None) => {
            tracing::warn!(event = event.id, "an event of Stripe's is for no account known here");
            let reason = "it names no account and no customer known here";
            events::set_status(tx, seq, EventStatus::Unmatched, Some(reason))
        }
        _ => take_without_grant(app, tx, (seq, event), payment, account),
    }
}

/// An event that grants nothing may tell whose its payment is, that it was granted, or what is to be taken back.
fn take_without_grant(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    (seq, event): (i64, &StripeEvent),
    payment: i64,
    account: Option<AccountScope>,
) -> Result<()> {
    if let Some(account) = account {
        app.queue_unmatched_of(tx, payment, account)?;
    }
    events::settle_granted(tx, payment, GRANTED)?;
    let (status, reason) = match whose::contradiction(tx, event, payment)? {
        Some(reason) => (EventStatus::Ignored, Some(reason)),
        None => match outcome_without_grant(event) {
            (EventStatus::Linked, _) if !payments::granted_as(tx, payment)?.is_empty() => {
                (EventStatus::Duplicate, Some(GRANTED.to_owned()))
            }
            outcome => outcome,
        },
    };
    let nothing = "nothing is to be taken back so far";
    events::set_status(tx, seq, status, Some(reason.as_deref().unwrap_or(nothing)))?;
    match conclude::unsettled(tx, payment)?.first() {
        Some(first) => app.queue_event(tx, seq, first.payment.scope, false),
        None => Ok(()),
    }
}
