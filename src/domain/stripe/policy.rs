//! How many credits money buys, and how many go back with it. All of it in whole numbers.

use std::collections::BTreeMap;

use super::event::{Line, Paid};
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

/// How much of a grant is taken back in all when `returned` of the `paid` money has gone back: the same part of
/// it, rounded down, never more than the grant.
///
/// ```
/// use skai_server::domain::{Credits, stripe::taken_back};
/// let granted: Credits = "10".parse().unwrap();
/// assert_eq!(taken_back(granted, 300, 100).to_string(), "3.333333");
/// assert_eq!(taken_back(granted, 300, 900), granted);
/// ```
pub fn taken_back(granted: Credits, paid: i64, returned: i64) -> Credits {
    if returned >= paid {
        return granted;
    }
    let part = i128::from(granted.micros()).saturating_mul(i128::from(returned.max(0)));
    let micros = part.checked_div(i128::from(paid)).unwrap_or(0);
    i64::try_from(micros).map_or(granted, Credits::from_micros)
}
