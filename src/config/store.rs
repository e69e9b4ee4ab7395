//! `[store]`: the database file.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    values::{self, MINUTE},
    write,
};

/// How the database is read and written.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Store {
    /// How many connections read at the same time.
    #[serde(deserialize_with = "values::whole::<1, 64, _, _>")]
    pub readers: u32,
    /// The most writes that share one commit.
    #[serde(deserialize_with = "values::whole::<1, 10_000, _, _>")]
    pub batch: usize,
    /// After how many pages the write-ahead log is folded into the database.
    #[serde(deserialize_with = "values::whole::<100, 1_000_000, _, _>")]
    pub checkpoint_pages: u32,
    /// What a commit waits for.
    #[serde(deserialize_with = "values::choice")]
    pub synchronous: Synchronous,
    /// How long a connection waits for a lock that another process holds.
    #[serde(
        deserialize_with = "values::duration::<0, { 10 * MINUTE }, _>",
        serialize_with = "write::duration"
    )]
    pub busy_timeout: Duration,
    /// How many writes may wait for their turn before more are refused.
    #[serde(deserialize_with = "values::whole::<1, 1_000_000, _, _>")]
    pub writer_queue: usize,
}

/// What a commit waits for (`PRAGMA synchronous`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// The disk: what was answered survives a power cut.
    Full,
    /// The operating system: the last commits before a power cut may be lost.
    Normal,
}
