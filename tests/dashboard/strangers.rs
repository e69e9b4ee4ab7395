//! Pages of others, in the same browser, in which somebody is signed in here.

use serde_json::{Value, json};

use super::{
    browser::Browser,
    world::{OWNER, SECRET, World, accept, page_client},
};
use crate::support::{Answer, scripted::Scripted};

/// A page of somebody else's, without a policy.
fn stranger(body: &'static str) -> Scripted {
    Scripted::start(move |_| {
        let page = format!(
            "<!doctype html><html lang=en><head><title>t</title><link rel=icon href=data:,></head><body>{body}</body></html>"
        );
        Answer::new(200, page).header("content-type", "text/html")
    })
}

/// Its addresses: of the same site as ours but another origin, and of another site.
fn addresses(stranger: &Scripted) -> [String; 2] {
    let port = stranger.address().port();
    [format!("http://127.0.0.1:{port}/"), format!("http://localhost:{port}/")]
}

#[test]
fn pages_of_others_change_nothing() {
    let world = World::with_owner();
    let browser = world.owner();
    let stranger = stranger("<form method=post enctype=text/plain><input name=x></form>");
    let before = state(&world);
    for address in addresses(&stranger) {
        browser.visit(&address);
        for (path, body) in [
            ("/v1/projects", json!({"name": "theirs"})),
            ("/v1/api-keys", json!({"name": "theirs", "scopes": ["*"]})),
            ("/v1/users", json!({"email": "they@example.com", "role": "owner"})),
            ("/dashboard/api/sign-out", Value::Null),
            ("/dashboard/api/sign-in", json!({"email": OWNER, "password": SECRET})),
        ] {
            ask(&browser, &format!("http://{}{path}", world.server.address()), &body);
        }
        submit(&browser, &format!("http://{}/dashboard/api/sign-out", world.server.address()));
    }
    // What they were told stands in the console.
    browser.console_errors();
    assert_eq!(state(&world), before);
    browser.open("/dashboard/jobs");
    assert_eq!(browser.fetch("GET", "/v1/projects", &Value::Null).0, 200, "still signed in");
}

/// How many projects, keys and members there are.
fn state(world: &World) -> [usize; 3] {
    ["/v1/projects", "/v1/api-keys", "/v1/users"].map(|list| world.account.list(list).len())
}

/// Tries all that a script of another origin can.
fn ask(browser: &Browser, url: &str, body: &Value) {
    let script = "const [url, body] = given; const text = JSON.stringify(body);
        const send = (more) => fetch(url, { method: 'POST', credentials: 'include', body: text, ...more }).catch(() => null);
        window.sent = Promise.all([
          send({ mode: 'no-cors', headers: { 'content-type': 'text/plain' } }),
          send({ mode: 'cors', headers: { 'content-type': 'application/json' } }),
          send({ mode: 'no-cors', keepalive: true }),
        ]).then(() => { document.body.dataset.sent = url; });";
    browser.js(script, &[json!(url), body.clone()]);
    browser.settle("document.body.dataset.sent === given[0]", &[json!(url)]);
}

/// Submits a form, which leaves the page for the answer.
fn submit(browser: &Browser, url: &str) {
    browser.js(
        "const form = document.forms[0]; form.action = given[0]; form.submit();",
        &[json!(url)],
    );
    browser.settle("location.href === given[0]", &[json!(url)]);
}

#[test]
fn a_cookie_counts_for_the_page_itself_alone() {
    let world = World::new();
    let cookie = accept(&world.server, &world.setup_token(), OWNER);
    let host = world.server.address().to_string();
    let origin = format!("http://{host}");
    let client = world.server.client().with_header("Cookie", &cookie);
    let refused: [&[(&str, &str)]; 6] = [
        &[],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site"), ("Origin", &origin)],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", "http://localhost:1")],
        &[("Origin", "null")],
    ];
    let body = json!({"name": "mine"});
    for headers in refused {
        client.send_json("POST", "/v1/projects", headers, &body).expect(403);
        client.send_json("POST", "/dashboard/api/sign-out", headers, &json!({})).expect(403);
        let sign_in = json!({"email": OWNER, "password": SECRET});
        world
            .server
            .client()
            .send_json("POST", "/dashboard/api/sign-in", headers, &sign_in)
            .expect(403);
        client.send("GET", "/v1/projects", headers, None).expect(200);
    }
    client.send_json("POST", "/v1/projects", &[("Origin", &origin)], &body).expect(201);
    page_client(&world.server)
        .with_header("Cookie", &cookie)
        .post("/dashboard/api/sign-out", &json!({}))
        .expect(204);
    client.get("/v1/projects").expect(401);
}

#[test]
fn no_page_can_be_put_into_a_frame() {
    let world = World::with_owner();
    let browser = world.owner();
    let stranger = stranger("<iframe title=t></iframe>");
    for address in addresses(&stranger) {
        for path in ["/dashboard", "/dashboard/sign-in", "/dashboard/welcome"] {
            browser.visit(&address);
            browser.frame(&format!("http://{}{path}", world.server.address()));
            let errors = browser.console_errors();
            assert!(
                errors.iter().any(|error| error.contains("frame-ancestors")),
                "{path}: {errors:?}"
            );
        }
    }
}

#[test]
fn the_page_comes_with_the_headers_that_keep_it_to_itself() {
    let world = World::new();
    let reply = world.server.client().get("/dashboard/jobs").expect(200);
    let policy = reply.header("content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
}
