//! Whose rows a statement may touch. Only authentication, the operator's door and workers make scopes.

use crate::domain::{AccountId, Environment};

/// An account's internal number, as other tables refer to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AccountSeq(pub(in crate::store) i64);

impl AccountSeq {
    /// A number for tests of what only tells accounts apart.
    #[cfg(test)]
    pub(crate) const fn of_test(number: i64) -> Self {
        Self(number)
    }

    /// The number, for use as a lane of a queue.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// The right to one account's rows. Every query for a tenant needs it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AccountScope {
    seq: AccountSeq,
    id: AccountId,
    environment: Environment,
}

impl AccountScope {
    /// The account's public id.
    pub const fn account_id(&self) -> AccountId {
        self.id
    }

    /// Whether these are the account's live rows or those of its twin for tests.
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// The account's internal number.
    pub const fn seq(&self) -> AccountSeq {
        self.seq
    }
}

/// The right to all rows: for authentication, the operator, queues and maintenance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemScope(());

impl SystemScope {
    /// Takes the right to all rows. Who calls this answers for tenancy himself, so a test keeps the
    /// list of files that do.
    #[expect(
        clippy::new_without_default,
        reason = "taking this right should be seen where it is done"
    )]
    pub const fn new() -> Self {
        Self(())
    }

    /// Narrows the right to one account.
    pub const fn account(
        self,
        seq: AccountSeq,
        id: AccountId,
        environment: Environment,
    ) -> AccountScope {
        AccountScope { seq, id, environment }
    }
}

/// Either kind of scope, as the engine enforces it.
pub trait Scope: Copy + Send + 'static {
    /// The one account that statements may touch; `None` for all.
    fn confined_to(&self) -> Option<i64>;

    /// Whose rows these are, as others know the account; `None` for all.
    fn whose(&self) -> Option<(AccountId, Environment)>;
}

impl Scope for AccountScope {
    fn confined_to(&self) -> Option<i64> {
        Some(self.seq.0)
    }

    fn whose(&self) -> Option<(AccountId, Environment)> {
        Some((self.id, self.environment))
    }
}

impl Scope for SystemScope {
    fn confined_to(&self) -> Option<i64> {
        None
    }

    fn whose(&self) -> Option<(AccountId, Environment)> {
        None
    }
}
