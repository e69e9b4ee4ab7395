//! Networks that an API key may be used from.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net};

/// Leading bits that an IPv4 address has more as an IPv6 address (`::ffff:0:0/96`, RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Networks in their order, each once and without host bits. An IPv4 address that is written as one of
/// IPv6 is the IPv4 address.
///
/// ```
/// use skai_server::domain::Networks;
/// let networks = Networks::parse(["203.0.113.7", "::ffff:10.1.2.3/104"]).unwrap();
/// assert_eq!(networks.to_string(), "203.0.113.7/32 10.0.0.0/8");
/// assert!(networks.contains("::ffff:10.9.9.9".parse().unwrap()));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Networks(Vec<IpNet>);

/// The text is neither an address nor a network.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{text}` is no address and no network; give one such as 203.0.113.7 or 10.0.0.0/8")]
pub struct MalformedNetwork {
    /// Where it stands in the list, from 0.
    pub at: usize,
    /// The beginning of what was given.
    text: String,
}

impl Networks {
    /// Reads addresses and networks in CIDR notation.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, MalformedNetwork> {
        let mut networks = Vec::new();
        for (at, text) in texts.into_iter().enumerate() {
            let network = read(text)
                .ok_or_else(|| MalformedNetwork { at, text: text.chars().take(60).collect() })?;
            if !networks.contains(&network) {
                networks.push(network);
            }
        }
        Ok(Self(networks))
    }

    /// Whether the address is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Networks as they are stored, separated by spaces.
impl FromStr for Networks {
    type Err = MalformedNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.split(' '))
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, network) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(out, "{space}{network}")?;
        }
        Ok(())
    }
}

fn read(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address)?;
    Some(unmapped(network).trunc())
}

/// IPv4 where the network holds nothing but IPv4 addresses that are written as those of IPv6.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let length = mapped.prefix_len().checked_sub(MAPPED_BITS);
    let address: Option<_> = Ipv6Addr::to_ipv4_mapped(&mapped.addr());
    let inner =
        address.zip(length).and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    inner.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(texts: &[&str]) -> String {
        Networks::parse(texts.iter().copied()).unwrap().to_string()
    }

    #[test]
    fn networks_have_one_form() {
        for (given, form) in [
            (&["10.1.2.3/8"][..], "10.0.0.0/8"),
            (&["10.0.0.1", "10.0.0.1/32", "10.0.0.2"], "10.0.0.1/32 10.0.0.2/32"),
            (&["2001:DB8::1"], "2001:db8::1/128"),
            (&["2001:db8::1/32"], "2001:db8::/32"),
            (&["::ffff:192.0.2.1", "::ffff:192.0.2.9/120"], "192.0.2.1/32 192.0.2.0/24"),
            (&["::ffff:0:0/95"], "::fffe:0:0/95"),
            (&["0.0.0.0/0", "::/0"], "0.0.0.0/0 ::/0"),
        ] {
            assert_eq!(stored(given), form);
            assert_eq!(form.parse::<Networks>().unwrap().to_string(), form);
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        for bad in ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0", "10.0.0.0/8 ", "[::1]", "*"]
        {
            let refused = Networks::parse(["10.0.0.0/8", bad]).unwrap_err();
            assert_eq!(refused.at, 1, "{bad}");
        }
    }

    #[test]
    fn an_address_is_in_a_network_however_it_is_written() {
        let networks: Networks = "192.0.2.0/24 2001:db8::/32".parse().unwrap();
        for (address, inside) in [
            ("192.0.2.200", true),
            ("::ffff:192.0.2.200", true),
            ("192.0.3.1", false),
            ("2001:db8::5", true),
            ("2001:db9::5", false),
            ("::c000:201", false),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), inside, "{address}");
        }
    }
}
