//! What an account has to have, and who may spend it.

use std::collections::BTreeMap;

use skai_server::{
    domain::{ApiKeyId, ErrorKind, GrantId, Month, Payer, ProjectId, Timestamp},
    store::AccountScope,
};
use uuid::Uuid;

use super::books::{Amounts, Books, Spent};
use crate::support::deeds::micros;

/// Keys of each account, all of one project.
pub(super) const KEYS: usize = 3;
/// What they may spend in a month.
const LIMITS: [Option<i64>; KEYS] = [None, Some(150), Some(400)];
pub(super) const PROJECT_LIMIT: Option<i64> = Some(600);

pub(super) fn payer(key: usize, project_limit: Option<i64>) -> Payer {
    let id = |number: usize| Uuid::from_u128(number as u128);
    Payer {
        project: ProjectId::from_uuid(id(99)),
        project_limit: project_limit.map(micros),
        key: ApiKeyId::from_uuid(id(key)),
        key_limit: LIMITS[key].map(micros),
    }
}

/// What an account has to have.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) scope: AccountScope,
    pub(super) books: Books,
    /// The grants of the books, by their public ids.
    pub(super) grants: Vec<GrantId>,
    /// What each key spent in each month.
    pub(super) spent: BTreeMap<(Month, usize), Spent>,
}

impl Account {
    pub(super) fn new(scope: AccountScope) -> Self {
        Self { scope, books: Books::default(), grants: Vec::new(), spent: BTreeMap::new() }
    }

    fn of_key(&self, month: Month, key: usize) -> Spent {
        self.spent.get(&(month, key)).copied().unwrap_or_default()
    }

    fn of_project(&self, month: Month) -> Spent {
        let keys = || (0..KEYS).map(|key| self.of_key(month, key));
        let (charged, reserved) = (keys().map(|it| it.charged), keys().map(|it| it.reserved));
        Spent { charged: charged.sum(), reserved: reserved.sum() }
    }

    /// What can be set aside: not what has expired, also where it was given back only now.
    fn spendable(&self, now: Timestamp) -> Books {
        let mut books = self.books.clone();
        books.expire(now);
        books
    }

    /// Why it cannot pay that much by a key.
    pub(super) fn refusal(
        &self,
        key: usize,
        project_limit: Option<i64>,
        amount: i64,
        now: Timestamp,
    ) -> Option<ErrorKind> {
        let [free, paid] = self.spendable(now).available;
        if amount > (free + paid).max(0) {
            return Some(ErrorKind::InsufficientCredits);
        }
        let month = Month::of(now);
        let covers = self.of_key(month, key).leaves(LIMITS[key], amount)
            && self.of_project(month).leaves(project_limit, amount);
        (!covers).then_some(ErrorKind::BudgetExceeded)
    }

    pub(super) fn set_aside(&mut self, key: usize, amount: i64, now: Timestamp) -> Amounts {
        let held = self.spendable(now).split(amount);
        self.books.hold(held, 1);
        self.spent.entry((Month::of(now), key)).or_default().reserved += amount;
        held
    }
}
