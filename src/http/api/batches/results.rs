//! All results of a batch as JSON Lines, one object a line, sent page by page as fast as the client reads.

use std::sync::Arc;

use super::body::ResultBody;
use crate::{
    app::{App, batches},
    domain::{BatchId, Cursor, Error, Result},
    http::{body::BodySender, reply::Reply, request::Request},
    store::AccountScope,
};

/// The names under which clients ask for JSON Lines.
pub(super) const MEDIA_TYPES: [&str; 2] = ["application/jsonl", "application/x-ndjson"];
/// Results read at a time.
const PAGE: usize = 100;
/// Lines are gathered up to this size, in bytes, before they are sent.
const CHUNK: usize = 64 << 10;

/// The results after number `after`, as they are when they are read.
pub(super) async fn stream(
    request: &Request,
    media_type: &'static str,
    scope: AccountScope,
    id: BatchId,
    after: i64,
) -> Result<Reply> {
    // Refuses a batch that is not there before the stream begins.
    request.blocking(move |app| batches::get(app, scope, id)).await?;
    let (sender, reply) = Reply::file(media_type);
    tokio::spawn(send(Arc::clone(&request.app), scope, id, after, sender));
    Ok(reply)
}

/// Sends page after page. Where that cannot go on the body breaks off, so that nobody takes a part for all.
async fn send(app: Arc<App>, scope: AccountScope, id: BatchId, mut after: i64, sender: BodySender) {
    loop {
        let reading = Arc::clone(&app);
        let read = tokio::task::spawn_blocking(move || lines(&reading, scope, id, after));
        let (chunks, next) = match read.await.map_err(Error::internal).and_then(|read| read) {
            Ok(read) => read,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, batch_id = %id, "results break off");
                return;
            }
        };
        for chunk in chunks {
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    sender.finish().await;
}

/// The lines of the next page in pieces, and where it goes on.
fn lines(
    app: &App,
    scope: AccountScope,
    id: BatchId,
    after: i64,
) -> Result<(Vec<Vec<u8>>, Option<i64>)> {
    let page = batches::results(app, scope, id, after, PAGE)?;
    let mut chunks = vec![Vec::new()];
    for item in &page.data {
        if chunks.last().is_some_and(|chunk| chunk.len() >= CHUNK) {
            chunks.push(Vec::new());
        }
        if let Some(chunk) = chunks.last_mut() {
            serde_json::to_writer(&mut *chunk, &ResultBody::of(item)).map_err(Error::internal)?;
            chunk.push(b'\n');
        }
    }
    let next = page.next_cursor.as_deref().map(|cursor| Cursor::parse(cursor)?.number());
    Ok((chunks, next.transpose()?))
}
