//! Sockets: accepts connections, speaks HTTP/1.1 and HTTP/2 (prior knowledge, RFC 9113 §3.3) on
//! them, and puts a limit on everything that a slow or hostile client could hold on to.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
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
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::{sleep, timeout},
};

use super::{
    Body,
    activity::{Activity, Heard},
};

/// An idle connection has so long to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);
/// What began during the drain has so long to end after it.
const LAST_WORD: Duration = Duration::from_millis(250);
/// After the accept call failed for want of descriptors or memory, the next one waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits of connections.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Open connections; beyond that, no more are accepted until one closes.
    pub connections: u32,
    /// From the connection, or from the first byte of a later request of HTTP/1.1, to the end of the
    /// headers.
    pub header_timeout: Duration,
    /// A connection with no request for so long after an answer is closed.
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
    /// Ends what has begun. Who comes now is told so by the answers.
    Draining,
    /// Begins nothing.
    Closing,
    /// Ends.
    Closed,
}

/// Says when to stop.
#[derive(Debug)]
pub struct Shutdown {
    /// Resolves when the server begins to drain.
    pub drain: oneshot::Receiver<()>,
    /// Resolves when all other work has ended.
    pub close: oneshot::Receiver<()>,
}

/// Serves until the drain begins. Then it goes on accepting connections, so that clients and
/// balancers are told, until the requests that had begun and all other work have ended. Returns the
/// number of connections that had to be cut because they took longer than the limit.
pub async fn serve<F, A>(
    listener: TcpListener,
    answer: F,
    limits: ConnectionLimits,
    shutdown: Shutdown,
) -> u32
where
    F: Fn(SocketAddr, Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let (work, mut working) = mpsc::channel(1);
    let door = Acceptor {
        slots: Arc::new(Semaphore::new(slots_of(&limits))),
        phase: watch::Sender::new(Phase::Open),
        builder: Arc::new(builder(&limits)),
        limits,
        listener,
        answer,
    };
    let Shutdown { drain, close } = shutdown;
    // A sender that was dropped without a word says the same.
    door.accept_until(drain, Some(work)).await;
    door.phase.send_replace(Phase::Draining);
    let drained = async {
        drop(close.await);
        // Ends when every connection of before has dropped its sender.
        while working.recv().await.is_some() {}
    };
    door.accept_until(timeout(door.limits.drain, drained), None).await;
    door.close().await
}

/// What accepts connections.
struct Acceptor<F> {
    listener: TcpListener,
    answer: F,
    limits: ConnectionLimits,
    builder: Arc<Builder<TokioExecutor>>,
    slots: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
}

impl<F, A> Acceptor<F>
where
    F: Fn(SocketAddr, Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    async fn accept_until(&self, end: impl Future, work: Option<Work>) {
        let mut end = pin!(end);
        loop {
            let next = async {
                let slot = Arc::clone(&self.slots).acquire_owned().await;
                (slot, accept(&self.listener).await)
            };
            let (slot, (stream, peer)) = tokio::select! {
                biased;
                _ = end.as_mut() => return,
                (Ok(slot), accepted) = next => (slot, accepted),
                else => return,
            };
            let connection = Connection {
                builder: Arc::clone(&self.builder),
                limits: self.limits.clone(),
                phase: self.phase.subscribe(),
                work: work.clone(),
                peer,
                _slot: Slot::new(slot, &self.limits.open),
            };
            tokio::spawn(connection.run(stream, self.answer.clone()));
        }
    }

    /// Refuses connections from here on, and cuts those that do not end.
    async fn close(self) -> u32 {
        let Self { listener, limits, slots, phase, .. } = self;
        drop(listener);
        let all = u32::try_from(slots_of(&limits)).unwrap_or(u32::MAX);
        phase.send_replace(Phase::Closing);
        if timeout(LAST_WORD, slots.acquire_many(all)).await.is_ok() {
            return 0;
        }
        let free = u32::try_from(slots.available_permits()).unwrap_or(all);
        phase.send_replace(Phase::Closed);
        // The slots come back as the connections see it.
        drop(timeout(FAREWELL, slots.acquire_many(all)).await);
        all.saturating_sub(free)
    }
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

fn slots_of(limits: &ConnectionLimits) -> usize {
    let wanted = usize::try_from(limits.connections).unwrap_or(usize::MAX);
    wanted.clamp(1, Semaphore::MAX_PERMITS)
}

fn builder(limits: &ConnectionLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let header_bytes = limits.header_bytes.max(8 << 10);
    builder
        .http1()
        // Late heads are cut by `Activity`.
        .header_read_timeout(None)
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

/// While one of these lives, the drain goes on. Nothing is ever sent.
type Work = mpsc::Sender<Infallible>;

/// An accepted connection.
struct Connection {
    builder: Arc<Builder<TokioExecutor>>,
    limits: ConnectionLimits,
    phase: watch::Receiver<Phase>,
    /// Of those that were there before the drain.
    work: Option<Work>,
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
        let activity = Arc::new(Activity::new());
        let (peer, seen) = (self.peer, Arc::clone(&activity));
        let service = service_fn(move |request: Request<Incoming>| {
            let busy = seen.begin(request.version());
            let answering = answer(peer, request);
            async move {
                let mut response = answering.await;
                response.body_mut().hold(busy);
                Ok::<_, Infallible>(response)
            }
        });
        let builder = Arc::clone(&self.builder);
        let stream = TokioIo::new(Heard::new(stream, Arc::clone(&activity)));
        let mut connection = pin!(builder.serve_connection(stream, service));
        let is_idle = tokio::select! {
            ended = connection.as_mut() => return ended_with(ended),
            () = activity.expired(&self.limits) => true,
            () = leave(&mut self.phase, &mut self.work, &activity) => false,
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

/// Resolves when a connection should begin nothing more. One that has served before goes when the
/// drain begins; a new one may have a request on its way, and stays to answer it.
async fn leave(phase: &mut watch::Receiver<Phase>, work: &mut Option<Work>, activity: &Activity) {
    drop(phase.wait_for(|phase| *phase >= Phase::Draining).await);
    if work.is_some() && activity.is_used() {
        return;
    }
    *work = None;
    drop(phase.wait_for(|phase| *phase >= Phase::Closing).await);
}

fn ended_with<E: std::fmt::Debug>(ended: Result<(), E>) {
    if let Err(error) = ended {
        // Clients that break off are no fault of the server.
        tracing::debug!(?error, "a connection ended early");
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
