//! What an account's books have to be, computed anew and more simply than the server does it.

use skai_server::domain::Timestamp;

/// Microcredits by bucket: free, paid.
pub(super) type Amounts = [i64; 2];

/// Credits that were given at one time.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) bucket: usize,
    pub(super) remaining: i64,
    pub(super) expires_at: Option<Timestamp>,
}

/// An account's credits. Grants are in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    pub(super) available: Amounts,
    pub(super) reserved: Amounts,
    pub(super) grants: Vec<Given>,
}

impl Books {
    /// Free credits as far as they go, the rest from the paid ones.
    pub(super) fn split(&self, amount: i64) -> Amounts {
        let free = amount.min(self.available[0].max(0));
        [free, amount - free]
    }

    /// What pays a debt is spent at once.
    pub(super) fn give(&mut self, bucket: usize, amount: i64, expires_at: Option<Timestamp>) {
        let debt = (-self.available[bucket] - self.reserved[bucket]).clamp(0, amount);
        self.available[bucket] += amount;
        self.grants.push(Given { bucket, remaining: amount - debt, expires_at });
    }

    /// Takes credits away, also beyond what there is. Gives what each grant paid of it, soonest-expiring first,
    /// older before newer, and in the end what none did.
    pub(super) fn take(&mut self, bucket: usize, amount: i64) -> Vec<(Option<usize>, i64)> {
        self.available[bucket] -= amount;
        let mut order: Vec<usize> = (0..self.grants.len()).collect();
        order.sort_by_key(|at| self.grants[*at].expires_at.map_or(i64::MAX, Timestamp::millis));
        let (mut left, mut parts) = (amount, Vec::new());
        for at in order {
            let grant = &mut self.grants[at];
            let part = if grant.bucket == bucket { grant.remaining.min(left) } else { 0 };
            grant.remaining -= part;
            left -= part;
            parts.push((Some(at), part));
        }
        parts.push((None, left));
        parts.retain(|(_, part)| *part > 0);
        parts
    }

    /// Sets aside, or gives back where `sign` is -1.
    pub(super) fn hold(&mut self, held: Amounts, sign: i64) {
        for (bucket, amount) in held.into_iter().enumerate() {
            self.available[bucket] -= sign * amount;
            self.reserved[bucket] += sign * amount;
        }
    }

    /// Takes credits back from one grant, and what is not left of it like [`Books::take`].
    pub(super) fn take_back(&mut self, grant: usize, amount: i64) {
        let Given { bucket, remaining, .. } = self.grants[grant];
        let own = remaining.min(amount);
        self.grants[grant].remaining -= own;
        self.available[bucket] -= own;
        self.take(bucket, amount - own);
    }

    /// Takes what a job costs; gives the parts and who paid them.
    pub(super) fn charge(&mut self, cost: i64) -> Vec<(Option<usize>, i64)> {
        let parts = self.split(cost);
        (0..2).flat_map(|bucket| self.take(bucket, parts[bucket])).collect()
    }

    /// What is past its date goes, but nothing that is set aside.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let mut order: Vec<usize> = (0..self.grants.len()).collect();
        order.sort_by_key(|at| self.grants[*at].expires_at.map_or(i64::MAX, Timestamp::millis));
        let mut set_aside = self.reserved;
        for at in order {
            let grant = &mut self.grants[at];
            if grant.expires_at.is_none_or(|at| at > now) {
                continue;
            }
            let held = grant.remaining.min(set_aside[grant.bucket]);
            set_aside[grant.bucket] -= held;
            let part = (grant.remaining - held).min(self.available[grant.bucket]).max(0);
            grant.remaining -= part;
            self.available[grant.bucket] -= part;
        }
    }

    /// Whether anything that is past its date is kept, since it is set aside.
    pub(super) fn holds_expired(&self, now: Timestamp) -> bool {
        let mut grants = self.grants.iter();
        grants.any(|it| it.remaining > 0 && it.expires_at.is_some_and(|at| at <= now))
    }
}

/// What a key, or a project, spent in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) charged: i64,
    pub(super) reserved: i64,
}

impl Spent {
    pub(super) fn leaves(&self, limit: Option<i64>, amount: i64) -> bool {
        limit.is_none_or(|limit| self.charged + self.reserved + amount <= limit)
    }
}
