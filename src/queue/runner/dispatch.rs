//! What to lease next: the dispatcher's thread looks at the order, the free slots and the clock.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use super::{Inner, Running, State, Wanted};
use crate::{
    ambient::lock,
    domain::Result,
    queue::{Kind, order::Pick},
    store::{
        SystemScope,
        queue::{self, Lease, WorkId},
    },
};

/// Rows that one claim takes at most, so that its transaction stays short.
const CLAIM_MAX: usize = 64;
/// Attempts whose result nobody wants any more but whose threads still run, and slow ones.
const EXTRA_THREADS: usize = 64;
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
                    Some(paused) => state.paused = paused,
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
        let now = self.ambient.now();
        state.order.promote(now);
        let mut wanted = Vec::new();
        let threads_max = self.threads_max() + EXTRA_THREADS;
        while wanted.len() < CLAIM_MAX
            && state.threads + wanted.len() < threads_max
            && let Some(subject) = state.overdue.pop_front()
        {
            wanted.push(self.want(subject, None));
        }
        let mut slots = if state.paused { 0 } else { self.free_slots(state) };
        while slots > 0
            && wanted.len() < CLAIM_MAX
            && let Some(Pick { subject, lane }) = state.order.take()
        {
            wanted.push(self.want(subject, Some(lane)));
            slots -= 1;
        }
        self.occupy(state, &wanted);
        wanted
    }

    fn want(&self, subject: i64, lane: Option<i64>) -> Wanted {
        let claim = self.claims.fetch_add(1, Ordering::Relaxed) & 0xFFFF_FFFF;
        let id = WorkId { queue: K::QUEUE, subject };
        Wanted { lease: Lease { id, token: (self.boot << 32) | claim }, lane }
    }

    fn threads_max(&self) -> usize {
        self.settings.concurrency * 2 + EXTRA_THREADS
    }

    fn free_slots(&self, state: &State) -> usize {
        let settings = &self.settings;
        let threads = self.threads_max().saturating_sub(state.threads);
        let occupied = match settings.slow_after {
            None => state.running.len(),
            Some(slow) => {
                let now = self.ambient.monotonic();
                let quick = |running: &&Running| now.saturating_sub(running.since) < slow;
                state.running.values().filter(quick).count()
            }
        };
        settings.concurrency.saturating_sub(occupied).min(threads)
    }

    fn occupy(&self, state: &mut State, wanted: &[Wanted]) {
        let since = self.ambient.monotonic();
        state.threads += wanted.len();
        for Wanted { lease, lane } in wanted {
            let running =
                Running { subject: lease.id.subject, lane: *lane, since, stop: Arc::default() };
            state.running.insert(lease.token, running);
        }
    }

    /// How long until something changes by itself; `None` where only a signal can change anything.
    fn nap(&self, state: &State) -> Option<Duration> {
        if state.paused {
            return None;
        }
        let due = state.order.next_due(self.ambient.now()).map(|due| due.min(NAP));
        let slow = self.settings.slow_after.filter(|_| state.order.depth().0 > 0);
        [due, slow].into_iter().flatten().min().map(|nap| nap.max(Duration::from_millis(1)))
    }

    /// A claim that failed: what it wanted waits again.
    pub(super) fn forget(&self, wanted: &[Wanted]) {
        let mut state = lock(&self.state);
        for Wanted { lease, .. } in wanted {
            state.leave(lease.token);
        }
        state.threads -= wanted.len();
        state.stale = true;
    }
}
