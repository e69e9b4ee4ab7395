//! Who sends the request, and whether they may.

use std::{sync::Arc, time::Duration};

use hyper::{HeaderMap, header::AUTHORIZATION, http::request::Parts};

use super::{client::Client, csrf};
use crate::{
    app::auth::{
        Attempt, Authenticator, Pending, Session, not_signed_in, not_the_operator, unauthenticated,
    },
    domain::{Environment, Error, ErrorKind, ProjectId, Result, Scope},
    http::{
        Edge, cookie,
        request::{Identity, PROJECT, only_header},
        routes::Access,
    },
};

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
    let is_open = edge.settings.metrics_open || client.address.is_loopback();
    let cookie = cookie::token(headers).filter(|_| !headers.contains_key(AUTHORIZATION));
    match (access, cookie) {
        (Access::Open, _) => Ok(Identity::Anyone),
        (Access::Metrics, _) if is_open => Ok(Identity::Anyone),
        (Access::Operator, Some(token)) => {
            csrf::check(parts)?;
            operator(&*signed_in(edge, token, None).await?)
        }
        (Access::Metrics | Access::Operator, _) => {
            let token = bearer(headers).ok_or_else(not_the_operator)?;
            let verified = auth.authenticate_operator(token, client.address);
            verified.map(|()| Identity::Operator(None))
        }
        (Access::Tenant(_) | Access::AnyKey | Access::SignedIn, Some(token)) => {
            csrf::check(parts)?;
            let project = project(headers)?;
            signed_in(edge, token, project).await.map(Identity::Tenant)
        }
        (Access::SignedIn, None) => Err(not_signed_in()),
        (Access::Tenant(_) | Access::AnyKey, None) => {
            let key = bearer(headers).ok_or_else(unauthenticated)?;
            tenant(auth, key, client).await
        }
    }
}

/// Somebody who signed in, by the token of the cookie. What is not known is looked up by few at the same time.
async fn signed_in(edge: &Edge, token: &str, project: Option<ProjectId>) -> Result<Arc<Session>> {
    if let Some(known) = edge.app.auth.known_session(token, project) {
        return Ok(known);
    }
    let _place = edge.cookies.enter().await?;
    let (app, token) = (Arc::clone(&edge.app), token.to_owned());
    let look = move || app.auth.open_session(&token, project);
    tokio::task::spawn_blocking(look).await.map_err(Error::internal)?
}

fn operator(session: &Session) -> Result<Identity> {
    if let Some(user) = session.user.as_ref().filter(|user| user.is_operator) {
        return Ok(Identity::Operator(Some(user.id)));
    }
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

async fn tenant(auth: &Authenticator, key: &str, client: Client) -> Result<Identity> {
    for _ in 0..ATTEMPTS {
        match auth.authenticate(key, client.address) {
            Attempt::Done(session) => return session.map(Identity::Tenant),
            Attempt::Pending(Pending(verdict)) => {
                // No verdict comes where the key changed meanwhile: then it is asked again.
                if let Ok(verdict) = verdict.await {
                    return Pending::finish(verdict).map(Identity::Tenant);
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
