//! What a request may look like, and what every answer has.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use super::{
    job,
    rig::{Answer, Server, closed},
    table,
};
use crate::http::{
    BadTable, ConnectionLimits, Settings, api,
    router::Router,
    routes::{BodyKind, Route, handler},
};

#[test]
fn every_answer_has_the_headers_of_the_house() {
    let server = Server::usual();
    let id = "0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";
    let echo = r#"{"text":"x"}"#;
    for (answer, status) in [
        (server.get(&format!("/v1/jobs/{id}"), ""), 200),
        (server.json("/v1/echo", echo), 201),
        (server.get("/nowhere", ""), 404),
        (server.get("/v1/echo", ""), 405),
        (server.get("/v1/mine", ""), 401),
        (server.post("/v1/echo", "", echo), 415),
        (server.get("/fail", ""), 500),
    ] {
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-request-id").unwrap().len(), 36);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("date").is_some());
        assert_eq!(answer.header("strict-transport-security"), None);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let named = server.get("/nowhere", "X-Request-Id: mine\r\n");
    assert_eq!(named.header("x-request-id"), Some("mine"));
    assert_eq!(*server.seen.lock().unwrap().last().unwrap(), ("mine".to_owned(), 404));
}

#[test]
fn paths_and_methods_are_told_apart() {
    let server = Server::usual();
    let id = "0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";
    let path = format!("/v1/jobs/{id}");
    let other = server.ask(&format!("PUT {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_eq!((other.status, other.header("allow")), (405, Some("GET, HEAD, DELETE")));
    for odd in ["TRACE", "QUERY", "OPTIONS"] {
        let answer = server.ask(&format!("{odd} {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!((answer.status, answer.code()), (405, "METHOD_NOT_ALLOWED".to_owned()));
    }
    for unknown in ["/", "/v1", "/v1/echo/", "/v1/jobs/", "/v1/jobs/7", "/v1/jobs/%ff", "//"] {
        let answer = server.get(unknown, "");
        assert_eq!((answer.status, answer.code()), (404, "NOT_FOUND".to_owned()), "{unknown}");
    }
    let mut stream = server.connect();
    for _ in 0..2 {
        write!(stream, "HEAD {path}?wait=3 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let head = Answer::read_as(&mut stream, true);
        let length = server.get(&format!("{path}?wait=3"), "").body.len().to_string();
        assert_eq!((head.status, head.header("content-length")), (200, Some(length.as_str())));
    }
}

#[test]
fn old_and_spelled_out_requests_are_understood() {
    let server = Server::usual();
    let rest = "197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";
    for target in ["/v1/jobs/0", "/v1/jobs/%30", "http://h/v1/jobs/0", "http://other/v1/jobs/%30"] {
        let target = format!("{target}{rest}");
        let answer = server.get(&target, "");
        assert!(answer.status == 200 && answer.body.contains(rest), "{target}: {answer:?}");
        assert_eq!(server.ask(&format!("GET {target} HTTP/1.0\r\n\r\n")).status, 200, "{target}");
    }
    let body = r#"{"text":"x"}"#;
    let mut stream = server.connect();
    let head = "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                Expect: 100-continue\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len()).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 100);
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 201);
}

#[test]
fn queries_are_strict() {
    let server = Server::usual();
    let path = "/v1/jobs/0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";
    assert!(server.get(&format!("{path}?wait=%33"), "").body.contains("\"wait\":3"));
    for (query, param) in [("waits=3", "waits"), ("wait=x", "wait"), ("wait=1&wait=2", "wait")] {
        let answer = server.get(&format!("{path}?{query}"), "");
        assert_eq!((answer.status, answer.code()), (400, "INVALID_REQUEST".to_owned()));
        assert_eq!(answer.param(), param);
        assert!(!answer.body.contains("invalid digit"), "{}", answer.body);
    }
    let message = server.get(&format!("{path}?wait=x"), "").error()["message"].clone();
    assert_eq!(message, "wait must be a whole number");
}

#[test]
fn bodies_are_strict() {
    let server = Server::usual();
    let created = server.json("/v1/echo", r#"{"text":"é"}"#);
    assert_eq!((created.status, created.body.as_str()), (201, r#"{"text":"é"}"#));
    for (body, code) in [
        ("", "INVALID_JSON"),
        ("{", "INVALID_JSON"),
        (r#"{"text":"a","text":"b"}"#, "INVALID_JSON"),
        (r#"{"text":"a"} x"#, "INVALID_JSON"),
        (r#"{"text":"a","x":1}"#, "INVALID_REQUEST"),
        (r#"{"text":1}"#, "INVALID_REQUEST"),
        ("{}", "INVALID_REQUEST"),
    ] {
        let answer = server.json("/v1/echo", body);
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{body}");
    }
    let gzip = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    assert_eq!(server.post("/v1/echo", gzip, "{}").code(), "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(server.post("/v1/maybe", "", "").status, 204);
    assert_eq!(server.json("/v1/maybe", "{}").status, 204);
    assert_eq!(server.json("/v1/maybe", "[").status, 400);
}

#[test]
fn a_post_without_fields_takes_an_empty_object_or_nothing() {
    let server = Server::usual();
    assert_eq!(server.post("/v1/do", "", "").status, 204);
    assert_eq!(server.json("/v1/do", " { } ").status, 204);
    for (body, status, code, param) in [
        ("{", 400, "INVALID_JSON", Value::Null),
        ("[]", 400, "INVALID_REQUEST", Value::Null),
        ("null", 400, "INVALID_REQUEST", Value::Null),
        (r#"{"x":1}"#, 400, "INVALID_REQUEST", json!("x")),
        (&" ".repeat(1_001), 413, "BODY_TOO_LARGE", Value::Null),
    ] {
        let answer = server.json("/v1/do", body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
        assert_eq!(answer.param(), param, "{body}");
    }
    assert_eq!(server.post("/v1/do", "Content-Type: text/plain\r\n", "{}").status, 415);
}

#[test]
fn a_body_is_declared_once_and_only_where_there_is_one() {
    let server = Server::usual();
    let chunked = |path: &str, headers: &str, body: &str| {
        let chunk =
            if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
        server.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{headers}\r\n\
             {chunk}0\r\n\r\n"
        ))
    };
    assert_eq!(chunked("/v1/do", "", "").status, 204);
    assert_eq!(chunked("/v1/maybe", "", "").status, 204);
    assert_eq!(chunked("/v1/do", "", "{}").code(), "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(chunked("/v1/echo", "", "").code(), "INVALID_JSON");
    let json = "Content-Type: application/json\r\n";
    assert_eq!(chunked("/v1/do", json, "{}").status, 204);
    for twice in [format!("{json}{json}"), format!("{json}Content-Type: text/plain\r\n")] {
        assert_eq!(server.post("/v1/do", &twice, "{}").code(), "UNSUPPORTED_MEDIA_TYPE");
    }
}

/// An `Idempotency-Key` is of no use where there is no body to compare.
#[test]
fn every_route_that_is_repeated_safely_compares_bodies() {
    for route in api::table().iter().filter(|route| route.is_idempotent()) {
        let is_json = !matches!(route.body, BodyKind::None | BodyKind::Raw);
        assert!(is_json, "{} {}", route.method, route.path);
    }
}

#[test]
fn one_host_is_named() {
    let server = Server::usual();
    for head in ["", "Host: a\r\nHost: b\r\n"] {
        let answer = server.ask(&format!("GET /slow HTTP/1.1\r\n{head}\r\n"));
        assert_eq!((answer.status, answer.code()), (400, "INVALID_REQUEST".to_owned()), "{head}");
        assert_eq!(answer.param(), "Host");
    }
    assert_eq!(server.ask("GET /nowhere HTTP/1.0\r\n\r\n").status, 404);
}

#[test]
fn long_bodies_are_refused_and_their_senders_hear_it() {
    let settings = Settings { body_limit: 1_000, ..Settings::default() };
    let server = Server::start(settings, ConnectionLimits::default());
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(3_000_000));
    let announced = server.json("/v1/echo", &long);
    assert_eq!((announced.status, announced.code()), (413, "BODY_TOO_LARGE".to_owned()));
    let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let head = "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    assert_eq!(server.ask(&format!("{head}{chunk}")).status, 413);
    let expecting = "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                     Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(server.ask(expecting).status, 413);
}

#[test]
fn idempotency_keys_are_checked() {
    let server = Server::usual();
    let ask = |key: &str| {
        let headers = format!("Content-Type: application/json\r\n{key}");
        server.post("/v1/echo", &headers, r#"{"text":"x"}"#)
    };
    assert_eq!(ask("").header("idempotent-replayed"), None);
    let given = ask("Idempotency-Key: order 7\r\n");
    assert_eq!(given.header("idempotent-replayed"), Some("true"));
    let long = format!("Idempotency-Key: {}\r\n", "x".repeat(256));
    let twice = "Idempotency-Key: a\r\nIdempotency-Key: b\r\n";
    for bad in ["Idempotency-Key:\r\n", "Idempotency-Key: é\r\n", &long, twice] {
        let answer = ask(bad);
        assert_eq!((answer.status, answer.param()), (400, json!("Idempotency-Key")));
    }
}

#[test]
fn failures_stay_inside_and_alone() {
    let server = Server::usual();
    let failed = server.get("/fail", "");
    assert_eq!((failed.status, failed.code()), (500, "SERVER_ERROR".to_owned()));
    assert!(!failed.body.contains("secret cause"));
    let mut stream = server.connect();
    for _ in 0..2 {
        stream.write_all(b"GET /panics HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(Answer::read(&mut stream).status, 500);
    }
}

#[test]
fn streams_flow() {
    let server = Server::usual();
    let answer = server.get("/stream", "");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.body.contains("data: 1\n\n") && answer.body.contains("data: 2\n\n"));
}

#[test]
fn malformed_requests_are_refused() {
    let server = Server::usual();
    let many = "x: 1\r\n".repeat(200);
    let long = "x".repeat(100_000);
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: h\r\n bad: fold\r\n\r\n".to_owned(), 400),
        ("POST /v1/echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(), 400),
        (
            "POST /v1/echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
            400,
        ),
        ("POST /v1/echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"), 431),
    ] {
        let mut stream = server.connect();
        // The server may have closed before it was all sent.
        drop(stream.write_all(request.as_bytes()));
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        let line = String::from_utf8(line.to_vec()).unwrap();
        assert_eq!(line, format!("HTTP/1.1 {status}"), "{}", &request[..40.min(request.len())]);
        closed(&mut stream);
    }
    let broken = "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                  Transfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(server.ask(broken).status, 400);
}

#[test]
fn a_contradictory_table_is_refused() {
    let twice = || Route::get("/v1/jobs/{id}", "job", handler!(job));
    let other = Route::post("/v1/jobs/{name}", "other", handler!(job));
    let router = |table| Router::new(table).map(|_| ());
    assert!(matches!(router(vec![twice(), twice()]), Err(BadTable { .. })));
    assert!(router(vec![twice(), other]).is_err());
    assert!(router(api::table()).is_ok());
    assert!(router(table()).is_ok());
}
