//! Passwords: hashed as keys are, and guessed at slowly. Who is unknown is refused as late and in the same words as who
//! mistypes, so that nobody learns who is known.

use std::net::IpAddr;

use super::{
    Authenticator, network,
    tokens::TokenKind,
    verify::{Shared, digest},
};
use crate::{
    app::argon,
    domain::{Error, ErrorKind, PASSWORD_MAX, Result, Secret, email_key},
};

/// A sign-in failed. Says no more than that.
fn wrong() -> Error {
    let message = "the e-mail address or the password is wrong; try again, or ask for a new link";
    Error::new(ErrorKind::Unauthenticated, message)
}

impl Authenticator {
    /// Hashes a new password at the configured cost. Takes some 20 ms of a core.
    pub(in crate::app) fn hash_password(
        &self,
        password: &Secret<String>,
    ) -> Result<Secret<String>> {
        self.shared.hash_password(password)
    }

    /// Refuses a password that is not the one of which `stored` is the hash; without one, every password, after the
    /// same time. 429 where too many failures came from that address or for that e-mail. Takes some 20 ms of a core.
    pub(in crate::app) fn check_password(
        &self,
        email: &str,
        client: IpAddr,
        stored: Option<&Secret<String>>,
        presented: &Secret<String>,
    ) -> Result<()> {
        let shared = &*self.shared;
        let (client, email) = (network(client), digest(&shared.hasher, &email_key(email)));
        let now = shared.ambient.monotonic();
        let waits = [shared.sign_ins.blocked(&client, now), shared.mistyped.blocked(&email, now)];
        if let Some(wait) = waits.into_iter().flatten().max() {
            let message =
                "too many failed attempts to sign in; wait as many seconds as Retry-After says";
            return Err(Error::new(ErrorKind::RateLimit, message).with_retry_after(wait));
        }
        let is_short = presented.expose().chars().nth(PASSWORD_MAX).is_none();
        let hash = match (stored, shared.no_password()) {
            (Some(stored), _) => stored,
            (None, nobodys) => nobodys?,
        };
        let is_right = is_short && argon::verify_text(presented.expose(), hash.expose());
        if is_right && stored.is_some() {
            return Ok(());
        }
        shared.sign_ins.record(client, now);
        shared.mistyped.record(email, now);
        Err(wrong())
    }
}

impl Shared {
    fn hash_password(&self, password: &Secret<String>) -> Result<Secret<String>> {
        let (salt, cost) = (self.ambient.random(), self.settings.hash_cost);
        argon::hash_text(password.expose(), &salt, cost).map(Secret::new)
    }

    /// The hash of a password that nobody has. Made at the first sign-in, whoever that is.
    fn no_password(&self) -> Result<&Secret<String>> {
        if let Some(made) = self.nobodys_password.get() {
            return Ok(made);
        }
        let made = self.hash_password(&TokenKind::Session.draw(&self.ambient))?;
        Ok(self.nobodys_password.get_or_init(|| made))
    }
}
