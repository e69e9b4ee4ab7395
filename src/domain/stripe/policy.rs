//! How many credits money buys, and how many go back with it. All of it in whole numbers.

use std::collections::BTreeMap;

use super::{
    event::StripeEvent,
    meaning::{Line, Paid, Returned},
};
use crate::domain::Credits;

/// The most that one payment buys: a billion credits, in microcredits.
const MOST: i128 = 1_000_000_000_000_000;

/// What the operator sells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CreditPolicy {
    /// Credits for one smallest unit of a currency, by its lower-case ISO code.
    pub per_unit: BTreeMap<String, Credits>,
    /// Credits for one piece, by the id of Stripe's price.
    pub per_price: BTreeMap<String, Credits>,
    /// Whether events of Stripe's test mode count for nothing.
    pub refuses_test_events: bool,
}

impl CreditPolicy {
    /// The credits that a payment buys; above zero. Else why it buys none, for the operator.
    ///
    /// Where a line has a price that is sold here, the lines decide: such a line gives its price's credits, another
    /// one what its amount gives. Without, the amount that was paid does.
    pub fn credits(&self, paid: &Paid) -> Result<Credits, String> {
        let is_sold = |line: &Line| self.of_price(line).is_some();
        let micros = if paid.lines.iter().any(is_sold) {
            self.of_lines(paid)?
        } else {
            self.of_amount(paid.amount, &paid.currency)?
        };
        match micros {
            ..=0 => Err("it comes to no credits by [stripe.credits_per_unit] and [stripe.prices]"
                .to_owned()),
            1..=MOST => i64::try_from(micros).map(Credits::from_micros).map_err(|_| beyond()),
            _ => Err(beyond()),
        }
    }

    /// The type of the event that grants a payment instead of the one that told of it: where prices are sold, the
    /// one that knows them.
    pub fn left_to(&self, paid: &Paid) -> Option<&'static str> {
        paid.better_known_by.filter(|_| !self.per_price.is_empty())
    }

    /// Why an event counts for nothing here; `None` where it counts.
    pub fn refuses(&self, event: &StripeEvent) -> Option<&'static str> {
        if event.is_connected {
            return Some("it is of a connected account; only payments to your own account count");
        }
        (event.is_test && self.refuses_test_events)
            .then_some("it is of Stripe's test mode, and stripe.accept_test_events is false")
    }

    fn of_lines(&self, paid: &Paid) -> Result<i128, String> {
        let mut sum: i128 = 0;
        for line in &paid.lines {
            let part = match (self.of_price(line), line.amount) {
                (Some(credits), _) => product(line.quantity, credits),
                (None, Some(amount)) if amount != 0 => self.of_amount(amount, &paid.currency)?,
                (None, _) => 0,
            };
            sum = sum.saturating_add(part);
        }
        Ok(sum)
    }

    /// What a piece of the line gives. A line that costs nothing, or less, gives none.
    fn of_price(&self, line: &Line) -> Option<Credits> {
        let costs = line.amount.is_none_or(|amount| amount > 0);
        let price = line.price.as_ref().filter(|_| costs && line.quantity >= 0)?;
        self.per_price.get(price).copied()
    }

    fn of_amount(&self, amount: i64, currency: &str) -> Result<i128, String> {
        let credits = self.per_unit.get(currency).ok_or_else(|| {
            let name: String = currency.chars().take(16).collect();
            format!(
                "no credits are set for the currency {name:?}; set stripe.credits_per_unit.{name}, \
                 or the price under [stripe.prices], and process the event again"
            )
        })?;
        Ok(product(amount, *credits))
    }
}

fn product(number: i64, credits: Credits) -> i128 {
    i128::from(number).saturating_mul(i128::from(credits.micros()))
}

fn beyond() -> String {
    "it comes to more than 1000000000 credits; give them by hand if that is right".to_owned()
}

/// How much of a grant is taken back in all when so much of the `paid` money went back: the same part of it, rounded
/// down, never more than the grant.
///
/// Money that went back in another currency than `currency` is a part of its own charge; where that is not known, of a
/// dispute, all of the grant goes back.
///
/// ```
/// use skai_server::domain::{Credits, stripe::{Returned, taken_back}};
/// let granted: Credits = "10".parse().unwrap();
/// let returned = |amount, currency: &str, whole| Returned {
///     amount, currency: Some(currency.to_owned()), whole
/// };
/// let back = |returned| taken_back(granted, 300, "usd", &[returned]);
/// assert_eq!(back(returned(100, "usd", Some(300))).to_string(), "3.333333");
/// assert_eq!(back(returned(900, "usd", None)), granted);
/// assert_eq!(back(returned(100, "jpy", Some(400))).to_string(), "2.5");
/// ```
pub fn taken_back(granted: Credits, paid: i64, currency: &str, returned: &[Returned]) -> Credits {
    let is_other = |it: &&Returned| it.currency.as_deref().is_some_and(|own| own != currency);
    let others = returned.iter().filter(is_other);
    let same = returned.iter().filter(|it| !is_other(it));
    let same = same.map(|it| it.amount).fold(0, i64::saturating_add);
    let others = others.map(|it| part(granted, it.amount, it.whole.unwrap_or(0)));
    let micros = others.fold(part(granted, same, paid), i128::saturating_add);
    i64::try_from(micros).map_or(granted, Credits::from_micros).min(granted)
}

/// A part of a grant in microcredits, rounded down; all of it where the whole is not known.
fn part(granted: Credits, part: i64, whole: i64) -> i128 {
    let granted = i128::from(granted.micros());
    if part <= 0 || part >= whole {
        return if part <= 0 { 0 } else { granted };
    }
    granted.saturating_mul(i128::from(part)).checked_div(i128::from(whole)).unwrap_or(granted)
}
