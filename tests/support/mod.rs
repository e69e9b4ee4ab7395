//! Counterparts for tests, over real sockets: a provider, a webhook receiver, an HTTP client.
//!
//! They know nothing of the server's own code. Nothing here waits longer than [`LIMIT`].

pub(crate) mod client;
pub(crate) mod deeds;
pub(crate) mod people;
pub(crate) mod program;
pub(crate) mod provider;
pub(crate) mod receiver;
pub(crate) mod scripted;
mod selftest;
pub(crate) mod server;
pub(crate) mod streamed;

use std::{
    thread,
    time::{Duration, Instant},
};

pub(crate) use client::Client;
pub(crate) use people::Person;
pub(crate) use provider::Provider;
pub(crate) use receiver::Receiver;
pub(crate) use scripted::{Answer, Received};
pub(crate) use streamed::Piece;

/// The longest that any helper waits before it fails the test.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Asks until there is an answer, where nothing tells when that is. A question waits for its reply, so that this is no
/// busy loop.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        thread::yield_now();
    }
}
