//! Against real local sockets that behave badly in every way we could think of.

mod addresses;
mod answers;
mod requests;
mod time;

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
fn outcomes_have_the_codes_of_the_api() {
    for (outcome, expected) in [
        (Outcome::Status(429), "RATE_LIMIT"),
        (Outcome::Status(408), "TIMEOUT"),
        (Outcome::Timeout, "TIMEOUT"),
        (Outcome::Status(500), "SERVER_ERROR"),
        (Outcome::Connection(String::new()), "SERVER_ERROR"),
        (Outcome::Status(301), "BAD_REQUEST"),
        (Outcome::Status(404), "BAD_REQUEST"),
        (Outcome::Refused(String::new()), "BAD_REQUEST"),
    ] {
        assert_eq!(outcome.code().as_str(), expected, "{outcome:?}");
    }
}
