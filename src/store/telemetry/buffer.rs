//! Where reports wait for the thread that writes them: bounded in number and bytes. Who reports never waits; what has
//! no place is dropped and counted.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::rows::Report;
use crate::{ambient::lock, domain::RecordKind};

/// Numbers by [`RecordKind`].
pub type PerKind = [u64; RecordKind::ALL.len()];

/// What a report takes besides what it says of itself, in bytes.
const OVERHEAD: usize = 256;

/// How much may wait, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Reports that wait at most.
    pub(super) reports: usize,
    /// Bytes that they hold together at most.
    pub(super) bytes: usize,
    /// Reports that are written at once, without waiting for more.
    pub(super) batch: usize,
    /// How long the first of a batch waits for others.
    pub(super) patience: Duration,
}

impl Bounds {
    /// Whether so much waits that it is written at once.
    fn make_a_batch(&self, state: &State) -> bool {
        state.waiting.len() >= self.batch || state.bytes >= self.bytes / 8
    }
}

pub(super) struct Buffer {
    bounds: Bounds,
    state: Mutex<State>,
    filled: Condvar,
    settled: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Report>,
    bytes: usize,
    /// How many came in, and how many of them are written or lost.
    accepted: u64,
    done: u64,
    dropped: PerKind,
    is_urgent: bool,
    is_closed: bool,
}

impl Buffer {
    pub(super) fn new(bounds: Bounds) -> Self {
        let (filled, settled) = (Condvar::new(), Condvar::new());
        Self { bounds, state: Mutex::default(), filled, settled }
    }

    /// Takes the report in, or drops it.
    pub(super) fn push(&self, report: Report) {
        let bytes = report.bytes() + OVERHEAD;
        let mut state = lock(&self.state);
        let is_full =
            state.waiting.len() >= self.bounds.reports || state.bytes + bytes > self.bounds.bytes;
        if is_full || state.is_closed {
            state.lose(report.kinds());
            // Whatever it holds is freed without the lock.
            drop(state);
            return;
        }
        let was_due = self.bounds.make_a_batch(&state);
        state.waiting.push(report);
        state.bytes += bytes;
        state.accepted += 1;
        // The thread is woken for the first, and for a whole batch, but not for each.
        let wakes = state.waiting.len() == 1 || (self.bounds.make_a_batch(&state) && !was_due);
        drop(state);
        if wakes {
            self.filled.notify_one();
        }
    }

    /// Waits up to `nap` for a report, and then a little for more of them; gives all there are. `None` once it is
    /// closed and empty.
    pub(super) fn take(&self, nap: Duration) -> Option<Vec<Report>> {
        let idle =
            |state: &mut State| state.waiting.is_empty() && !state.is_closed && !state.is_urgent;
        let lonely = |state: &mut State| {
            !state.waiting.is_empty()
                && !self.bounds.make_a_batch(state)
                && !state.is_urgent
                && !state.is_closed
        };
        let state = lock(&self.state);
        let waited = self.filled.wait_timeout_while(state, nap, idle);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let waited = self.filled.wait_timeout_while(state, self.bounds.patience, lonely);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.is_urgent = false;
        state.bytes = 0;
        let taken = std::mem::take(&mut state.waiting);
        (!taken.is_empty() || !state.is_closed).then_some(taken)
    }

    /// So many that were taken are written or lost.
    pub(super) fn done(&self, reports: usize) {
        lock(&self.state).done += reports as u64;
        self.settled.notify_all();
    }

    /// Waits until all that came in before is written or lost, up to `patience`.
    pub(super) fn settle(&self, patience: Duration) {
        let mut state = lock(&self.state);
        let target = state.accepted;
        if state.done >= target {
            return;
        }
        state.is_urgent = true;
        self.filled.notify_one();
        let unsettled = |state: &mut State| state.done < target;
        drop(self.settled.wait_timeout_while(state, patience, unsettled));
    }

    /// Counts what is lost.
    pub(super) fn lose(&self, kind: RecordKind, rows: u64) {
        lock(&self.state).dropped[kind as usize] += rows;
    }

    /// How many were dropped since the start, by kind, and how many wait.
    pub(super) fn totals(&self) -> (PerKind, usize) {
        let state = lock(&self.state);
        (state.dropped, state.waiting.len())
    }

    /// Whether somebody waits for what is here to be written, or so much is that it should be before anything else is
    /// done: not a little, since under steady load something always waits.
    pub(super) fn is_waited_for(&self) -> bool {
        let state = lock(&self.state);
        if state.is_urgent || state.is_closed {
            return true;
        }
        state.waiting.len() > self.bounds.reports / 4 || state.bytes > self.bounds.bytes / 4
    }

    /// Whether nothing comes in any more.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Nothing comes in any more.
    pub(super) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.filled.notify_all();
    }
}

impl State {
    fn lose(&mut self, kinds: &[RecordKind]) {
        for kind in kinds {
            self.dropped[*kind as usize] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(bytes: usize) -> Report {
        Report::new(&[RecordKind::UsageEvent, RecordKind::Invocation], bytes, Vec::new)
    }

    fn buffer(reports: usize) -> Buffer {
        Buffer::new(Bounds { reports, bytes: 10_000, batch: 2, patience: Duration::ZERO })
    }

    #[test]
    fn what_has_no_place_is_dropped_and_counted() {
        let buffer = buffer(3);
        for bytes in [0, 0, 10_000, 0, 0] {
            buffer.push(report(bytes));
        }
        assert_eq!(buffer.totals(), ([0, 2, 2], 3));
        assert_eq!(buffer.take(Duration::ZERO).unwrap().len(), 3);
        buffer.push(report(9_000));
        buffer.lose(RecordKind::Request, 7);
        assert_eq!(buffer.totals(), ([7, 2, 2], 1));
    }

    #[test]
    fn the_end_comes_after_what_waits() {
        let buffer = buffer(3);
        buffer.push(report(0));
        buffer.close();
        buffer.push(report(0));
        assert_eq!(buffer.take(Duration::MAX).unwrap().len(), 1);
        assert!(buffer.take(Duration::MAX).is_none());
        assert_eq!(buffer.totals().0, [0, 1, 1]);
    }

    #[test]
    fn whoever_settles_waits_for_what_came_before() {
        let buffer = buffer(3);
        buffer.settle(Duration::MAX);
        buffer.push(report(0));
        std::thread::scope(|scope| {
            let settled = scope.spawn(|| buffer.settle(Duration::MAX));
            let taken = buffer.take(Duration::MAX).unwrap();
            assert!(!settled.is_finished());
            buffer.done(taken.len());
            settled.join().unwrap();
        });
    }
}
