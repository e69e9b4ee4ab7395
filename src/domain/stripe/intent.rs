//! `PaymentIntent`s: which of them were made for an invoice or a session, whose events then grant.

use serde_json::Value;

use super::{
    meaning::{Meaning, named_price, paid},
    read::{Object, is_id},
};

/// What Stripe writes into the description of an invoice's `PaymentIntent`, the one trace of the invoice in the
/// first versions after it removed `invoice`.
const OF_INVOICES: [&str; 4] =
    ["Payment for Invoice", "Subscription creation", "Subscription update", "Subscription cycle"];

/// Letters and digits at the end of an id of Stripe's, at least.
const RANDOM_MIN: usize = 14;

/// The invoice or session that a `PaymentIntent` was made for. The seller may write a reference of his own there, so only
/// what has the form of Stripe's ids is one.
pub(super) fn order<'a>(intent: Object<'a>) -> Option<&'a str> {
    let order = intent.text("/payment_details/order_reference").filter(|order| is_id(order))?;
    let of_session = |order: &'a str| {
        let rest = order.strip_prefix("cs_")?;
        rest.strip_prefix("test_").or(rest.strip_prefix("live_")).or(Some(rest))
    };
    let rest = order.strip_prefix("in_").or_else(|| of_session(order))?;
    let is_random = rest.len() >= RANDOM_MIN && rest.bytes().all(|it| it.is_ascii_alphanumeric());
    is_random.then_some(order)
}

/// What a `PaymentIntent` says: one of an invoice or session leaves the grant to that.
pub(super) fn intent(intent: Object<'_>) -> Meaning {
    let read = paid(intent.whole("/amount_received"), intent, named_price(intent), None);
    match (read, granted_by(intent)) {
        (Meaning::Paid(paid), Some(why)) => Meaning::Left { paid, why },
        (_, Some(why)) => Meaning::Linked(why),
        (read, None) => read,
    }
}

/// Why a `PaymentIntent` leaves the grant to another event; `None` where it does not.
fn granted_by(intent: Object<'_>) -> Option<&'static str> {
    let order = order(intent).unwrap_or_default();
    if intent.id("/invoice").is_some() || order.starts_with("in_") {
        return Some("it pays an invoice; invoice.paid grants");
    }
    // Of a session whose money is captured later Stripe tells nothing after that.
    if order.starts_with("cs_") && !is_captured_by_hand(intent) {
        return Some("it pays a Checkout Session; checkout.session.completed grants");
    }
    is_like_an_invoice_s(intent)
        .then_some("by its description it pays an invoice; invoice.paid grants")
}

fn is_captured_by_hand(intent: Object<'_>) -> bool {
    let methods = intent.at("/payment_method_options").and_then(Value::as_object);
    let mut methods = methods.into_iter().flatten().map(|(_, method)| Object(method));
    intent.text("/capture_method") == Some("manual")
        || methods.any(|method| method.text("/capture_method") == Some("manual"))
}

/// Whether it looks as those of invoices did in the versions that do not say so: neither of the fields that would
/// tell is there, the description is Stripe's, and there is a customer, as every invoice has.
fn is_like_an_invoice_s(intent: Object<'_>) -> bool {
    let tells = ["invoice", "payment_details"].iter().any(|field| intent.0.get(field).is_some());
    let names_account = intent.text("/metadata/account_id").is_some();
    let description = intent.text("/description").unwrap_or_default();
    !tells
        && !names_account
        && intent.id("/customer").is_some()
        && OF_INVOICES.contains(&description)
}
