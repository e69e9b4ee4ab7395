//! What is known of a caller once its key or its cookie was verified.

use std::sync::Arc;

use super::SignedIn;
use crate::{
    app::limits::{KeyBuckets, RateLimits},
    domain::{
        AccountId, ApiKeyId, Environment, Error, ErrorKind, MemberRole, Networks, Payer, ProjectId,
        Result, Scope, ScopeSet, Timestamp,
    },
    store::AccountScope,
};

/// A verified API key, or somebody who signed in and acts by the dashboard's key of a project: what a request may do,
/// and the buckets that it draws on.
#[derive(Debug)]
pub struct Session {
    /// The key's id.
    pub key: ApiKeyId,
    /// What people call the key.
    pub name: String,
    /// What the key begins with: enough to know it by, too little to use it.
    pub prefix: String,
    /// The key's internal number.
    pub key_seq: i64,
    /// The right to the live rows of the key's account, which its keys and projects are among.
    pub home: AccountScope,
    /// The right to the rows that requests work on: the live ones, or those of the account's twin for tests.
    pub scope: AccountScope,
    /// The internal number and the id of the project that the key belongs to.
    pub project: (i64, ProjectId),
    /// Who pays for its jobs.
    pub payer: Payer,
    /// What it may do.
    pub scopes: ScopeSet,
    /// Where it may be used from; `None`: from anywhere.
    pub allowed: Option<Networks>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Requests per window, by rate class.
    pub rate_limits: RateLimits,
    /// Whether the operator suspended the account.
    pub account_suspended: bool,
    /// Where the requests are counted.
    pub buckets: Arc<KeyBuckets>,
    /// Who signed in; `None` where it is a key that somebody holds.
    pub user: Option<SignedIn>,
}

/// Where a caller acts, and what they may do there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rights {
    place: (AccountId, Environment),
    scopes: ScopeSet,
    /// Of who signed in: their role, and whether they are an operator.
    role: Option<(MemberRole, bool)>,
}

impl Session {
    /// Refuses a key without this scope.
    pub fn must_have(&self, scope: Scope) -> Result<()> {
        if self.scopes.contains(scope) {
            return Ok(());
        }
        let message = match &self.user {
            None => {
                format!("the API key lacks the scope {}; use a key that has it", scope.as_str())
            }
            Some(user) => format!(
                "the role {} lacks the scope {}; ask an owner of the account for another role",
                user.role.as_str(),
                scope.as_str()
            ),
        };
        Err(Error::new(ErrorKind::InsufficientScope, message))
    }

    /// Where it acts, and what it may do there: what is let in by one session may go on by another with the same.
    pub fn rights(&self) -> Rights {
        Rights {
            place: (self.scope.account_id(), self.scope.environment()),
            scopes: self.scopes,
            role: self.user.as_ref().map(|user| (user.role, user.is_operator)),
        }
    }

    /// Whether it works on what is live or on what is for tests.
    pub const fn environment(&self) -> Environment {
        self.scope.environment()
    }
}
