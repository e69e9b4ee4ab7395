//! `/admin/v1/queues`: letting them stand still.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::queues::{self, QueueState},
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
    waiting: usize,
    /// Work that is being done.
    running: usize,
    /// Work that was given up and not put back.
    dead: u64,
}

impl QueueBody {
    pub(super) fn of(state: &QueueState) -> Self {
        let QueueState { name, paused, waiting, running, dead } = *state;
        Self { object: "queue", name, paused, waiting, running, dead }
    }
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
