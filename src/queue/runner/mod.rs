//! Runs one queue: a dispatcher leases what is due and hands it to the crew.

mod attempt;
mod dispatch;
mod stats;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

pub use stats::QueueStats;

use super::{
    Kind, QueueSettings, Stop,
    order::{Order, Pick},
};
use crate::{
    ambient::{self, Ambient, lock},
    crew::Crew,
    domain::{Result, Timestamp},
    store::{
        Signal, Store, SystemScope,
        queue::{self, Lease, Waiting, WorkId},
    },
};

/// Rows whose time is over that one tick takes up: more than a second's worth of giving up.
const OVERDUE_MAX: u32 = 500;
/// Rows that one tick looks at for some that no signal told of.
const POLLED: u32 = 1_000;

/// Runs one queue until it is drained.
pub struct Runner<K: Kind> {
    inner: Arc<Inner<K>>,
    dispatcher: Option<JoinHandle<()>>,
}

struct Inner<K> {
    kind: K,
    store: Store,
    ambient: Ambient,
    settings: QueueSettings,
    crew: Crew,
    boot: i64,
    claims: AtomicI64,
    /// The last row that [`Inner::poll`] looked at.
    polled: AtomicI64,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a note to the dispatcher, independent of the others"
)]
struct State {
    order: Order,
    /// By the token of its lease.
    running: BTreeMap<i64, Running>,
    /// Threads whose result nobody wants any more and their lanes, by the same.
    abandoned: BTreeMap<i64, Option<i64>>,
    /// Work whose time is over, to be given up whatever else runs.
    overdue: VecDeque<Waiting>,
    /// Attempts that broke off while the database took no writes: it does not know yet.
    broken: Vec<Broken>,
    paused: bool,
    /// The table may hold rows that the order does not know of.
    stale: bool,
    review_pause: bool,
    draining: bool,
}

/// An attempt that is being made.
struct Running {
    subject: i64,
    /// `None` for work that is only to be given up.
    lane: Option<i64>,
    since: Duration,
    /// It holds none of the queue's slots, for it is slow or expected to be.
    slow: bool,
    stop: Arc<Stop>,
}

/// A lease that is not wanted any more.
#[derive(Clone, Copy)]
struct Broken {
    lease: Lease,
    /// Whether an attempt was made, so that this is a crash.
    counts: bool,
}

/// A row as the dispatcher wants it.
struct Wanted {
    lease: Lease,
    why: Why,
}

enum Why {
    /// It is its turn.
    Turn(Pick),
    /// Its time is over.
    Overdue(Waiting),
}

impl<K: Kind> Runner<K> {
    /// Starts the dispatcher. `boot` is this start's number: leases of earlier ones are void.
    pub fn start(
        kind: K,
        store: &Store,
        ambient: &Ambient,
        settings: QueueSettings,
        boot: i64,
    ) -> std::io::Result<Self> {
        let order = Order::new(settings.lane_limit);
        let state = State { order, stale: true, review_pause: true, ..State::default() };
        let inner = Arc::new(Inner {
            kind,
            store: store.clone(),
            ambient: ambient.clone(),
            crew: Crew::new(K::QUEUE.as_str()),
            settings,
            boot,
            claims: AtomicI64::new(0),
            polled: AtomicI64::new(0),
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        let listener = Arc::downgrade(&inner);
        store.listen(move |signals| {
            if let Some(inner) = listener.upgrade() {
                inner.hear(signals);
            }
        });
        let waker = Arc::downgrade(&inner);
        ambient.on_set(move || {
            if let Some(inner) = waker.upgrade() {
                // Under the lock, lest the dispatcher is just about to sleep by the old time.
                let _state = lock(&inner.state);
                inner.wake.notify_all();
            }
        });
        let dispatch = Arc::clone(&inner);
        let dispatcher = ambient::thread("dispatcher", move || dispatch.dispatch())?;
        Ok(Self { inner, dispatcher: Some(dispatcher) })
    }

    /// Looks for work whose time is over and for attempts that take too long. Called by the ticker.
    pub fn tick(&self) {
        if let Err(error) = self.inner.tick() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                queue = K::QUEUE.as_str(),
                "tick failed"
            );
        }
    }

    /// Stops claiming at once, waits up to `patience` for attempts to end, and gives back the rest.
    pub fn drain(mut self, patience: Duration) {
        {
            lock(&self.inner.state).draining = true;
            self.inner.wake.notify_all();
        }
        if let Some(dispatcher) = self.dispatcher.take() {
            drop(dispatcher.join());
        }
        self.inner.await_idle(patience);
        self.inner.give_back();
    }
}

impl<K: Kind> Inner<K> {
    fn hear(&self, signals: &[Signal]) {
        let mut state = lock(&self.state);
        let mut heard = false;
        for signal in signals {
            heard |= state.hear(signal, K::QUEUE, self.ambient.now());
        }
        drop(state);
        if heard {
            self.wake.notify_all();
        }
    }

    fn tick(&self) -> Result<()> {
        let overdue = self
            .store
            .read(SystemScope::new(), |snapshot| queue::expired(snapshot, K::QUEUE, OVERDUE_MAX))?;
        let (stuck, found) = {
            let mut state = lock(&self.state);
            let found = !overdue.is_empty();
            state.overdue = overdue.into();
            (self.stuck(&mut state), found)
        };
        let broken = std::mem::take(&mut lock(&self.state).broken);
        for broken in broken {
            self.mend(broken);
        }
        for lease in &stuck {
            tracing::error!(
                queue = K::QUEUE.as_str(),
                "an attempt took longer than max_runtime and was given up"
            );
            self.mend(Broken { lease: *lease, counts: true });
        }
        if self.poll()? || found || !stuck.is_empty() {
            self.wake.notify_all();
        }
        Ok(())
    }

    /// Adds the next rows that wait to the order, round and round: a signal that was lost delays work,
    /// and no more. True where the order did not know of one.
    fn poll(&self) -> Result<bool> {
        let after = self.polled.load(Ordering::Relaxed);
        let rows = self
            .store
            .read(SystemScope::new(), |snapshot| queue::scan(snapshot, K::QUEUE, after, POLLED))?;
        let last = rows.last().filter(|_| rows.len() == POLLED as usize);
        self.polled.store(last.map_or(0, |row| row.id.subject), Ordering::Relaxed);
        let now = self.ambient.now();
        let mut state = lock(&self.state);
        let begun: BTreeSet<i64> = state.running.values().map(|running| running.subject).collect();
        let known = state.order.depth();
        for row in rows.iter().filter(|row| !begun.contains(&row.id.subject)) {
            state.order.add(row, now);
        }
        Ok(state.order.depth() != known)
    }

    /// Takes attempts that run for too long off the books; their threads may still come back.
    fn stuck(&self, state: &mut State) -> Vec<Lease> {
        let now = self.ambient.monotonic();
        let limit = self.settings.max_runtime;
        let too_long: Vec<Lease> = state
            .running
            .iter()
            .filter(|(_, running)| now.saturating_sub(running.since) > limit)
            .map(|(&token, running)| {
                running.stop.set();
                Lease { id: WorkId { queue: K::QUEUE, subject: running.subject }, token }
            })
            .collect();
        for lease in &too_long {
            state.abandon(lease.token);
        }
        too_long
    }

    fn await_idle(&self, patience: Duration) {
        let state = lock(&self.state);
        let busy = |state: &mut State| !state.running.is_empty();
        drop(self.wake.wait_timeout_while(state, patience, busy));
    }

    /// Lets the attempts that did not end in time be made by the next start, uncounted.
    fn give_back(&self) {
        let leases: Vec<Lease> = {
            let state = lock(&self.state);
            let lease = |(&token, running): (&i64, &Running)| {
                running.stop.set();
                Lease { id: WorkId { queue: K::QUEUE, subject: running.subject }, token }
            };
            let running = state.running.iter().map(lease);
            let uncounted = state.broken.iter().filter(|broken| !broken.counts);
            running.chain(uncounted.map(|broken| broken.lease)).collect()
        };
        if leases.is_empty() {
            return;
        }
        tracing::warn!(
            queue = K::QUEUE.as_str(),
            given_back = leases.len(),
            "stopped before all attempts ended"
        );
        let given = self.store.write(SystemScope::new(), move |tx| {
            for lease in &leases {
                // False where the attempt ended meanwhile, which is just as well.
                let _ended = !queue::release(tx, *lease, tx.now(), false)?;
            }
            Ok(())
        });
        if let Err(error) = given.wait() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "leases stay until the next start"
            );
        }
    }
}

impl State {
    /// Takes a signal in; true where the dispatcher should look.
    fn hear(&mut self, signal: &Signal, queue: crate::domain::QueueName, now: Timestamp) -> bool {
        match signal {
            Signal::Queued(work) if work.id.queue == queue => self.order.add(work, now),
            Signal::Withdrawn(work) if work.id.queue == queue => self.withdraw(work),
            Signal::Demanded(work) if work.id.queue == queue => {
                self.order.promote(now);
                self.order.ask(work);
            }
            Signal::Moved { work, from } if work.id.queue == queue => {
                self.order.remove(&Waiting { lane: *from, ..work.clone() });
                // Where it is just being claimed, that it is here too is found out by a claim in vain.
                self.order.add(work, now);
            }
            Signal::Paused => self.review_pause = true,
            Signal::QueuesElsewhere => (self.stale, self.review_pause) = (true, true),
            _ => return false,
        }
        true
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.order.pause(paused);
    }

    /// Nobody wants the result any more: the work does not wait, attempts are told, and their slots
    /// are free at once.
    fn withdraw(&mut self, work: &Waiting) {
        self.order.remove(work);
        let of_work = |(token, running): (&i64, &Running)| {
            (running.subject == work.id.subject).then(|| (*token, Arc::clone(&running.stop)))
        };
        let told: Vec<_> = self.running.iter().filter_map(of_work).collect();
        for (token, stop) in told {
            stop.set();
            self.abandon(token);
        }
    }

    /// Takes an attempt off the books whose thread may go on for a while.
    fn abandon(&mut self, token: i64) {
        if let Some(running) = self.running.remove(&token) {
            self.abandoned.insert(token, running.lane);
            if let Some(lane) = running.lane {
                self.order.abandoned(lane, running.slow);
            }
        }
    }

    /// A thread is free again. Gives the attempt that it made, unless that was abandoned.
    fn leave(&mut self, token: i64) -> Option<Running> {
        if let Some(lane) = self.abandoned.remove(&token) {
            if let Some(lane) = lane {
                self.order.freed(lane);
            }
            return None;
        }
        let running = self.running.remove(&token)?;
        if let Some(lane) = running.lane {
            self.order.done(lane, running.slow);
        }
        Some(running)
    }

    /// Threads at work, those included whose result nobody wants.
    fn threads(&self) -> usize {
        self.running.len() + self.abandoned.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::QueueName, queue::order::Room};

    #[test]
    fn work_that_moves_to_another_lane_is_there_once() {
        let id = WorkId { queue: QueueName::GenerationCreate, subject: 7 };
        let work = Waiting { id, lane: -3, priority: 1, run_at: Timestamp::default() };
        let mut state = State { order: Order::new(0), ..State::default() };
        let mut hear = |signal: &Signal, queue| state.hear(signal, queue, Timestamp::default());
        assert!(hear(&Signal::Queued(work.clone()), QueueName::GenerationCreate));
        let moved = Signal::Moved { work: Waiting { lane: 3, ..work }, from: -3 };
        assert!(!hear(&moved, QueueName::TaskRun));
        assert!(hear(&moved, QueueName::GenerationCreate));
        assert_eq!(state.order.depth(), (1, 0));
        let mut room = Room { slots: 2, spare: 2, threads: 2 };
        assert_eq!(state.order.take(&mut room).map(|pick| (pick.subject, pick.lane)), Some((7, 3)));
    }
}
