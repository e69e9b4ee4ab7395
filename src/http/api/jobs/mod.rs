//! `/v1/jobs`: submit, list, look, follow, cancel, retry.

mod body;
mod follow;
mod routes;

use std::time::Duration;

use hyper::{StatusCode, header::HeaderValue};

pub(super) use body::{EventBody, JobBody, JobCredits, UsageBody, accepted};
pub(super) use follow::{patience, until, wait_for};
pub(super) use routes::routes;

use crate::{
    app::jobs,
    domain::{Cursor, Error, GenerationRequest, JobId, JobStatus, Page, Result},
    http::{
        reply::Reply,
        request::{A_TIME, Request},
    },
    store::job_list::JobFilter,
};
use body::bytes;

/// `POST /v1/jobs/generations`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let body: GenerationRequest = request.json()?;
    let caller = request.caller()?;
    let is_known = |schema| request.app.contracts.knows(schema);
    let prepared = if body.output_schema.as_deref().is_none_or(is_known) {
        jobs::prepare(&request.app, &caller, &body)?
    } else {
        // Compiling a schema may take milliseconds.
        let caller = caller.clone();
        request.blocking(move |app| jobs::prepare(app, &caller, &body)).await?
    };
    let idempotency = request.idempotency;
    let submitted = jobs::submit(&request.app, &caller, prepared, idempotency).await?;
    let (job, replayed) = (&submitted.job, submitted.replayed);
    let location =
        HeaderValue::from_str(&format!("/v1/jobs/{}", job.id)).map_err(Error::internal)?;
    let reply = Reply::json_bytes(StatusCode::ACCEPTED, accepted(job)?).replayed(replayed);
    Ok(reply.header("location", location))
}

/// `GET /v1/jobs`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let page = request.page()?;
    let filter = JobFilter {
        status: request.choice("status", JobStatus::ALL, JobStatus::as_str)?,
        model: request.query_text("model").map(str::to_owned),
        agent: request.query_text("agent").map(str::to_owned),
        user: request.query_text("user").map(str::to_owned),
        created_after: request.query("created_after", A_TIME)?,
        created_before: request.query("created_before", A_TIME)?,
        before: page.after.as_ref().map(Cursor::uuid).transpose()?.map(JobId::from_uuid),
    };
    let scope = request.session()?.scope;
    let limit = page.limit;
    let page = request.blocking(move |app| jobs::list(app, scope, &filter, limit)).await?;
    // The rows are borrowed by their bodies, so the page is written here.
    let bodies: Vec<_> = page.data.iter().map(JobBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/jobs/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let id = request.id::<JobId>("id")?;
    let scope = request.session()?.scope;
    let job = match patience(&request)? {
        Duration::ZERO => request.blocking(move |app| jobs::get(app, scope, id)).await?,
        patience => wait_for(&request, scope, id, patience).await?,
    };
    Reply::ok(&JobBody::of(&job))
}

/// `GET /v1/jobs/{id}/events`
pub(super) async fn events(request: Request) -> Result<Reply> {
    let id = request.id::<JobId>("id")?;
    let scope = request.session()?.scope;
    if request.accepts("text/event-stream") {
        return follow::stream(&request, scope, id).await;
    }
    let page = request.page()?;
    let (after, limit) = (page.after.as_ref().map_or(Ok(0), sequence)?, page.limit);
    let (job, rows) =
        request.blocking(move |app| jobs::events(app, scope, id, after, limit + 1)).await?;
    let page = Page::cut(rows, limit, |event| Cursor::from_key(&event.n.to_be_bytes()));
    let bodies: Vec<_> = page.data.iter().map(|event| EventBody::of(event, &job)).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

fn sequence(cursor: &Cursor) -> Result<i64> {
    let bytes = cursor
        .key()
        .try_into()
        .map_err(|_| Error::invalid("cursor", "cursor must be a `next_cursor` of this list"))?;
    Ok(i64::from_be_bytes(bytes))
}

/// `POST /v1/jobs/{id}/cancel`
pub(super) async fn cancel(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id::<JobId>("id")?, request.caller()?);
    let idempotency = request.idempotency;
    let done = jobs::cancel(&request.app, &caller, id, idempotency, bytes).await?;
    Ok(Reply::json_bytes(StatusCode::OK, done.body).replayed(done.replayed))
}

/// `POST /v1/jobs/{id}/retry`
pub(super) async fn retry(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id::<JobId>("id")?, request.caller()?);
    let idempotency = request.idempotency;
    let done = jobs::retry(&request.app, &caller, id, idempotency, accepted).await?;
    Ok(Reply::json_bytes(StatusCode::ACCEPTED, done.body).replayed(done.replayed))
}
