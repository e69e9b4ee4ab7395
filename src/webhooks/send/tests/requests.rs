//! What is sent, and over which connections.

use super::*;

#[test]
fn a_post_arrives_as_it_was_signed() {
    let (seen, requests) = std::sync::mpsc::channel();
    let (url, _) = serve(move |mut stream| {
        seen.send(read_request(stream).unwrap()).unwrap();
        stream.write_all(answer("200 OK", "", "thanks").as_bytes()).unwrap();
    });
    let attempt = local().post(&url, &[("X-Delivery-Id", "7")], br#"{"a":1}"#);
    assert_eq!(attempt.outcome, Outcome::Status(200));
    assert!(attempt.outcome.is_success());
    assert_eq!(attempt.response_body, "thanks");
    let (head, body) = requests.recv().unwrap();
    assert_eq!(body, br#"{"a":1}"#);
    assert!(head.starts_with("post /hook?a=b http/1.1\r\n"), "{head}");
    for line in [
        "content-type: application/json\r\n",
        "x-delivery-id: 7\r\n",
        "content-length: 7\r\n",
        concat!("user-agent: skai-server/", env!("CARGO_PKG_VERSION"), "\r\n"),
    ] {
        assert!(head.contains(line), "{head}");
    }
}

#[test]
fn connections_are_kept() {
    let (url, connections) = always(answer("204 No Content", "", ""));
    let sender = local();
    for _ in 0..50 {
        assert_eq!(outcome(&sender, &url), Outcome::Status(204));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_connection_that_the_server_closed_is_not_used_again() {
    let (closed, is_closed) = std::sync::mpsc::channel();
    let (url, connections) = serve(move |mut stream| {
        read_request(stream).unwrap();
        stream.write_all(answer("200 OK", "", "").as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        closed.send(()).unwrap();
    });
    let sender = local();
    for round in 1..=20 {
        assert_eq!(outcome(&sender, &url), Outcome::Status(200));
        is_closed.recv().unwrap();
        assert_eq!(connections.load(Ordering::SeqCst), round);
    }
}

#[test]
fn methods_without_a_body_send_none() {
    let (seen, requests) = std::sync::mpsc::channel();
    let (url, _) = serve(move |mut stream| {
        while let Some(request) = read_request(stream) {
            seen.send(request).unwrap();
            stream.write_all(answer("200 OK", "", "").as_bytes()).unwrap();
        }
    });
    let sender = local();
    for (method, body) in
        [(Method::GET, ""), (Method::DELETE, ""), (Method::DELETE, "why"), (Method::PUT, "")]
    {
        let attempt = sender.send(&Request {
            method: method.clone(),
            url: &url,
            headers: &[("x-a", "b")],
            body: body.as_bytes(),
            timeout: Some(Duration::from_secs(5)),
        });
        assert_eq!(attempt.outcome, Outcome::Status(200), "{method}");
        let (head, received) = requests.recv().unwrap();
        assert_eq!(received, body.as_bytes());
        assert_eq!(head.contains("content-length"), method == Method::PUT || !body.is_empty());
    }
}

#[test]
fn headers_that_change_the_message_are_refused() {
    let (url, connections) = always(answer("200 OK", "", ""));
    for header in [
        ("Host", "other.example"),
        ("content-length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "close"),
        ("expect", "100-continue"),
        ("x-a", "b\r\nx-c: d"),
        ("x a", "b"),
        ("", "b"),
    ] {
        let attempt = local().post(&url, &[header], b"{}");
        assert!(matches!(attempt.outcome, Outcome::Refused(_)), "{header:?} {attempt:?}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}
