//! What is recorded beside the books, and that it is in nobody's way.

mod canary;
mod ends;
mod executions;
mod fields;
mod requests;
mod switches;
mod trouble;

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{client::Reply, server::TestServer};

/// The file.
fn file(server: &TestServer) -> PathBuf {
    server.folder().join("data").join("telemetry.db")
}

/// A number of `/metrics`, by its name with labels; zero where it is not there yet.
fn metric(server: &TestServer, name: &str) -> u64 {
    let metrics = server.client().get("/metrics").expect(200);
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(name)).unwrap_or(" 0");
    let number: f64 = line.trim().parse().unwrap();
    format!("{number:.0}").parse().unwrap()
}

fn of_requests(server: &TestServer, what: &str) -> u64 {
    metric(server, &format!("skai_telemetry_{what}_total{{kind=\"request\"}}"))
}

/// What `/readyz` says of telemetry; the server must be ready.
#[track_caller]
fn state(server: &TestServer) -> Value {
    let ready = server.client().get("/readyz").expect(200).json();
    assert_eq!(ready["status"], "ready");
    ready["telemetry"].clone()
}

fn name(reply: &Reply) -> String {
    reply.header("x-request-id").unwrap().to_owned()
}
