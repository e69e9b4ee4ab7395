//! What to lease next: the dispatcher's thread looks at the order, the free slots and the clock.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use super::{Inner, Running, State, Wanted, Why};
use crate::{
    ambient::lock,
    domain::Result,
    queue::{Kind, order::Room},
    store::{
        SystemScope,
        queue::{self, Lease, WorkId},
    },
};

/// Rows that one claim takes at most, so that its transaction stays short.
const CLAIM_MAX: usize = 64;
/// Threads for attempts that hold no slot: slow ones, and those whose result nobody wants any more.
/// At the defaults it suffices for endpoints that hang without having done so before: five deliveries
/// turn slow each second, and time out after 15.
const EXTRA_THREADS: usize = 128;
/// Rows read at a time when the order is made anew.
const SCAN: u32 = 10_000;
/// The wall clock may jump, so nobody sleeps longer than this until a time of that clock.
const NAP: Duration = Duration::from_secs(5);
/// How long to wait before asking a database again that refused.
const REST: Duration = Duration::from_secs(1);

impl<K: Kind> Inner<K> {
    pub(super) fn dispatch(self: &Arc<Self>) {
        while let Err(error) = self.reclaim() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "leases of an earlier start could not be taken back yet"
            );
            self.rest();
            if lock(&self.state).draining {
                return;
            }
        }
        while let Some(wanted) = self.next() {
            if let Err(error) = self.claim(&wanted) {
                tracing::error!(error = &error as &dyn std::error::Error, "claim failed");
                self.claim_apart(&wanted, &error);
            }
        }
    }

    /// The database refuses: try again soon, but not at once.
    pub(super) fn rest(&self) {
        let state = lock(&self.state);
        if !state.draining {
            drop(self.wake.wait_timeout_while(state, REST, |state| !state.draining));
        }
    }

    /// Voids the leases of a process that is gone: nobody else may hold any.
    pub(super) fn reclaim(&self) -> Result<()> {
        let before = self.boot << 32;
        loop {
            let reclaimed = self
                .store
                .write(SystemScope::new(), move |tx| queue::reclaim(tx, K::QUEUE, before, SCAN))
                .wait()?;
            if reclaimed > 0 {
                tracing::warn!(
                    queue = K::QUEUE.as_str(),
                    reclaimed,
                    "took back work of a stopped server"
                );
            }
            if reclaimed < SCAN as usize {
                return Ok(());
            }
        }
    }

    /// Waits until there is something to claim; `None` when draining.
    fn next(&self) -> Option<Vec<Wanted>> {
        let mut state = lock(&self.state);
        loop {
            if state.draining {
                return None;
            }
            if std::mem::take(&mut state.stale) {
                drop(state);
                self.scan();
                state = lock(&self.state);
                continue;
            }
            if std::mem::take(&mut state.review_pause) {
                drop(state);
                let paused = self.is_paused();
                state = lock(&self.state);
                match paused {
                    Some(paused) => state.pause(paused),
                    None => state.review_pause = true,
                }
                continue;
            }
            let wanted = self.pick(&mut state);
            if !wanted.is_empty() {
                return Some(wanted);
            }
            let nap = self.nap(&state);
            state = match nap {
                Some(nap) => {
                    self.wake.wait_timeout(state, nap).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Reads the rows that wait into the order.
    fn scan(&self) {
        let mut after = 0;
        loop {
            let rows = self
                .store
                .read(SystemScope::new(), |snapshot| queue::scan(snapshot, K::QUEUE, after, SCAN));
            let rows = match rows {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "scan failed");
                    lock(&self.state).stale = true;
                    self.rest();
                    return;
                }
            };
            let now = self.ambient.now();
            let mut state = lock(&self.state);
            for row in &rows {
                state.order.add(row, now);
            }
            match rows.last() {
                Some(last) if rows.len() == SCAN as usize => after = last.id.subject,
                _ => return,
            }
        }
    }

    /// `None` where the database cannot tell.
    fn is_paused(&self) -> Option<bool> {
        match self.store.read(SystemScope::new(), queue::paused) {
            Ok(queues) => Some(self.settings.paused || queues.contains(&K::QUEUE)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "pauses not known");
                self.rest();
                None
            }
        }
    }

    fn pick(&self, state: &mut State) -> Vec<Wanted> {
        state.order.promote(self.ambient.now());
        self.notice_slow(state);
        let mut wanted = Vec::new();
        let threads_max = self.threads_max() + EXTRA_THREADS;
        while wanted.len() < CLAIM_MAX
            && state.threads() < threads_max
            && let Some(row) = state.overdue.pop_front()
        {
            state.order.remove(&row);
            wanted.push(self.want(state, Why::Overdue(row)));
        }
        let mut room = self.room(state);
        while wanted.len() < CLAIM_MAX
            && let Some(pick) = state.order.take(&mut room)
        {
            wanted.push(self.want(state, Why::Turn(pick)));
        }
        wanted
    }

    /// Notes the attempt that is about to begin.
    fn want(&self, state: &mut State, why: Why) -> Wanted {
        let (subject, lane, slow) = match &why {
            Why::Turn(pick) => (pick.subject, Some(pick.lane), pick.slow),
            Why::Overdue(row) => (row.id.subject, None, false),
        };
        // Below 2³¹: leases that rows have from their first moment on are above.
        let claim = self.claims.fetch_add(1, Ordering::Relaxed) & 0x7FFF_FFFF;
        let token = (self.boot << 32) | claim;
        let since = self.ambient.monotonic();
        state.running.insert(token, Running { subject, lane, since, slow, stop: Arc::default() });
        Wanted { lease: Lease { id: WorkId { queue: K::QUEUE, subject }, token }, why }
    }

    /// Attempts that turned slow give their slots back and count as burdens of their lanes.
    fn notice_slow(&self, state: &mut State) {
        let State { running, order, .. } = state;
        for running in running.values_mut() {
            if !running.slow && self.is_slow(running) {
                running.slow = true;
                if let Some(lane) = running.lane {
                    order.slowed(lane);
                }
            }
        }
    }

    pub(super) fn is_slow(&self, running: &Running) -> bool {
        let took = self.ambient.monotonic().saturating_sub(running.since);
        self.settings.slow_after.is_some_and(|slow| took >= slow)
    }

    fn threads_max(&self) -> usize {
        self.settings.concurrency * 2 + EXTRA_THREADS
    }

    /// What may begin. Half of the threads beyond the slots are kept for attempts that turn slow
    /// although their lanes never were, so that these give back their slots all the same.
    fn room(&self, state: &State) -> Room {
        let concurrency = self.settings.concurrency;
        let slow = state.running.values().filter(|running| running.slow).count();
        let holds_slot = |running: &&Running| !running.slow && running.lane.is_some();
        let occupied = state.running.values().filter(holds_slot).count();
        let threads = self.threads_max().saturating_sub(state.threads());
        let spare = usize::midpoint(concurrency, EXTRA_THREADS);
        Room {
            slots: concurrency.saturating_sub(occupied).min(threads),
            spare: spare.saturating_sub(slow + state.abandoned.len()).min(threads),
            threads,
        }
    }

    /// How long until something changes by itself; `None` where only a signal can change anything.
    fn nap(&self, state: &State) -> Option<Duration> {
        let due = state.order.next_due(self.ambient.now()).map(|due| due.min(NAP));
        let due = due.filter(|_| !state.paused);
        let slow = self.next_slow(state).filter(|_| state.order.depth().0 > 0);
        [due, slow].into_iter().flatten().min().map(|nap| nap.max(Duration::from_millis(1)))
    }

    /// How long until an attempt turns slow and gives its slot back.
    fn next_slow(&self, state: &State) -> Option<Duration> {
        let quick = state.running.values().filter(|running| !running.slow);
        let first = quick.map(|running| running.since).min()?;
        let turns = first.saturating_add(self.settings.slow_after?);
        Some(turns.saturating_sub(self.ambient.monotonic()))
    }

    /// A claim that failed: what it wanted waits again, but for what was withdrawn meanwhile.
    pub(super) fn forget(&self, wanted: &[Wanted]) {
        let now = self.ambient.now();
        let mut state = lock(&self.state);
        for Wanted { lease, why } in wanted {
            if state.leave(lease.token).is_none() {
                continue;
            }
            match why {
                Why::Turn(pick) => state.order.put_back(pick),
                Why::Overdue(row) => state.order.add(row, now),
            }
        }
    }
}
