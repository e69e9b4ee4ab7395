//! `/admin/v1/stats` and `/admin/v1/queues`: how the server is doing.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::{
        ledger_audit::Found,
        queues::{self, QueueState},
    },
    domain::{Error, ErrorKind, QueueName, Result},
    http::{reply::Reply, request::Request},
};

/// A queue.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Queue")]
pub(super) struct QueueBody {
    #[schemars(extend("const" = "queue"))]
    object: &'static str,
    name: QueueName,
    /// Whether it stands still.
    paused: bool,
    /// Work that waits, whether due or not.
    waiting: u64,
    /// Work that is being done.
    running: u64,
    /// Work that was given up and not put back.
    dead: u64,
}

impl QueueBody {
    fn of(state: &QueueState) -> Self {
        let QueueState { name, paused, depth } = *state;
        let (waiting, running, dead) = (depth.waiting, depth.running, depth.dead);
        Self { object: "queue", name, paused, waiting, running, dead }
    }
}

/// How the server is doing.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Stats")]
pub(super) struct StatsBody {
    #[schemars(extend("const" = "stats"))]
    object: &'static str,
    /// The program's version.
    version: &'static str,
    queues: Vec<QueueBody>,
    writer: WriterBody,
    /// Bytes of the database file and its write-ahead log.
    database_bytes: u64,
    /// What the server found when it last verified its books; null where it did not since its start.
    ledger: Option<Found>,
}

/// What the database's writer has done since the start.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WriterTotals")]
struct WriterBody {
    commits: u64,
    /// Deeds within the commits.
    deeds: u64,
    /// Milliseconds spent on them, the disk included.
    busy_ms: u64,
    /// Why the last commit failed, where it did.
    trouble: Option<String>,
}

/// `GET /admin/v1/stats`
pub(super) async fn stats(request: Request) -> Result<Reply> {
    let look = |app: &Arc<_>| Ok((queues::look(app)?, app.store.size()));
    let (states, database_bytes) = request.blocking(look).await?;
    let (totals, trouble) = (request.app.store.totals(), request.app.store.trouble());
    let busy_ms = u64::try_from(totals.busy.as_millis()).unwrap_or(u64::MAX);
    Reply::ok(&StatsBody {
        object: "stats",
        version: env!("CARGO_PKG_VERSION"),
        queues: states.iter().map(QueueBody::of).collect(),
        writer: WriterBody { commits: totals.commits, deeds: totals.deeds, busy_ms, trouble },
        database_bytes,
        ledger: request.app.last_audit.found(),
    })
}

/// `POST /admin/v1/queues/{name}/pause`
pub(super) async fn pause(request: Request) -> Result<Reply> {
    set_paused(request, true).await
}

/// `POST /admin/v1/queues/{name}/resume`
pub(super) async fn resume(request: Request) -> Result<Reply> {
    set_paused(request, false).await
}

async fn set_paused(request: Request, paused: bool) -> Result<Reply> {
    let name = QueueName::parse(request.segment("name")?);
    let name = name.ok_or_else(|| {
        let names = QueueName::ALL.map(QueueName::as_str).join(", ");
        Error::new(ErrorKind::NotFound, format!("no such queue; the queues are {names}"))
    })?;
    queues::set_paused(&request.app, name, paused).await?;
    let states = request.blocking(|app| queues::look(app)).await?;
    let state = states.iter().find(|state| state.name == name);
    Reply::ok(&QueueBody::of(state.ok_or_else(|| Error::internal("a queue is gone"))?))
}
