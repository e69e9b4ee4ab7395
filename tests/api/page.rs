//! The page that the program carries in itself: what is sent of it, and to whom.

use crate::support::{Client, client::Reply, server::TestServer};

const GZIP: (&str, &str) = ("Accept-Encoding", "gzip, br");

fn ask(client: &Client, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    client.send(method, path, headers, None)
}

/// The path of the first script that the page loads.
fn script(index: &str) -> String {
    let (_, rest) = index.split_once("<script type=\"module\" src=\"").expect("a script");
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn the_page_is_at_every_path_and_guarded() {
    let server = TestServer::start();
    let client = server.client();
    let home = client.get("/?utm_source=mail").expect(302);
    assert_eq!(home.header("location"), Some("/dashboard"));
    let page = client.get("/dashboard").expect(200);
    for path in ["/dashboard/", "/dashboard/jobs?status=failed&q=", "/dashboard/jobs/0193/x"] {
        assert_eq!(client.get(path).expect(200).body, page.body, "{path}");
    }
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|given| given == rule), "{rule} in {policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
    assert!(page.header("permissions-policy").unwrap().contains("camera=()"));
    for path in ["/dashboard/api/nothing", "/dashboard/api", "/dashboard/assets/x"] {
        let missing = client.get(path).expect(404);
        assert_eq!(missing.json()["error"]["code"], "NOT_FOUND", "{path}");
    }
    assert_eq!(client.get("/dashboards").status, 404);
    ask(&client, "POST", "/dashboard/jobs", &[]).expect(405);
}

#[test]
fn who_has_the_page_is_told_so() {
    let server = TestServer::start();
    let client = server.client();
    let etag = client.get("/dashboard").header("etag").unwrap().to_owned();
    let again = ask(&client, "GET", "/dashboard/jobs", &[("If-None-Match", &etag)]).expect(304);
    assert!(again.body.is_empty() && again.header("etag") == Some(&etag));
    assert!(again.header("content-security-policy").is_some());
    assert_eq!(again.header("vary"), Some("Accept-Encoding"));
    ask(&client, "GET", "/dashboard", &[("If-None-Match", "\"other\"")]).expect(200);
}

#[test]
fn files_are_kept_for_good_and_sent_packed() {
    let server = TestServer::start();
    let client = server.client();
    let index = client.get("/dashboard").expect(200);
    let path = script(index.text());
    let plain = client.get(&path).expect(200);
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(plain.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(
        (plain.header("content-encoding"), plain.header("vary")),
        (None, Some("Accept-Encoding"))
    );
    let packed = ask(&client, "GET", &path, &[GZIP]).expect(200);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&*packed.body), &mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    let head = ask(&client, "HEAD", &path, &[GZIP]).expect(200);
    let length = packed.body.len().to_string();
    assert_eq!(head.header("content-length"), Some(&*length));
    for wrong in [
        format!("{path}x"),
        path.replace("/assets/", "/assets/0"),
        path.replace(path.rsplit('/').next().unwrap(), "index.html"),
        path.replace(path.rsplit('/').next().unwrap(), "..%2fCargo.toml"),
    ] {
        assert_eq!(client.get(&wrong).expect(404).json()["error"]["code"], "NOT_FOUND", "{wrong}");
    }
}

#[test]
fn caches_are_told_of_all_that_an_answer_depends_on() {
    let server = TestServer::builder()
        .config(|config| config.http.cors_origins = vec!["https://app.example.com".to_owned()])
        .start();
    let page = server.client().get("/dashboard").expect(200);
    let told = page.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("vary"));
    let told: Vec<_> = told.map(|(_, value)| &**value).collect();
    assert_eq!(told, ["Origin", "Accept-Encoding"]);
}
