//! The words of the credits ledger and how an amount is split over its two buckets.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Credits, names};

/// Where credits come from: free ones are spent before paid ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// Given, such as a trial.
    Free,
    /// Bought.
    Paid,
}

impl Bucket {
    /// Every bucket.
    pub const ALL: [Self; 2] = [Self::Free, Self::Paid];

    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Paid => "paid",
        }
    }

    /// The bucket of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bucket| bucket.as_str() == name)
    }
}

impl FromStr for Bucket {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::parse(name).ok_or_else(|| names::unknown(name, &Self::ALL.map(Self::as_str)))
    }
}

impl<'de> Deserialize<'de> for Bucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        names::read(deserializer, str::parse)
    }
}

/// What an entry of the ledger records.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Credits were given or bought.
    Grant,
    /// A job was accepted: what it may cost is set aside.
    Reserve,
    /// The job ended: what was set aside comes back.
    Release,
    /// The job succeeded: what it cost is taken.
    Charge,
    /// Credits passed their date.
    Expire,
    /// The operator corrected the balance.
    Adjust,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Grant, Self::Reserve, Self::Release, Self::Charge, Self::Expire, Self::Adjust];

    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Charge => "charge",
            Self::Expire => "expire",
            Self::Adjust => "adjust",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An amount, or a balance, by bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Split {
    /// The part in the free bucket.
    pub free: Credits,
    /// The part in the paid bucket.
    pub paid: Credits,
}

impl Split {
    /// The part in one bucket.
    pub const fn of(&self, bucket: Bucket) -> Credits {
        match bucket {
            Bucket::Free => self.free,
            Bucket::Paid => self.paid,
        }
    }

    /// Both parts together; `None` where they cannot be held.
    pub fn total(&self) -> Option<Credits> {
        self.free.checked_add(self.paid)
    }

    /// How `amount` is taken from this balance: free credits as far as they go, then paid ones,
    /// which may go below zero. `None` where the numbers cannot be held.
    pub fn cover(&self, amount: Credits) -> Option<Self> {
        let free = self.free.max(Credits::ZERO).min(amount);
        Some(Self { free, paid: amount.checked_sub(free)? })
    }

    /// This balance with `delta` added to a bucket; `None` where it cannot be held.
    pub fn plus(&self, bucket: Bucket, delta: Credits) -> Option<Self> {
        let mut next = *self;
        match bucket {
            Bucket::Free => next.free = self.free.checked_add(delta)?,
            Bucket::Paid => next.paid = self.paid.checked_add(delta)?,
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(free: i64, paid: i64) -> Split {
        Split { free: Credits::from_micros(free), paid: Credits::from_micros(paid) }
    }

    #[test]
    fn free_credits_go_first_and_debts_fall_on_paid_ones() {
        for (balance, amount, covered) in [
            (split(10, 10), 5, split(5, 0)),
            (split(10, 10), 15, split(10, 5)),
            (split(-3, 10), 5, split(0, 5)),
            (split(0, 0), 5, split(0, 5)),
            (split(10, 10), 0, split(0, 0)),
        ] {
            assert_eq!(balance.cover(Credits::from_micros(amount)), Some(covered));
        }
    }
}
