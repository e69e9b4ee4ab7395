//! Connections that are slow, idle, too many or at their end.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::{Mutex, mpsc},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    ENTERED, HEAVY_ENTERED, HEAVY_HELD, KEY_ENTERED, KEY_HELD, LEAVE,
    rig::{Answer, PATIENCE, Server, closed, wait_for},
};
use crate::{
    ambient::lock,
    http::{
        ConnectionLimits, Settings,
        turns::{HEAVY_MAX, KEYS_MAX},
    },
};

/// A request that is answered at once: with 404.
const NOWHERE: &[u8] = b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn slow_clients_are_cut() {
    let short = Duration::from_millis(300);
    let settings = Settings { body_timeout: short, ..Settings::default() };
    let limits =
        ConnectionLimits { header_timeout: short, idle_timeout: short, ..Default::default() };
    let server = Server::start(settings, limits);
    // Nothing at all, a part of HTTP/2's preface, and half a head.
    for begin in ["", "PRI * HTTP/2", "GET / HTTP/1.1\r\nHost:"] {
        let mut stream = server.connect();
        stream.write_all(begin.as_bytes()).unwrap();
        assert!(closed(&mut stream) < PATIENCE / 2, "{begin}");
    }
    // A head that trickles.
    let mut stream = server.connect();
    let mut trickle = stream.try_clone().unwrap();
    let writer = crate::ambient::thread("trickle", move || {
        let (_keep, pause) = mpsc::channel::<()>();
        while trickle.write_all(b"GET").is_ok() {
            pause.recv_timeout(Duration::from_millis(20)).unwrap_err();
        }
    });
    assert!(closed(&mut stream) < PATIENCE / 2);
    drop(stream);
    writer.unwrap().join().unwrap();
    // An idle connection after an answer.
    let mut stream = server.connect();
    stream.write_all(NOWHERE).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 404);
    assert!(closed(&mut stream) < PATIENCE / 2);
}

#[test]
fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let (short, long) = (Duration::from_millis(100), Duration::from_millis(800));
    let start = |header_timeout, idle_timeout| {
        let limits = ConnectionLimits { header_timeout, idle_timeout, ..Default::default() };
        Server::start(Settings::default(), limits)
    };
    let server = start(short, long);
    let mut stream = server.connect();
    stream.write_all(NOWHERE).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 404);
    assert!(closed(&mut stream) > long / 2);

    // Once a later head has begun, it must end in time.
    let server = start(short, 2 * PATIENCE);
    let mut stream = server.connect();
    for _ in 0..2 {
        stream.write_all(NOWHERE).unwrap();
        assert_eq!(Answer::read(&mut stream).status, 404);
    }
    stream.write_all(&NOWHERE[..20]).unwrap();
    assert!(closed(&mut stream) < PATIENCE / 2);
}

#[test]
fn trickled_bodies_are_cut() {
    let settings = Settings { body_timeout: Duration::from_millis(300), ..Settings::default() };
    let server = Server::start(settings, ConnectionLimits::default());
    let mut stream = server.connect();
    let head = "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                Content-Length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut trickle = stream.try_clone().unwrap();
    let writer = crate::ambient::thread("trickle", move || {
        let (_keep, pause) = mpsc::channel::<()>();
        while trickle.write_all(b" ").is_ok() {
            pause.recv_timeout(Duration::from_millis(20)).unwrap_err();
        }
    });
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status, answer.code()), (400, "INVALID_REQUEST".to_owned()));
    assert!(closed(&mut stream) < PATIENCE / 2);
    drop(stream);
    writer.unwrap().join().unwrap();
}

#[test]
fn connections_beyond_the_limit_wait() {
    let limits = ConnectionLimits { connections: 2, ..Default::default() };
    let server = Server::start(Settings::default(), limits);
    let mut held: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut held {
        stream.write_all(b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(Answer::read(stream).status, 404);
    }
    let mut waiting = server.connect();
    waiting.write_all(b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!(waiting.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(held.pop());
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(Answer::read(&mut waiting).status, 404);
}

/// Of requests that work while `held` is, only so many do at the same time.
fn so_many_work_at_a_time(
    path: &str,
    most: usize,
    held: &Mutex<()>,
    entered: &Notify,
    pause: &str,
    meanwhile: impl FnOnce(&Server),
) {
    let settings = Settings { patience: Duration::from_millis(200), ..Settings::default() };
    let server = Server::start(settings, ConnectionLimits::default());
    let held = lock(held);
    let mut working: Vec<_> = (0..most).map(|_| server.connect()).collect();
    for stream in &mut working {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        wait_for(entered);
    }
    let refused = server.get(path, "");
    assert_eq!((refused.status, refused.code()), (503, "UNAVAILABLE".to_owned()));
    assert_eq!(refused.header("retry-after"), Some(pause));
    // A client that leaves gives no place back while the work goes on.
    drop(working.pop());
    assert_eq!(server.get(path, "").status, 503);
    assert_eq!(server.json("/v1/echo", r#"{"text":"x"}"#).status, 201);
    meanwhile(&server);
    drop(held);
    for stream in &mut working {
        assert_eq!(Answer::read(stream).status, 204);
    }
    assert_eq!(server.get(path, "").status, 204);
}

#[test]
fn long_work_waits_for_its_turn_and_holds_up_nothing_else() {
    so_many_work_at_a_time("/heavy", HEAVY_MAX, &HEAVY_HELD, &HEAVY_ENTERED, "5", |_| {});
}

#[test]
fn new_keys_wait_for_their_turn_and_hold_up_nothing_else() {
    const ID: &str = "01890000-0000-7000-8000-000000000000";
    let new = r#""name": "new", "scopes": ["jobs:read"]"#;
    let is_refused = |server: &Server| {
        for (path, credentials, body) in [
            ("/v1/api-keys", &*server.key, format!("{{{new}}}")),
            (&*format!("/v1/api-keys/{ID}/rotate"), &*server.key, "{}".to_owned()),
            ("/admin/v1/keys", "the operator", format!(r#"{{{new}, "account_id": "{ID}"}}"#)),
        ] {
            let headers = format!(
                "Authorization: Bearer {credentials}\r\nContent-Type: application/json\r\n"
            );
            let refused = server.post(path, &headers, &body);
            assert_eq!((refused.status, refused.code()), (503, "UNAVAILABLE".to_owned()), "{path}");
        }
    };
    so_many_work_at_a_time("/key", KEYS_MAX, &KEY_HELD, &KEY_ENTERED, "1", is_refused);
}

/// A body that is announced; what the server says to that.
fn announce(server: &Server) -> (TcpStream, u16) {
    let mut stream = server.connect();
    let head =
        "POST /gated HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let said = Answer::read(&mut stream).status;
    (stream, said)
}

#[test]
fn few_bodies_behind_a_gate_are_read_at_the_same_time_and_others_wait() {
    const PLACES: usize = 32;
    let settings = Settings { patience: Duration::from_millis(200), ..Settings::default() };
    let impatient = Server::start(settings, ConnectionLimits::default());
    let held: Vec<_> = (0..PLACES).map(|_| announce(&impatient)).collect();
    assert!(held.iter().all(|(_, said)| *said == 100));
    let refused = impatient.post("/gated", "", "x");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));

    let server = Server::usual();
    let mut held: Vec<_> = (0..PLACES).map(|_| announce(&server)).collect();
    let mut waiting = server.connect();
    waiting.write_all(b"POST /gated HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!(waiting.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let (mut first, said) = held.remove(0);
    assert_eq!(said, 100);
    first.write_all(b"x").unwrap();
    assert_eq!(Answer::read(&mut first).status, 204);
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(Answer::read(&mut waiting).status, 204);
}

#[test]
fn http_2_works_with_prior_knowledge() {
    let server = Server::usual();
    let mut stream = server.connect();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    // Two requests at once, so that one connection carries both.
    for (stream_id, method) in [(1u8, "GET"), (3, "HEAD")] {
        let mut block = vec![0x86, 0x00, 7];
        block.extend_from_slice(b":method");
        block.push(u8::try_from(method.len()).unwrap());
        block.extend_from_slice(method.as_bytes());
        block.extend_from_slice(&[0x00, 5]);
        block.extend_from_slice(b":path\x10/v1/jobs/nothing");
        block.extend_from_slice(b"\x00\x0a:authority\x01h");
        let length = u8::try_from(block.len()).unwrap();
        // END_STREAM and END_HEADERS.
        stream.write_all(&[0, 0, length, 1, 5, 0, 0, 0, stream_id]).unwrap();
        stream.write_all(&block).unwrap();
    }
    let (mut ended, mut body) = (Vec::new(), Vec::new());
    while ended.len() < 2 {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).unwrap();
        let (kind, flags, stream_id) = (head[3], head[4], head[8]);
        assert!(kind != 3 && kind != 7, "reset or goaway: {payload:?}");
        if kind == 1 {
            // `:status 404` is entry 13 of the static table.
            assert_eq!(payload[0], 0x8d);
        }
        if kind == 0 {
            assert_eq!(stream_id, 1, "HEAD has no body");
            body.extend_from_slice(&payload);
        }
        if kind <= 1 && flags & 1 == 1 {
            ended.push(stream_id);
        }
    }
    assert!(String::from_utf8(body).unwrap().contains("NOT_FOUND"));
}

/// One test, since both parts use the one pair of bells.
#[test]
fn stopping_lets_what_began_end_within_its_time() {
    let mut server = Server::usual();
    let mut idle = server.connect();
    idle.write_all(b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(Answer::read(&mut idle).status, 404);
    let mut busy = server.connect();
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    wait_for(&ENTERED);
    let mut unused = server.connect();
    server.drain();
    assert!(closed(&mut idle) < PATIENCE / 2);
    drop(server.stop.take());
    // Who comes is told, as long as something runs.
    let mut late = server.connect();
    for stream in [&mut unused, &mut late] {
        stream.write_all(b"GET /v1/mine HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let told = Answer::read(stream);
        assert_eq!((told.status, told.code()), (503, "UNAVAILABLE".to_owned()));
        assert_eq!(
            (told.header("retry-after"), told.header("connection")),
            (Some("2"), Some("close"))
        );
        assert!(closed(stream) < PATIENCE / 2);
    }
    assert_eq!(server.get("/stream", "").status, 200, "open routes go on");
    LEAVE.notify_one();
    let answer = Answer::read(&mut busy);
    assert_eq!(answer.body, "done");
    closed(&mut busy);
    assert_eq!(server.stop(), 0);
    assert!(TcpStream::connect(server.address).is_err());

    let limits = ConnectionLimits { drain: Duration::from_millis(200), ..Default::default() };
    let mut server = Server::start(Settings::default(), limits);
    let mut stuck = server.connect();
    stuck.write_all(b"GET /forever HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    wait_for(&ENTERED);
    assert_eq!(server.stop(), 1);
    closed(&mut stuck);
}
