//! The thread that speaks HTTP.

use std::{io, net::SocketAddr, sync::Arc, thread::JoinHandle};

use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::{self, Runtime},
    sync::oneshot,
};

use super::{FAREWELL, StartError, assemble, metrics};
use crate::{
    ambient,
    app::App,
    config::Config,
    http::{self, Edge, Served},
};

/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;

/// The thread that speaks HTTP.
pub(super) struct Door {
    pub(super) thread: JoinHandle<()>,
    pub(super) drain: oneshot::Sender<()>,
    pub(super) close: oneshot::Sender<()>,
}

/// The event loop, and threads for what blocks.
pub(super) fn runtime(config: &Config) -> io::Result<Runtime> {
    // What blocks are reads, each of which needs a connection, and what has so many places: long work, and the
    // hashing of passwords and keys.
    let readers = usize::try_from(config.store.readers).unwrap_or(1);
    let blocking = readers + http::PLACES_MAX;
    runtime::Builder::new_current_thread().enable_all().max_blocking_threads(blocking).build()
}

/// Takes the address.
pub(super) fn listen(runtime: &Runtime, address: SocketAddr) -> Result<TcpListener, StartError> {
    let _entered = runtime.enter();
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|source| StartError::Listen { address, source })
}

/// Answers requests from now on.
pub(super) fn open(
    config: &Config,
    app: &Arc<App>,
    runtime: Runtime,
    listener: TcpListener,
) -> Result<Door, StartError> {
    let counted = Arc::downgrade(app);
    let observer = Box::new(move |served: &Served<'_>| {
        if let Some(app) = counted.upgrade() {
            observe(&app, served);
        }
    });
    let edge = Arc::new(Edge::new(Arc::clone(app), assemble::edge(config), observer)?);
    let mut limits = assemble::connections(config);
    limits.open = Arc::clone(&app.facts.connections);
    metrics::pull_connections(app, &limits.open);
    let ((drain, drained), (close, closed)) = (oneshot::channel(), oneshot::channel());
    let thread = ambient::thread("http", move || {
        let answer = move |peer, request| Arc::clone(&edge).answer(peer, request);
        let shutdown = http::Shutdown { drain: drained, close: closed };
        let cut = runtime.block_on(http::serve(listener, answer, limits, shutdown));
        if cut > 0 {
            tracing::warn!(cut, "connections were cut because they took too long to end");
        }
        runtime.shutdown_timeout(FAREWELL);
    })?;
    Ok(Door { thread, drain, close })
}

fn observe(app: &App, served: &Served<'_>) {
    let Served { id, client, method, route, status, took, trace, .. } = *served;
    app.metrics.request(method, route, status, took);
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let trace_id = trace.map(|trace| tracing::field::display(trace.trace_id()));
    tracing::debug!(request_id = id, trace_id, %client, method, route, status, took_us, "answered");
}
