//! What events say of payments, in types of our own.

use super::read::{Object, is_id};

/// What an event says of a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// It was paid, and this event grants its credits unless another did.
    Paid(Paid),
    /// It was paid, and another event grants its credits. This one does where the operator wants it.
    Left {
        /// What would be granted.
        paid: Paid,
        /// Who grants instead.
        why: &'static str,
    },
    /// So much of a charge went back in all, earlier refunds of it included.
    Refunded {
        /// The charge.
        charge: String,
        /// How much.
        returned: Returned,
    },
    /// The payer's bank took so much back.
    Disputed {
        /// The dispute.
        dispute: String,
        /// How much.
        returned: Returned,
        /// It ended, and the money came back.
        won: bool,
    },
    /// Nothing but which objects are one payment. The text says why it grants nothing.
    Linked(&'static str),
    /// A field that must be there is not, or is malformed. The text names it.
    Unreadable(&'static str),
}

/// Money that arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paid {
    /// How much, in the currency's smallest unit; above zero.
    pub amount: i64,
    /// Lower-case ISO code.
    pub currency: String,
    /// What was bought, where the event says so.
    pub lines: Vec<Line>,
    /// The type of another event of the payment that knows better what was bought, where there is one.
    pub better_known_by: Option<&'static str>,
}

/// Money of a payment that went back, by the refunds of a charge or by a dispute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Returned {
    /// In the smallest unit of its currency; not below zero.
    pub amount: i64,
    /// Lower-case ISO code; `None` where it is not said, and so the payment's.
    pub currency: Option<String>,
    /// What the charge was, in the same; `None` for a dispute.
    pub whole: Option<i64>,
}

/// One thing that was bought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its price's id; `None` where the price is for another time than usual, so that only its amount counts.
    pub price: Option<String>,
    /// How many.
    pub quantity: i64,
    /// What they cost together, in the currency's smallest unit. `None` where only the price is known.
    pub amount: Option<i64>,
}

/// What an object says of money that arrived.
pub(super) fn paid(
    amount: Option<i64>,
    object: Object<'_>,
    lines: Vec<Line>,
    better_known_by: Option<&'static str>,
) -> Meaning {
    match (amount, object.text("/currency")) {
        (Some(..=0), _) => Meaning::Linked("nothing was paid"),
        (Some(amount), Some(currency)) => {
            let currency = currency.to_ascii_lowercase();
            Meaning::Paid(Paid { amount, currency, lines, better_known_by })
        }
        (None, _) => Meaning::Unreadable("the paid amount is no whole number"),
        (_, None) => Meaning::Unreadable("currency is no text"),
    }
}

/// The price that metadata names, and how many.
pub(super) fn named_price(object: Object<'_>) -> Vec<Line> {
    let price = object.text("/metadata/price_id").filter(|id| is_id(id)).map(str::to_owned);
    let quantity = object.text("/metadata/quantity").map_or(Some(1), |text| text.parse().ok());
    let line = price.zip(quantity);
    line.map(|(price, quantity)| Line { price: Some(price), quantity, amount: None })
        .into_iter()
        .collect()
}
