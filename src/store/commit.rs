//! The promise of a committed result.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::fault::RETRY_AFTER;
use crate::domain::{Error, Result};

/// What a deed will have given once it is committed: await it at the edge, or [`wait`](Commit::wait)
/// for it on a thread. It never resolves to a success that is not on disk.
#[must_use = "a deed whose result nobody looks at may have been refused"]
pub struct Commit<T>(State<T>);

enum State<T> {
    Refused(Option<Error>),
    Waiting(oneshot::Receiver<Result<T>>),
}

impl<T> Commit<T> {
    /// A deed that was refused before it reached the writer.
    pub fn refused(error: Error) -> Self {
        Self(State::Refused(Some(error)))
    }

    pub(in crate::store) fn of(receiver: oneshot::Receiver<Result<T>>) -> Self {
        Self(State::Waiting(receiver))
    }

    /// Blocks this thread until the commit; not for use in async code.
    pub fn wait(self) -> Result<T> {
        match self.0 {
            State::Refused(error) => Err(error.unwrap_or_else(gone)),
            State::Waiting(receiver) => receiver.blocking_recv().unwrap_or_else(|_| Err(gone())),
        }
    }
}

/// The writer ended before it answered.
fn gone() -> Error {
    Error::unavailable("the server is stopping; retry", RETRY_AFTER)
}

impl<T> Future for Commit<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        match &mut self.get_mut().0 {
            State::Refused(error) => Poll::Ready(Err(error.take().unwrap_or_else(gone))),
            State::Waiting(receiver) => Pin::new(receiver)
                .poll(context)
                .map(|answer| answer.unwrap_or_else(|_| Err(gone()))),
        }
    }
}

// Nothing in here is pinned: the receiver is `Unpin` whatever `T` is.
impl<T> Unpin for Commit<T> {}
