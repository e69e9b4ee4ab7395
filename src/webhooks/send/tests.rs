//! Against real local sockets that behave badly in every way we could think of.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::*;
use crate::{ambient, domain::Timestamp};

/// Small, so that tests of what never ends end soon; long enough for a busy machine.
const TOTAL: Duration = Duration::from_millis(400);

fn sender(allow: &[&str], total: Duration) -> Sender {
    let guard = Guard::new(allow.iter().map(|net| net.parse().unwrap()).collect());
    let connect = Duration::from_secs(2);
    Sender::new(guard, &Ambient::system(), Limits { connect, total })
}

fn local() -> Sender {
    sender(&["127.0.0.0/8"], Duration::from_secs(10))
}

fn hasty() -> Sender {
    sender(&["127.0.0.0/8"], TOTAL)
}

/// Listens on a free port and handles one connection after the other.
fn serve(mut handle: impl FnMut(&TcpStream) + Send + 'static) -> (EndpointUrl, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = url_of(listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    ambient::thread("server", move || {
        for stream in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
            handle(&stream.unwrap());
        }
    })
    .unwrap();
    (url, count)
}

fn url_of(address: SocketAddr) -> EndpointUrl {
    EndpointUrl::parse(&format!("http://{address}/hook?a=b")).unwrap()
}

/// Reads one request: its head in lower case, and its body. `None` at the end of the connection.
fn read_request(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// Answers every request on every connection with the same bytes.
fn always(answer: impl Into<String>) -> (EndpointUrl, Arc<AtomicUsize>) {
    let answer = answer.into();
    serve(move |mut stream| {
        while read_request(stream).is_some() {
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

fn outcome(sender: &Sender, url: &EndpointUrl) -> Outcome {
    sender.post(url, &[], b"{}").outcome
}

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

/// Waits until the other side hangs up.
fn await_end(mut stream: &TcpStream) {
    while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
}

#[test]
fn a_server_that_never_answers_times_out() {
    let (url, _) = serve(await_end);
    let attempt = hasty().post(&url, &[], b"{}");
    assert_eq!(attempt.outcome, Outcome::Timeout);
    assert!(attempt.duration >= TOTAL, "{attempt:?}");
}

#[test]
fn a_body_that_never_ends_in_time_is_a_timeout_whatever_the_status() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    let (url, _) = serve(move |mut stream| {
        read_request(stream);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(b"start").unwrap();
        await_end(stream);
    });
    let attempt = hasty().post(&url, &[], b"{}");
    assert_eq!(attempt.outcome, Outcome::Timeout);
    assert_eq!(attempt.response_body, "start");
}

/// One byte at a time, always before a timeout of a single read would strike.
fn drip(mut stream: &TcpStream, bytes: impl Iterator<Item = u8>) {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    for byte in bytes {
        // The read is the pause; it ends early where the client hangs up.
        if stream.write_all(&[byte]).is_err() || matches!(stream.read(&mut [0]), Ok(0)) {
            return;
        }
    }
}

#[test]
fn dripping_does_not_stretch_the_time() {
    let head = b"HTTP/1.1 200 OK\r\nx-drip: ";
    let (in_head, _) = serve(move |stream| {
        read_request(stream);
        drip(stream, head.iter().copied().chain(std::iter::repeat(b'y')));
    });
    let (in_body, _) = serve(move |mut stream| {
        read_request(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        drip(stream, std::iter::repeat(b'y'));
    });
    for url in [in_head, in_body] {
        let attempt = hasty().post(&url, &[], b"{}");
        assert_eq!(attempt.outcome, Outcome::Timeout);
        assert!(attempt.duration >= TOTAL && attempt.duration < 5 * TOTAL, "{attempt:?}");
    }
}

#[test]
fn a_server_that_never_reads_times_out() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (url, _) = serve(move |_| {
        // Ends with an error when the test drops its end.
        wait.recv().ok();
    });
    let attempt = hasty().post(&url, &[], &vec![b'x'; 32 * 1024 * 1024]);
    drop(release);
    assert_eq!(attempt.outcome, Outcome::Timeout);
    assert!(attempt.duration < 5 * TOTAL, "{attempt:?}");
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

/// Spellings of this machine. What a parser refuses never gets to the network either.
const LOOPBACK: [&str; 48] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0127.0.0.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "0177.1",
    "00000177.1",
    "017700000001",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0x7f.1",
    "0X7F.1",
    "0x7f000001",
    "0X7F000001",
    "2130706433",
    "02130706433",
    "6425673729",
    "0",
    "0x0",
    "0.0.0.0",
    "00.0.0.0",
    "0.0",
    "localhost",
    "LOCALHOST",
    "LocalHost.",
    "localhost.localdomain",
    "a.localhost",
    "ip6-localhost",
    "ip6-loopback",
    "127%2e0%2e0%2e1",
    "%31%32%37.0.0.1",
    "1.1.1.1@127.0.0.1",
    "user:pass@localhost",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:7F00:0001]",
    "[::ffff:0:0]",
    "[64:ff9b::7f00:1]",
];

fn post_to(sender: &Sender, host: &str, port: u16) -> Option<Outcome> {
    let uri = format!("http://{host}:{port}/").parse().ok()?;
    let url = EndpointUrl::parse("http://unused.example/").unwrap();
    let request =
        Request { method: Method::POST, url: &url, headers: &[], body: b"{}", timeout: None };
    // Past the URL's own rules: the guard has to hold without them.
    Some(sender.send_to(&uri, &request).outcome)
}

#[test]
fn no_spelling_of_this_machine_is_dialled() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Where the machine has no IPv6, the IPv4 listener still tells.
    let listener_v6 = TcpListener::bind(("::1", port)).ok();
    let guarded = sender(&[], Duration::from_secs(10));
    let mut refused = Vec::new();
    for host in LOOPBACK {
        match post_to(&guarded, host, port) {
            Some(Outcome::Refused(_)) => refused.push(host),
            None | Some(Outcome::Connection(_)) => {}
            other => panic!("{host}: {other:?}"),
        }
    }
    for listener in [Some(listener), listener_v6].into_iter().flatten() {
        listener.set_nonblocking(true).unwrap();
        let error = listener.accept().expect_err("something was dialled");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
    // These are addresses to every resolver, so the guard itself must have said no.
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"] {
        assert!(refused.contains(&host), "{host} {refused:?}");
    }
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        for host in ["127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0", "0x7f000001"] {
            assert!(refused.contains(&host), "{host} {refused:?}");
        }
    }
}

#[test]
fn spellings_are_dialled_once_they_are_allowed() {
    let (url, connections) = always(answer("200 OK", "", ""));
    let port = url.uri().port_u16().unwrap();
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"] {
        assert_eq!(post_to(&hasty(), host, port), Some(Outcome::Status(200)), "{host}");
        assert!(connections.swap(0, Ordering::SeqCst) > 0, "{host}");
    }
}

#[test]
fn a_name_that_leads_inside_is_refused() {
    let (url, connections) = always(answer("200 OK", "", ""));
    let port = url.uri().port_u16().unwrap();
    let limits = Limits::default();
    let lookup: Lookup =
        Arc::new(|_| Ok(vec!["1.1.1.1".parse().unwrap(), "127.0.0.1".parse().unwrap()]));
    let sender = Sender::with_lookup(Guard::default(), &Ambient::system(), limits, lookup);
    let attempt = sender.post(
        &EndpointUrl::parse(&format!("http://two-faced.example:{port}/")).unwrap(),
        &[],
        b"{}",
    );
    assert_eq!(attempt.outcome, Outcome::Refused(Refused.to_string()));
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}
