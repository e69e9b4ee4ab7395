//! Looking names up, less often than ureq does by itself.

use std::{fmt, sync::Mutex, time::Duration};

use ureq::{
    config::Config,
    http::{Uri, uri::Authority},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

use crate::ambient::{Ambient, lock};

/// How long addresses of a name are used before it is looked up again.
const ADDRESSES_KEPT: Duration = Duration::from_secs(10);

/// ureq's resolver starts a thread for every call that has a timeout, also where a connection is
/// at hand and for addresses: more than half the cost of a call. This one asks it only for names
/// that it has not seen for a while.
pub(super) struct Names {
    ambient: Ambient,
    known: Mutex<Option<Known>>,
    system: DefaultResolver,
}

struct Known {
    authority: Authority,
    addresses: ResolvedSocketAddrs,
    until: Duration,
}

impl Names {
    pub(super) fn new(ambient: &Ambient) -> Self {
        Self {
            ambient: ambient.clone(),
            known: Mutex::default(),
            system: DefaultResolver::default(),
        }
    }

    fn known(&self, authority: &Authority) -> Option<ResolvedSocketAddrs> {
        let now = self.ambient.monotonic();
        let known = lock(&self.known);
        let known = known.as_ref().filter(|known| now < known.until);
        let known = known.filter(|known| known.authority == *authority)?;
        let mut addresses = self.empty();
        known.addresses.iter().for_each(|address| addresses.push(*address));
        Some(addresses)
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(authority) = uri.authority() else {
            return Err(ureq::Error::HostNotFound);
        };
        if let Some(addresses) = self.known(authority) {
            return Ok(addresses);
        }
        let addresses = self.system.resolve(uri, config, timeout)?;
        *lock(&self.known) = Some(Known {
            authority: authority.clone(),
            addresses,
            until: self.ambient.monotonic().saturating_add(ADDRESSES_KEPT),
        });
        self.known(authority).ok_or(ureq::Error::HostNotFound)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Names").finish_non_exhaustive()
    }
}
