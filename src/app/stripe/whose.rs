//! Whose an event is, and what it teaches of Stripe's customers.

use super::{super::App, scope_of};
use crate::{
    domain::{
        AccountId, Environment, Result,
        stripe::{Meaning, StripeEvent},
    },
    store::{
        AccountScope, SystemScope, Tx, accounts,
        stripe::{customers, events, payments},
    },
};

/// Whose the event is: as it names, as its customer is known, as its payment was granted, or as another event of its
/// payment is.
pub(super) fn account_of(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    event: &StripeEvent,
    payment: i64,
) -> Result<Option<AccountScope>> {
    if let Some(named) = named_account(tx, event)? {
        if let Some(customer) = &event.customer {
            learn(app, tx, event, (customer, named))?;
        }
        return Ok(Some(named));
    }
    if let Some(customer) = &event.customer
        && let Some(known) = customers::find(tx, customer)?
    {
        return Ok(Some(scope_of(tx, (known.owner, known.account_id))));
    }
    if let Some(granted) = payments::granted_as(tx, payment)?.first() {
        return Ok(Some(granted.scope));
    }
    Ok(events::owner_of_payment(tx, payment)?.map(|owner| scope_of(tx, owner)))
}

/// The first account that the event names and that there is.
fn named_account(tx: &Tx<'_, SystemScope>, event: &StripeEvent) -> Result<Option<AccountScope>> {
    for id in event.accounts.iter().filter_map(|text| text.parse::<AccountId>().ok()) {
        if let Some(account) = accounts::find(tx, id, Environment::Live)? {
            return Ok(Some(account.scope));
        }
    }
    Ok(None)
}

/// An event that names both tells whose a new customer is.
fn learn(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    event: &StripeEvent,
    (customer, named): (&str, AccountScope),
) -> Result<()> {
    let (event, account) = (&event.id, named.account_id().to_string());
    let Some(known) = customers::find(tx, customer)? else {
        tracing::info!(event, customer, account, "learned whose a customer of Stripe's is");
        customers::insert(tx, customer, named.seq())?;
        return app.queue_unmatched(tx, customer, named);
    };
    if known.owner != named.seq() {
        let known = known.account_id.to_string();
        let message = "an event of Stripe's names another account than its customer is known for";
        tracing::warn!(event, customer, account, known, "{message}");
    }
    Ok(())
}

/// What is wrong where an event of a payment names another account than the one that it was granted to.
pub(super) fn contradiction(
    tx: &Tx<'_, SystemScope>,
    event: &StripeEvent,
    payment: i64,
) -> Result<Option<String>> {
    if !matches!(event.meaning, Meaning::Paid(_) | Meaning::Left { .. } | Meaning::Linked(_)) {
        return Ok(None);
    }
    let (Some(named), Some(granted)) =
        (named_account(tx, event)?, payments::granted_as(tx, payment)?.into_iter().next())
    else {
        return Ok(None);
    };
    Ok((named.seq() != granted.scope.seq()).then(|| contradicts(event, named, granted.scope)))
}

/// Says that somebody else got the credits, for the operator.
pub(super) fn contradicts(
    event: &StripeEvent,
    wanted: AccountScope,
    granted: AccountScope,
) -> String {
    let (wanted, granted) = (wanted.account_id().to_string(), granted.account_id().to_string());
    let message = "an event of Stripe's is for another account than its payment was granted to";
    tracing::error!(event = event.id, account = wanted, granted, "{message}");
    format!(
        "it is for account {wanted}, but another event granted its payment to account {granted}; \
         adjust both balances if that is wrong"
    )
}
