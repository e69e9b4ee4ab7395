//! The outside world: an OpenAI-compatible provider and the tenants' webhook endpoints.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Condvar, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use skai_server::ambient::{self, Ambient, lock};
use standardwebhooks::Webhook;
use uuid::Uuid;

/// After so long without a webhook a run has failed.
const STALL: Duration = Duration::from_mins(1);
/// Bytes to a token, roughly as providers count English.
const TOKEN_BYTES: usize = 4;
const ANSWER: &str = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod \
                      tempor incididunt ut labore et dolore magna aliqua.";

/// A provider and a sink for webhooks on one port, on a thread of their own.
pub(crate) struct Outside {
    address: SocketAddr,
    provider_latency_ms: AtomicU64,
    sink: Sink,
}

impl Outside {
    /// Opens a free port on loopback.
    pub(crate) fn open(clock: Ambient) -> Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let outside = Arc::new(Self {
            address: listener.local_addr()?,
            provider_latency_ms: AtomicU64::new(0),
            sink: Sink::new(clock),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = outside.clone();
        ambient::thread("outside", move || runtime.block_on(served.serve(listener)))?;
        Ok(outside)
    }

    /// Where provider and sink are.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long the provider takes for an answer from now on.
    pub(crate) fn set_provider_latency(&self, latency: Duration) {
        let millis = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.provider_latency_ms.store(millis, Relaxed);
    }

    /// Where webhooks arrive.
    pub(crate) fn sink(&self) -> &Sink {
        &self.sink
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let outside = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| outside.answer(request));
                // A connection that breaks shows up as a job that does not complete.
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path = parts.uri.path();
        Ok(if path == "/v1/chat/completions" {
            self.complete(body.len()).await
        } else if let Some(account) = path.strip_prefix("/sink/") {
            self.sink.receive(account, &parts.headers, &body);
            Response::new(Full::default())
        } else {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        })
    }

    async fn complete(&self, request_bytes: usize) -> Response<Full<Bytes>> {
        let latency = Duration::from_millis(self.provider_latency_ms.load(Relaxed));
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let (prompt, completion) = (request_bytes / TOKEN_BYTES, ANSWER.len() / TOKEN_BYTES);
        let total = prompt + completion;
        let text = format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1760000000,"model":"mock",
            "choices":[{{"index":0,"finish_reason":"stop","logprobs":null,
            "message":{{"role":"assistant","content":"{ANSWER}","refusal":null}}}}],
            "usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}}}}}"#
        );
        let mut response = Response::new(Full::from(text));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

/// Receives webhooks, verifies their signatures, and notes when each job's first one came.
pub(crate) struct Sink {
    clock: Ambient,
    secrets: OnceLock<Vec<Webhook>>,
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    arrivals: HashMap<Uuid, Duration>,
    /// How many somebody waits for: only then is there anyone to wake.
    awaited: Option<usize>,
    /// What was wrong with a webhook.
    refused: Option<anyhow::Error>,
}

#[derive(Deserialize)]
struct Event {
    data: EventData,
}
#[derive(Deserialize)]
struct EventData {
    job_id: Uuid,
}

impl Sink {
    fn new(clock: Ambient) -> Self {
        Self { clock, secrets: OnceLock::new(), seen: Mutex::default(), changed: Condvar::new() }
    }

    /// From now on the webhooks of account `n` are signed with `secrets[n]`.
    pub(crate) fn expect_signatures(&self, secrets: &[String]) -> Result<()> {
        let secrets: Result<Vec<_>, _> =
            secrets.iter().map(|secret| Webhook::new(secret)).collect();
        ensure!(self.secrets.set(secrets?).is_ok(), "the secrets are set already");
        Ok(())
    }

    /// Forgets what came.
    pub(crate) fn forget(&self) {
        *lock(&self.seen) = Seen::default();
    }

    /// Waits for webhooks of so many jobs, and tells when each job's first one came.
    pub(crate) fn wait_for(&self, jobs: usize) -> Result<HashMap<Uuid, Duration>> {
        let mut seen = lock(&self.seen);
        seen.awaited = Some(jobs);
        loop {
            if let Some(error) = seen.refused.take() {
                return Err(error);
            }
            let before = seen.arrivals.len();
            if before >= jobs {
                return Ok(std::mem::take(&mut seen.arrivals));
            }
            let wait = self.changed.wait_timeout(seen, STALL);
            seen = wait.unwrap_or_else(PoisonError::into_inner).0;
            if seen.arrivals.len() == before && seen.refused.is_none() {
                bail!("{before} of {jobs} webhooks came, and none for {STALL:?}");
            }
        }
    }

    fn receive(&self, account: &str, headers: &HeaderMap, body: &[u8]) {
        let now = self.clock.monotonic();
        let job = self.verify(account, headers, body);
        let mut seen = lock(&self.seen);
        match job {
            Ok(job) => {
                seen.arrivals.entry(job).or_insert(now);
            }
            Err(error) => seen.refused = Some(error),
        }
        if seen.refused.is_some() || seen.awaited.is_some_and(|jobs| seen.arrivals.len() >= jobs) {
            self.changed.notify_all();
        }
    }

    fn verify(&self, account: &str, headers: &HeaderMap, body: &[u8]) -> Result<Uuid> {
        let secrets = self.secrets.get().context("a webhook before there was a job")?;
        let secret = secrets.get(account.parse::<usize>()?).context("no such account")?;
        secret.verify(body, headers)?;
        Ok(serde_json::from_slice::<Event>(body)?.data.job_id)
    }
}
