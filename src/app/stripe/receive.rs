//! Taking an event in: proved, kept once, its payment and account found, and its work queued; in one transaction.

use std::{net::IpAddr, sync::Arc};

use super::{super::App, conclude, prove::verify, scope_of, write};
use crate::{
    domain::{
        AccountId, Environment, Error, Result,
        stripe::{EventStatus, Meaning, StripeEvent},
    },
    store::{
        AccountScope, Commit, SystemScope, Tx, accounts,
        stripe::{customers, events, payments},
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
    let payment = payments::of_objects(tx, &event.objects)?;
    let seq = events::insert(tx, event, payment, payload)?
        .ok_or_else(|| Error::internal("an event came twice in a transaction"))?;
    let account = account(app, tx, event, payment)?;
    let end = |status, reason: &str| events::set_status(tx, seq, status, Some(reason));
    match (&event.meaning, account) {
        (Meaning::Paid(_), Some(account)) => return app.queue_event(tx, seq, account),
        (Meaning::Paid(_), None) => {
            return end(EventStatus::Unmatched, "it names no account and no customer known here");
        }
        (Meaning::Unreadable(what), _) => {
            tracing::error!(event = event.id, what, "an event of Stripe's cannot be read");
            return end(EventStatus::Ignored, what);
        }
        (Meaning::Linked(why), _) => end(EventStatus::Processed, why)?,
        (Meaning::Refunded { charge: object, amount }, _) => {
            payments::returned(tx, payment, object, *amount, false, &event.id)?;
        }
        (Meaning::Disputed { dispute: object, amount, won }, _) => {
            payments::returned(tx, payment, object, *amount, *won, &event.id)?;
        }
    }
    match conclude::unsettled(tx, payment)?.first() {
        Some(first) => app.queue_event(tx, seq, first.payment.scope),
        None if matches!(event.meaning, Meaning::Linked(_)) => Ok(()),
        None => end(EventStatus::Processed, "nothing is to be taken back so far"),
    }
}

/// Whose the event is: as it names, as its customer is known, or as its payment was granted.
fn account(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    event: &StripeEvent,
    payment: i64,
) -> Result<Option<AccountScope>> {
    if let Some(named) = named_account(tx, event)? {
        if let Some(customer) = &event.customer {
            learn(app, tx, customer, named)?;
        }
        return Ok(Some(named));
    }
    if let Some(customer) = &event.customer
        && let Some(known) = customers::find(tx, customer)?
    {
        return Ok(Some(scope_of(tx, (known.owner, known.account_id))));
    }
    Ok(payments::granted_as(tx, payment)?.first().map(|granted| granted.scope))
}

/// The first account that the event names and that there is.
fn named_account(tx: &Tx<'_, SystemScope>, event: &StripeEvent) -> Result<Option<AccountScope>> {
    for id in event.accounts.iter().filter_map(|text| text.parse::<AccountId>().ok()) {
        if let Some(account) = accounts::find(tx, id, Environment::Live)? {
            return Ok(Some(tx.scope().account(account.seq, account.id, Environment::Live)));
        }
    }
    Ok(None)
}

/// An event that names both tells whose a new customer is.
fn learn(app: &App, tx: &Tx<'_, SystemScope>, customer: &str, scope: AccountScope) -> Result<()> {
    if customers::find(tx, customer)?.is_none() {
        customers::insert(tx, customer, scope.seq())?;
        app.queue_unmatched(tx, customer, scope)?;
    }
    Ok(())
}
