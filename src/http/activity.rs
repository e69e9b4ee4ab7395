//! What happens on a connection, and when nothing has happened for too long.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use hyper::Version;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, sleep_until},
};

use super::ConnectionLimits;
use crate::ambient::lock;

/// Late heads are looked for so often within the time that they have.
const LOOKS: u32 = 4;

/// What a connection is doing. hyper's own limit of this kind does not tell a connection that waits
/// from a head that is late: it would end both after the same time.
pub(super) struct Activity(Mutex<State>);

struct State {
    /// Requests that are being answered.
    running: usize,
    /// True from the first byte of a head to its end. A new connection begins with a head.
    in_head: bool,
    /// Of a connection with nothing running: when it began to be as it is.
    since: Instant,
    /// Requests so far.
    is_used: bool,
    is_http2: bool,
}

/// A request that is being answered.
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Self {
        let since = Instant::now();
        let (is_used, is_http2) = (false, false);
        Self(Mutex::new(State { running: 0, in_head: true, since, is_used, is_http2 }))
    }

    /// A head is complete.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> Busy {
        let mut state = lock(&self.0);
        state.running += 1;
        state.in_head = false;
        state.is_used = true;
        state.is_http2 = version == Version::HTTP_2;
        drop(state);
        Busy(Arc::clone(self))
    }

    /// True once a request came.
    pub(super) fn is_used(&self) -> bool {
        lock(&self.0).is_used
    }

    /// Bytes came. Those that come during a request may be its body; those of HTTP/2 may be of no
    /// request at all, and its frames have limits of their own.
    fn heard(&self) {
        let mut state = lock(&self.0);
        if state.running == 0 && !state.in_head && !state.is_http2 {
            state.in_head = true;
            state.since = Instant::now();
        }
    }

    /// Resolves when a head took too long, or when none began for too long and none is being answered.
    /// An answer that nobody reads counts as idleness.
    pub(super) async fn expired(&self, limits: &ConnectionLimits) {
        loop {
            let now = Instant::now();
            let deadline = self.deadline(limits, now);
            if deadline <= now {
                return;
            }
            // Waking at each head would cost every request; so late heads are noticed a bit late.
            sleep_until(deadline.min(now + limits.header_timeout / LOOKS)).await;
        }
    }

    fn deadline(&self, limits: &ConnectionLimits, now: Instant) -> Instant {
        let state = lock(&self.0);
        match (state.running, state.in_head) {
            (0, true) => state.since + limits.header_timeout,
            (0, false) => state.since + limits.idle_timeout,
            _ => now + limits.idle_timeout.max(Duration::from_millis(1)),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.running -= 1;
        state.since = Instant::now();
    }
}

/// A socket that tells when bytes come.
pub(super) struct Heard {
    socket: TcpStream,
    activity: Arc<Activity>,
}

impl Heard {
    pub(super) const fn new(socket: TcpStream, activity: Arc<Activity>) -> Self {
        Self { socket, activity }
    }
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = bytes.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(context, bytes);
        if bytes.filled().len() > before {
            self.activity.heard();
        }
        polled
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
