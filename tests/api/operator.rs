//! What the operator sees of the server itself.

use serde_json::{Value, json};
use skai_server::domain::Secret;

use crate::support::{Provider, provider::completion, server::TestServer};

const CANARY: &str = "canary-51d0c";

#[test]
fn the_operator_sees_what_the_server_takes() {
    let provider = Provider::start();
    let folder = tempfile::tempdir().unwrap();
    let copies = folder.path().join("copies");
    let (of_config, one_copy) = (copies.clone(), copies.join("skai-20261120T030405Z"));
    let server = TestServer::builder()
        .provider(&provider)
        .config(move |config| {
            config.backup.folder = of_config;
            config.providers.values_mut().for_each(|provider| provider.max_concurrency = 7);
        })
        .start();
    std::fs::create_dir_all(&one_copy).unwrap();
    std::fs::write(one_copy.join("skai.db"), b"12345").unwrap();
    let account = server.account();
    provider.queue(completion("held").held());
    let job = account.post_job(&json!({}));
    provider.wait_for_in_flight(1);
    let stats = server.operator().get("/admin/v1/stats").expect(200).json();
    for name in ["database_bytes", "wal_bytes", "free_disk_bytes", "memory_bytes", "connections"] {
        assert!(stats[name].as_u64().is_some_and(|number| number > 0), "{name}: {stats}");
    }
    assert!(stats["started_at"].is_string() && stats["uptime_seconds"].is_u64());
    assert!(stats["telemetry_bytes"].is_u64());
    let one =
        |list: &Value| list.as_array().unwrap().iter().find(|one| one["in_flight"] == 1).cloned();
    let called = one(&stats["providers"]).expect("a provider that is called");
    assert_eq!(
        called,
        json!({"name": "test", "kind": "openai", "breaker": "closed", "in_flight": 1, "limit": 7})
    );
    let file = json!({
        "name": "skai-20261120T030405Z", "bytes": 5, "created_at": "2026-11-20T03:04:05.000Z",
    });
    assert_eq!(stats["backups"]["files"], json!([file]));
    assert_eq!(stats["backups"]["configured"], true);
    assert!(!stats.to_string().contains(copies.to_str().unwrap()));
    provider.release();
    account.wait_job(&job);
}

#[test]
fn settings_are_shown_without_secrets() {
    let server = TestServer::builder()
        .config(|config| {
            config.stripe.webhook_secrets = vec![Secret::new(CANARY.to_owned())];
            config.traces.headers = Secret::new(format!("api-key={CANARY}"));
            let secret = || Secret::new(CANARY.to_owned());
            config.providers.values_mut().for_each(|provider| provider.api_key = secret());
        })
        .start();
    let reply = server.operator().get("/admin/v1/settings").expect(200);
    assert!(!reply.text().contains(CANARY));
    let shown = reply.json();
    assert_eq!(shown["object"], "settings");
    assert_eq!(shown["settings"]["operator_token"], "[hidden]");
    assert_eq!(shown["settings"]["stripe"]["webhook_secrets"], json!(["[hidden]"]));
    assert!(shown["settings"]["queues"]["generation.create"]["concurrency"].is_u64());
    let changed = shown["changed"].as_array().unwrap();
    assert!(changed.contains(&json!("http.listen")), "{changed:?}");
    server.account().client.get("/admin/v1/settings").expect(401);
}
