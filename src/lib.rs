//! A self-hosted AI job platform: one binary, one SQLite file, one process.
//!
//! # The story of one request
//!
//! A client posts a generation job. [`http`] finds the row of its route table, names the request,
//! verifies the key and takes a token of its rate limit. The handler calls a deed: [`app::jobs::submit`]
//! checks the request by the rules of [`domain`] and hands one transaction to [`store`]: the answer kept
//! under the idempotency key, the reservation of credits, the job, its first event and its place in the
//! queue. The writer runs it together with whatever else waits, commits once, and only then is the
//! client answered.
//!
//! The same commit rings a bell. The [`queue`] hears it, leases the job and hands it to a thread, where
//! [`workers`] ask one of the [`providers`] and hold the answer against the contract. A second deed,
//! fenced by the lease, records the result, gives the reservation back, charges what the call cost, and
//! queues a delivery for each endpoint that wants to know. Another worker signs it and sends it by way
//! of [`webhooks`], whose guard decides where it may go.
//!
//! Edge → deed → commit → bell → worker → deed → webhook. `ARCHITECTURE.md` has the map and the rules.
//!
//! # The floors
//!
//! A module imports only from floors below its own; neighbours on one floor are strangers.

// Floor 0: rules and words, and what everything may lean on.
pub mod domain;

pub mod ambient;
pub mod config;
mod crew;
pub mod observe;
pub mod wire;

// Floor 1: the outside world.
pub mod store;

pub mod providers;
pub mod webhooks;

// Floor 2: what can be done, and who does it later.
pub mod app;
pub mod queue;

// Floor 3: two doors.
pub mod http;
pub mod workers;

// Floor 4: everything together.
pub mod server;

pub mod cli;
