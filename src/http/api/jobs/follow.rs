//! Waiting for a job, and following it step by step.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};

use super::body::EventBody;
use crate::{
    app::{App, Watch, jobs},
    domain::{Error, JobId, Result},
    http::{body::BodySender, reply::Reply, request::Request},
    store::{AccountScope, job_events::JobEvent, jobs::Job},
};

/// The longest that a request may wait for a job, in seconds.
const WAIT_MAX: u64 = 60;
/// Events read at a time.
const EVENTS: u32 = 100;

/// `wait` of the query: how long the client would wait for the job's end.
pub(in crate::http::api) fn patience(request: &Request) -> Result<Duration> {
    let allowed = format!("a whole number from 0 to {WAIT_MAX}");
    let wait = request.query::<u64>("wait", &allowed)?.unwrap_or(0);
    if wait > WAIT_MAX {
        return Err(Error::invalid("wait", format!("wait must be {allowed}")));
    }
    Ok(Duration::from_secs(wait))
}

/// Looks at the job after each of its steps until it has ended or the time is over.
pub(in crate::http::api) async fn wait_for(
    request: &Request,
    scope: AccountScope,
    id: JobId,
    patience: Duration,
) -> Result<Job> {
    let watch = request.app.watches.job(id)?;
    let look = move |app: &Arc<App>| jobs::get(app, scope, id);
    until(request, watch, patience, look, |job| job.status.is_terminal()).await
}

/// Looks at what is watched after each of its steps until it is over or the time is.
pub(in crate::http::api) async fn until<T: Send + 'static>(
    request: &Request,
    mut watch: Watch,
    patience: Duration,
    look: impl Fn(&Arc<App>) -> Result<T> + Copy + Send + 'static,
    is_over: impl Fn(&T) -> bool,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        watch.steps().mark_unchanged();
        let closed = watch.is_closed();
        let found = request.blocking(look).await?;
        if is_over(&found) || closed {
            return Ok(found);
        }
        if timeout_at(deadline, watch.steps().changed()).await.is_err() {
            return Ok(found);
        }
    }
}

pub(super) async fn stream(request: &Request, scope: AccountScope, id: JobId) -> Result<Reply> {
    let after = match request.header(&hyper::header::HeaderName::from_static("last-event-id")) {
        None | Some("") => 0,
        Some(text) => text.parse().map_err(|_| {
            Error::invalid(
                "Last-Event-ID",
                "Last-Event-ID must be the id of an event that was received; leave it out for all",
            )
        })?,
    };
    let watch = request.app.watches.job(id)?;
    // Refuses a job that is not there before the stream begins.
    request.blocking(move |app| jobs::get(app, scope, id)).await?;
    let (sender, reply) = Reply::stream("text/event-stream");
    let follower = Follower {
        app: Arc::clone(&request.app),
        scope,
        id,
        watch,
        sender,
        keep_alive: request.keep_alive,
    };
    tokio::spawn(follower.run(after));
    Ok(reply)
}

/// Who reads a job's events as they happen.
struct Follower {
    app: Arc<App>,
    scope: AccountScope,
    id: JobId,
    watch: Watch,
    sender: BodySender,
    keep_alive: Duration,
}

impl Follower {
    /// Sends the events after this one, until the one that ends the job.
    async fn run(mut self, mut after: i64) {
        loop {
            self.watch.steps().mark_unchanged();
            let closed = self.watch.is_closed();
            let Some((job, events)) = self.read(after).await else { return };
            let is_last = events.len() < EVENTS as usize;
            for event in &events {
                after = event.n;
                if self.sender.send(frame(event, &job)).await.is_err() {
                    return;
                }
            }
            if is_last && (job.status.is_terminal() || closed) {
                return;
            }
            if is_last && !self.wait_or_keep_alive().await {
                return;
            }
        }
    }

    async fn read(&self, after: i64) -> Option<(Job, Vec<JobEvent>)> {
        let (app, scope, id) = (Arc::clone(&self.app), self.scope, self.id);
        let read = tokio::task::spawn_blocking(move || {
            jobs::events(&app, scope, id, after, EVENTS as usize)
        });
        read.await.ok()?.ok()
    }

    /// True when there may be more to send, false when the reader is gone.
    async fn wait_or_keep_alive(&mut self) -> bool {
        loop {
            let next = tokio::select! {
                next = timeout(self.keep_alive, self.watch.steps().changed()) => next,
                () = self.sender.closed() => return false,
            };
            match next {
                Ok(_) => return true,
                Err(_) if self.sender.send(": keep-alive\n\n").await.is_err() => return false,
                Err(_) => {}
            }
        }
    }
}

/// One event of the stream (WHATWG HTML, 9.2 server-sent events).
fn frame(event: &JobEvent, job: &Job) -> Vec<u8> {
    let data = serde_json::to_string(&EventBody::of(event, job)).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", event.n, event.name).into_bytes()
}
