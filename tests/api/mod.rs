//! The contract with clients, over sockets, against the whole server.

pub(crate) mod conventions;
mod idempotency;
mod lists;
mod refusals;

mod jobs;
mod operator;
mod page;
mod providers;
mod queue;
mod webhooks;

mod coverage;
mod document;
