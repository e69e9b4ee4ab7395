//! Passwords: hashed at a cost of their own, and guessed at slowly. Who is unknown is refused as late and in the same
//! words as who mistypes, so that nobody learns who is known.

use std::{
    net::IpAddr,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use super::{
    Authenticator, REMEMBERED_MAX,
    cache::Digest,
    site,
    tokens::TokenKind,
    verify::{Shared, digest},
};
use crate::{
    ambient::lock,
    app::{
        argon,
        cache::{Bounds, Kept},
        limits::AttemptLimits,
    },
    domain::{
        DashboardSessionId, Error, ErrorKind, PASSWORD_MAX, RateLimit, Result, Secret, email_key,
    },
};

/// As many times the failures of one network for one e-mail may all networks have for it, or one network for all: who
/// wants to keep somebody out needs so many networks.
const CAP: u32 = 10;
/// For so long nobody keeps a person out of where they signed in.
const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);

/// Who presents a password.
#[derive(Clone, Copy, Debug)]
pub(in crate::app) enum Guesser<'a> {
    /// Somebody at that address, for that e-mail.
    Stranger { email: &'a str, client: IpAddr },
    /// Somebody who is in, for their own: what others fail at does not count.
    Session(DashboardSessionId),
}

/// Passwords that were presented, and what is compared where there is none.
pub(super) struct Guesses {
    /// Right ones too: each costs as much, and begins a session.
    pairs: AttemptLimits<Pair>,
    /// Wrong ones.
    networks: AttemptLimits<IpAddr>,
    /// Wrong ones.
    emails: AttemptLimits<Digest>,
    /// Right ones too.
    sessions: AttemptLimits<DashboardSessionId>,
    /// Where somebody signed in lately: what others fail at for the same e-mail does not keep them out there.
    known: Mutex<Kept<Pair, ()>>,
    /// The hash of a password that nobody has.
    nobodys: OnceLock<Secret<String>>,
}

/// A network and an e-mail.
type Pair = (IpAddr, Digest);

/// Whose attempts count.
enum Counted {
    Pair(IpAddr, Digest),
    Session(DashboardSessionId),
}

impl Guesses {
    pub(super) fn new(limit: RateLimit) -> Self {
        let cap = RateLimit { limit: limit.limit.saturating_mul(CAP), ..limit };
        Self {
            pairs: AttemptLimits::new(limit, REMEMBERED_MAX),
            networks: AttemptLimits::new(cap, REMEMBERED_MAX),
            emails: AttemptLimits::new(cap, REMEMBERED_MAX),
            sessions: AttemptLimits::new(limit, REMEMBERED_MAX),
            known: Mutex::new(Kept::new(Bounds {
                entries: REMEMBERED_MAX,
                bytes: usize::MAX,
                ttl: KNOWN_FOR,
            })),
            nobodys: OnceLock::new(),
        }
    }

    fn blocked(&self, of: &Counted, now: Duration) -> Option<Duration> {
        match of {
            Counted::Session(session) => self.sessions.blocked(session, now),
            Counted::Pair(client, email) => {
                let pair = (*client, *email);
                let is_known = lock(&self.known).get(&pair, now).is_some();
                let by_email = (!is_known).then(|| self.emails.blocked(email, now)).flatten();
                let waits = [self.pairs.blocked(&pair, now), self.networks.blocked(client, now)];
                waits.into_iter().flatten().chain(by_email).max()
            }
        }
    }

    fn tried(&self, of: &Counted, now: Duration) {
        match *of {
            Counted::Session(session) => self.sessions.record(session, now),
            Counted::Pair(client, email) => self.pairs.record((client, email), now),
        }
    }

    fn passed(&self, of: &Counted, now: Duration) {
        if let Counted::Pair(client, email) = *of {
            lock(&self.known).put((client, email), (), size_of::<Pair>(), now);
        }
    }

    fn failed(&self, of: &Counted, now: Duration) {
        if let Counted::Pair(client, email) = *of {
            self.networks.record(client, now);
            self.emails.record(email, now);
        }
    }
}

/// A sign-in failed. Says no more than that.
fn wrong() -> Error {
    let message = "the e-mail address or the password is wrong; try again, or ask for a new link";
    Error::new(ErrorKind::Unauthenticated, message)
}

impl Authenticator {
    /// Hashes a new password at the configured cost for passwords. Takes some 20 ms of a core.
    pub(in crate::app) fn hash_password(
        &self,
        password: &Secret<String>,
    ) -> Result<Secret<String>> {
        self.shared.hash_password(password)
    }

    /// Refuses a password that is not the one of which `stored` is the hash; without one, every password, after the
    /// same time. 429 where too many came or were wrong before. Takes some 20 ms of a core.
    pub(in crate::app) fn check_password(
        &self,
        guesser: Guesser<'_>,
        stored: Option<&Secret<String>>,
        presented: &Secret<String>,
    ) -> Result<()> {
        let shared = &*self.shared;
        let counted = match guesser {
            Guesser::Stranger { email, client } => {
                Counted::Pair(site(client), digest(&shared.hasher, &email_key(email)))
            }
            Guesser::Session(session) => Counted::Session(session),
        };
        let now = shared.ambient.monotonic();
        if let Some(wait) = shared.passwords.blocked(&counted, now) {
            let message = "too many attempts to sign in; wait as many seconds as Retry-After says";
            return Err(Error::new(ErrorKind::RateLimit, message).with_retry_after(wait));
        }
        shared.passwords.tried(&counted, now);
        let can_be_one = presented.expose().chars().nth(PASSWORD_MAX).is_none();
        let hash = match (stored, shared.no_password()) {
            (Some(stored), _) => stored,
            (None, nobodys) => nobodys?,
        };
        let is_right = can_be_one && argon::verify_text(presented.expose(), hash.expose());
        if is_right && stored.is_some() {
            shared.passwords.passed(&counted, now);
            return Ok(());
        }
        shared.passwords.failed(&counted, now);
        Err(wrong())
    }

    /// The hash of a right password at the cost of today, where the stored one was cheaper to make and so to guess at.
    pub(in crate::app) fn costlier(
        &self,
        stored: &Secret<String>,
        password: &Secret<String>,
    ) -> Result<Option<Secret<String>>> {
        let cost = self.shared.settings.sessions.password_cost;
        let is_cheap = argon::is_cheaper(stored.expose(), cost);
        is_cheap.then(|| self.shared.hash_password(password)).transpose()
    }
}

impl Shared {
    fn hash_password(&self, password: &Secret<String>) -> Result<Secret<String>> {
        let (salt, cost) = (self.ambient.random(), self.settings.sessions.password_cost);
        argon::hash_text(password.expose(), &salt, cost).map(Secret::new)
    }

    /// The hash of a password that nobody has. Made at the first sign-in, whoever that is.
    fn no_password(&self) -> Result<&Secret<String>> {
        if let Some(made) = self.passwords.nobodys.get() {
            return Ok(made);
        }
        let made = self.hash_password(&TokenKind::Session.draw(&self.ambient))?;
        Ok(self.passwords.nobodys.get_or_init(|| made))
    }
}
