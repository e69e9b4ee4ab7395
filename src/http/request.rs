//! What handlers are given: a request that passed every check that does not depend on the resource.

mod negotiation;
mod work;

use std::{
    borrow::{Borrow, Cow},
    net::IpAddr,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use hyper::{
    HeaderMap, Uri,
    body::Bytes,
    header::{ACCEPT, ACCEPT_ENCODING, HOST, HeaderName, IF_NONE_MATCH, USER_AGENT},
};
use negotiation::{names, prefers, takes_gzip};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::{
    RequestId, cookie, error, json,
    reply::Reply,
    routes::{Audience, Route},
    turns::Turns,
};
use crate::{
    app::{
        App, Caller,
        auth::{Session, SignedIn, not_signed_in, unauthenticated},
        sign_in::Browser,
    },
    domain::{Error, Idempotency, MalformedId, PageRequest, Result, Scope, Secret, TraceContext},
    observe::origin::{Actor, Origin},
};

/// What an id in the query must be.
pub(crate) const AN_ID: &str = "an id: a UUID in lower case with hyphens";
/// What a time in the query must be.
pub(crate) const A_TIME: &str = "an RFC 3339 time such as 2026-11-20T09:00:00Z";

/// The header in which the dashboard says in which project it acts.
pub(super) const PROJECT: &str = "skai-project";

/// Who sends a request.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// Nobody said.
    Anyone,
    /// An API key of a tenant, or somebody who signed in to act for one.
    Tenant(Arc<Session>),
    /// The operator, by the token; or an operator who signed in.
    Operator(Option<Arc<Session>>),
}

impl Identity {
    /// Who that is for the audit log.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Anyone => Actor::System,
            Self::Tenant(session) => match &session.user {
                // No member of the account: they act there because they are the operator.
                Some(user) if !user.is_member => Actor::Operator(Some(user.id)),
                Some(user) => Actor::User(user.id),
                None => Actor::Key(session.key),
            },
            Self::Operator(_) => Actor::Operator(self.user().map(|user| user.id)),
        }
    }

    /// What people call them, where that is known.
    pub(super) fn name(&self) -> Option<&str> {
        match (self, self.user()) {
            (_, Some(user)) => Some(&user.email),
            (Self::Tenant(session), None) => Some(&session.name),
            (Self::Anyone | Self::Operator(_), None) => None,
        }
    }

    /// Who signed in, where it is somebody who did.
    pub(super) fn user(&self) -> Option<&SignedIn> {
        match self {
            Self::Anyone => None,
            Self::Tenant(session) => session.user.as_ref(),
            Self::Operator(session) => session.as_ref()?.user.as_ref(),
        }
    }
}

/// A request on its way to a handler.
pub(crate) struct Request {
    /// What deeds work with.
    pub(crate) app: Arc<App>,
    /// The request's name in answers and logs.
    pub(crate) id: RequestId,
    /// Its step in a trace, where there is one.
    pub(crate) trace: Option<TraceContext>,
    /// Who sends it.
    pub(crate) identity: Identity,
    /// [`Authenticator::changes`](crate::app::auth::Authenticator::changes) when they were let in.
    pub(super) changes: u64,
    /// The client's address.
    pub(crate) client: IpAddr,
    /// Whether the client came by HTTPS.
    pub(crate) is_https: bool,
    /// The body, whole; empty where there is none.
    pub(crate) body: Bytes,
    /// Present where the client gave an `Idempotency-Key`.
    pub(crate) idempotency: Option<Idempotency>,
    /// How often a silent stream says that it is alive.
    pub(crate) keep_alive: Duration,
    /// Who is behind what it changes; `None` where it only reads.
    pub(super) origin: Option<Arc<Origin>>,
    pub(super) heavy: Turns,
    pub(super) passwords: Turns,
    pub(super) keys: Turns,
    pub(super) cookies: Turns,
    pub(super) route: Arc<Route>,
    pub(super) path: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

impl Request {
    /// The verified API key. Only routes with tenant access have one.
    pub(crate) fn session(&self) -> Result<&Arc<Session>> {
        match &self.identity {
            Identity::Tenant(session) => Ok(session),
            Identity::Anyone | Identity::Operator(_) => Err(unauthenticated()),
        }
    }

    /// Who signed in. Only routes for those have one.
    pub(crate) fn user(&self) -> Result<&SignedIn> {
        self.session()?.user.as_ref().ok_or_else(not_signed_in)
    }

    /// The token in the cookie of the dashboard, verified or not.
    pub(crate) fn cookie(&self) -> Option<&str> {
        cookie::token(&self.headers, self.is_secure())
    }

    /// What somebody signs in with.
    pub(crate) fn browser(&self) -> Browser {
        let user_agent = self.header(&USER_AGENT).unwrap_or_default().to_owned();
        let token = self.cookie().map(|token| Secret::new(token.to_owned()));
        Browser { address: self.client, user_agent, token }
    }

    /// Whether cookies for the client may go by HTTPS alone: it came by that, or people are told to.
    pub(crate) fn is_secure(&self) -> bool {
        is_secure(&self.app, self.is_https)
    }

    /// How the client reaches this server, such as `https://ai.example.com`.
    pub(crate) fn origin(&self) -> String {
        let authority = || self.uri.authority().map(hyper::http::uri::Authority::as_str);
        let host = self.header(&HOST).or_else(authority).unwrap_or_default();
        format!("{}://{host}", if self.is_https { "https" } else { "http" })
    }

    /// The answer that an error gets, for who adds to it.
    pub(crate) fn refusal(&self, error: &Error) -> Reply {
        let mut headers = HeaderMap::new();
        let (status, body) = error::render(error, &self.id, self.route.dialect, &mut headers);
        let reply = Reply::json_bytes(status, body);
        headers.into_iter().fold(reply, |mut reply, (name, value)| {
            reply.headers.extend(name.map(|name| (name, value)));
            reply
        })
    }

    /// On whose behalf deeds are done.
    pub(crate) fn caller(&self) -> Result<Caller> {
        let session = self.session()?;
        Ok(Caller {
            scope: session.scope,
            project: session.project.0,
            key: session.key_seq,
            payer: Some(session.payer),
            request_id: self.id.as_str().to_owned(),
            trace: self.trace,
        })
    }

    /// Refuses a key without this scope, where what the body asks for needs more than the route does.
    pub(crate) fn must_have(&self, scope: Scope) -> Result<()> {
        self.session()?.must_have(scope)
    }

    /// The id in the path, as in `id::<JobId>("id")`. A malformed one names nothing: 404.
    pub(crate) fn id<T: FromStr<Err = MalformedId>>(&self, name: &str) -> Result<T> {
        self.segment(name)?.parse().map_err(|_| match self.identity {
            Identity::Operator(_) => Error::none_on_server("object"),
            _ => Error::not_found("object"),
        })
    }

    /// A part of the path by the name it has in the route, decoded.
    pub(crate) fn segment(&self, name: &str) -> Result<&str> {
        let found = self.path.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| Error::not_found("object"))
    }

    /// A query parameter, as in `query::<Timestamp>("created_after", A_TIME)`; `None` where it is not
    /// given. `allowed` completes the sentence "`created_after` must be …".
    pub(crate) fn query<T: FromStr>(&self, name: &str, allowed: &str) -> Result<Option<T>> {
        let parsed = self.query_text(name).map(str::parse).transpose();
        parsed.map_err(|_| Error::invalid(name, format!("{name} must be {allowed}")))
    }

    /// A query parameter that names one of `all`, as in `choice("kind", EntryKind::ALL, EntryKind::as_str)`; `None`
    /// where it is not given.
    pub(crate) fn choice<T: Copy, N: Borrow<str>>(
        &self,
        name: &str,
        all: impl IntoIterator<Item = T>,
        name_of: impl Fn(T) -> N,
    ) -> Result<Option<T>> {
        let Some(given) = self.query_text(name) else { return Ok(None) };
        let mut names = Vec::new();
        for one in all {
            let known = name_of(one);
            if known.borrow() == given {
                return Ok(Some(one));
            }
            names.push(known);
        }
        Err(Error::invalid(name, format!("{name} must be one of {}", names.join(", "))))
    }

    /// A query parameter as text.
    pub(crate) fn query_text(&self, name: &str) -> Option<&str> {
        debug_assert!(
            self.route.query.iter().any(|known| known.name == name),
            "{name} is not in the route table"
        );
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// `limit` and `cursor` of a list.
    pub(crate) fn page(&self) -> Result<PageRequest> {
        PageRequest::parse(self.query_text("limit"), self.query_text("cursor"))
    }

    /// This list from `cursor` on: path and query.
    pub(crate) fn continued(&self, cursor: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(name, _)| name != "cursor"));
        format!("{}?{}", self.path(), query.append_pair("cursor", cursor).finish())
    }

    /// The body as a type. Fields that the type doesn't have are refused where it says so
    /// (`#[serde(deny_unknown_fields)]`); errors name the field by its path. Every body is an object.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        json::read_object(if self.body.is_empty() { b"{}" } else { &self.body })
    }

    /// A header, where it is readable text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header that stands there exactly once, where it is readable text.
    pub(crate) fn only_header(&self, name: &str) -> Option<&str> {
        only_header(&self.headers, name)
    }

    /// True where the client names this media type and does not prefer JSON to it.
    pub(crate) fn accepts(&self, media_type: &str) -> bool {
        self.header(&ACCEPT).is_some_and(|accept| prefers(accept, media_type))
    }

    /// True where the client takes bodies that are packed by gzip (RFC 9110 §12.5.3).
    pub(crate) fn accepts_gzip(&self) -> bool {
        self.header(&ACCEPT_ENCODING).is_some_and(takes_gzip)
    }

    /// True where the client has what this weak `ETag` names (RFC 9110 §13.1.2).
    pub(crate) fn has_current(&self, etag: &str) -> bool {
        self.header(&IF_NONE_MATCH).is_some_and(|known| names(known, etag))
    }

    /// The path as it was requested.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }
}

/// Whether cookies for a client may go by HTTPS alone.
pub(super) fn is_secure(app: &App, is_https: bool) -> bool {
    is_https || app.settings.dashboard.public_url.starts_with("https://")
}

/// A header that stands there exactly once, where it is readable text.
pub(crate) fn only_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut given = headers.get_all(name).into_iter();
    given.next().filter(|_| given.next().is_none())?.to_str().ok()
}

/// Reads the query strictly: only parameters of the route, each once.
pub(super) fn parse_query(route: &Route, query: Option<&str>) -> Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let Some(query) = query.filter(|_| route.audience == Audience::Programs) else {
        return Ok(pairs);
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !route.query.iter().any(|known| known.name == name) {
            return Err(unknown_parameter(route, &name));
        }
        if pairs.iter().any(|(known, _)| *known == name) {
            let message = format!("{name} is given more than once; give it once");
            return Err(Error::invalid(name, message));
        }
        pairs.push((name.into_owned(), value.into_owned()));
    }
    Ok(pairs)
}

fn unknown_parameter(route: &Route, name: &str) -> Error {
    let name: String = name.chars().take(64).collect();
    let known: Vec<_> = route.query.iter().map(|known| known.name).collect();
    let message = if known.is_empty() {
        format!("unknown query parameter {name}; this route takes none")
    } else {
        let known = known.join(", ");
        format!("unknown query parameter {name}; use some of {known}")
    };
    Error::invalid(name, message)
}

/// A part of a path without its percent-encoding. What is not UTF-8 then names nothing.
pub(super) fn decode_segment(segment: &str) -> Result<String> {
    let decoded = percent_decode_str(segment).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| Error::not_found("path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(decode_segment("a%20b%2525").unwrap(), "a b%25");
        assert!(decode_segment("%ff").is_err());
    }
}
