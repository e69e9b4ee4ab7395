//! What is made of answers, good and bad.

use super::*;

#[test]
fn a_redirect_is_a_failure_and_not_followed() {
    let (target, visits) = always(answer("200 OK", "", ""));
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        for body in ["", "gone there"] {
            let (url, _) = always(answer(status, &format!("location: {target}\r\n"), body));
            let attempt = local().post(&url, &[], b"{}");
            assert_eq!(attempt.outcome, Outcome::Status(status[..3].parse().unwrap()));
            assert!(!attempt.outcome.is_success());
            assert_eq!(attempt.response_body, body);
        }
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[test]
fn gone_is_told_apart() {
    let (url, _) = always(answer("410 Gone", "", "bye"));
    let attempt = local().post(&url, &[], b"{}");
    assert!(attempt.outcome.is_gone() && !attempt.outcome.is_success());
    assert!(!Outcome::Status(404).is_gone());
}

#[test]
fn retry_after_is_read() {
    let ambient = Ambient::manual(Timestamp::from_millis(784_111_777_000), 1);
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let sender = Sender::new(guard, &ambient, Limits::default());
    for (value, expected) in
        [("120", Some(120)), ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)), ("soon", None)]
    {
        let header = format!("retry-after: {value}\r\n");
        let (url, _) = always(answer("429 Too Many Requests", &header, ""));
        let attempt = sender.post(&url, &[], b"{}");
        assert_eq!(attempt.outcome, Outcome::Status(429));
        assert_eq!(attempt.retry_after, expected.map(Duration::from_secs), "{value}");
    }
}

#[test]
fn a_refused_connection_is_told() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let attempt = local().post(&url_of(address), &[], b"{}");
    assert_eq!(attempt.outcome, Outcome::Connection("connection refused".to_owned()));
}

#[test]
fn an_answer_that_is_not_http_is_told() {
    let big = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(BUFFER_SIZE));
    for bytes in ["SSH-2.0-secret_banner\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "", &big] {
        let bytes = bytes.to_owned();
        let (url, _) = serve(move |mut stream| {
            read_request(stream);
            // Fails where the client hangs up early.
            stream.write_all(bytes.as_bytes()).ok();
        });
        let Outcome::Connection(message) = outcome(&local(), &url) else {
            panic!("not a connection error");
        };
        assert!(!message.contains("secret_banner"), "{message}");
    }
}

#[test]
fn headers_without_an_end_are_told() {
    for size in [BUFFER_SIZE - 30, BUFFER_SIZE, 4 * BUFFER_SIZE] {
        let headers = format!("x: {}\r\n", "y".repeat(size));
        let (url, _) = serve(move |mut stream| {
            read_request(stream);
            // Fails where the client hangs up early.
            stream.write_all(answer("200 OK", &headers, "").as_bytes()).ok();
        });
        let told = Outcome::Connection("the answer's headers are too large".to_owned());
        assert_eq!(outcome(&local(), &url), told, "{size}");
    }
}

#[test]
fn an_endless_body_is_cut() {
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let (url, connections) = serve(move |mut stream| {
        read_request(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while stream.write_all(&[b'z'; 1024]).is_ok() {
            counter.fetch_add(1024, Ordering::SeqCst);
        }
    });
    let sender = local();
    for round in 1..=2 {
        let attempt = sender.post(&url, &[], b"{}");
        assert_eq!(attempt.outcome, Outcome::Status(200));
        assert_eq!(attempt.response_body, "z".repeat(KEEP_MAX));
        assert_eq!(connections.load(Ordering::SeqCst), round);
    }
    // The kernel's buffers take some of what is never read.
    assert!(written.load(Ordering::SeqCst) < 64 * 1024 * 1024);
}

#[test]
fn a_body_that_breaks_off_does_not_undo_the_status() {
    let (url, _) = serve(|mut stream| {
        read_request(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort").unwrap();
    });
    let attempt = local().post(&url, &[], b"{}");
    assert_eq!(attempt.outcome, Outcome::Status(200));
    assert_eq!(attempt.response_body, "short");
}

#[test]
fn a_body_that_is_not_text_is_kept_as_text() {
    let cut = format!("{}€", "a".repeat(KEEP_MAX - 1));
    let (url, _) = always(answer("200 OK", "", &cut));
    assert_eq!(local().post(&url, &[], b"{}").response_body, "a".repeat(KEEP_MAX - 1));
    let (url, _) = serve(|mut stream| {
        read_request(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na\xFFb").unwrap();
    });
    assert_eq!(local().post(&url, &[], b"{}").response_body, "a\u{FFFD}b");
}
