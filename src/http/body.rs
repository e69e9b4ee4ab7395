//! Bodies of answers: whole, or flowing.

use std::{
    any::Any,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

/// Chunks that wait for a slow reader.
const FLOWING_MAX: usize = 16;
/// A reader that takes nothing for so long is gone.
const READER_PATIENCE: Duration = Duration::from_secs(30);

/// The body of an answer.
pub struct Body {
    content: Content,
    /// Live as long as the body flows.
    guards: Vec<Box<dyn Any + Send>>,
    /// Bytes that were taken to be sent.
    taken: u64,
    /// Told of them when the body is over.
    on_end: Option<OnEnd>,
}

/// Is told how many bytes of a body were taken to be sent, when it ends or when its reader leaves.
type OnEnd = Box<dyn FnOnce(u64) + Send>;

enum Content {
    Whole(Bytes),
    Flowing {
        pieces: mpsc::Receiver<Piece>,
        /// Whether it breaks off, for the client to see, where nobody said that this is the end.
        is_file: bool,
    },
}

/// What a flowing body is made of.
enum Piece {
    Chunk(Bytes),
    End,
}

/// Not all of a body could be made; the connection is cut, so that nobody takes it for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the body breaks off")]
pub struct BrokenOff;

/// The writing end of a flowing body. The body ends when it is dropped, but that of a file breaks off.
pub(crate) struct BodySender(mpsc::Sender<Piece>);

/// The reader went away or stopped reading; nobody needs what was to come.
#[derive(Debug)]
pub(crate) struct ReaderGone;

impl BodySender {
    /// Sends a chunk, waiting while the reader is slow.
    pub(crate) async fn send(&self, chunk: impl Into<Bytes>) -> Result<(), ReaderGone> {
        let chunk = Piece::Chunk(chunk.into());
        self.0.send_timeout(chunk, READER_PATIENCE).await.map_err(|_| ReaderGone)
    }

    /// Says that this was all.
    pub(crate) async fn finish(self) {
        // Where the reader is gone, nobody needs to know.
        drop(self.0.send_timeout(Piece::End, READER_PATIENCE).await);
    }

    /// Resolves when the reader is gone.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl Body {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::of(Content::Whole(bytes.into()))
    }

    /// `is_file` is true for what is of no use in part.
    pub(super) fn flowing(is_file: bool) -> (BodySender, Self) {
        let (sender, pieces) = mpsc::channel(FLOWING_MAX);
        (BodySender(sender), Self::of(Content::Flowing { pieces, is_file }))
    }

    fn of(content: Content) -> Self {
        Self { content, guards: Vec::new(), taken: 0, on_end: None }
    }

    /// Calls `tell` when the body is over, whether it came to its end or its reader went away.
    pub(super) fn on_end(&mut self, tell: impl FnOnce(u64) + Send + 'static) {
        self.on_end = Some(Box::new(tell));
    }

    /// Keeps `guard` until a flowing body ends; a whole one is as good as sent.
    pub(super) fn hold(&mut self, guard: impl Any + Send) {
        if matches!(self.content, Content::Flowing { .. }) {
            self.guards.push(Box::new(guard));
        }
    }

    /// The length in bytes, where it is known.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.content {
            Content::Whole(bytes) => u64::try_from(bytes.len()).ok(),
            Content::Flowing { .. } => None,
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(tell) = self.on_end.take() {
            tell(self.taken);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        let polled = match &mut this.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Flowing { pieces, is_file } => {
                pieces.poll_recv(context).map(|piece| match piece {
                    Some(Piece::Chunk(chunk)) => Some(Ok(Frame::data(chunk))),
                    None if *is_file => Some(Err(BrokenOff)),
                    Some(Piece::End) | None => None,
                })
            }
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.taken += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.length() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Collected};

    use super::*;

    async fn read(is_file: bool, is_finished: bool) -> Option<Bytes> {
        let (sender, body) = Body::flowing(is_file);
        sender.send("a").await.unwrap();
        if is_finished {
            sender.finish().await;
        } else {
            drop(sender);
        }
        body.collect().await.ok().map(Collected::to_bytes)
    }

    #[tokio::test]
    async fn the_end_is_told_once_however_it_comes() {
        let told = |mut body: Body| {
            let (sender, receiver) = std::sync::mpsc::channel();
            body.on_end(move |bytes| sender.send(bytes).unwrap());
            (body, receiver)
        };
        let (body, ends) = told(Body::whole("abc"));
        body.collect().await.unwrap();
        assert_eq!(ends.iter().collect::<Vec<_>>(), [3]);
        let (body, ends) = told(Body::whole("abc"));
        drop(body);
        assert_eq!(ends.iter().collect::<Vec<_>>(), [0]);
        let (sender, body) = Body::flowing(true);
        let (mut body, ends) = told(body);
        for piece in ["ab", "cde"] {
            sender.send(piece).await.unwrap();
        }
        body.frame().await.unwrap().unwrap();
        assert!(ends.try_recv().is_err());
        drop(body);
        assert_eq!(ends.iter().collect::<Vec<_>>(), [2]);
    }

    #[tokio::test]
    async fn a_file_that_nobody_finished_breaks_off() {
        assert_eq!(read(true, true).await, Some("a".into()));
        assert_eq!(read(true, false).await, None);
        assert_eq!(read(false, true).await, Some("a".into()));
        assert_eq!(read(false, false).await, Some("a".into()));
    }
}
