//! Turns a URL's host into addresses for the HTTP client, and lets only permitted ones through.
//!
//! The client asks before every request, for literal addresses too, and dials what it is given. So
//! the address that was checked is the address that is dialled, whatever a name server says next.

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use http::Uri;
use ureq::{
    config::Config,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

use super::guard::{Guard, Refused};
use crate::ambient::{self, Ambient, lock};

/// For how long an answer is used again. The client asks per request, even where it has a
/// connection, and asking a name server each time would cost more than the delivery.
const ANSWER_TTL: Duration = Duration::from_secs(10);

/// How many names are remembered.
const NAMES_MAX: usize = 1024;

/// How many lookups may be on their way, those included that nobody waits for any more.
const LOOKUPS_MAX: usize = 64;

/// How many addresses of a name are tried; the client takes no more.
const ADDRESSES_MAX: usize = 16;

/// Gives the addresses of a host name. It may block.
pub(super) type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// The client's resolver: looks up, checks, remembers.
pub(super) struct GuardedResolver {
    guard: Guard,
    ambient: Ambient,
    lookup: Lookup,
    names: Mutex<HashMap<String, Answer>>,
    lookups: Arc<()>,
}

/// The addresses of a name, and until when (monotonic) they are used.
struct Answer {
    addresses: Vec<IpAddr>,
    until: Duration,
}

impl GuardedResolver {
    pub(super) fn new(guard: Guard, ambient: Ambient, lookup: Lookup) -> Self {
        Self { guard, ambient, lookup, names: Mutex::default(), lookups: Arc::default() }
    }

    /// All addresses of `host`, unchecked.
    fn addresses(&self, host: &str, timeout: NextTimeout) -> Result<Vec<IpAddr>, ureq::Error> {
        if let Ok(literal) = host.parse() {
            return Ok(vec![literal]);
        }
        if let Some(addresses) = self.remembered(host) {
            return Ok(addresses);
        }
        let addresses = self.look_up(host, timeout)?;
        self.remember(host, &addresses);
        Ok(addresses)
    }

    fn remembered(&self, host: &str) -> Option<Vec<IpAddr>> {
        let now = self.ambient.monotonic();
        let names = lock(&self.names);
        let answer = names.get(host).filter(|answer| now < answer.until)?;
        Some(answer.addresses.clone())
    }

    fn remember(&self, host: &str, addresses: &[IpAddr]) {
        let now = self.ambient.monotonic();
        let answer =
            Answer { addresses: addresses.to_vec(), until: now.saturating_add(ANSWER_TTL) };
        let mut names = lock(&self.names);
        if names.len() >= NAMES_MAX {
            names.retain(|_, answer| now < answer.until);
        }
        if names.len() < NAMES_MAX {
            names.insert(host.to_owned(), answer);
        }
    }

    /// Looks up on a thread of its own, since the system's lookup knows no time limit.
    fn look_up(&self, host: &str, timeout: NextTimeout) -> Result<Vec<IpAddr>, ureq::Error> {
        let token = Arc::clone(&self.lookups);
        if Arc::strong_count(&token) > LOOKUPS_MAX + 1 {
            return Err(io::Error::other("too many name lookups are on their way").into());
        }
        let (lookup, name) = (Arc::clone(&self.lookup), host.to_owned());
        let (sender, receiver) = mpsc::sync_channel(1);
        ambient::thread("resolve", move || {
            let answer = lookup(&name);
            drop(token);
            // Fails where the one who asked has given up, which is fine.
            sender.send(answer).ok();
        })?;
        match receiver.recv_timeout(*timeout.after) {
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(_) | Err(RecvTimeoutError::Disconnected) => Err(ureq::Error::HostNotFound),
            Err(RecvTimeoutError::Timeout) => Err(ureq::Error::Timeout(timeout.reason)),
        }
    }
}

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("https") => 443,
            _ => 80,
        });
        let addresses = self.addresses(bare, timeout)?;
        // One forbidden address among good ones is no accident: refuse all.
        if !addresses.iter().all(|ip| self.guard.permits(*ip)) {
            return Err(ureq::Error::Other(Box::new(Refused)));
        }
        let mut resolved = self.empty();
        for ip in addresses.into_iter().take(ADDRESSES_MAX) {
            resolved.push(SocketAddr::new(ip, port));
        }
        Ok(resolved)
    }
}

impl fmt::Debug for GuardedResolver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("GuardedResolver").finish_non_exhaustive()
    }
}

/// Asks the operating system.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|host| {
        let addresses = (host, 0).to_socket_addrs()?;
        Ok(addresses.map(|address| address.ip()).collect())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::domain::Timestamp;

    const PUBLIC: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(1, 1, 1, 1));
    const PRIVATE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn resolver(
        ambient: &Ambient,
        lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> GuardedResolver {
        GuardedResolver::new(Guard::default(), ambient.clone(), Arc::new(lookup))
    }

    fn resolve(resolver: &GuardedResolver, url: &str) -> Result<Vec<SocketAddr>, ureq::Error> {
        let uri = url.parse().unwrap();
        let limit =
            NextTimeout { after: Duration::from_millis(500).into(), ..NextTimeout::default() };
        let addresses = resolver.resolve(&uri, &Config::default(), limit)?;
        Ok(addresses.into_iter().copied().collect())
    }

    fn is_refused(answer: &Result<Vec<SocketAddr>, ureq::Error>) -> bool {
        matches!(answer, Err(ureq::Error::Other(source)) if source.is::<Refused>())
    }

    #[test]
    fn one_forbidden_address_refuses_all() {
        let ambient = Ambient::manual(Timestamp::default(), 1);
        for (answer, refused) in [
            (vec![PUBLIC], false),
            (vec![PRIVATE], true),
            (vec![PUBLIC, PRIVATE], true),
            ([vec![PUBLIC; 20], vec![PRIVATE]].concat(), true),
        ] {
            let resolver = resolver(&ambient, move |_| Ok(answer.clone()));
            assert_eq!(is_refused(&resolve(&resolver, "http://a.example/")), refused);
        }
    }

    #[test]
    fn a_name_that_changes_its_address_never_gets_the_forbidden_one_dialled() {
        let ambient = Ambient::manual(Timestamp::default(), 1);
        let count = AtomicUsize::new(0);
        let resolver = resolver(&ambient, move |_| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            Ok(vec![if number.is_multiple_of(2) { PUBLIC } else { PRIVATE }])
        });
        for round in 0..1_000 {
            let answer = resolve(&resolver, "https://rebind.example/");
            if round % 2 == 0 {
                assert_eq!(answer.unwrap(), [SocketAddr::new(PUBLIC, 443)]);
            } else {
                assert!(is_refused(&answer));
            }
            ambient.advance(ANSWER_TTL);
        }
    }

    #[test]
    fn answers_are_remembered_for_a_while() {
        let ambient = Ambient::manual(Timestamp::default(), 1);
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let resolver = resolver(&ambient, move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(vec![PUBLIC])
        });
        for _ in 0..10 {
            resolve(&resolver, "http://a.example:81/").unwrap();
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
        ambient.advance(ANSWER_TTL);
        resolve(&resolver, "http://a.example:82/").unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2);
        for number in 0..2 * NAMES_MAX {
            resolve(&resolver, &format!("http://{number}.example/")).unwrap();
        }
        assert_eq!(lock(&resolver.names).len(), NAMES_MAX);
    }

    #[test]
    fn literals_are_not_looked_up_but_checked() {
        let ambient = Ambient::manual(Timestamp::default(), 1);
        let resolver = resolver(&ambient, |_| panic!("a literal was looked up"));
        assert!(resolve(&resolver, "http://1.1.1.1/").is_ok());
        assert!(resolve(&resolver, "http://[2606:4700:4700::1111]/").is_ok());
        assert!(is_refused(&resolve(&resolver, "http://127.0.0.1/")));
        assert!(is_refused(&resolve(&resolver, "http://[::1]:81/")));
    }

    #[test]
    fn a_lookup_that_hangs_costs_no_more_than_the_time_limit_and_few_threads() {
        let ambient = Ambient::manual(Timestamp::default(), 1);
        let gate = Arc::new(Barrier::new(LOOKUPS_MAX + 1));
        let waiting = Arc::clone(&gate);
        let resolver = Arc::new(resolver(&ambient, move |_| {
            waiting.wait();
            Ok(vec![PUBLIC])
        }));
        let askers: Vec<_> = (0..LOOKUPS_MAX)
            .map(|number| {
                let resolver = Arc::clone(&resolver);
                ambient::thread("ask", move || {
                    resolve(&resolver, &format!("http://{number}.example/"))
                })
                .unwrap()
            })
            .collect();
        for asker in askers {
            let answer = asker.join().unwrap();
            assert!(matches!(answer, Err(ureq::Error::Timeout(_))), "{answer:?}");
        }
        let answer = resolve(&resolver, "http://one-more.example/");
        assert!(matches!(answer, Err(ureq::Error::Io(_))), "{answer:?}");
        gate.wait();
    }

    #[test]
    fn an_unknown_name_is_not_found() {
        let ambient = Ambient::manual(Timestamp::default(), 1);
        let resolver = resolver(&ambient, |_| Err(io::ErrorKind::NotFound.into()));
        let answer = resolve(&resolver, "http://nowhere.example/");
        assert!(matches!(answer, Err(ureq::Error::HostNotFound)));
    }
}
