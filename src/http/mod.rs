//! The HTTP edge: from a connection to a deed, and back. Statuses exist only here.

mod activity;
mod listen;
mod middleware;
mod router;
mod routes;
mod turns;

mod api;
mod dashboard;

mod body;
mod cookie;
mod csv;
mod error;
mod json;
mod openapi;
mod reply;
mod request;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{Response, body::Incoming, header::HeaderValue};
use ipnet::IpNet;

pub use body::Body;
pub use listen::{ConnectionLimits, Shutdown, serve};
pub use router::BadTable;
pub use turns::PLACES_MAX;

pub(crate) use middleware::RequestId;

use crate::{
    app::{App, auth::Session},
    domain::TraceContext,
};
use middleware::Exchange;
use router::Router;
use routes::{BodyLimit, Route};
use turns::Turns;

/// What the edge is told by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The longest body in bytes, for routes with no limit of their own.
    pub body_limit: usize,
    /// The longest body of a batch, in bytes.
    pub batch_body_limit: usize,
    /// How long a body may take to arrive, trickling included.
    pub body_timeout: Duration,
    /// How often a silent stream says that it is alive; so long its first piece may take before it begins
    /// without.
    pub keep_alive: Duration,
    /// Proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call the API; `*` for all. None means no CORS headers at all.
    pub cors_origins: Vec<HeaderValue>,
    /// How long work that takes seconds, and a body behind a gate, wait for their turn.
    pub patience: Duration,
    /// Whether `/metrics` is open to everyone.
    pub metrics_open: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            body_limit: 1 << 20,
            batch_body_limit: 64 << 20,
            body_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            patience: Duration::from_secs(10),
            metrics_open: false,
        }
    }
}

impl Settings {
    /// In bytes.
    fn body_limit_of(&self, limit: BodyLimit) -> usize {
        match limit {
            BodyLimit::Usual => self.body_limit,
            BodyLimit::Batch => self.batch_body_limit,
            BodyLimit::Bytes(bytes) => bytes,
        }
    }
}

/// A request that was answered, for logs and metrics.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// The request's name.
    pub id: &'a str,
    /// The client's address.
    pub client: IpAddr,
    /// The API key, where one was verified.
    pub session: Option<&'a Session>,
    /// The method.
    pub method: &'a str,
    /// The route's path as in the table; `None` where no path matched.
    pub route: Option<&'static str>,
    /// The answer's status.
    pub status: u16,
    /// From the end of the headers to the beginning of the answer.
    pub took: Duration,
    /// Its step in a trace, where there is one.
    pub trace: Option<TraceContext>,
}

/// Told about each answer, on the event loop: it must be quick.
pub type Observer = Box<dyn Fn(&Served<'_>) + Send + Sync>;

/// The OpenAPI document of all routes.
pub fn openapi() -> serde_json::Value {
    openapi::document(&api::table())
}

/// Everything that answers requests.
pub struct Edge {
    app: Arc<App>,
    router: Router,
    settings: Settings,
    observer: Observer,
    large_bodies: Turns,
    gated_bodies: Turns,
    heavy: Turns,
    passwords: Turns,
    keys: Turns,
    cookies: Turns,
}

impl Edge {
    /// Puts the edge together.
    pub fn new(app: Arc<App>, settings: Settings, observer: Observer) -> Result<Self, BadTable> {
        let table = api::served(&app);
        Self::with(app, table, settings, observer)
    }

    fn with(
        app: Arc<App>,
        table: Vec<Route>,
        settings: Settings,
        observer: Observer,
    ) -> Result<Self, BadTable> {
        let large_bodies = Turns::of_large_bodies(settings.body_timeout);
        let gated_bodies = Turns::of_gated_bodies(settings.patience);
        let heavy = Turns::of_work(settings.patience);
        let passwords = Turns::of_passwords(settings.patience);
        let keys = Turns::of_keys(settings.patience);
        let cookies = Turns::of_cookies(settings.patience);
        let router = Router::new(table)?;
        Ok(Self {
            app,
            router,
            settings,
            observer,
            large_bodies,
            gated_bodies,
            heavy,
            passwords,
            keys,
            cookies,
        })
    }

    /// Answers one request. Never fails: what goes wrong becomes an answer too.
    pub async fn answer(
        self: Arc<Self>,
        peer: SocketAddr,
        request: hyper::Request<Incoming>,
    ) -> Response<Body> {
        let (parts, mut body) = request.into_parts();
        let mut exchange = Exchange::begin(&self, peer, &parts);
        let method = parts.method.clone();
        let expects = parts.headers.contains_key(hyper::header::EXPECT);
        let outcome = middleware::pass(&self, &mut exchange, parts, &mut body).await;
        if let Err(error) = &outcome {
            // Before its client may leave.
            exchange.record_skipped(error);
            if !expects {
                exchange.discard(&mut body).await;
            }
        }
        exchange.finish(&self, &method, outcome)
    }
}
