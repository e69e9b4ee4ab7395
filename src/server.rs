//! The whole server as one thing that starts and stops. The program and the tests start the very same.
//!
//! Order matters: the folder is locked before the database is opened, the address is taken before any
//! work begins, and what was started last stops first.

mod assemble;
mod folder;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::{self, Runtime},
    sync::oneshot,
};

pub use assemble::{UnsupportedProvider, app, engine};
pub use folder::{DataFolder, FolderError, operator_token};

use crate::{
    ambient::{self, Ambient},
    app::{App, Vault},
    config::Config,
    domain::{self, QueueName},
    http::{self, BadTable, Edge, Served},
    observe::metrics::Sample,
    providers::Observer,
    queue::{self, Kind, QueueStats, Runner, Ticker},
    store::{OpenError, Signal, Store},
    webhooks::send::{Attempt, Limits, Outcome, Sender},
    workers::{Maintenance, RunGeneration, deliver_webhook::DeliverWebhook},
};

/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;
/// Requests that may hash new keys while all readers are busy.
const HASHING_THREADS: usize = 4;
/// What blocks for longer than this after the drain is left behind.
const FAREWELL: Duration = Duration::from_secs(5);
/// Deliveries that take longer than this do not hold up those to quicker endpoints.
const SLOW_DELIVERY: Duration = Duration::from_secs(1);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used, or another server uses it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}; set http.listen to a free address of this machine")]
    Listen {
        /// What was configured.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The configuration asks for something that this version lacks.
    #[error(transparent)]
    Provider(#[from] UnsupportedProvider),
    /// The system gives no thread, or a key file cannot be read.
    #[error("the system refused")]
    System(#[from] io::Error),
    /// The first write failed.
    #[error(transparent)]
    Write(#[from] domain::Error),
    /// A defect of this program.
    #[error(transparent)]
    Routes(#[from] BadTable),
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    app: Arc<App>,
    http: Door,
    ticker: Ticker,
    generations: Arc<Runner<RunGeneration>>,
    deliveries: Arc<Runner<DeliverWebhook>>,
    writer: JoinHandle<()>,
    drain: Duration,
    events: mpsc::Receiver<Event>,
    tell: mpsc::Sender<Event>,
    folder: DataFolder,
}

/// The thread that speaks HTTP.
struct Door {
    thread: JoinHandle<()>,
    drain: oneshot::Sender<()>,
    close: oneshot::Sender<()>,
}

/// What ends a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    /// Somebody asked for it.
    Stop,
    /// The disk failed in a way that only a restart mends.
    Fatal,
}

/// How a server ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Because it was asked to, with everything in order.
    Stopped,
    /// Because the disk failed: the process must end and be started again.
    Failed,
}

impl Server {
    /// Opens the data folder and starts everything. Once this returns, requests are answered.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the server is what the configuration is for"
    )]
    pub fn start(config: Config, ambient: Ambient) -> Result<Self, StartError> {
        let folder = DataFolder::lock(&config.data_dir)?;
        let runtime = runtime(&config)?;
        let listener = listen(&runtime, config.http.listen)?;
        let address = listener.local_addr()?;
        let (store, writer) = Store::open(&folder.database(), &engine(&config), &ambient)?;
        let vault = Vault::open(&folder.key(), &ambient)?;
        let token = operator_token(&config, &folder, &ambient)?;
        let app = Arc::new(app(&config, ambient, store, vault, token)?);
        let (tell, events) = mpsc::channel();
        listen_to_store(&app, &tell);
        let boot = queue::boot(&app.store)?;
        let generations = Arc::new(run_generations(&config, &app, boot)?);
        let deliveries = Arc::new(run_deliveries(&config, &app, boot)?);
        pull_queue(&app, &generations);
        pull_queue(&app, &deliveries);
        pull_totals(&app);
        let ticker = tick(&app, &generations, &deliveries)?;
        let http = open_door(&config, &app, runtime, listener)?;
        let drain = config.http.drain_timeout;
        Ok(Self {
            address,
            app,
            http,
            ticker,
            generations,
            deliveries,
            writer,
            drain,
            events,
            tell,
            folder,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What deeds work with, for commands and tests in the same process.
    pub const fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Lets SIGTERM and SIGINT end the server; the second ends the process at once.
    pub fn obey_signals(&self) -> io::Result<()> {
        let tell = self.tell.clone();
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        // Registered before this returns, so that no early signal kills the process.
        let mut signals = {
            let _entered = runtime.enter();
            Signals::register()?
        };
        ambient::thread("signals", move || {
            runtime.block_on(async {
                signals.next().await;
                tracing::info!("stopping; a second signal ends the process at once");
                // Where nobody listens the server has ended already.
                let _sent = tell.send(Event::Stop);
                signals.next().await;
                std::process::exit(1);
            });
        })?;
        Ok(())
    }

    /// Waits until a signal or the disk ends the server, and stops it.
    pub fn wait(self) -> Ended {
        let event = self.events.recv().unwrap_or(Event::Stop);
        if event == Event::Fatal {
            tracing::error!("the disk failed to keep a commit; start again to see what it kept");
            return Ended::Failed;
        }
        self.stop();
        Ended::Stopped
    }

    /// Begins nothing more and says so to who asks, lets requests and attempts end as long as
    /// `http.drain_timeout` says, gives back the rest, and closes the door and the database.
    pub fn stop(self) {
        self.app.watches.close();
        let _sent = self.http.drain.send(());
        self.ticker.stop();
        let patience = self.drain;
        let drains = [drain(self.generations, patience), drain(self.deliveries, patience)];
        for drain in drains.into_iter().flatten() {
            drop(drain.join());
        }
        let _sent = self.http.close.send(());
        drop(self.http.thread.join());
        drop(self.app);
        close(self.writer);
        drop(self.folder);
        tracing::info!("stopped");
    }
}

fn runtime(config: &Config) -> io::Result<Runtime> {
    // What blocks are reads, each of which needs a connection, and the hashing of new keys.
    let blocking = usize::try_from(config.store.readers).unwrap_or(1) + HASHING_THREADS;
    runtime::Builder::new_current_thread().enable_all().max_blocking_threads(blocking).build()
}

fn listen(runtime: &Runtime, address: SocketAddr) -> Result<TcpListener, StartError> {
    let _entered = runtime.enter();
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|source| StartError::Listen { address, source })
}

/// Caches forget what commits made doubtful, and a failing disk ends the server.
fn listen_to_store(app: &Arc<App>, tell: &mpsc::Sender<Event>) {
    let (listener, tell) = (Arc::downgrade(app), tell.clone());
    app.store.listen(move |signals| {
        let Some(app) = listener.upgrade() else { return };
        app.auth.hear(signals);
        app.watches.hear(signals);
        for signal in signals {
            match signal {
                Signal::Ended(status) => app.metrics.job_ended(status.as_str()),
                // Where nobody listens the server is ending already.
                Signal::Fatal => {
                    let _sent = tell.send(Event::Fatal);
                }
                _ => {}
            }
        }
    });
}

fn run_generations(
    config: &Config,
    app: &Arc<App>,
    boot: i64,
) -> Result<Runner<RunGeneration>, StartError> {
    let counted = Arc::downgrade(app);
    let providers = assemble::providers(config, &app.ambient)?;
    let observer: Observer = Arc::new(move |provider, outcome, took| {
        if let Some(app) = counted.upgrade() {
            app.metrics.provider_call(provider, outcome, took);
        }
    });
    let providers = providers.observed(&app.ambient, &observer);
    let settings = assemble::queue(config, QueueName::GenerationCreate, None);
    let kind = RunGeneration::new(Arc::clone(app), Arc::new(providers), settings.max_runtime);
    Ok(Runner::start(kind, &app.store, &app.ambient, settings, boot)?)
}

fn run_deliveries(
    config: &Config,
    app: &Arc<App>,
    boot: i64,
) -> Result<Runner<DeliverWebhook>, StartError> {
    let limits = Limits { total: config.webhooks.timeout, ..Limits::default() };
    let counted = Arc::downgrade(app);
    let sender = Sender::new(app.guard.clone(), &app.ambient, limits);
    let sender = sender.observed(Arc::new(move |attempt: &Attempt| {
        if let Some(app) = counted.upgrade() {
            app.metrics.webhook_attempt(outcome_of(attempt), attempt.duration);
        }
    }));
    let kind = DeliverWebhook::new(Arc::clone(app), sender);
    let settings = assemble::queue(config, QueueName::WebhookDelivery, Some(SLOW_DELIVERY));
    Ok(Runner::start(kind, &app.store, &app.ambient, settings, boot)?)
}

const fn outcome_of(attempt: &Attempt) -> &'static str {
    match attempt.outcome {
        Outcome::Status(200..=299) => "delivered",
        Outcome::Status(500..) => "5xx",
        Outcome::Status(400..) => "4xx",
        Outcome::Status(_) => "other_status",
        Outcome::Refused(_) => "refused",
        Outcome::Timeout => "timeout",
        Outcome::Connection(_) => "connection",
    }
}

fn tick(
    app: &Arc<App>,
    generations: &Arc<Runner<RunGeneration>>,
    deliveries: &Arc<Runner<DeliverWebhook>>,
) -> io::Result<Ticker> {
    let (generations, deliveries) = (Arc::clone(generations), Arc::clone(deliveries));
    let maintenance = Maintenance::new(Arc::clone(app));
    let probed = Arc::clone(app);
    Ticker::start(&app.ambient, move || {
        generations.tick();
        deliveries.tick();
        maintenance.tick();
        if probed.store.trouble().is_some() {
            // Its failure is already known, its success ends the trouble.
            drop(probed.store.probe().wait());
        }
    })
}

fn pull_queue<K: Kind>(app: &Arc<App>, runner: &Arc<Runner<K>>) {
    let runner: Weak<Runner<K>> = Arc::downgrade(runner);
    app.metrics.pull(move || match runner.upgrade() {
        Some(runner) => queue_samples(K::QUEUE, runner.stats()),
        None => Vec::new(),
    });
}

#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
fn queue_samples(queue: QueueName, stats: QueueStats) -> Vec<Sample> {
    let QueueStats { ready, later, running, paused } = stats;
    let depth = |state, number: usize| {
        let help = "Work in the queue by state: ready, later (not due yet), running";
        let sample = Sample::gauge("queue_depth", help, number as f64);
        sample.label("queue", queue.as_str()).label("state", state)
    };
    let pause = Sample::gauge("queue_paused", "1 while the queue stands still", f64::from(paused));
    vec![
        depth("ready", ready),
        depth("later", later),
        depth("running", running),
        pause.label("queue", queue.as_str()),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
fn pull_totals(app: &Arc<App>) {
    let app_of = Arc::downgrade(app);
    app.metrics.pull(move || {
        let Some(app) = app_of.upgrade() else { return Vec::new() };
        let writer = app.store.totals();
        vec![
            Sample::counter("store_commits", "Commits since the start", writer.commits as f64),
            Sample::counter("store_deeds", "Writes within the commits", writer.deeds as f64),
            Sample::counter(
                "store_busy_seconds",
                "Time that the writer spent on commits",
                writer.busy.as_secs_f64(),
            ),
            Sample::counter(
                "auth_verifications",
                "API keys that were hashed, because they were not in the cache",
                app.auth.hashings() as f64,
            ),
        ]
    });
}

fn open_door(
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
    let limits = assemble::connections(config);
    pull_connections(app, &limits.open);
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

#[expect(clippy::cast_precision_loss, reason = "there are never that many connections")]
fn pull_connections(app: &App, open: &Arc<AtomicUsize>) {
    let open = Arc::clone(open);
    app.metrics.pull(move || {
        let number = open.load(Ordering::Relaxed) as f64;
        vec![Sample::gauge("http_connections", "Open connections", number)]
    });
}

fn observe(app: &App, served: &Served<'_>) {
    let Served { id, client, method, route, status, took, .. } = *served;
    app.metrics.request(method, route, status, took);
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(request_id = id, %client, method, route, status, took_us, "answered");
}

/// Drains a runner on a thread of its own. A look at the metrics may hold it too, for a moment.
fn drain<K: Kind>(mut shared: Arc<Runner<K>>, patience: Duration) -> Option<JoinHandle<()>> {
    let drain = move || loop {
        match Arc::try_unwrap(shared) {
            Ok(runner) => return runner.drain(patience),
            Err(held) => shared = held,
        }
        std::thread::yield_now();
    };
    ambient::thread("drain", drain).ok()
}

/// Waits for the writer to fold the log into the database, unless an attempt that never ended
/// still holds the store: then the next start folds it.
fn close(writer: JoinHandle<()>) {
    let (closed, waiting) = mpsc::channel();
    let waiter = ambient::thread("closing", move || {
        let ended = writer.join();
        let _sent = closed.send(ended.is_ok());
    });
    if waiter.is_err() || waiting.recv_timeout(FAREWELL) != Ok(true) {
        tracing::warn!("the write-ahead log was not folded; the next start does it");
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
