//! What the server says of its providers.

use serde_json::{Value, json};

use crate::support::{Provider, provider::error, server::TestServer};

#[test]
fn a_provider_that_is_left_alone_is_shown_and_passed_over() {
    let (provider, other) = (Provider::start(), Provider::start());
    let builder = TestServer::builder().provider(&provider).other_provider(&other);
    let server = builder
        .config(|config| {
            config.providers.get_mut("test").unwrap().breaker_failures = Some(1);
        })
        .start();
    let account = server.account();
    provider.always(error(503, "down"));
    let body = json!({"fallback_models": ["second"]});
    for _ in 0..2 {
        assert_eq!(account.run_job(&body)["provider"], "other");
    }
    assert_eq!(provider.received().len(), 1);

    let ready = server.client().get("/readyz").expect(200).json();
    let breaker = |name: &str| {
        let all = ready["providers"].as_array().unwrap();
        all.iter().find(|provider| provider["name"] == name).unwrap()["breaker"].clone()
    };
    assert_eq!((&ready["status"], breaker("test")), (&json!("ready"), json!("open")));
    assert_eq!(breaker("other"), Value::from("closed"));
    let numbers = server.operator().get("/metrics").expect(200);
    for line in [
        r#"skai_provider_breaker_state{provider="test"} 2.0"#,
        r#"skai_provider_breaker_state{provider="other"} 0.0"#,
        r#"skai_provider_calls_total{provider="test",outcome="SERVER_ERROR"} 1"#,
        r#"skai_provider_calls_total{provider="test",outcome="breaker_open"} 1"#,
        r#"skai_provider_calls_total{provider="other",outcome="ok"} 2"#,
        r#"skai_provider_call_duration_seconds_count{provider="test"} 1"#,
    ] {
        assert!(numbers.text().contains(line), "{line} is missing in {}", numbers.text());
    }
}
