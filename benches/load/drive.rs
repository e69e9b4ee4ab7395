//! The load: a closed loop, each connection sends its next job when the last one was answered.

use std::{cell::Cell, rc::Rc, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{self, SendRequest},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use skai_server::ambient::Ambient;
use tokio::{
    net::TcpStream,
    task::{LocalSet, spawn_local},
};
use uuid::Uuid;

use crate::server::Server;

/// About the size of a request to a chat model.
const BODY_BYTES: usize = 1024;
const SENTENCE: &str =
    "the quick brown fox jumps over the lazy dog and then writes a short summary ";

/// A job that was accepted.
pub(crate) struct Job {
    /// The id that the server gave it.
    pub(crate) id: Uuid,
    /// When its request was sent.
    pub(crate) sent: Duration,
    latency: Duration,
}

/// All jobs of a run.
pub(crate) struct Submitted {
    start: Duration,
    end: Duration,
    jobs: Vec<Job>,
}

impl Submitted {
    /// When the first request was sent.
    pub(crate) fn start(&self) -> Duration {
        self.start
    }

    /// From the first request to the last answer.
    pub(crate) fn took(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    /// The jobs, in no order.
    pub(crate) fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// From each request to its 202.
    pub(crate) fn latencies(&self) -> Vec<Duration> {
        self.jobs.iter().map(|job| job.latency).collect()
    }
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Generation jobs.
    Generations,
    /// Runs of [`AGENT`], which each account must have.
    Runs,
    /// Calls that are waited for.
    Calls,
}

impl Ask {
    const fn status(self) -> StatusCode {
        match self {
            Self::Generations | Self::Runs => StatusCode::ACCEPTED,
            Self::Calls => StatusCode::OK,
        }
    }

    /// The id of the job in an answer; a call's has a form of its own, which nobody here needs.
    fn job(self, body: &[u8]) -> Result<Uuid> {
        if self == Self::Calls {
            return Ok(Uuid::nil());
        }
        Ok(serde_json::from_slice::<Accepted>(body).context("reading the job")?.id)
    }
}

/// The name of the agent that is run.
pub(crate) const AGENT: &str = "writer";

/// Submits `jobs` different generation jobs, as [`submit_as`] does.
pub(crate) fn submit(server: &Server, connections: usize, jobs: usize) -> Result<Submitted> {
    submit_as(Ask::Generations, server, connections, jobs)
}

/// Submits `jobs` different jobs over `connections` connections; the accounts take turns.
/// Any answer but success is an error: a rate that counts refusals means nothing.
pub(crate) fn submit_as(
    ask: Ask,
    server: &Server,
    connections: usize,
    jobs: usize,
) -> Result<Submitted> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(Rc::new(Plan::new(ask, server, jobs)), connections))
}

/// What the connections share.
struct Plan {
    ask: Ask,
    address: String,
    keys: Vec<String>,
    clock: Ambient,
    /// Makes the idempotency keys differ from those of every other run.
    run: Uuid,
    jobs: usize,
    next: Cell<usize>,
}

impl Plan {
    fn new(ask: Ask, server: &Server, jobs: usize) -> Self {
        Self {
            ask,
            address: server.address().to_owned(),
            keys: server.keys().to_vec(),
            clock: server.clock().clone(),
            run: server.clock().uuid(),
            jobs,
            next: Cell::new(0),
        }
    }

    /// The number of the next job to submit.
    fn take(&self) -> Option<usize> {
        let number = self.next.get();
        self.next.set(number + 1);
        (number < self.jobs).then_some(number)
    }

    fn request(&self, number: usize) -> Result<Request<Full<Bytes>>> {
        let key = &self.keys[number % self.keys.len()];
        let (path, body) = match self.ask {
            Ask::Generations => ("/v1/jobs/generations".to_owned(), body(number)),
            Ask::Runs => (format!("/v1/agents/{AGENT}/runs"), input(number)),
            Ask::Calls => ("/v1/chat/completions".to_owned(), body(number)),
        };
        let request = Request::post(path)
            .header(HOST, &self.address)
            .header(AUTHORIZATION, format!("Bearer {key}"))
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", format!("{}-{number}", self.run))
            .body(Full::from(body))?;
        Ok(request)
    }
}

/// A request for an answer of at most 64 tokens; `number` makes each prompt different.
fn body(number: usize) -> String {
    let head = format!(r#"{{"model":"mock","messages":[{{"role":"user","content":"{number:08} "#);
    let tail = r#""}],"max_tokens":64}"#;
    let filler = BODY_BYTES.saturating_sub(head.len() + tail.len());
    head.chars().chain(SENTENCE.chars().cycle().take(filler)).chain(tail.chars()).collect()
}

/// An input for [`AGENT`], as long as the bodies of other jobs.
fn input(number: usize) -> String {
    let head = format!(r#"{{"input":{{"topic":"{number:08}","style":"plain","text":""#);
    let tail = r#""}}"#;
    let filler = BODY_BYTES.saturating_sub(head.len() + tail.len());
    head.chars().chain(SENTENCE.chars().cycle().take(filler)).chain(tail.chars()).collect()
}

async fn run(plan: Rc<Plan>, connections: usize) -> Result<Submitted> {
    // All connect first, so that no connecting is measured.
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        clients.push(connect(&plan.address).await?);
    }
    let start = plan.clock.monotonic();
    let tasks: Vec<_> =
        clients.into_iter().map(|client| spawn_local(drive(plan.clone(), client))).collect();
    let mut jobs = Vec::with_capacity(plan.jobs);
    for task in tasks {
        jobs.extend(task.await??);
    }
    Ok(Submitted { start, end: plan.clock.monotonic(), jobs })
}

type Client = SendRequest<Full<Bytes>>;

async fn connect(address: &str) -> Result<Client> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (client, connection) = http1::handshake(TokioIo::new(stream)).await?;
    spawn_local(connection);
    Ok(client)
}

async fn drive(plan: Rc<Plan>, mut client: Client) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    while let Some(number) = plan.take() {
        let request = plan.request(number)?;
        client.ready().await?;
        let sent = plan.clock.monotonic();
        let response = client.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let latency = plan.clock.monotonic().saturating_sub(sent);
        ensure!(status == plan.ask.status(), "{status}: {}", String::from_utf8_lossy(&body));
        let id = plan.ask.job(&body)?;
        jobs.push(Job { id, sent, latency });
    }
    Ok(jobs)
}

#[derive(Deserialize)]
struct Accepted {
    id: Uuid,
}
