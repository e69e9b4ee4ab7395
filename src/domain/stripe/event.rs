//! Reading an event. Stripe sends each in the shape of the API version that the endpoint was made with, so old
//! and new shapes are read alike:
//!
//! | | until 2025-02 | since 2025-03 ("basil") |
//! |---|---|---|
//! | invoice of a `PaymentIntent` | `invoice` | `payment_details.order_reference`, not in the first versions |
//! | `PaymentIntent` of an invoice | `payment_intent` | `payments`, where expanded; event `invoice_payment.paid` |
//! | subscription's metadata on an invoice | `subscription_details` | `parent.subscription_details` |
//! | price of a line | `price.id` | `pricing.price_details.price` |
//!
//! One payment is told by several events. Which of them grants must not depend on their order, so each says who
//! has the word: an invoice or a Checkout Session for its `PaymentIntent`, which knows neither prices nor account; and
//! an invoice for its session, where prices are sold that only the invoice knows.

use serde_json::Value;

use super::{
    intent::{intent, order},
    meaning::{Line, Meaning, Returned, named_price, paid},
    read::Object,
};
use crate::domain::{Error, ErrorKind, Result, json};

/// Lines and objects of one event that are looked at.
const LIST_MAX: usize = 1_000;

/// An event that is about credits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StripeEvent {
    /// Its id, the same at every delivery.
    pub id: String,
    /// Its type, such as `invoice.paid`.
    pub kind: String,
    /// Stripe's customer, where it names one.
    pub customer: Option<String>,
    /// Texts that may be an account's id, the one that counts most first.
    pub accounts: Vec<String>,
    /// Ids of objects of Stripe's that are one payment: session, invoice, `PaymentIntent`, charge.
    pub objects: Vec<String>,
    /// What it says of that payment.
    pub meaning: Meaning,
    /// It is of an account that is connected to the operator's own.
    pub is_connected: bool,
    /// It is of Stripe's test mode.
    pub is_test: bool,
}

impl StripeEvent {
    /// Reads the body of a webhook. `None` for events of other types.
    pub fn read(body: &[u8]) -> Result<Option<Self>> {
        let refused = |what: &str| {
            let message = format!("the body is not an event of Stripe's: {what}");
            Error::new(ErrorKind::InvalidJson, message)
        };
        let checked = json::check(body).map_err(|fault| refused(&fault.to_string()))?;
        let value = json::value(checked.text()).map_err(|fault| refused(&fault.to_string()))?;
        let event = Object(&value);
        let id = event.id("/id").ok_or_else(|| refused("`id` is missing"))?;
        let kind = event.text("/type").ok_or_else(|| refused("`type` is missing"))?;
        let object = event.at("/data/object").filter(|object| object.is_object());
        let object = Object(object.ok_or_else(|| refused("`data.object` is missing"))?);
        let is_connected = event.at("/account").is_some();
        let is_test = event.at("/livemode") == Some(&Value::Bool(false));
        let read = Self::of(id, kind, object);
        Ok(read.map(|event| Self { is_connected, is_test, ..event }))
    }

    /// The object that people know the payment by: its `PaymentIntent`, where the event names it.
    pub fn payment(&self) -> &str {
        let intent = self.objects.iter().find(|id| id.starts_with("pi_"));
        intent.or(self.objects.first()).map_or("", String::as_str)
    }

    fn of(id: &str, kind: &str, object: Object<'_>) -> Option<Self> {
        let (paths, meaning): (&[&str], Meaning) = match kind {
            "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
                (&["/id", "/payment_intent", "/invoice"], session(object))
            }
            "payment_intent.succeeded" => (
                &["/id", "/invoice", "/payment_details/order_reference", "/latest_charge"],
                intent(object),
            ),
            "invoice.paid" => (&["/id", "/payment_intent", "/charge"], invoice(object)),
            "invoice_payment.paid" => {
                let linked = "it says which PaymentIntent paid the invoice; invoice.paid grants";
                (
                    &["/invoice", "/payment/payment_intent", "/payment/charge"],
                    Meaning::Linked(linked),
                )
            }
            "charge.refunded" => (&["/id", "/payment_intent", "/invoice"], refund(object)),
            "charge.dispute.created" | "charge.dispute.closed" => {
                (&["/charge", "/payment_intent"], dispute(object))
            }
            _ => return None,
        };
        let objects = objects(object, paths);
        let meaning = match meaning {
            _ if objects.is_empty() => Meaning::Unreadable("it names no payment"),
            meaning => meaning,
        };
        let customer = object.id("/customer").map(str::to_owned);
        let (id, kind) = (id.to_owned(), kind.to_owned());
        let (is_connected, is_test) = (false, false);
        let accounts = accounts(object);
        Some(Self { id, kind, customer, accounts, objects, meaning, is_connected, is_test })
    }
}

/// Where an account may be named, the place that counts most first.
fn accounts(object: Object<'_>) -> Vec<String> {
    let places = [
        "/metadata/account_id",
        "/client_reference_id",
        "/parent/subscription_details/metadata/account_id",
        "/subscription_details/metadata/account_id",
    ];
    places.into_iter().filter_map(|place| object.text(place)).map(str::to_owned).collect()
}

/// The ids of what is one payment, each once.
fn objects(object: Object<'_>, paths: &[&str]) -> Vec<String> {
    let own = paths.iter().filter_map(|path| match *path {
        // Whoever makes a PaymentIntent may write what he likes there; Stripe itself writes these.
        "/payment_details/order_reference" => order(object),
        path => object.id(path),
    });
    let payments = object.list("/payments/data").take(LIST_MAX);
    let paying = payments.filter_map(|payment| payment.id("/payment/payment_intent"));
    let charges = object.list("/charges/data").take(LIST_MAX);
    let mut found = Vec::new();
    for id in own.chain(paying).chain(charges.filter_map(|charge| charge.id("/id"))) {
        if !found.iter().any(|known| known == id) {
            found.push(id.to_owned());
        }
    }
    found
}

/// What a session says: only one that is paid grants.
fn session(session: Object<'_>) -> Meaning {
    match session.text("/payment_status") {
        // Sessions of old do not say so: they ended paid.
        Some("paid") => paid_session(session),
        None if session.0.get("payment_status").is_none() => paid_session(session),
        Some("unpaid") => {
            Meaning::Linked("it is not paid yet; checkout.session.async_payment_succeeded grants")
        }
        Some(_) => Meaning::Linked("it needs no payment"),
        None => Meaning::Unreadable("payment_status is no text"),
    }
}

fn paid_session(session: Object<'_>) -> Meaning {
    let lines = lines(session, "/line_items/data");
    paid(
        session.whole("/amount_total"),
        session,
        lines,
        session.id("/invoice").map(|_| "invoice.paid"),
    )
}

fn invoice(invoice: Object<'_>) -> Meaning {
    let amount = invoice.whole("/amount_paid");
    let mut lines = lines(invoice, "/lines/data");
    // Events have the first lines of a long invoice; what the others cost is the rest.
    if let (Some(Value::Bool(true)), Some(amount)) = (invoice.at("/lines/has_more"), amount) {
        let shown = lines.iter().filter_map(|line| line.amount).fold(0, i64::saturating_add);
        let rest = Some(amount.saturating_sub(shown).max(0));
        lines.push(Line { price: None, quantity: 1, amount: rest });
    }
    paid(amount, invoice, lines, None)
}

/// What was bought. Events do not have the lines of sessions, so metadata may name the price instead.
fn lines(object: Object<'_>, pointer: &str) -> Vec<Line> {
    let found: Vec<Line> = object.list(pointer).take(LIST_MAX).map(line).collect();
    if found.is_empty() { named_price(object) } else { found }
}

fn line(line: Object<'_>) -> Line {
    let is_part = [
        "/proration",
        "/parent/subscription_item_details/proration",
        "/parent/invoice_item_details/proration",
    ];
    let is_part = is_part.iter().any(|place| line.at(place) == Some(&Value::Bool(true)));
    let price = line.id("/price").or_else(|| line.id("/pricing/price_details/price"));
    // The lines of sessions call it `amount_total`.
    let amount = line.whole("/amount").or_else(|| line.whole("/amount_total"));
    Line {
        price: price.filter(|_| !is_part).map(str::to_owned),
        quantity: line.whole("/quantity").unwrap_or(1),
        amount: Some(amount.unwrap_or(0)),
    }
}

fn refund(charge: Object<'_>) -> Meaning {
    let whole = charge.whole("/amount").filter(|whole| *whole > 0);
    match (charge.id("/id"), returned(charge, "/amount_refunded", whole)) {
        (Some(id), Some(returned)) => Meaning::Refunded { charge: id.to_owned(), returned },
        _ => Meaning::Unreadable("id or amount_refunded is missing"),
    }
}

/// A dispute that was `prevented` ended with the money at the payer.
fn dispute(dispute: Object<'_>) -> Meaning {
    let won = matches!(dispute.text("/status"), Some("won" | "warning_closed"));
    match (dispute.id("/id"), returned(dispute, "/amount", None)) {
        (Some(id), Some(returned)) => Meaning::Disputed { dispute: id.to_owned(), returned, won },
        _ => Meaning::Unreadable("id or amount is missing"),
    }
}

fn returned(object: Object<'_>, amount: &str, whole: Option<i64>) -> Option<Returned> {
    let amount = object.whole(amount).filter(|amount| *amount >= 0)?;
    let currency = object.text("/currency").map(str::to_ascii_lowercase);
    Some(Returned { amount, currency, whole })
}
