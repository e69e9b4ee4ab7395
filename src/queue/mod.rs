//! A durable queue that knows nothing of what it runs: it leases rows of the table, hands them to threads,
//! and sees to it that none is lost, whatever happens to the threads or the process.
//!
//! Contract: work is run at least once; its outcome is recorded exactly once, because only the
//! holder of the lease can record one.

mod ages;
mod order;
mod runner;
mod ticker;

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

pub use runner::{QueueStats, Runner};
pub use ticker::Ticker;

use crate::{
    ambient::lock,
    domain::{JobErrorCode, QueueName, Result},
    store::{
        Store, SystemScope, Tx,
        queue::{self as table, Claimed},
    },
};

/// A kind of work.
pub trait Kind: Send + Sync + 'static {
    /// What an attempt needs to know.
    type Task: Send + 'static;

    /// The queue whose rows are of this kind.
    const QUEUE: QueueName;

    /// Marks the beginning of an attempt in the transaction that leases the row, and reads what it needs.
    /// `None` where there is nothing left to do: then the row leaves the queue.
    fn begin(&self, tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<Self::Task>>;

    /// Makes an attempt and records its outcome, in a transaction that ends or releases the lease.
    fn run(&self, claimed: &Claimed, task: Self::Task, stop: &Stop) -> Result<()>;

    /// Records that the work will not be tried again, in a transaction that ends the lease.
    fn give_up(&self, claimed: &Claimed, why: GiveUp) -> Result<()>;
}

/// Draws the number of this start. Leases that earlier starts took are void.
pub fn boot(store: &Store) -> Result<i64> {
    store.write(SystemScope::new(), table::boot).wait()
}

/// Why work is given up without another attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GiveUp {
    /// It waited longer than its time to live.
    Expired,
    /// The server ended during too many attempts.
    CrashLoop,
}

impl GiveUp {
    /// The same as what came of the work.
    pub const fn code(self) -> JobErrorCode {
        match self {
            Self::Expired => JobErrorCode::Expired,
            Self::CrashLoop => JobErrorCode::CrashLoop,
        }
    }
}

/// Tells an attempt that nobody wants its result any more.
#[derive(Default)]
pub struct Stop {
    state: Mutex<Stopped>,
    told: Condvar,
}

#[derive(Default)]
struct Stopped {
    set: bool,
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl Stop {
    /// True once the work was withdrawn or its time was up.
    pub fn is_set(&self) -> bool {
        lock(&self.state).set
    }

    /// Waits for that long, or until it is set; gives whether it is.
    pub fn pause(&self, length: Duration) -> bool {
        let waited = self.told.wait_timeout_while(lock(&self.state), length, |state| !state.set);
        waited.unwrap_or_else(PoisonError::into_inner).0.set
    }

    /// Lets `act` happen when it is set, or now if it is, instead of what was to happen before. It must
    /// be quick.
    pub fn on_set(&self, act: impl FnOnce() + Send + 'static) {
        let mut state = lock(&self.state);
        if !state.set {
            state.then = Some(Box::new(act));
            return;
        }
        drop(state);
        act();
    }

    fn set(&self) {
        let mut state = lock(&self.state);
        state.set = true;
        let then = state.then.take();
        drop(state);
        self.told.notify_all();
        if let Some(act) = then {
            act();
        }
    }
}

/// How a queue is run.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// Attempts at the same time.
    pub concurrency: usize,
    /// Attempts of one lane at the same time; 0 for any number.
    pub lane_limit: u32,
    /// Attempts that take longer than this do not count towards `concurrency`, so that slow ones
    /// do not hold up the rest; `None` where all count.
    pub slow_after: Option<Duration>,
    /// An attempt that takes longer than this is taken for crashed.
    pub max_runtime: Duration,
    /// Crashes after which work is given up.
    pub max_crashes: u32,
    /// Whether the queue stands still.
    pub paused: bool,
}
