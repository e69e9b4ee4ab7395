//! No other site does anything by a cookie that a browser sends along.

use serde_json::json;

use super::{ACCEPT, SESSION, SIGN_IN, SIGN_OUT};
use crate::{
    api::conventions::refused,
    support::{
        people::{PASSWORD, Person, page},
        server::TestServer,
    },
};

#[test]
fn what_changes_something_must_come_from_the_own_page() {
    let server = TestServer::start();
    let account = server.account();
    let person = Person::owner(&server, &account);
    let client = server.client().with_header("Cookie", &person.cookie);
    let own = format!("http://{}", server.address());
    let body = json!({"name": "made", "scopes": ["jobs:read"]});
    let strangers: [&[(&str, &str)]; 8] = [
        &[],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", "http://127.0.0.1")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", &own)],
    ];
    for headers in strangers {
        let error = refused(
            &client.send_json("POST", "/v1/api-keys", headers, &body),
            403,
            "INSUFFICIENT_SCOPE",
        );
        assert!(error["message"].as_str().unwrap().contains("Sec-Fetch-Site"), "{error}");
        for (method, path) in [
            ("DELETE", "/v1/users/01939b2a-7c1e-7000-8000-000000000000"),
            ("PATCH", "/v1/projects/01939b2a-7c1e-7000-8000-000000000000"),
            ("PUT", "/v1/functions/f"),
            ("POST", "/admin/v1/accounts"),
            ("POST", "/dashboard/api/password"),
            ("POST", SIGN_OUT),
        ] {
            let reply = client.send_json(method, path, headers, &json!({}));
            refused(&reply, 403, "INSUFFICIENT_SCOPE");
        }
        // Nor is anybody signed in as somebody else.
        let own = json!({"email": person.email, "password": PASSWORD});
        let nobody = server.client();
        refused(&nobody.send_json("POST", SIGN_IN, headers, &own), 403, "INSUFFICIENT_SCOPE");
        let link = json!({"token": "sl_", "password": PASSWORD});
        refused(&nobody.send_json("POST", ACCEPT, headers, &link), 403, "INSUFFICIENT_SCOPE");
        // What only looks is not harmed: no other site reads the answer.
        assert_eq!(client.send("GET", "/v1/jobs", headers, None).status, 200);
        assert_eq!(client.send("HEAD", "/v1/jobs", headers, None).status, 200);
    }
    assert_eq!(client.get(SESSION).expect(200).json()["signed_in"], true);
    for headers in [&[("Sec-Fetch-Site", "same-origin")][..], &[("Origin", &own)]] {
        assert_eq!(client.send_json("POST", "/v1/api-keys", headers, &body).status, 201);
    }
    // A key is sent by programs alone.
    assert_eq!(account.client.post("/v1/api-keys", &body).status, 201);
}

#[test]
fn other_origins_get_no_leave_to_send_the_cookie() {
    let server = TestServer::builder()
        .config(|config| config.http.cors_origins = vec!["*".to_owned()])
        .start();
    let person = Person::owner(&server, &server.account());
    let client = server.client().with_header("Cookie", &person.cookie);
    let reply = client.send("GET", "/v1/jobs", &[("Origin", "https://evil.example")], None);
    assert!(reply.header("access-control-allow-credentials").is_none());
    let headers = [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")];
    client.send_json("POST", "/v1/api-keys", &headers, &json!({})).expect(403);
}

#[test]
fn no_sibling_of_the_domain_plants_a_session() {
    let server = TestServer::builder()
        .config(|config| config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()])
        .start();
    let person = Person::owner(&server, &server.account());
    let by_https = page(&server).with_header("X-Forwarded-Proto", "https");
    let body = json!({"email": person.email, "password": PASSWORD});
    let begun = by_https.post(SIGN_IN, &body).expect(201);
    let set = begun.header("set-cookie").unwrap();
    let (name, token) = set.split(';').next().unwrap().split_once('=').unwrap();
    assert_eq!(name, "__Host-skai_session");
    assert!(set.contains("; Path=/;") && set.ends_with("; Secure"), "{set}");
    assert!(!set.to_ascii_lowercase().contains("domain"), "{set}");
    let with = |cookie: &str| by_https.with_header("Cookie", cookie);
    let planted = format!("skai_session={token}");
    with(&planted).get("/v1/jobs").expect(401);
    assert_eq!(with(&planted).get(SESSION).expect(200).json()["signed_in"], false);
    with(&format!("{planted}x; {name}={token}")).get("/v1/jobs").expect(200);
    let left = with(&format!("{name}={token}")).post(SIGN_OUT, &json!({})).expect(204);
    assert!(left.header("set-cookie").unwrap().starts_with("__Host-skai_session=; Path=/;"));
    with(&format!("{name}={token}")).get("/v1/jobs").expect(401);
}
