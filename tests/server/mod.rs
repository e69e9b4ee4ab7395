//! The server as one thing in this process: what it says of itself, and how it stops.

mod metrics;
mod openmetrics;
mod packaging;

use std::path::Path;

use serde_json::{Value, json};
use skai_server::{
    ambient::Ambient,
    config::Config,
    server::{Server, StartError},
};
use tempfile::TempDir;

use crate::support::Client;

fn config(folder: &Path) -> Config {
    let mut config = Config::embedded().unwrap();
    config.data_dir = folder.join("data");
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    config
}

fn start(folder: &TempDir) -> Server {
    Server::start(config(folder.path()), Ambient::system()).unwrap()
}

/// What a server says that is ready.
fn ready() -> Value {
    let provider = |name| json!({"name": name, "breaker": "closed"});
    let providers = ["anthropic", "openai", "sandbox"].map(provider);
    json!({"status": "ready", "telemetry": {"status": "ok"}, "providers": providers})
}

#[test]
fn says_that_it_is_alive_ready_and_what_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder);
    let client = Client::new(server.address());
    assert_eq!(client.get("/healthz").expect(200).json(), json!({"status": "ok"}));
    assert_eq!(client.get("/readyz").expect(200).json(), ready());
    client.get("/nowhere").expect(404);
    let numbers = client.get("/metrics").expect(200);
    for line in [
        r#"skai_http_requests_total{method="GET",route="/readyz",status="200"} 1"#,
        r#"skai_http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"skai_queue_depth{queue="generation.create",state="ready"} 0.0"#,
        r#"skai_queue_depth{queue="webhook.delivery",state="running"} 0.0"#,
        r#"skai_provider_breaker_state{provider="openai"} 0.0"#,
        "skai_http_connections 1.0",
    ] {
        assert!(numbers.text().contains(line), "{line} is missing in {}", numbers.text());
    }
    server.stop();
}

#[test]
fn a_taken_address_and_a_taken_folder_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder);
    let second = Server::start(config(folder.path()), Ambient::system());
    assert!(matches!(second, Err(StartError::Folder(_))));

    let other = tempfile::tempdir().unwrap();
    let mut same_address = config(other.path());
    same_address.http.listen = server.address();
    let third = Server::start(same_address, Ambient::system());
    assert!(matches!(third, Err(StartError::Listen { .. })));
    server.stop();
}

#[test]
fn after_the_stop_the_folder_and_the_address_are_free() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder);
    let mut again = config(folder.path());
    again.http.listen = server.address();
    server.stop();
    assert!(!folder.path().join("data/skai.db-wal").exists(), "the log was not folded");
    let server = Server::start(again, Ambient::system()).unwrap();
    Client::new(server.address()).get("/readyz").expect(200);
    server.stop();
}

#[test]
fn the_operators_token_is_made_at_the_first_start_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let token = || std::fs::read_to_string(folder.path().join("data/operator.token")).unwrap();
    start(&folder).stop();
    let made = token();
    start(&folder).stop();
    assert_eq!(token(), made);
}
