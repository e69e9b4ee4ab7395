//! How statements reach SQLite: one thread writes, a pool reads.

pub(super) mod checkpoint;
pub(super) mod connection;
pub(super) mod migrate;
pub(super) mod origins;
pub(super) mod readers;
pub(super) mod writer;
