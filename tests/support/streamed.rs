//! A body that comes in pieces, when the test says so.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::{mpsc, watch};

/// What a streamed body does next.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// Sends bytes.
    Send(Bytes),
    /// Waits until the held answers are released.
    Hold,
    /// Breaks the connection off.
    Break,
}

impl Piece {
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self::Send(text.into())
    }
}

/// The body, and what lives as long as it.
pub(crate) struct Streamed<T> {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    _guard: T,
}

impl<T> Streamed<T> {
    /// A body of these pieces; `released` changes when held pieces may go.
    pub(crate) fn new(script: Vec<Piece>, released: watch::Receiver<u64>, guard: T) -> Self {
        let (sender, pieces) = mpsc::channel(1);
        tokio::spawn(send(script, released, sender));
        Self { pieces, _guard: guard }
    }
}

async fn send(
    script: Vec<Piece>,
    mut released: watch::Receiver<u64>,
    sender: mpsc::Sender<io::Result<Bytes>>,
) -> Option<()> {
    for piece in script {
        match piece {
            Piece::Send(bytes) => sender.send(Ok(bytes)).await.ok()?,
            Piece::Hold => released.changed().await.ok()?,
            Piece::Break => sender.send(Err(io::Error::other("the script says so"))).await.ok()?,
        }
    }
    Some(())
}

impl<T: Unpin> Body for Streamed<T> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
