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

/// What the triggers of the audit log ask the server. Who writes past it knows none of that, and where these are
/// missing SQLite refuses to change what they watch.
pub(crate) fn let_write(outside: &rusqlite::Connection) {
    use rusqlite::functions::FunctionFlags;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let add = |name: &str, arguments, answer: fn() -> Option<&'static str>| {
        outside.create_scalar_function(name, arguments, flags, move |_| Ok(answer())).unwrap();
    };
    add("origin_kind", 0, || Some("system"));
    for name in ["origin_id", "origin_name", "origin_address", "origin_request_id"] {
        add(name, 0, || None);
    }
    for name in ["id", "time", "credits", "flag", "words", "json", "queue"] {
        add(&format!("shown_{name}"), 1, || None);
    }
    outside.create_scalar_function("origin_now", 0, flags, |_| Ok(0_i64)).unwrap();
}
