//! Who sends the request, and whether they may.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hyper::{HeaderMap, header::AUTHORIZATION, http::request::Parts};

use super::{client::Client, csrf};
use crate::{
    app::{
        App,
        auth::{
            Attempt, Authenticator, Pending, Session, not_signed_in, not_the_operator,
            unauthenticated,
        },
    },
    domain::{Environment, Error, ErrorKind, ProjectId, Result, Scope},
    http::{
        Edge, cookie,
        request::{Identity, PROJECT, is_secure, only_header},
        routes::Access,
        turns::Turns,
    },
};

/// What is needed to find the caller of a request again.
pub(in crate::http) struct Caller {
    /// Knows who may come in.
    pub(in crate::http) app: Arc<App>,
    /// The places of those who look cookies up.
    pub(in crate::http) cookies: Turns,
    /// The request's.
    pub(in crate::http) headers: HeaderMap,
    /// Where it came from.
    pub(in crate::http) address: IpAddr,
    /// Whether it came by HTTPS.
    pub(in crate::http) is_https: bool,
}

/// Finds callers.
#[derive(Clone, Copy)]
struct Finder<'a> {
    app: &'a Arc<App>,
    /// The places of those who look cookies up.
    cookies: &'a Turns,
    /// Looks up who signed in, by a token and where they want to act.
    open: fn(&Authenticator, &str, Option<ProjectId>) -> Result<Arc<Session>>,
}

/// A key that changes again and again while it is verified is asked for so often.
const ATTEMPTS: usize = 3;

/// Finds the caller. 401 where the route needs one and the request proves none. A cookie counts where there is no
/// `Authorization`.
pub(super) async fn identify(
    edge: &Edge,
    access: Access,
    parts: &Parts,
    client: Client,
) -> Result<Identity> {
    let (auth, headers) = (&edge.app.auth, &parts.headers);
    let finder = Finder::new(&edge.app, &edge.cookies);
    let is_open = edge.settings.metrics_open || client.address.is_loopback();
    match (access, cookie(&edge.app, headers, client)) {
        (Access::Open, _) => Ok(Identity::Anyone),
        (Access::Metrics, _) if is_open => Ok(Identity::Anyone),
        (Access::Operator, Some(token)) => {
            csrf::check(parts)?;
            operator(auth, finder.signed_in(token, None).await?)
        }
        (Access::Metrics | Access::Operator, _) => {
            let token = bearer(headers).ok_or_else(not_the_operator)?;
            let verified = auth.authenticate_operator(token, client.address);
            verified.map(|()| Identity::Operator(None))
        }
        (Access::SignedIn, None) => Err(not_signed_in()),
        (Access::Tenant(_) | Access::AnyKey | Access::SignedIn, cookie) => {
            if cookie.is_some() {
                csrf::check(parts)?;
            }
            finder.caller(headers, client).await.map(Identity::Tenant)
        }
    }
}

/// Finds the caller of a request that is answered for long once more. Fails where it would not be let in now. That
/// keeps nobody signed in.
pub(in crate::http) async fn identify_again(request: &Caller) -> Result<Arc<Session>> {
    let client = Client { address: request.address, is_https: request.is_https };
    let open = Authenticator::open_again;
    let finder = Finder { app: &request.app, cookies: &request.cookies, open };
    let session = finder.caller(&request.headers, client).await?;
    let identity = Identity::Tenant(Arc::clone(&session));
    admit(&identity, client)?;
    authorize(Access::AnyKey, &identity)?;
    Ok(session)
}

/// Finds the caller once more where something changed since they were let in. Fails where they may not use the route any
/// more, or act elsewhere or may do other things than before: whoever names no project acts in the first that they have.
/// What they sent to prove that it was from the own page stays what it was.
pub(in crate::http) async fn still_in(
    app: &Arc<App>,
    cookies: &Turns,
    access: Access,
    headers: &HeaderMap,
    client: Client,
    known: &Identity,
) -> Result<()> {
    let finder = Finder::new(app, cookies);
    let identity = match known {
        // A token does not change.
        Identity::Anyone | Identity::Operator(None) => return Ok(()),
        Identity::Operator(Some(_)) => {
            let token = cookie(app, headers, client).ok_or_else(not_signed_in)?;
            operator(&app.auth, finder.signed_in(token, None).await?)?
        }
        Identity::Tenant(_) => Identity::Tenant(finder.caller(headers, client).await?),
    };
    admit(&identity, client)?;
    authorize(access, &identity)?;
    match (&identity, known) {
        (Identity::Tenant(now), Identity::Tenant(then)) if now.rights() != then.rights() => {
            let message =
                "where you act, or what you may do there, changed at this moment; try again";
            Err(Error::unavailable(message, Duration::from_secs(1)))
        }
        _ => Ok(()),
    }
}

/// The cookie's token, which counts where there is no `Authorization`.
fn cookie<'h>(app: &App, headers: &'h HeaderMap, client: Client) -> Option<&'h str> {
    let token = cookie::token(headers, is_secure(app, client.is_https));
    token.filter(|_| !headers.contains_key(AUTHORIZATION))
}

impl<'a> Finder<'a> {
    fn new(app: &'a Arc<App>, cookies: &'a Turns) -> Self {
        Self { app, cookies, open: Authenticator::open_session }
    }

    /// Who asks, by a cookie or else by a key.
    async fn caller(self, headers: &HeaderMap, client: Client) -> Result<Arc<Session>> {
        if let Some(token) = cookie(self.app, headers, client) {
            return self.signed_in(token, project(headers)?).await;
        }
        let key = bearer(headers).ok_or_else(unauthenticated)?;
        tenant(&self.app.auth, key, client).await
    }

    /// Somebody who signed in, by the token of the cookie, and where they want to act. What is not known is looked up
    /// by few at the same time.
    async fn signed_in(self, token: &str, project: Option<ProjectId>) -> Result<Arc<Session>> {
        if let Some(known) = self.app.auth.known_session(token, project) {
            return Ok(known);
        }
        let place = self.cookies.enter().await?;
        let (app, open, token) = (Arc::clone(self.app), self.open, token.to_owned());
        let look = move || {
            // Held until it is looked up, even where the client leaves before.
            let _place = place;
            open(&app.auth, &token, project)
        };
        tokio::task::spawn_blocking(look).await.map_err(Error::internal)?
    }
}

/// An operator who signed in. Whoever else did is refused, and it counts as a request of theirs.
fn operator(auth: &Authenticator, session: Arc<Session>) -> Result<Identity> {
    let user = session.user.as_ref().ok_or_else(not_signed_in)?;
    if user.is_operator {
        return Ok(Identity::Operator(Some(session)));
    }
    auth.count_request(user.id)?;
    let message = "only an operator of the server may do this; you signed in as somebody else";
    Err(Error::new(ErrorKind::InsufficientScope, message))
}

/// Where somebody who signed in wants to act.
fn project(headers: &HeaderMap) -> Result<Option<ProjectId>> {
    if !headers.contains_key(PROJECT) {
        return Ok(None);
    }
    let given = only_header(headers, PROJECT).and_then(|text| text.parse().ok());
    given.map(Some).ok_or_else(|| Error::not_found("project"))
}

async fn tenant(auth: &Authenticator, key: &str, client: Client) -> Result<Arc<Session>> {
    for _ in 0..ATTEMPTS {
        match auth.authenticate(key, client.address) {
            Attempt::Done(session) => return session,
            Attempt::Pending(Pending(verdict)) => {
                // No verdict comes where the key changed meanwhile: then it is asked again.
                if let Ok(verdict) = verdict.await {
                    return Pending::finish(verdict);
                }
            }
        }
    }
    let message = "the API key keeps changing while it is verified; retry in a second";
    Err(Error::unavailable(message, Duration::from_secs(1)))
}

/// Whether the key may be used from where the request comes. 403 where not, before it counts against the key's
/// rate limit: whoever stole the key cannot keep its owner out.
pub(super) fn admit(identity: &Identity, client: Client) -> Result<()> {
    let Identity::Tenant(session) = identity else {
        return Ok(());
    };
    if session.allowed.as_ref().is_none_or(|allowed| allowed.contains(client.address)) {
        return Ok(());
    }
    let message = format!(
        "the API key may not be used from {}; send the request from an address within its \
         allowed_cidrs, or make a key whose allowed_cidrs hold this one",
        client.address
    );
    Err(Error::new(ErrorKind::InsufficientScope, message))
}

/// Whether the caller may use the route. 403 where not.
pub(super) fn authorize(access: Access, identity: &Identity) -> Result<()> {
    let Identity::Tenant(session) = identity else {
        return Ok(());
    };
    // What is a person's own is nobody's account's.
    if access == Access::SignedIn {
        return Ok(());
    }
    if session.account_suspended {
        return Err(Error::new(
            ErrorKind::AccountSuspended,
            "the account is suspended; ask the operator of this server",
        ));
    }
    match access {
        Access::Tenant(Scope::KeysRead | Scope::KeysWrite)
            if session.environment() == Environment::Test && session.user.is_none() =>
        {
            let message =
                "a key of a test project cannot manage projects, keys and users; use a live key";
            Err(Error::new(ErrorKind::InsufficientScope, message))
        }
        Access::Tenant(scope) => session.must_have(scope),
        _ => Ok(()),
    }
}

/// The credentials of the one `Authorization: Bearer` header (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only_header(headers, AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
