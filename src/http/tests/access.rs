//! Who may ask, how often, and who is believed.

use super::rig::Server;
use crate::http::{ConnectionLimits, Settings};

#[test]
fn keys_scopes_and_rates_are_enforced() {
    let server = Server::usual();
    let bearer = format!("Authorization: Bearer {}\r\n", server.key);
    let first = server.get("/v1/mine", &bearer);
    assert_eq!(first.status, 204);
    assert_eq!(first.header("ratelimit-limit"), Some("3"));
    assert_eq!(first.header("ratelimit-remaining"), Some("2"));
    assert_eq!(first.header("ratelimit-reset"), Some("20"));
    assert_eq!(first.header("ratelimit-policy"), Some("\"read\";q=3;w=60"));
    assert_eq!(first.header("ratelimit"), Some("\"read\";r=2;t=20"));
    let forbidden = server.get("/v1/keys", &bearer);
    assert_eq!((forbidden.status, forbidden.code()), (403, "INSUFFICIENT_SCOPE".to_owned()));
    assert_eq!(forbidden.header("ratelimit-remaining"), Some("1"));
    assert_eq!(server.get("/v1/mine", &bearer).status, 204);
    let limited = server.get("/v1/mine", &bearer);
    assert_eq!((limited.status, limited.code()), (429, "RATE_LIMIT".to_owned()));
    assert_eq!(limited.header("retry-after"), Some("20"));
    assert_eq!(limited.header("ratelimit-remaining"), Some("0"));
    for bad in ["", "Authorization: Basic x\r\n", "Authorization: Bearer\r\n", &bearer.repeat(2)] {
        let refused = server.get("/v1/mine", bad);
        assert_eq!((refused.status, refused.code()), (401, "UNAUTHENTICATED".to_owned()));
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
}

#[test]
fn whoever_is_out_before_their_turn_gets_none() {
    let server = Server::usual();
    let late = server.get("/too-late", &format!("Authorization: Bearer {}\r\n", server.key));
    assert_eq!((late.status, late.code()), (401, "UNAUTHENTICATED".to_owned()));
}

#[test]
fn the_operators_door_is_another() {
    let server = Server::usual();
    let key = format!("Authorization: Bearer {}\r\n", server.key);
    assert_eq!(server.get("/admin/v1/all", &key).status, 401);
    let token = "Authorization: Bearer the operator\r\n";
    let answer = server.get("/admin/v1/all", token);
    assert_eq!((answer.status, answer.header("ratelimit-limit")), (204, Some("60")));
    assert_eq!(server.get("/v1/mine", token).status, 401);
}

#[test]
fn only_configured_proxies_and_origins_are_believed() {
    let settings = Settings {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        cors_origins: vec!["https://app.example.com".parse().unwrap()],
        ..Settings::default()
    };
    let server = Server::start(settings, ConnectionLimits::default());
    let secure = server.get("/nowhere", "X-Forwarded-Proto: https\r\n");
    let hsts = "max-age=63072000; includeSubDomains; preload";
    assert_eq!(secure.header("strict-transport-security"), Some(hsts));
    let origin = "Origin: https://app.example.com\r\n";
    let allowed = server.get("/nowhere", origin);
    let name = "access-control-allow-origin";
    assert_eq!(allowed.header(name), Some("https://app.example.com"));
    let foreign = server.get("/nowhere", "Origin: https://evil.example.com\r\n");
    assert_eq!((foreign.header(name), foreign.header("vary")), (None, Some("Origin")));
    let asks = "Access-Control-Request-Method: POST\r\n";
    let preflight = format!("OPTIONS /v1/echo HTTP/1.1\r\nHost: h\r\n{origin}{asks}\r\n");
    let preflight = server.ask(&preflight);
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-methods"), Some("POST"));
}
