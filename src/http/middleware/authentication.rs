//! Who sends the request, and whether they may.

use std::{net::IpAddr, time::Duration};

use hyper::{HeaderMap, header::AUTHORIZATION};

use super::client::Client;
use crate::{
    app::auth::{Attempt, Authenticator, Pending, not_the_operator, unauthenticated},
    domain::{Environment, Error, ErrorKind, Result, Scope},
    http::{
        request::{Identity, only_header},
        routes::Access,
    },
};

/// A key that changes again and again while it is verified is asked for so often.
const ATTEMPTS: usize = 3;

/// Finds the caller. 401 where the route needs one and the request proves none.
pub(super) async fn identify(
    auth: &Authenticator,
    access: Access,
    headers: &HeaderMap,
    client: Client,
    is_metrics_open: bool,
) -> Result<Identity> {
    match access {
        Access::Open => Ok(Identity::Anyone),
        Access::Metrics if is_metrics_open || client.address.is_loopback() => Ok(Identity::Anyone),
        Access::Metrics | Access::Operator => {
            let token = bearer(headers).ok_or_else(not_the_operator)?;
            let verified = auth.authenticate_operator(token, client.address);
            verified.map(|()| Identity::Operator)
        }
        Access::Tenant(_) | Access::AnyKey => {
            let key = bearer(headers).ok_or_else(unauthenticated)?;
            tenant(auth, key, client).await
        }
    }
}

/// Finds the caller of a request that is answered for long once more. Fails where it would not be let in now.
pub(in crate::http) async fn identify_again(
    auth: &Authenticator,
    access: Access,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Identity> {
    let client = Client { address, is_https: false };
    let identity = identify(auth, access, headers, client, false).await?;
    admit(&identity, client)?;
    authorize(access, &identity)?;
    Ok(identity)
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
    if session.account_suspended {
        return Err(Error::new(
            ErrorKind::AccountSuspended,
            "the account is suspended; ask the operator of this server",
        ));
    }
    match access {
        Access::Tenant(Scope::KeysRead | Scope::KeysWrite)
            if session.environment() == Environment::Test =>
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
