//! No spelling of an address inside gets past the guard.

use super::*;

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
