//! Where a request really comes from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hyper::HeaderMap;
use ipnet::IpNet;

/// The address and the security of the client's own connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) struct Client {
    /// The client's address; [`UNKNOWN`] where a trusted proxy does not name it.
    pub(in crate::http) address: IpAddr,
    /// Whether the client came by HTTPS.
    pub(in crate::http) is_https: bool,
}

/// Stands for every client whose proxy sends a name that is no address, such as `unknown`. Nobody has
/// it, so nobody counts as a program on this machine, and their failed attempts are counted together:
/// neither for free nor against the proxy, which all clients share.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Believes `X-Forwarded-For` and `X-Forwarded-Proto` from trusted proxies alone. The client is the
/// last address in the chain that is not one of theirs; what is before it, anyone can write.
pub(super) fn find(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.ip().to_canonical();
    if trusted.is_empty() || !is_trusted(&peer) {
        let is_https = false;
        return Client { address: peer, is_https };
    }
    let mut address = peer;
    let chain = headers.get_all("x-forwarded-for").into_iter().rev();
    for hop in chain.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
        // What a proxy on another machine calls loopback is its machine, not this one.
        let known = read_hop(hop).filter(|hop| !hop.is_loopback() || peer.is_loopback());
        address = known.unwrap_or(UNKNOWN);
        if known.is_none() || !is_trusted(&address) {
            break;
        }
    }
    let scheme = headers.get_all("x-forwarded-proto").into_iter().next_back();
    let is_https = scheme.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    Client { address, is_https }
}

/// The address of a hop. Some proxies write its port too, or brackets and quotation marks as
/// `Forwarded` has them (RFC 7239 §6).
fn read_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = quoted.unwrap_or(text);
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bracketed {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|hop| hop.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&'static str]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let found = find(peer.parse().unwrap(), &headers, &trusted);
        (found.address.to_string(), found.is_https)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let seen = client("203.0.113.7:1", &["198.51.100.1"]);
        assert_eq!(seen, ("203.0.113.7".to_owned(), false));
        let seen = client("10.0.0.1:1", &["192.0.2.66, 198.51.100.1, 10.2.3.4"]);
        assert_eq!(seen, ("198.51.100.1".to_owned(), true));
        let seen = client("[::ffff:10.0.0.1]:1", &["192.0.2.66", "198.51.100.1"]);
        assert_eq!(seen, ("198.51.100.1".to_owned(), true));
        assert_eq!(client("10.0.0.1:1", &[]).0, "10.0.0.1");
    }

    #[test]
    fn a_hop_may_have_a_port_brackets_and_quotation_marks() {
        for (hop, address) in [
            ("8.8.8.8:1234", "8.8.8.8"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("\"8.8.8.8\"", "8.8.8.8"),
            ("\"8.8.8.8:80\"", "8.8.8.8"),
            ("\"[2001:db8::1]:80\"", "2001:db8::1"),
            ("[::ffff:8.8.8.8]:80", "8.8.8.8"),
            ("192.0.2.66, 8.8.8.8:80 ,10.2.3.4:443", "8.8.8.8"),
        ] {
            assert_eq!(client("10.0.0.1:1", &[hop]).0, address, "{hop}");
        }
    }

    #[test]
    fn what_is_no_address_is_a_client_that_nobody_knows() {
        for hop in [
            "",
            "unknown",
            "_hidden",
            "localhost",
            "198.51.100.1, nonsense",
            "198.51.100.1,",
            "nonsense, 10.2.3.4",
            "[8.8.8.8]",
            "8.8.8.8:99999",
            "\"8.8.8.8",
            "127.1",
            "127.0.0.1",
            "[::1]:80",
        ] {
            assert_eq!(client("10.0.0.1:1", &[hop]).0, UNKNOWN.to_string(), "{hop}");
        }
        let mut headers = HeaderMap::new();
        let mixed = HeaderValue::from_bytes(b"\xff, 198.51.100.1").unwrap();
        headers.insert("x-forwarded-for", mixed);
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let found = find("10.0.0.1:1".parse().unwrap(), &headers, &trusted);
        assert_eq!(found.address.to_string(), "198.51.100.1", "what others wrote spoils nothing");
    }
}
