//! Bodies of answers: whole, or flowing.

use std::{
    any::Any,
    convert::Infallible,
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
    /// Lives as long as the body flows.
    guard: Option<Box<dyn Any + Send>>,
}

enum Content {
    Whole(Bytes),
    Flowing(mpsc::Receiver<Bytes>),
}

/// The writing end of a flowing body. The body ends when it is dropped.
pub(crate) struct BodySender(mpsc::Sender<Bytes>);

/// The reader went away or stopped reading; nobody needs what was to come.
#[derive(Debug)]
pub(crate) struct ReaderGone;

impl BodySender {
    /// Sends a chunk, waiting while the reader is slow.
    pub(crate) async fn send(&self, chunk: impl Into<Bytes>) -> Result<(), ReaderGone> {
        self.0.send_timeout(chunk.into(), READER_PATIENCE).await.map_err(|_| ReaderGone)
    }

    /// Resolves when the reader is gone.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl Body {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::Whole(bytes.into()), guard: None }
    }

    pub(super) fn flowing() -> (BodySender, Self) {
        let (sender, receiver) = mpsc::channel(FLOWING_MAX);
        let body = Self { content: Content::Flowing(receiver), guard: None };
        (BodySender(sender), body)
    }

    /// Keeps `guard` until a flowing body ends; a whole one is as good as sent.
    pub(super) fn hold(&mut self, guard: impl Any + Send) {
        if matches!(self.content, Content::Flowing(_)) {
            self.guard = Some(Box::new(guard));
        }
    }

    /// The length in bytes, where it is known.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.content {
            Content::Whole(bytes) => u64::try_from(bytes.len()).ok(),
            Content::Flowing(_) => None,
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Flowing(chunks) => {
                chunks.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
