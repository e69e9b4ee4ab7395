//! Counterparts for tests, over real sockets: a provider, a webhook receiver, an HTTP client.
//!
//! They know nothing of the server's own code. Nothing here waits longer than [`LIMIT`].

#![allow(dead_code, reason = "not every helper is used at every time")]

pub(crate) mod client;
pub(crate) mod deeds;
pub(crate) mod program;
pub(crate) mod provider;
pub(crate) mod receiver;
pub(crate) mod scripted;
mod selftest;
pub(crate) mod server;
pub(crate) mod streamed;

use std::time::Duration;

pub(crate) use client::Client;
pub(crate) use provider::Provider;
pub(crate) use receiver::Receiver;
pub(crate) use scripted::{Answer, Received};
pub(crate) use streamed::Piece;

/// The longest that any helper waits before it fails the test.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
