//! What is known of a caller once its key was verified.

use std::sync::Arc;

use crate::{
    app::limits::{KeyBuckets, RateLimits},
    domain::{ApiKeyId, Environment, Payer, ProjectId, ScopeSet, Timestamp},
    store::AccountScope,
};

/// A verified API key: what a request may do, and the buckets that it draws on.
#[derive(Debug)]
pub struct Session {
    /// The key's id.
    pub key: ApiKeyId,
    /// The key's internal number.
    pub key_seq: i64,
    /// The right to the rows of the key's account.
    pub scope: AccountScope,
    /// The internal number and the id of the project that the key belongs to.
    pub project: (i64, ProjectId),
    /// Who pays for its jobs.
    pub payer: Payer,
    /// Live or test.
    pub environment: Environment,
    /// What it may do.
    pub scopes: ScopeSet,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Requests per window, by rate class.
    pub rate_limits: RateLimits,
    /// Whether the operator suspended the account.
    pub account_suspended: bool,
    /// Where the requests are counted.
    pub buckets: Arc<KeyBuckets>,
}
