//! Where a request really comes from.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use ipnet::IpNet;

/// The address and the security of the client's own connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) struct Client {
    /// The client's address.
    pub(in crate::http) address: IpAddr,
    /// Whether the client came by HTTPS.
    pub(in crate::http) is_https: bool,
}

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
    let hops = chain.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        let Ok(hop) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        address = hop.to_canonical();
        if !is_trusted(&address) {
            break;
        }
    }
    let scheme = headers.get_all("x-forwarded-proto").into_iter().next_back();
    let is_https = scheme.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    Client { address, is_https }
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
        let seen = client("10.0.0.1:1", &["198.51.100.1, nonsense"]);
        assert_eq!(seen, ("10.0.0.1".to_owned(), true));
        assert_eq!(client("10.0.0.1:1", &[]).0, "10.0.0.1");
    }
}
