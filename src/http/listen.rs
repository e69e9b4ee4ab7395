//! Sockets: accepts connections, speaks HTTP/1.1 and HTTP/2 (prior knowledge, RFC 9113 §3.3) on
//! them, and puts a limit on everything that a slow or hostile client could hold on to.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use super::Body;

/// An idle connection has so long to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);
/// After the accept call failed for want of descriptors or memory, the next one waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits of connections.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Open connections; beyond that, no more are accepted until one closes.
    pub connections: u32,
    /// From the connection, or from the last answer of HTTP/1.1, to the end of the next headers.
    pub header_timeout: Duration,
    /// A connection on which nothing happened for so long is closed, at the latest after twice that.
    pub idle_timeout: Duration,
    /// Headers of a request.
    pub headers: usize,
    /// Bytes of a request's headers; at least 8 KiB.
    pub header_bytes: u32,
    /// Requests at once on an HTTP/2 connection.
    pub streams: u32,
    /// How long requests may take to end once the server is stopping.
    pub drain: Duration,
    /// Counts the open connections.
    pub open: Arc<AtomicUsize>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_mins(1),
            headers: 100,
            header_bytes: 32 << 10,
            streams: 100,
            drain: Duration::from_secs(30),
            open: Arc::default(),
        }
    }
}

/// Where the server stands, for its connections.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Phase {
    Open,
    /// Ends what has begun, begins nothing.
    Draining,
    /// Ends.
    Closed,
}

/// Serves until `shutdown` resolves, then lets the requests that have begun end. Returns the number of
/// connections that had to be cut because they took longer than the limit.
pub async fn serve<F, A>(
    listener: TcpListener,
    answer: F,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
) -> u32
where
    F: Fn(SocketAddr, Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(slots_of(&limits)));
    let (phase, _) = watch::channel(Phase::Open);
    let builder = Arc::new(builder(&limits));
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, accept(&listener).await)
        };
        let (slot, (stream, peer)) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            (Ok(slot), accepted) = next => (slot, accepted),
            else => break,
        };
        let connection = Connection {
            builder: Arc::clone(&builder),
            limits: limits.clone(),
            phase: phase.subscribe(),
            peer,
            _slot: Slot::new(slot, &limits.open),
        };
        tokio::spawn(connection.run(stream, answer.clone()));
    }
    // From here on the system refuses connections, so that a balancer goes elsewhere at once.
    drop(listener);
    drain(&limits, &slots, &phase).await
}

/// The next connection. Where the system has no descriptor or memory left, trying again at once would
/// spin: the connection stays in the backlog, and the next call would fail the same way.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// True where the connection broke before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    let kind = error.kind();
    matches!(kind, Kind::ConnectionAborted | Kind::ConnectionReset | Kind::ConnectionRefused)
}

async fn drain(limits: &ConnectionLimits, slots: &Semaphore, phase: &watch::Sender<Phase>) -> u32 {
    let all = u32::try_from(slots_of(limits)).unwrap_or(u32::MAX);
    phase.send_replace(Phase::Draining);
    if timeout(limits.drain, slots.acquire_many(all)).await.is_ok() {
        return 0;
    }
    let free = u32::try_from(slots.available_permits()).unwrap_or(all);
    phase.send_replace(Phase::Closed);
    // The slots come back as the connections see it.
    drop(timeout(FAREWELL, slots.acquire_many(all)).await);
    all.saturating_sub(free)
}

fn slots_of(limits: &ConnectionLimits) -> usize {
    let wanted = usize::try_from(limits.connections).unwrap_or(usize::MAX);
    wanted.clamp(1, Semaphore::MAX_PERMITS)
}

fn builder(limits: &ConnectionLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let header_bytes = limits.header_bytes.max(8 << 10);
    builder
        .http1()
        // Without a timer the timeout is silently off.
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers)
        .max_buf_size(usize::try_from(header_bytes).unwrap_or(usize::MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(header_bytes)
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .max_send_buf_size(256 << 10)
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// An accepted connection.
struct Connection {
    builder: Arc<Builder<TokioExecutor>>,
    limits: ConnectionLimits,
    phase: watch::Receiver<Phase>,
    peer: SocketAddr,
    /// Freed when the connection ends.
    _slot: Slot,
}

/// A place among the connections.
struct Slot {
    _permit: OwnedSemaphorePermit,
    open: Arc<AtomicUsize>,
}

impl Slot {
    fn new(permit: OwnedSemaphorePermit, open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self { _permit: permit, open: Arc::clone(open) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    async fn run<F, A>(mut self, stream: TcpStream, answer: F)
    where
        F: Fn(SocketAddr, Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let activity = Arc::new(Activity::default());
        let (peer, seen) = (self.peer, Arc::clone(&activity));
        let service = service_fn(move |request| {
            let busy = seen.begin();
            let answering = answer(peer, request);
            async move {
                let mut response = answering.await;
                response.body_mut().hold(busy);
                Ok::<_, Infallible>(response)
            }
        });
        let builder = Arc::clone(&self.builder);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let is_idle = tokio::select! {
            ended = connection.as_mut() => return ended_with(ended),
            () = activity.idle(&self.limits) => true,
            _ = self.phase.wait_for(|phase| *phase >= Phase::Draining) => false,
        };
        connection.as_mut().graceful_shutdown();
        let patience = if is_idle { FAREWELL } else { Duration::MAX };
        tokio::select! {
            ended = connection.as_mut() => ended_with(ended),
            () = sleep(patience) => {}
            _ = self.phase.wait_for(|phase| *phase == Phase::Closed) => {}
        }
    }
}

fn ended_with<E: std::fmt::Debug>(ended: Result<(), E>) {
    if let Err(error) = ended {
        // Clients that break off are no fault of the server.
        tracing::debug!(?error, "a connection ended early");
    }
}

/// What happens on a connection. Counting costs a request two additions and no look at the clock.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    running: AtomicUsize,
}

/// A request that is being answered.
struct Busy(Arc<Activity>);

impl Activity {
    fn begin(self: &Arc<Self>) -> Busy {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Resolves when no request came in time at first, or later none within an idle period and none
    /// is being answered. An answer that nobody reads counts as idleness.
    async fn idle(&self, limits: &ConnectionLimits) {
        sleep(limits.header_timeout).await;
        let mut before = 0;
        loop {
            let begun = self.begun.load(Ordering::Relaxed);
            let is_running = self.running.load(Ordering::Relaxed) > 0;
            if begun == before && !is_running {
                return;
            }
            before = begun;
            sleep(limits.idle_timeout).await;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_broken_connections_are_tried_again_at_once() {
        let of_kind = |kind: io::ErrorKind| is_of_the_client(&io::Error::from(kind));
        assert!(of_kind(io::ErrorKind::ConnectionAborted));
        // Too many open files.
        assert!(!is_of_the_client(&io::Error::from_raw_os_error(24)));
        assert!(!of_kind(io::ErrorKind::OutOfMemory));
    }
}
