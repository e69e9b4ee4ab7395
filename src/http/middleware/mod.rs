//! What happens to every request before and after its handler. [`pass`] is the order.

mod authentication;
mod body;
mod client;
mod cors;
mod csrf;
mod rate_limit;
mod record;
mod request_id;
mod strict;
mod trace;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hyper::{
    HeaderMap, Method, Response, StatusCode, Version,
    body::{Bytes, Incoming},
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
        REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS,
    },
    http::request::Parts,
};

pub(super) use authentication::{Caller, identify_again, still_in};
pub(super) use client::Client;
pub(crate) use request_id::RequestId;

use super::{
    Edge, Served,
    body::Body,
    error::{self, Dialect},
    reply::Reply,
    request::{Identity, Request, decode_segment, parse_query},
    router::Match,
    routes::{Access, Answering, Asker, Route},
};
use crate::{
    app::App,
    domain::{Error, ErrorKind, Result},
    observe::{
        origin::{self, Origin},
        traces::Span,
    },
};
use record::{Asked, Head};

/// What is known about a request so far, and the headers of its answer.
pub(super) struct Exchange {
    app: Arc<App>,
    id: RequestId,
    client: Client,
    began: Duration,
    identity: Identity,
    route: Option<Arc<Route>>,
    is_draining: bool,
    headers: HeaderMap,
    /// Bytes of the body that were read.
    bytes_in: u64,
    /// What the log of requests keeps of the head, where there is one.
    head: Option<Head>,
    /// What would be executed, where that is so.
    asked: Asked,
    span: Span,
}

/// A request that a draining server refused may be sent again after this: to another, or the next.
const DRAIN_PAUSE: Duration = Duration::from_secs(2);

/// The way of every request. Each step sees what the steps before it found, and may end it here.
pub(super) async fn pass(
    edge: &Edge,
    exchange: &mut Exchange,
    parts: Parts,
    body: &mut Incoming,
) -> Result<Reply> {
    let auth = &edge.app.auth;
    strict::host(&parts)?;
    let Some((route, path)) = find_route(edge, exchange, &parts)? else {
        return Ok(Reply::no_content());
    };
    exchange.keep_agent(&path);
    if exchange.is_draining && !matches!(route.access, Access::Open | Access::Metrics) {
        let message = "the server is draining, it is about to stop; retry in a moment";
        return Err(Error::unavailable(message, DRAIN_PAUSE));
    }
    if route.asker == Asker::OwnPage {
        csrf::check(&parts)?;
    }
    let mut changes = auth.changes();
    let identify = authentication::identify(edge, route.access, &parts, exchange.client);
    exchange.identity = identify.await?;
    trace::distrust(&mut exchange.span, &exchange.identity);
    let now = edge.app.ambient.monotonic();
    if let Err(refused) = authentication::admit(&exchange.identity, exchange.client) {
        rate_limit::look(now, &route, &exchange.identity, &mut exchange.headers);
        return Err(refused);
    }
    rate_limit::take(auth, now, &route, &exchange.identity, &mut exchange.headers)?;
    authentication::authorize(route.access, &exchange.identity)?;
    let query = parse_query(&route, parts.uri.query())?;
    if let Some(gate) = route.gate {
        gate(&edge.app, &parts.headers, exchange.client.address)?;
    }
    let limit = edge.settings.body_limit_of(route.body_limit);
    let _place = body::place(edge, &route, limit, body).await?;
    let is_suspect = route.gate.is_some() && !body::is_too_long(body, limit);
    let (time, taken) = (edge.settings.body_timeout, &mut exchange.bytes_in);
    let read = body::read(route.body, &parts.headers, body, limit, time, taken);
    let bytes = read.await.inspect_err(|_| {
        // Else those who send no body could hold all places for as long as they like.
        if is_suspect {
            auth.record_forgery(exchange.client.address);
        }
    })?;
    let idempotency = strict::body(&route, &parts, &bytes).await?;
    exchange.keep_body(&bytes);
    if auth.changes() != changes {
        // Whoever was let in may be out by now: their body may have taken its time.
        changes = auth.changes();
        exchange.still_in(edge, route.access, &parts.headers).await?;
    }
    let origin = exchange.origin(&parts.method);
    let request = Request {
        app: Arc::clone(&edge.app),
        origin: origin.clone(),
        id: exchange.id.clone(),
        trace: exchange.span.context(),
        identity: exchange.identity.clone(),
        changes,
        client: exchange.client.address,
        is_https: exchange.client.is_https,
        body: bytes,
        idempotency,
        keep_alive: edge.settings.keep_alive,
        heavy: edge.heavy.clone(),
        passwords: edge.passwords.clone(),
        keys: edge.keys.clone(),
        cookies: edge.cookies.clone(),
        path,
        query,
        uri: parts.uri,
        headers: parts.headers,
        route: Arc::clone(&route),
    };
    catch_panic((route.handler)(request), origin).await
}

/// 404 and 405; `None` where a browser only asks what it may do.
#[expect(clippy::type_complexity, reason = "a pair that is taken apart at once")]
fn find_route(
    edge: &Edge,
    exchange: &mut Exchange,
    parts: &Parts,
) -> Result<Option<(Arc<Route>, Vec<(String, String)>)>> {
    match edge.router.find(&parts.method, parts.uri.path()) {
        Match::Found(route, params) => {
            exchange.route = Some(Arc::clone(route));
            let decoded =
                params.iter().map(|(name, value)| Ok((name.to_owned(), decode_segment(value)?)));
            Ok(Some((Arc::clone(route), decoded.collect::<Result<_>>()?)))
        }
        Match::OtherMethods(allowed) => {
            if cors::is_preflight(&parts.method, &parts.headers, &allowed, &mut exchange.headers) {
                return Ok(None);
            }
            let message = format!(
                "this path does not take this method; use one of {}",
                allowed.to_str().unwrap_or_default()
            );
            exchange.headers.insert(ALLOW, allowed);
            Err(Error::new(ErrorKind::MethodNotAllowed, message))
        }
        Match::Nothing => Err(Error::new(
            ErrorKind::NotFound,
            "there is no such path; GET /openapi.json lists all",
        )),
    }
}

impl Exchange {
    /// Names the request, finds its client and sets the headers that every answer has.
    pub(super) fn begin(edge: &Edge, peer: std::net::SocketAddr, parts: &Parts) -> Self {
        const TWO_YEARS: &str = "max-age=63072000; includeSubDomains; preload";
        let id = RequestId::of(&parts.headers, &edge.app.ambient);
        let client = client::find(peer, &parts.headers, &edge.settings.trusted_proxies);
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(HeaderName::from_static("x-request-id"), id.value());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        if client.is_https {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TWO_YEARS));
        }
        let is_draining = edge.app.watches.is_closed();
        if is_draining && parts.version < Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        cors::allow_origin(&parts.headers, &edge.settings.cors_origins, &mut headers);
        Self {
            app: Arc::clone(&edge.app),
            began: edge.app.ambient.monotonic(),
            identity: Identity::Anyone,
            route: None,
            is_draining,
            asked: Asked::default(),
            bytes_in: 0,
            head: edge.app.recording.telemetry.is_running().then(|| Head::of(parts)),
            id,
            client,
            headers,
            span: trace::begin(&edge.app.traces, parts),
        }
    }

    /// Who is behind what the request changes; `None` where its method changes nothing.
    fn origin(&self, method: &Method) -> Option<Arc<Origin>> {
        (*method != Method::GET && *method != Method::HEAD).then(|| {
            Arc::new(Origin {
                actor: self.identity.actor(),
                name: self.identity.name().map(Into::into),
                address: Some(self.client.address),
                request_id: Some(self.id.as_str().into()),
            })
        })
    }

    async fn still_in(&self, edge: &Edge, access: Access, headers: &HeaderMap) -> Result<()> {
        let (app, cookies) = (&edge.app, &edge.cookies);
        still_in(app, cookies, access, headers, self.client, &self.identity).await
    }

    /// Reads and forgets what a refused request still sends.
    pub(super) async fn discard(&mut self, body: &mut Incoming) {
        body::discard(body, &mut self.bytes_in).await;
    }

    /// Makes the answer and tells who observes.
    pub(super) fn finish(
        mut self,
        edge: &Edge,
        method: &Method,
        outcome: Result<Reply>,
    ) -> Response<Body> {
        let code = outcome.as_ref().err().map(|error| error.kind().code());
        let (status, mut body) = match outcome {
            Ok(reply) => self.take(reply),
            Err(error) => self.refuse(&error),
        };
        if !self.headers.contains_key(CACHE_CONTROL) {
            self.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if *method == Method::HEAD {
            if let Some(length) = body.length() {
                self.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            body = Body::whole(Bytes::new());
        }
        // Many are refused before anybody asked who they are.
        trace::distrust(&mut self.span, &self.identity);
        self.observe(edge, method, status);
        self.record(status, code, &mut body);
        // Its step is over when the body is.
        body.hold(std::mem::take(&mut self.span));
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = std::mem::take(&mut self.headers);
        answer
    }

    fn take(&mut self, reply: Reply) -> (StatusCode, Body) {
        if let Some(content_type) = reply.content_type {
            self.headers.insert(CONTENT_TYPE, content_type);
        }
        for (name, value) in reply.headers {
            if name == VARY {
                // Besides what every answer depends on.
                self.headers.append(name, value);
            } else {
                self.headers.insert(name, value);
            }
        }
        (reply.status, reply.body)
    }

    fn refuse(&mut self, error: &Error) -> (StatusCode, Body) {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let dialect = self.route.as_ref().map_or(Dialect::Own, |route| route.dialect);
        let (status, body) = error::render(error, &self.id, dialect, &mut self.headers);
        (status, Body::whole(body))
    }

    fn observe(&mut self, edge: &Edge, method: &Method, status: StatusCode) {
        let served = Served {
            id: self.id.as_str(),
            client: self.client.address,
            session: match &self.identity {
                Identity::Tenant(session) => Some(session),
                Identity::Anyone | Identity::Operator(_) => None,
            },
            method: method.as_str(),
            route: self.route.as_ref().map(|route| route.path),
            status: status.as_u16(),
            took: edge.app.ambient.monotonic().saturating_sub(self.began),
            trace: self.span.context(),
        };
        (edge.observer)(&served);
        self.span.describe(|record| trace::describe(record, &served, self.client.is_https));
    }
}

/// A handler that panics fails its own request and no other on the connection. While it runs, its thread works for
/// whoever sent the request.
async fn catch_panic(mut answering: Answering, origin: Option<Arc<Origin>>) -> Result<Reply> {
    std::future::poll_fn(move |context| {
        let poll = || origin::within(origin.clone(), || answering.as_mut().poll(context));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(polled) => polled,
            Err(_) => Poll::Ready(Err(Error::internal("a handler panicked"))),
        }
    })
    .await
}
