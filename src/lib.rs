//! A self-hosted AI job platform: one binary, one SQLite file, one process.

pub mod domain;

pub mod ambient;
pub mod config;
pub mod observe;

pub mod store;
pub mod webhooks;

pub mod providers;

pub mod app;
pub mod queue;

pub mod http;
pub mod workers;

pub mod server;

pub mod cli;
