//! Which addresses a request to a tenant's URL may go to (server-side request forgery, OWASP API7).
//!
//! A URL can name the server's own machine or network in many spellings, and a host name can change
//! its address between check and use. So the check is made on addresses, after the name was
//! resolved, and what was checked is what is dialled: `resolve` stands between the two.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::domain::EndpointUrl;

/// The request may not go where its URL leads. The message is for the tenant: it does not name the
/// address, so that nobody maps the server's network with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the URL leads to an address that is private, local or reserved; the operator can allow it"
)]
pub struct Refused;

/// Decides which addresses may be reached: public ones, and those that the operator allows.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow_networks: Vec<IpNet>,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// What is not the public internet (IANA IPv4 Special-Purpose Address Registry).
const DENIED_V4: [Ipv4Net; 16] = [
    v4(0, 0, 0, 0, 8),        // this network, RFC 791; Linux takes 0.0.0.0 for loopback
    v4(10, 0, 0, 0, 8),       // private, RFC 1918
    v4(100, 64, 0, 0, 10),    // carrier-grade NAT, RFC 6598
    v4(127, 0, 0, 0, 8),      // loopback
    v4(169, 254, 0, 0, 16),   // link-local, RFC 3927
    v4(172, 16, 0, 0, 12),    // private
    v4(192, 0, 0, 0, 24),     // protocol assignments, RFC 6890
    v4(192, 0, 2, 0, 24),     // documentation, RFC 5737
    v4(192, 88, 99, 0, 24),   // 6to4 relays, RFC 7526
    v4(192, 168, 0, 0, 16),   // private
    v4(198, 18, 0, 0, 15),    // benchmarks, RFC 2544
    v4(198, 51, 100, 0, 24),  // documentation
    v4(203, 0, 113, 0, 24),   // documentation
    v4(224, 0, 0, 0, 4),      // multicast
    v4(240, 0, 0, 0, 4),      // class E and broadcast
    v4(168, 63, 129, 16, 32), // Azure's host agent, inside public space
];

/// The only part of IPv6 that is public. What lies outside is denied, known or not: loopback, NAT64
/// (`64:ff9b::/96`, `64:ff9b:1::/48`), discard (`100::/64`), `SRv6` (`5f00::/16`), unique local
/// (`fc00::/7`), link-local (`fe80::/10`), site-local (`fec0::/10`), multicast (`ff00::/8`).
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What is not public inside of [`GLOBAL_V6`] (IANA IPv6 Special-Purpose Address Registry).
const DENIED_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 0, 23),      // protocol assignments: Teredo, ORCHID, benchmarks
    v6(0x2001, 0x0db8, 0, 32), // documentation, RFC 3849
    v6(0x2002, 0, 0, 16),      // 6to4, RFC 3056
    v6(0x3fff, 0, 0, 20),      // documentation, RFC 9637
];

/// Where clouds hand out credentials to whoever asks from inside. No configuration opens these.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254), // AWS, Google, Azure, Oracle, DigitalOcean, Hetzner, …
    Ipv4Addr::new(169, 254, 170, 2),   // AWS ECS
    Ipv4Addr::new(169, 254, 170, 23),  // AWS EKS
    Ipv4Addr::new(168, 63, 129, 16),   // Azure's host agent
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle
];

/// As [`METADATA_V4`].
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254), // AWS
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23),  // AWS EKS
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254), // Google
];

impl Guard {
    /// Permits public addresses and `allow_networks`. Whoever allows `127.0.0.1` allows `::1` too:
    /// it is the same machine, and `localhost` is both. Metadata addresses stay forbidden.
    pub fn new(allow_networks: Vec<IpNet>) -> Self {
        Self { allow_networks }
    }

    /// True if a connection to `ip` may be made.
    pub fn permits(&self, ip: IpAddr) -> bool {
        // ::ffff:127.0.0.1 is dialled as 127.0.0.1, so it is judged as that.
        let ip = ip.to_canonical();
        // The same holds for what a translator or tunnel would dial, should its prefix be allowed.
        let inner = embedded_v4(ip);
        inner.is_none_or(|inner| self.permits(inner.into()))
            && !is_metadata(ip)
            && (self.is_allowed(ip) || is_public(ip))
    }

    /// Refuses a URL whose host is an address that may not be reached, or `localhost` where the
    /// loopback addresses may not: what can be known without resolving a name.
    pub fn check_literal(&self, url: &EndpointUrl) -> Result<(), Refused> {
        let name = url.host().trim_end_matches('.').to_ascii_lowercase();
        // RFC 6761 §6.3: these names are always loopback.
        let is_localhost = name == "localhost" || name.ends_with(".localhost");
        let literal =
            if is_localhost { Some(Ipv4Addr::LOCALHOST.into()) } else { name.parse().ok() };
        match literal {
            Some(ip) if !self.permits(ip) => Err(Refused),
            _ => Ok(()),
        }
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        let holds = |ip: IpAddr| self.allow_networks.iter().any(|net| net.contains(&ip));
        holds(ip) || (ip == Ipv6Addr::LOCALHOST && holds(Ipv4Addr::LOCALHOST.into()))
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !DENIED_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => GLOBAL_V6.contains(&ip) && !DENIED_V6.iter().any(|net| net.contains(&ip)),
    }
}

fn is_metadata(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => METADATA_V4.contains(&ip),
        IpAddr::V6(ip) => METADATA_V6.contains(&ip),
    }
}

/// The IPv4 address inside a NAT64 (RFC 6052, well-known prefix) or 6to4 (RFC 3056) address.
fn embedded_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let bits = (u32::from(high) << 16) | u32::from(low);
            Some(Ipv4Addr::from_bits(bits))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowing(networks: &[&str]) -> Guard {
        Guard::new(networks.iter().map(|net| net.parse().unwrap()).collect())
    }

    #[test]
    fn forbidden_addresses() {
        let guard = Guard::default();
        for row in "0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 \
             100.127.255.255 100.100.100.200 127.0.0.1 127.0.0.53 127.255.255.255 169.254.0.0 \
             169.254.169.254 169.254.170.2 169.254.170.23 169.254.255.255 172.16.0.0 \
             172.31.255.255 192.0.0.0 192.0.0.192 192.0.0.255 192.0.2.1 192.88.99.1 192.168.0.0 \
             192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.255 168.63.129.16 \
             224.0.0.1 239.255.255.255 240.0.0.0 255.255.255.254 255.255.255.255 \
             :: ::1 ::2 ::127.0.0.1 ::169.254.169.254 ::ffff:0.0.0.0 ::ffff:127.0.0.1 \
             ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 \
             64:ff9b::8.8.8.8 64:ff9b::a9fe:a9fe 64:ff9b:1::1 64:ff9b:1:ffff::10.0.0.1 100::1 \
             100:0:0:1::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 \
             2001:20::1 2001:1ff:ffff::1 2001:db8::1 2002::1 2002:7f00:1::1 2002:a9fe:a9fe::1 \
             2002:808:808::1 3fff::1 3fff:fff:ffff::1 4000::1 5f00::1 5f00:ffff::1 fc00::1 \
             fd00::1 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fdff:ffff::1 fe80::1 febf::1 fec0::1 \
             feff::1 ff00::1 ff02::1 ff0e::1 ffff::1"
            .split(' ')
        {
            assert!(!guard.permits(row.parse().unwrap()), "{row}");
        }
    }

    #[test]
    fn public_addresses() {
        let guard = Guard::default();
        for row in "1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 \
             126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 \
             172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 \
             192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 \
             198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 ::ffff:8.8.8.8 2000::1 \
             2001:200::1 2001:4860:4860::8888 2001:db7:ffff::1 2001:db9::1 2003::1 \
             2606:4700:4700::1111 2a00:1450:4001::1 3ffe::1 3fff:1000::1"
            .split(' ')
        {
            assert!(guard.permits(row.parse().unwrap()), "{row}");
        }
    }

    #[test]
    fn the_operator_can_allow_networks_but_not_metadata() {
        let guard = allowing(&["10.1.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "fd00::/8"]);
        for (ip, permitted) in [
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:10.1.2.3", true),
            ("::ffff:10.2.0.1", false),
            ("fd12::1", true),
            ("fc00::1", false),
            ("169.254.1.1", true),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("fd00:ec2::254", false),
            ("64:ff9b::8.8.8.8", false),
        ] {
            assert_eq!(guard.permits(ip.parse().unwrap()), permitted, "{ip}");
        }
        let everything = allowing(&["0.0.0.0/0", "::/0"]);
        for ip in ["169.254.169.254", "168.63.129.16", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"] {
            assert!(!everything.permits(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn an_allowed_translator_does_not_open_what_lies_behind() {
        let guard = allowing(&["64:ff9b::/96"]);
        assert!(guard.permits("64:ff9b::8.8.8.8".parse().unwrap()));
        assert!(!guard.permits("64:ff9b::10.0.0.1".parse().unwrap()));
        assert!(!guard.permits("64:ff9b::7f00:1".parse().unwrap()));
    }

    #[test]
    fn literals_are_refused_when_an_endpoint_is_made() {
        let check = |guard: &Guard, url| guard.check_literal(&EndpointUrl::parse(url).unwrap());
        let guard = Guard::default();
        for url in [
            "http://127.0.0.1/",
            "http://[::1]:80/",
            "http://[::ffff:127.0.0.1]/",
            "http://LOCALHOST/",
            "http://localhost.:8080/",
            "http://a.localhost/",
            "https://169.254.169.254/latest/",
        ] {
            assert_eq!(check(&guard, url), Err(Refused), "{url}");
        }
        assert_eq!(check(&guard, "https://8.8.8.8/"), Ok(()));
        assert_eq!(check(&guard, "https://example.com/"), Ok(()));
        let local = allowing(&["127.0.0.0/8"]);
        assert_eq!(check(&local, "http://localhost/"), Ok(()));
        assert_eq!(check(&local, "http://[::1]/"), Ok(()));
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_judged_as_what_it_maps(bits: u32) {
            let ip = Ipv4Addr::from_bits(bits);
            let guard = allowing(&["10.0.0.0/8"]);
            prop_assert_eq!(guard.permits(ip.into()), guard.permits(ip.to_ipv6_mapped().into()));
        }

        #[test]
        fn what_the_standard_library_calls_local_is_forbidden(bits: u128, short: u32) {
            let guard = Guard::default();
            let v6 = Ipv6Addr::from_bits(bits);
            if v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
                || v6.is_multicast() || v6.is_unspecified()
            {
                prop_assert!(!guard.permits(v6.into()));
            }
            let v4 = Ipv4Addr::from_bits(short);
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
                || v4.is_documentation() || v4.is_multicast() || v4.is_unspecified()
            {
                prop_assert!(!guard.permits(v4.into()));
            }
        }
    }
}
