//! An HTTP/1.1 server on a free port that records what it is asked and answers by script.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::SocketAddr,
    ops::Not,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, mpsc},
    task::{Context, Poll, ready},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    HeaderMap, Request, Response,
    body::{Body, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime,
    sync::{oneshot, watch},
    time::{Sleep, sleep},
};

use super::{
    LIMIT,
    streamed::{Piece, Streamed},
};

/// A request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// When its last byte had come.
    pub(crate) at: Instant,
}

impl Received {
    /// The header's value, if it is there once or more and is ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the request's body is JSON")
    }
}

/// What is done with a request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    delay: Duration,
    manner: Manner,
}

#[derive(Clone, Debug)]
enum Manner {
    /// Answers after the delay.
    Plain,
    /// Answers when [`Scripted::release`] is called next.
    Held,
    /// Closes the connection without a word.
    Close,
    /// Sends the body over and over, with a pause after each time; never ends.
    Endless(Duration),
    /// Sends the pieces.
    Streamed(Vec<Piece>),
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            delay: Duration::ZERO,
            manner: Manner::Plain,
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string()).header("content-type", "application/json")
    }

    /// Closes the connection without a word.
    pub(crate) fn close() -> Self {
        Self::new(200, "").manner(Manner::Close)
    }

    /// Sends `piece` over and over, with a pause after each time; never ends.
    pub(crate) fn endless(piece: impl Into<Bytes>, pause: Duration) -> Self {
        Self::new(200, piece).manner(Manner::Endless(pause))
    }

    /// Sends the pieces one after the other; it is in flight until the last.
    pub(crate) fn streamed(pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self::new(200, "").manner(Manner::Streamed(pieces.into_iter().collect()))
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits before it answers.
    #[must_use]
    pub(crate) fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Waits until [`Scripted::release`] is called.
    #[must_use]
    pub(crate) fn held(self) -> Self {
        self.manner(Manner::Held)
    }

    fn manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }
}

type Script = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;

/// The server. It ends when it is dropped, whoever still waits for it.
pub(crate) struct Scripted {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    release: watch::Sender<u64>,
}

struct State {
    received: Vec<Received>,
    queue: VecDeque<Answer>,
    script: Script,
    in_flight: usize,
    peak_in_flight: usize,
    connections: usize,
}

impl Scripted {
    /// Starts a server that answers as `script` says where no answer is queued.
    pub(crate) fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                received: Vec::new(),
                queue: VecDeque::new(),
                script: Arc::new(script),
                in_flight: 0,
                peak_in_flight: 0,
                connections: 0,
            }),
            changed: Condvar::new(),
            release: watch::Sender::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let (tell_address, address) = mpsc::channel();
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut runtime = runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = listen();
                tell_address.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = accept(listener, of_thread) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: address.recv_timeout(LIMIT).expect("the server starts"),
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the next request so, or the one after those that are queued already.
    pub(crate) fn queue(&self, answer: Answer) {
        self.shared.lock().queue.push_back(answer);
    }

    /// From now on answers as `script` says where no answer is queued.
    pub(crate) fn answer_with(&self, script: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        self.shared.lock().script = Arc::new(script);
    }

    /// From now on answers so where no answer is queued.
    pub(crate) fn always(&self, answer: Answer) {
        self.answer_with(move |_| answer.clone());
    }

    /// Lets all answers go that are held now.
    pub(crate) fn release(&self) {
        self.shared.release.send_modify(|times| *times += 1);
    }

    /// All requests so far, in the order of their arrival.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.lock().received.clone()
    }

    /// Requests that wait for their answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.shared.lock().in_flight
    }

    /// The most requests that waited at the same time.
    pub(crate) fn peak_in_flight(&self) -> usize {
        self.shared.lock().peak_in_flight
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// Waits until `count` requests came, and returns all.
    ///
    /// # Panics
    /// If they did not come within `timeout` or [`LIMIT`].
    pub(crate) fn wait_for(&self, count: usize, timeout: Duration) -> Vec<Received> {
        self.wait_until(timeout, |state| state.received.len() >= count);
        self.received()
    }

    /// Waits until a request came that `wanted` picks, and returns the first.
    pub(crate) fn wait_for_one(&self, wanted: impl Fn(&Received) -> bool) -> Received {
        self.wait_until(LIMIT, |state| state.received.iter().any(&wanted));
        self.received().into_iter().find(wanted).unwrap()
    }

    /// Waits until exactly `count` requests wait for their answer.
    pub(crate) fn wait_for_in_flight(&self, count: usize) {
        self.wait_until(LIMIT, |state| state.in_flight == count);
    }

    fn wait_until(&self, timeout: Duration, done: impl Fn(&State) -> bool) {
        let state = self.shared.lock();
        let waiting = |state: &mut State| !done(state);
        let timeout = timeout.min(LIMIT);
        let (state, waited) =
            self.shared.changed.wait_timeout_while(state, timeout, waiting).unwrap();
        let (received, in_flight) = (state.received.len(), state.in_flight);
        drop(state);
        assert!(
            waited.timed_out().not(),
            "waited {timeout:?} in vain; {received} requests came, {in_flight} wait for an answer"
        );
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.unwrap().expect("the scripted server did not panic");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes the state and wakes who waits for it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }
}

/// With room for hundreds that connect at once.
fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(1024).unwrap()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        shared.change(|state| state.connections += 1);
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    // An error is the client's going away, or the script's `Close`.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

type Content = Either<Full<Bytes>, Either<Endless, Streamed<Flight>>>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<Content>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let received = Received {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers,
        body,
        at: Instant::now(),
    };
    let mut released = shared.release.subscribe();
    let (flight, answer) = Flight::start(&shared, &received);
    sleep(answer.delay).await;
    match &answer.manner {
        Manner::Close => return Err(io::Error::other("the script says so")),
        Manner::Held => released.changed().await.map_err(io::Error::other)?,
        Manner::Plain | Manner::Endless(_) | Manner::Streamed(_) => {}
    }
    Ok(response(answer, flight, released))
}

fn response(answer: Answer, flight: Flight, released: watch::Receiver<u64>) -> Response<Content> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let body = match answer.manner {
        Manner::Endless(pause) => Either::Right(Either::Left(Endless {
            piece: answer.body,
            pause,
            sleep: Box::pin(sleep(Duration::ZERO)),
        })),
        Manner::Streamed(pieces) => {
            Either::Right(Either::Right(Streamed::new(pieces, released, flight)))
        }
        _ => Either::Left(Full::new(answer.body)),
    };
    response.body(body).unwrap()
}

/// A request that waits for its answer, until it has it or the client goes away.
struct Flight(Arc<Shared>);

impl Flight {
    fn start(shared: &Arc<Shared>, received: &Received) -> (Self, Answer) {
        let (queued, script) = shared.change(|state| {
            state.received.push(received.clone());
            state.in_flight += 1;
            state.peak_in_flight = state.peak_in_flight.max(state.in_flight);
            (state.queue.pop_front(), Arc::clone(&state.script))
        });
        let flight = Self(Arc::clone(shared));
        (flight, queued.unwrap_or_else(|| script(received)))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.change(|state| state.in_flight -= 1);
    }
}

/// A body without an end.
pub(crate) struct Endless {
    piece: Bytes,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.sleep.as_mut().poll(context));
        self.sleep = Box::pin(sleep(self.pause));
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }
}
