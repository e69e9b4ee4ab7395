//! `[auth]`: how API keys are hashed and verified.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    values::{self, HOUR, KIB, MIB},
    write,
};
use crate::domain::RateLimit;

/// The cost of a key's hash, and how often it is paid.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Auth {
    /// Memory of one argon2id hash, in bytes.
    #[serde(
        deserialize_with = "values::size::<{ 8 * KIB }, { 1024 * MIB }, _, _>",
        serialize_with = "write::size"
    )]
    pub argon2_memory: u32,
    /// Passes over that memory.
    #[serde(deserialize_with = "values::whole::<1, 100, _, _>")]
    pub argon2_passes: u32,
    /// How many keys are verified at the same time.
    #[serde(deserialize_with = "values::whole::<1, 256, _, _>")]
    pub argon2_threads: usize,
    /// How long a verified key is remembered in memory.
    #[serde(
        deserialize_with = "values::duration::<0, HOUR, _>",
        serialize_with = "write::duration"
    )]
    pub cache_ttl: Duration,
    /// How many wrong keys, cookies and passwords, and events that Stripe did not sign, an address may try.
    #[serde(deserialize_with = "values::rate_limit", serialize_with = "write::rate_limit")]
    pub failed_attempts: RateLimit,
}

impl Auth {
    /// The memory of one hash in KiB, as argon2 counts it.
    pub const fn argon2_memory_kib(&self) -> u32 {
        self.argon2_memory / 1024
    }
}
