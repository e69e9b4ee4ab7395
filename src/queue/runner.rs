//! Runs one queue: a dispatcher leases what is due and hands it to the crew.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    GiveUp, Kind, QueueSettings, Stop,
    crew::Crew,
    order::{Order, Pick},
};
use crate::{
    ambient::{self, Ambient, lock},
    domain::{Error, ErrorKind, Result, Timestamp},
    store::{
        Signal, Store, SystemScope,
        queue::{self, Claimed, Lease, Waiting, WorkId},
    },
};

/// Rows that one claim takes at most, so that its transaction stays short.
const CLAIM_MAX: usize = 64;
/// Attempts whose result nobody wants any more but whose threads still run, and slow ones.
const EXTRA_THREADS: usize = 64;
/// Rows read at a time when the order is made anew.
const SCAN: u32 = 10_000;
/// Rows whose time is over that one tick takes up: more than a second's worth of giving up.
const OVERDUE_MAX: u32 = 500;
/// The wall clock may jump, so nobody sleeps longer than this until a time of that clock.
const NAP: Duration = Duration::from_secs(5);
/// How long to wait before asking a database again that refused.
const REST: Duration = Duration::from_secs(1);

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
}

/// Runs one queue until it is drained.
pub struct Runner<K: Kind> {
    inner: Arc<Inner<K>>,
    dispatcher: Option<JoinHandle<()>>,
}

pub(super) struct Inner<K> {
    kind: K,
    store: Store,
    ambient: Ambient,
    settings: QueueSettings,
    crew: Crew,
    boot: i64,
    claims: AtomicI64,
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
    /// Work whose time is over, to be given up whatever else runs.
    overdue: VecDeque<i64>,
    /// Attempts that broke off while the database took no writes: it does not know yet.
    broken: Vec<Lease>,
    /// Threads at work, those included whose result nobody wants.
    threads: usize,
    paused: bool,
    /// The table may hold rows that the order does not know of.
    stale: bool,
    review_pause: bool,
    draining: bool,
}

/// An attempt that is being made.
struct Running {
    subject: i64,
    lane: Option<i64>,
    since: Duration,
    stop: Arc<Stop>,
}

/// A row as the dispatcher wants it: from the order, or because its time is over.
#[derive(Clone, Copy)]
struct Wanted {
    lease: Lease,
    lane: Option<i64>,
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

    /// What the queue is doing.
    pub fn stats(&self) -> QueueStats {
        let state = lock(&self.inner.state);
        let (ready, later) = state.order.depth();
        QueueStats { ready, later, running: state.running.len(), paused: state.paused }
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

    fn dispatch(self: &Arc<Self>) {
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
    fn rest(&self) {
        let state = lock(&self.state);
        if !state.draining {
            drop(self.wake.wait_timeout_while(state, REST, |state| !state.draining));
        }
    }

    /// One row may have spoiled the claim of all: each is claimed by itself, and the one that fails
    /// again waits as after a crash. Where the database refuses, all of them wait again.
    fn claim_apart(self: &Arc<Self>, wanted: &[Wanted], error: &Error) {
        if error.kind() == ErrorKind::Unavailable {
            self.forget(wanted);
            self.rest();
            return;
        }
        for one in wanted {
            if let Err(error) = self.claim(slice::from_ref(one)) {
                let id = one.lease.id;
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    queue = K::QUEUE.as_str(),
                    subject = id.subject,
                    "an attempt could not begin"
                );
                self.set_back(one);
            }
        }
    }

    /// Counts a crash against a row that waits.
    fn set_back(&self, wanted: &Wanted) {
        let lease = wanted.lease;
        let set_back = self.store.write(SystemScope::new(), move |tx| {
            if queue::claim(tx, lease)?.is_some() {
                queue::crash(tx, lease)?;
            }
            Ok(())
        });
        if let Err(error) = set_back.wait() {
            tracing::error!(error = &error as &dyn std::error::Error, "the row waits as it is");
            self.forget(slice::from_ref(wanted));
            self.rest();
        } else {
            self.ended(lease.token);
        }
    }

    /// Voids the leases of a process that is gone: nobody else may hold any.
    fn reclaim(&self) -> Result<()> {
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

    /// Leases what is wanted in one transaction and hands it to the crew.
    fn claim(self: &Arc<Self>, wanted: &[Wanted]) -> Result<()> {
        let leases: Vec<Lease> = wanted.iter().map(|wanted| wanted.lease).collect();
        let this = Arc::clone(self);
        let claimed = self
            .store
            .write(SystemScope::new(), move |tx| {
                leases.iter().map(|lease| this.begin(tx, *lease)).collect::<Result<Vec<_>>>()
            })
            .wait()?;
        for (wanted, begun) in wanted.iter().zip(claimed) {
            match begun {
                Start::Attempt(begun) => self.hand_over(begun),
                Start::Gone => self.ended(wanted.lease.token),
                Start::Later(row) => {
                    if wanted.lane.is_some() {
                        lock(&self.state).order.add(&row, self.ambient.now());
                    }
                    self.ended(wanted.lease.token);
                }
            }
        }
        Ok(())
    }

    fn begin(
        &self,
        tx: &crate::store::Tx<'_, SystemScope>,
        lease: Lease,
    ) -> Result<Start<K::Task>> {
        let Some(claimed) = queue::claim(tx, lease)? else {
            let row = queue::find_waiting(tx, lease.id)?;
            return Ok(row.map_or(Start::Gone, Start::Later));
        };
        if let Some(why) = self.hopeless(&claimed, tx.now()) {
            return Ok(Start::Attempt(Begun { claimed, task: Err(why) }));
        }
        if let Some(task) = self.kind.begin(tx, &claimed)? {
            return Ok(Start::Attempt(Begun { claimed, task: Ok(task) }));
        }
        queue::withdraw(tx, lease.id)?;
        Ok(Start::Gone)
    }

    fn hopeless(&self, claimed: &Claimed, now: Timestamp) -> Option<GiveUp> {
        if claimed.crashes >= self.settings.max_crashes {
            Some(GiveUp::CrashLoop)
        } else if claimed.expires_at <= now {
            Some(GiveUp::Expired)
        } else {
            None
        }
    }

    fn hand_over(self: &Arc<Self>, begun: Begun<K::Task>) {
        let this = Arc::clone(self);
        self.crew.run(move || this.attempt(begun));
    }

    fn attempt(&self, begun: Begun<K::Task>) {
        let Begun { claimed, task } = begun;
        let lease = claimed.lease;
        let running = lock(&self.state).running.get(&lease.token).map(|it| Arc::clone(&it.stop));
        let Some(stop) = running else {
            // Withdrawn before it began.
            self.ended(lease.token);
            return;
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| match task {
            Ok(task) => self.kind.run(&claimed, task, &stop),
            Err(why) => self.kind.give_up(&claimed, why),
        }));
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    queue = K::QUEUE.as_str(),
                    "attempt not recorded"
                );
                self.crashed(lease);
            }
            Err(_) => self.crashed(lease),
        }
        self.ended(lease.token);
    }

    /// Lets work whose attempt broke off wait again; it counts as a crash.
    fn crashed(&self, lease: Lease) {
        let retry = self.store.write(SystemScope::new(), move |tx| queue::crash(tx, lease)).wait();
        if let Err(error) = retry {
            tracing::error!(error = &error as &dyn std::error::Error, "crash not recorded yet");
            lock(&self.state).broken.push(lease);
        }
    }

    /// The thread is free again, and so is the slot, where the attempt still held one.
    fn ended(&self, token: i64) {
        {
            let mut state = lock(&self.state);
            state.leave(token);
            state.threads -= 1;
        }
        self.wake.notify_all();
    }

    /// A claim that failed: what it wanted waits again.
    fn forget(&self, wanted: &[Wanted]) {
        let mut state = lock(&self.state);
        for Wanted { lease, .. } in wanted {
            state.leave(lease.token);
        }
        state.threads -= wanted.len();
        state.stale = true;
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
        for lease in broken {
            self.crashed(lease);
        }
        for lease in &stuck {
            tracing::error!(
                queue = K::QUEUE.as_str(),
                "an attempt took longer than max_runtime and was given up"
            );
            self.crashed(*lease);
        }
        if found || !stuck.is_empty() {
            self.wake.notify_all();
        }
        Ok(())
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
            state.leave(lease.token);
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
            state.running.iter().map(lease).collect()
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

/// What became of a row that the dispatcher wanted.
enum Start<T> {
    /// It was leased.
    Attempt(Begun<T>),
    /// It is gone, or leased to another.
    Gone,
    /// It waits, but is not due: its time was changed, or the clock went back.
    Later(Waiting),
}

/// A leased row with what its attempt needs, or why there will be none.
struct Begun<T> {
    claimed: Claimed,
    task: std::result::Result<T, GiveUp>,
}

impl State {
    /// Takes a signal in; true where the dispatcher should look.
    fn hear(&mut self, signal: &Signal, queue: crate::domain::QueueName, now: Timestamp) -> bool {
        match signal {
            Signal::Queued(work) if work.id.queue == queue => self.order.add(work, now),
            Signal::Withdrawn(id) if id.queue == queue => self.withdraw(id.subject),
            Signal::Paused => self.review_pause = true,
            Signal::QueuesElsewhere => (self.stale, self.review_pause) = (true, true),
            _ => return false,
        }
        true
    }

    /// Nobody wants the result any more: the attempt is told, and its slot is free at once.
    fn withdraw(&mut self, subject: i64) {
        let holds = |(token, running): (&i64, &Running)| {
            (running.subject == subject).then(|| (*token, Arc::clone(&running.stop)))
        };
        if let Some((token, stop)) = self.running.iter().find_map(holds) {
            stop.set();
            self.leave(token);
        }
    }

    fn leave(&mut self, token: i64) {
        if let Some(Running { lane: Some(lane), .. }) = self.running.remove(&token) {
            self.order.done(lane);
        }
    }
}
