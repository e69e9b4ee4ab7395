//! The whole server as one thing that starts and stops. The program and the tests start the very same.
//!
//! Order matters: the folder is locked before the database is opened, the address is taken before any
//! work begins, and what was started last stops first.

mod assemble;
mod door;
mod folder;
mod metrics;
mod reload;
mod signals;
mod work;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

pub use assemble::{app, engine, models};
pub use folder::{DataFolder, FolderError, operator_token};
pub use reload::Load;
pub use signals::Hangup;

use crate::{
    ambient::{self, Ambient},
    app::{App, Vault, prices, telemetry::requests},
    config::Config,
    domain,
    http::BadTable,
    observe::traces::Exporter,
    queue::{self, Runner, Ticker},
    store::{OpenError, Signal, Store},
    workers::{GrantCredits, RunGeneration, RunTask, deliver_webhook::DeliverWebhook},
};
use door::Door;

/// What blocks for longer than this after the drain is left behind.
const FAREWELL: Duration = Duration::from_secs(5);

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
    /// No copies can be made where they should be.
    #[error("the folder of backups {} cannot be used; set backup.folder to one that this user may write to", folder.display())]
    Backup {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
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
    /// What it was started with.
    config: Config,
    address: SocketAddr,
    app: Arc<App>,
    http: Door,
    tickers: [Ticker; 5],
    generations: Arc<Runner<RunGeneration>>,
    deliveries: Arc<Runner<DeliverWebhook>>,
    grants: Arc<Runner<GrantCredits>>,
    tasks: Arc<Runner<RunTask>>,
    writer: JoinHandle<()>,
    recorder: Option<JoinHandle<()>>,
    exporter: Option<Exporter>,
    drain: Duration,
    events: mpsc::Receiver<Event>,
    tell: mpsc::Sender<Event>,
    folder: DataFolder,
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
    pub fn start(config: Config, ambient: Ambient) -> Result<Self, StartError> {
        let folder = DataFolder::lock(&config.data_dir)?;
        work::try_backups(&config, &ambient)?;
        let runtime = door::runtime(&config)?;
        let listener = door::listen(&runtime, config.http.listen)?;
        let address = listener.local_addr()?;
        let (store, writer) = Store::open(&folder.database(), &engine(&config), &ambient)?;
        let vault = Vault::open(&folder.key(), &ambient)?;
        let token = operator_token(&config, &folder, &ambient)?;
        let boot = queue::boot(&store)?;
        let (traces, exporter) = assemble::traces(&config, &ambient)?;
        let app = Arc::new(app(&config, ambient, store, vault, token, boot, traces)?);
        prices::put_in_force(&app, models(&config))?;
        app.facts.set_settings(config.shown());
        requests::tell_of_records(&app);
        let recorder = app.recording.telemetry.start()?;
        let (tell, events) = mpsc::channel();
        listen_to_store(&app, &tell);
        let generations = Arc::new(work::run_generations(&config, &app)?);
        let deliveries = Arc::new(work::run_deliveries(&config, &app)?);
        let grants = Arc::new(work::run_grants(&config, &app)?);
        let tasks = Arc::new(work::run_tasks(&config, &app)?);
        work::tell_backlog(&app, &generations);
        work::tell_loads(&app, &generations, &deliveries, &grants, &tasks);
        work::end_left_calls(&app)?;
        metrics::pull_queue(&app, &generations);
        metrics::pull_queue(&app, &deliveries);
        metrics::pull_queue(&app, &grants);
        metrics::pull_queue(&app, &tasks);
        metrics::pull_breakers(&app);
        metrics::pull_jobs(&app, &generations);
        metrics::pull_hashings(&app);
        metrics::pull_store(&app);
        metrics::pull_usage(&app);
        metrics::pull_process(&app);
        metrics::pull_caches(&app);
        metrics::pull_audit(&app);
        metrics::pull_telemetry(&app);
        metrics::pull_traces(&app);
        let tickers = work::tick(&app, &generations, &deliveries, &grants, &tasks)?;
        let http = door::open(&config, &app, runtime, listener)?;
        let drain = config.http.drain_timeout;
        Ok(Self {
            config,
            address,
            app,
            http,
            tickers,
            generations,
            deliveries,
            grants,
            tasks,
            writer,
            recorder,
            exporter,
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

    /// Lets SIGTERM and SIGINT end the server; the second ends the process at once. SIGHUP lets it take over
    /// models and prices from what `load` gives; without it, SIGHUP ends the server too.
    pub fn obey_signals(&self, hangup: Hangup, load: Option<Load>) -> io::Result<()> {
        let tell = self.tell.clone();
        let stop = move || {
            // Where nobody listens the server has ended already.
            let _sent = tell.send(Event::Stop);
        };
        let reload = load.map(|load| reload::start(&self.app, self.config.clone(), load));
        let reload = reload.transpose()?.map(|ask| {
            move || {
                // Where one is asked for already, that will do.
                let _asked = ask.try_send(());
            }
        });
        signals::obey(hangup, stop, reload)
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
        let began = self.app.ambient.monotonic();
        self.app.watches.close();
        let _sent = self.http.drain.send(());
        let [duties, tickers @ ..] = self.tickers;
        tickers.into_iter().for_each(Ticker::stop);
        let patience = self.drain;
        let drains = [
            work::drain(self.generations, patience),
            work::drain(self.deliveries, patience),
            work::drain(self.grants, patience),
            work::drain(self.tasks, patience),
        ];
        for drain in drains.into_iter().flatten() {
            drop(drain.join());
        }
        let taken = self.app.ambient.monotonic().saturating_sub(began);
        self.app.calls.drain(patience.saturating_sub(taken));
        self.app.calls.record_late();
        let _sent = self.http.close.send(());
        drop(self.http.thread.join());
        // What it does may end only after a while, and nothing of the above waits for that.
        duties.stop();
        self.app.recording.telemetry.close();
        if !self.recorder.is_none_or(ends_soon) {
            tracing::warn!("telemetry was not closed; what it had not written is lost");
        }
        drop(self.app);
        if let Some(exporter) = self.exporter {
            exporter.stop();
        }
        close(self.writer);
        drop(self.folder);
        tracing::info!("stopped");
    }
}

/// Caches forget what commits made doubtful, and a failing disk ends the server.
fn listen_to_store(app: &Arc<App>, tell: &mpsc::Sender<Event>) {
    let (listener, tell) = (Arc::downgrade(app), tell.clone());
    app.store.listen(move |signals| {
        let Some(app) = listener.upgrade() else { return };
        app.hear(signals);
        for signal in signals {
            match signal {
                Signal::Ended(status) => app.metrics.job_ended(status.as_str()),
                Signal::Posted(kind, environment, amount) => {
                    app.metrics.credits_moved(*kind, *environment, *amount);
                }
                Signal::Buried(queue) => app.metrics.buried(*queue),
                Signal::DeliveryEnded(status) => app.metrics.delivery_ended(status.as_str()),
                Signal::Task(_, status) if status.is_terminal() => {
                    app.metrics.task_ended(status.as_str());
                }
                // Where nobody listens the server is ending already.
                Signal::Fatal => {
                    let _sent = tell.send(Event::Fatal);
                }
                _ => {}
            }
        }
    });
}

/// Waits for the writer to fold the log into the database, unless an attempt that never ended
/// still holds the store: then the next start folds it.
fn close(writer: JoinHandle<()>) {
    if !ends_soon(writer) {
        tracing::warn!("the write-ahead log was not folded; the next start does it");
    }
}

/// Waits for a thread that was told to end; false where it does not, or panicked.
fn ends_soon(thread: JoinHandle<()>) -> bool {
    let (closed, waiting) = mpsc::channel();
    let waiter = ambient::thread("closing", move || {
        let ended = thread.join();
        let _sent = closed.send(ended.is_ok());
    });
    waiter.is_ok() && waiting.recv_timeout(FAREWELL) == Ok(true)
}
