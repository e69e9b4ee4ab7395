//! `/v1/batches`: submit, list, look, wait, fetch results, cancel.

mod body;
mod results;
mod routes;

use std::{sync::Arc, time::Duration};

use hyper::StatusCode;

pub(super) use routes::routes;

use crate::{
    app::batches,
    domain::{BatchId, Cursor, Page, Result},
    http::{
        api::jobs::{patience, until},
        reply::Reply,
        request::Request,
    },
};
use body::{BatchBody, ResultBody, bytes};

/// `POST /v1/batches`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let (caller, body) = (request.caller()?, request.body.clone());
    let idempotency = request.idempotency;
    let accept = move |app: &Arc<_>| {
        if let Some(done) = batches::accepted_before(app, &caller, idempotency.as_ref())? {
            return Ok(done);
        }
        let (requests, metadata) = body::read(&body)?;
        let prepared = batches::prepare(app, &caller, requests, metadata)?;
        batches::submit(app, &caller, prepared, idempotency, bytes).wait()
    };
    let done = request.heavy(accept).await?;
    Ok(Reply::json_bytes(StatusCode::ACCEPTED, done.body).replayed(done.replayed))
}

/// `GET /v1/batches`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, scope) = (request.page()?, request.session()?.scope);
    let page = request.blocking(move |app| batches::list(app, scope, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(BatchBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/batches/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (id, scope) = (request.id::<BatchId>("id")?, request.session()?.scope);
    let look = move |app: &Arc<_>| batches::get(app, scope, id);
    let batch = match patience(&request)? {
        Duration::ZERO => request.blocking(look).await?,
        patience => {
            let watch = request.app.watches.batch(id)?;
            until(&request, watch, patience, look, |batch| batch.status().is_terminal()).await?
        }
    };
    Reply::ok(&BatchBody::of(&batch))
}

/// `GET /v1/batches/{id}/results`
pub(super) async fn results(request: Request) -> Result<Reply> {
    let (id, scope) = (request.id::<BatchId>("id")?, request.session()?.scope);
    let page = request.page()?;
    let (after, limit) = (page.after.as_ref().map_or(Ok(0), Cursor::number)?, page.limit);
    let wanted = results::MEDIA_TYPES.into_iter().find(|known| request.accepts(known));
    if let Some(media_type) = wanted {
        return results::stream(&request, media_type, scope, id, after).await;
    }
    let page = request.blocking(move |app| batches::results(app, scope, id, after, limit)).await?;
    let bodies: Vec<_> = page.data.iter().map(ResultBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `POST /v1/batches/{id}/cancel`
pub(super) async fn cancel(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id::<BatchId>("id")?, request.caller()?);
    let idempotency = request.idempotency;
    let cancel = move |app: &_| batches::cancel(app, &caller, id, idempotency, bytes);
    let done = request.heavy(cancel).await?;
    Ok(Reply::json_bytes(StatusCode::OK, done.body).replayed(done.replayed))
}
