//! The thread that sends spans to the collector. Whoever ends a span leaves it in a bounded channel and goes on; where
//! that is full, the span is lost and counted. Nobody ever waits for the collector but this thread.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::JoinHandle,
    time::Duration,
};

use ureq::{
    Agent,
    http::{HeaderName, HeaderValue, Uri, header},
    unversioned::resolver::DefaultResolver,
};

use super::{Inner, Record, Traces, otlp};
use crate::{
    ambient::{self, Ambient, lock},
    domain::{Secret, parse_retry_after},
    wire::{self, Line, Switchboard},
};

/// Spans that wait for the thread: some megabytes.
const WAITING_MAX: usize = 8 << 10;
/// Spans of one request.
const BATCH_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_millis(200);
/// The pauses before a request is sent again, where the collector says that this may help or says nothing.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// The longest pause that a collector may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The largest answer that is read, in bytes.
const ANSWER_MAX: u64 = 64 << 10;
/// For how long a stop lets the thread send what is left.
const FLUSH: Duration = Duration::from_secs(2);
/// For how long it waits then for a call that was cut.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where spans are sent, and how.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The collector's address with its path, such as `http://localhost:4318/v1/traces`.
    pub endpoint: Uri,
    /// What it wants to be let in, by name.
    pub headers: Vec<(String, Secret<String>)>,
    /// Of the traces that begin here, the part that is recorded, 0 to 1.
    pub sample_ratio: f64,
    /// The name of this service among others.
    pub service_name: String,
    /// How long one request may take.
    pub timeout: Duration,
}

/// What waits for the thread.
pub(super) enum Item {
    Span(Box<Record>),
    /// Nothing: the thread is to look around.
    Wake,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) exported: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// Says that the server stops, to a thread that pauses too.
#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    bell: Condvar,
}

/// The running thread.
pub struct Exporter {
    thread: JoinHandle<()>,
    wake: SyncSender<Item>,
    gate: Arc<Gate>,
    line: Line,
    ended: Receiver<()>,
}

impl Traces {
    /// Begins to export.
    pub fn start(ambient: &Ambient, settings: TraceSettings) -> io::Result<(Self, Exporter)> {
        let (spans, waiting) = mpsc::sync_channel(WAITING_MAX);
        let (end, ended) = mpsc::channel();
        let (counts, gate, line) = (Arc::default(), Arc::default(), Line::default());
        let sample_ratio = settings.sample_ratio;
        let thread = Thread {
            waiting,
            agent: agent(&settings),
            headers: headers(&settings.headers),
            instance: ambient.uuid().to_string(),
            settings,
            ambient: ambient.clone(),
            counts: Arc::clone(&counts),
            gate: Arc::clone(&gate),
            is_failing: false,
        };
        let during = line.clone();
        let thread = ambient::thread_in_background("traces", move || {
            during.during(|| thread.run());
            // Where nobody waits for it, that is fine.
            let _told = end.send(());
        })?;
        let wake = spans.clone();
        let inner = Inner { ambient: ambient.clone(), sample_ratio, spans, counts };
        let exporter = Exporter { thread, wake, gate, line, ended };
        Ok((Self(Some(Arc::new(inner))), exporter))
    }
}

impl Exporter {
    /// Sends what is left, for two seconds at most, and ends. Spans that end later are lost, and counted.
    pub fn stop(self) {
        self.gate.close();
        // Where there is no room, the thread has enough to look at.
        let _woken = self.wake.try_send(Item::Wake);
        if self.ended.recv_timeout(FLUSH) == Err(RecvTimeoutError::Timeout) {
            self.line.cut();
            if self.ended.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout) {
                tracing::warn!("the thread that exports spans was left behind");
                return;
            }
        }
        drop(self.thread.join());
    }
}

impl Gate {
    fn close(&self) {
        *lock(&self.closed) = true;
        self.bell.notify_all();
    }

    fn is_closed(&self) -> bool {
        *lock(&self.closed)
    }

    /// Waits for that long, or until it closes; gives whether it is closed.
    fn pause(&self, length: Duration) -> bool {
        let waited = self.bell.wait_timeout_while(lock(&self.closed), length, |closed| !*closed);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Why a request was in vain.
struct Failure {
    why: String,
    /// Whether the same may succeed later, and after which pause where the collector says so.
    retry: bool,
    after: Option<Duration>,
}

struct Thread {
    waiting: Receiver<Item>,
    agent: Agent,
    headers: Vec<(HeaderName, HeaderValue)>,
    settings: TraceSettings,
    instance: String,
    ambient: Ambient,
    counts: Arc<Counts>,
    gate: Arc<Gate>,
    is_failing: bool,
}

impl Thread {
    fn run(mut self) {
        let mut is_behind = false;
        while let Some(first) = self.next() {
            if !is_behind {
                self.gate.pause(LINGER);
            }
            let items = std::iter::once(first).chain(self.waiting.try_iter());
            let spans = items.filter_map(|item| match item {
                Item::Span(span) => Some(*span),
                Item::Wake => None,
            });
            let batch: Vec<_> = spans.take(BATCH_MAX).collect();
            is_behind = batch.len() == BATCH_MAX;
            if !batch.is_empty() {
                self.send(&batch);
            }
        }
    }

    /// Waits for something to do; `None` where there is nothing left and the server stops. Whoever closes the gate
    /// sends something afterwards.
    fn next(&self) -> Option<Item> {
        if self.gate.is_closed() { self.waiting.try_recv().ok() } else { self.waiting.recv().ok() }
    }

    /// Sends a batch, some times if need be, and counts what became of it.
    fn send(&mut self, batch: &[Record]) {
        let body = otlp::request(&self.settings.service_name, &self.instance, batch);
        let sent = batch.len() as u64;
        let mut pauses = PAUSES.into_iter();
        let lost = loop {
            if wire::is_cut() {
                break sent;
            }
            let failure = match self.post(&body) {
                Ok(rejected) => break self.succeeded(rejected.min(sent)),
                Err(failure) => failure,
            };
            let pause = pauses.next().filter(|_| failure.retry);
            let pause = pause.map(|pause| failure.after.unwrap_or(pause).min(PAUSE_MAX));
            if pause.is_none_or(|pause| self.gate.pause(pause)) {
                self.failed(&failure.why);
                break sent;
            }
        };
        self.counts.exported.fetch_add(sent - lost, Ordering::Relaxed);
        self.counts.dropped.fetch_add(lost, Ordering::Relaxed);
    }

    fn post(&self, body: &[u8]) -> Result<u64, Failure> {
        let mut request = self.agent.post(self.settings.endpoint.clone());
        request = request.header(header::CONTENT_TYPE, "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let broken =
            |error: ureq::Error| Failure { why: error.to_string(), retry: true, after: None };
        let mut answer = request.send(body).map_err(broken)?;
        let status = answer.status().as_u16();
        if (200..300).contains(&status) {
            let answer = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_vec();
            // The status says it all where there is more to say.
            return Ok(answer.map_or(0, |answer| otlp::rejected(&answer)));
        }
        let after = answer.headers().get(header::RETRY_AFTER).and_then(|it| it.to_str().ok());
        let after = after.and_then(|after| parse_retry_after(after, self.ambient.now()));
        let why = format!("the collector answered {status}");
        Err(Failure { why, retry: may_succeed_later(status), after })
    }

    /// Gives how many were lost.
    fn succeeded(&mut self, rejected: u64) -> u64 {
        if std::mem::take(&mut self.is_failing) {
            tracing::info!("spans are exported again");
        }
        rejected
    }

    /// Says so once, and not for every batch.
    fn failed(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(error = why, "spans are lost: the collector did not take them");
        }
    }
}

/// What is left when the thread ends is lost.
impl Drop for Thread {
    fn drop(&mut self) {
        let left = self.waiting.try_iter().filter(|item| matches!(item, Item::Span(_))).count();
        self.counts.dropped.fetch_add(left as u64, Ordering::Relaxed);
    }
}

/// By the protocol these four and no others.
fn may_succeed_later(status: u16) -> bool {
    matches!(status, 429 | 502..=504)
}

/// Redirects are not followed: they would carry the headers elsewhere.
fn agent(settings: &TraceSettings) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("skai-server/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(settings.timeout))
        .timeout_resolve(Some(CONNECT_TIMEOUT.min(settings.timeout)))
        .timeout_connect(Some(CONNECT_TIMEOUT.min(settings.timeout)));
    if is_this_machine(&settings.endpoint) {
        config = config.proxy(None);
    }
    Agent::with_parts(config.build(), Switchboard::default(), DefaultResolver::default())
}

/// No proxy can reach it.
fn is_this_machine(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address: Option<std::net::IpAddr> =
        host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

/// The configuration was checked, so that none is left out.
fn headers(given: &[(String, Secret<String>)]) -> Vec<(HeaderName, HeaderValue)> {
    let header = |(name, value): &(String, Secret<String>)| {
        let mut value = HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        Some((name.parse().ok()?, value))
    };
    given.iter().filter_map(header).collect()
}
