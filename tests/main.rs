//! The integration tests: one binary, since each would link the whole server again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and it uses the real clock and threads"
)]

mod licences;
mod support;

mod agents;
mod api;
mod audit_log;
mod batches;
mod budgets;
mod builtins;
mod chat;
mod cli;
mod crash;
mod dashboard;
mod deliveries;
mod duties;
mod end_users;
mod evals;
mod generation;
mod ledger;
mod live;
mod pricing;
mod projects;
mod providers;
mod queue;
mod schedules;
mod schemas;
mod sdk;
mod server;
mod store;
mod stripe;
mod tasks;
mod telemetry;
mod tidy;
mod traces;
mod usage;
