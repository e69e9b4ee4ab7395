//! What a queue is doing.

use std::time::Duration;

use super::Runner;
use crate::{ambient::lock, domain::Timestamp, queue::Kind};

/// What a queue is doing, for metrics and the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Work that could run now.
    pub ready: usize,
    /// Work that is not due yet.
    pub later: usize,
    /// Attempts being made.
    pub running: usize,
    /// Whether the queue stands still.
    pub paused: bool,
    /// For how long the oldest work that could run now has been due, to a second; none where there is no such work.
    /// What is in the background is not counted.
    pub oldest: Duration,
    /// The same of what is in the background.
    pub oldest_in_background: Duration,
}

impl<K: Kind> Runner<K> {
    /// What the queue is doing.
    pub fn stats(&self) -> QueueStats {
        let state = lock(&self.inner.state);
        let (ready, later) = state.order.depth();
        let (oldest, background) = state.order.oldest();
        let now = self.inner.ambient.now();
        let age = |due: Option<Timestamp>| due.map_or(Duration::ZERO, |due| now.since(due));
        QueueStats {
            ready,
            later,
            running: state.running.len(),
            paused: state.paused,
            oldest: age(oldest),
            oldest_in_background: age(background),
        }
    }
}
