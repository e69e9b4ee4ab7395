//! An answer on its way to the client, piece by piece.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};

use super::body::{Chunks, event};
use crate::{
    app::{
        Caller,
        chat::{self, Finished, Head, Piece},
    },
    domain::{ChatRequest, Error, Result},
    http::{
        RequestId,
        body::BodySender,
        error::{self, Dialect},
        reply::Reply,
        request::Request,
    },
    providers::Delta,
    wire::Line,
};

/// Pieces that wait for the event loop.
const WAITING_MAX: usize = 16;

/// What the thread of the call sends.
enum News {
    Head(Head),
    Delta(Delta),
    End(Result<Finished>),
}

/// Begins the call, and answers with its first piece or the reason why there is none. Where the first piece
/// takes long, the answer begins without it, and a failure is told in the stream.
pub(super) async fn answer(request: &Request, caller: Caller, body: ChatRequest) -> Result<Reply> {
    let with_usage = body.includes_usage();
    let line = Line::default();
    // Dropped with this future where the client goes away before the answer begins.
    let hang_up = HangUp(line.clone());
    let mut news = call(request, caller, body, line)?;
    let head = match news.recv().await {
        Some(News::Head(head)) => head,
        Some(News::End(Err(error))) => return Err(error),
        _ => return Err(broken_off()),
    };
    let first = match timeout(request.keep_alive, news.recv()).await {
        Ok(Some(News::End(Err(error)))) => return Err(error),
        Ok(None) => return Err(broken_off()),
        Ok(first) => first,
        Err(_) => None,
    };
    let (sender, reply) = Reply::stream("text/event-stream; charset=utf-8");
    let chunks = Chunks::of(head, with_usage);
    let (request_id, keep_alive) = (request.id.clone(), request.keep_alive);
    let stream = Stream { chunks, sender, request_id, keep_alive };
    tokio::spawn(async move {
        let _hang_up = hang_up;
        // An error is a reader that is gone: nobody is left to tell.
        let _gone = stream.run(first, news).await;
    });
    Ok(reply)
}

fn broken_off() -> Error {
    Error::internal("a call ended without a word")
}

/// Runs the call on a thread of its own.
fn call(
    request: &Request,
    caller: Caller,
    body: ChatRequest,
    line: Line,
) -> Result<mpsc::Receiver<News>> {
    let (sender, news) = mpsc::channel(WAITING_MAX);
    let app = Arc::clone(&request.app);
    request.app.calls.run(caller.scope.seq(), move |place| {
        let send = |news| match sender.blocking_send(news) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let mut pieces = |piece| match piece {
            Piece::Head(head) => send(News::Head(head)),
            Piece::Delta(delta) => send(News::Delta(delta)),
        };
        let ended = chat::prepare(&app, &caller, body)
            .and_then(|chat| chat::stream(&app, &caller, &chat, line, &mut pieces));
        drop(place);
        let _gone = send(News::End(ended));
    })?;
    Ok(news)
}

/// Ends the call when nobody reads its stream any more; after its end this has no effect.
struct HangUp(Line);

impl Drop for HangUp {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// The client's end.
struct Stream {
    chunks: Chunks,
    sender: BodySender,
    request_id: RequestId,
    keep_alive: Duration,
}

/// The stream is over, or nobody reads it.
struct Over;

impl Stream {
    async fn run(
        self,
        first: Option<News>,
        mut news: mpsc::Receiver<News>,
    ) -> std::result::Result<(), Over> {
        match first {
            Some(end @ News::End(_)) => return self.tell(end).await,
            Some(first) => self.tell(first).await?,
            None => {}
        }
        loop {
            let next = tokio::select! {
                next = timeout(self.keep_alive, news.recv()) => next,
                () = self.sender.closed() => return Err(Over),
            };
            match next {
                Ok(Some(end @ News::End(_))) => return self.tell(end).await,
                Ok(Some(news)) => self.tell(news).await?,
                Ok(None) => return self.tell(News::End(Err(broken_off()))).await,
                Err(_) => self.send(b": keep-alive\n\n".to_vec()).await?,
            }
        }
    }

    async fn tell(&self, news: News) -> std::result::Result<(), Over> {
        match news {
            News::Head(_) => Ok(()),
            News::Delta(delta) => self.send(self.chunks.delta(&delta)).await,
            News::End(Ok(finished)) => self.send(self.chunks.end(&finished.completion)).await,
            News::End(Err(error)) => {
                let body = error::body(&error, self.request_id.as_str(), Dialect::OpenAi);
                self.send(event(&body)).await
            }
        }
    }

    async fn send(&self, bytes: Vec<u8>) -> std::result::Result<(), Over> {
        self.sender.send(bytes).await.map_err(|_| Over)
    }
}
