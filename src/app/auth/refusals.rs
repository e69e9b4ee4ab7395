//! How callers are refused, and whose failures are counted together.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use super::Verdict;
use crate::{
    app::limits::AttemptLimits,
    domain::{Error, ErrorKind},
};

/// The key or token is none, or none any more. Says no more than that.
pub fn unauthenticated() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the API key is missing, unknown, revoked or expired; send a good one, once, as \
         Authorization: Bearer <key>",
    )
}

/// The token is not the operator's. Says no more than that.
pub fn not_the_operator() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the operator's token is missing or wrong; send it, once, as Authorization: Bearer <token>",
    )
}

/// Counts a failure, or says how long to wait where too many came before.
pub(super) fn refuse<K: Hash + Eq>(failures: &AttemptLimits<K>, of: K, now: Duration) -> Verdict {
    if let Some(wait) = failures.blocked(&of, now) {
        return Verdict::Blocked(wait);
    }
    failures.record(of, now);
    Verdict::Refused
}

pub(super) fn blocked(wait: Duration) -> Error {
    let message = "too many failed attempts from this address; check the key or signature and wait";
    Error::new(ErrorKind::RateLimit, message).with_retry_after(wait)
}

pub(super) fn busy() -> Error {
    Error::unavailable(
        "too many keys are being verified at the moment; retry in a second",
        Duration::from_secs(1),
    )
}

/// Whose failures are counted together: an IPv4 address, or the /64 that one IPv6 host can use.
pub(super) fn network(client: IpAddr) -> IpAddr {
    network_of(client, 64)
}

/// The same where many networks may do what one may not: an IPv4 address, or the /48 that one customer of a provider
/// can have.
pub(super) fn site(client: IpAddr) -> IpAddr {
    network_of(client, 48)
}

fn network_of(client: IpAddr, bits: u32) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}
