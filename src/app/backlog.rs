//! How much waits in the queues, for who decides whether to take more, and for the operator.

use std::{fmt, sync::OnceLock};

use crate::domain::QueueName;

/// Tells how many jobs wait.
type Count = Box<dyn Fn() -> usize + Send + Sync>;
/// Tells of each queue how much waits and runs.
type Depths = Box<dyn Fn() -> Vec<Load> + Send + Sync>;

/// What the queues hold. Their numbers are theirs and are known to them alone, so they tell; where no queue runs, as in
/// commands, none wait.
#[derive(Default)]
pub struct Backlog {
    jobs: OnceLock<Count>,
    queues: OnceLock<Depths>,
}

/// How much a queue has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// Which.
    pub queue: QueueName,
    /// Work that waits, whether due or not.
    pub waiting: usize,
    /// Work that is being done.
    pub running: usize,
}

impl Backlog {
    /// Asks `count` for the jobs of all accounts that wait from now on; only the first that is given.
    pub fn watch(&self, count: impl Fn() -> usize + Send + Sync + 'static) {
        let _first = self.jobs.set(Box::new(count)).is_ok();
    }

    /// Asks `depths` for what all queues hold from now on; only the first that is given.
    pub fn watch_queues(&self, depths: impl Fn() -> Vec<Load> + Send + Sync + 'static) {
        let _first = self.queues.set(Box::new(depths)).is_ok();
    }

    /// How many jobs wait now.
    pub fn waiting(&self) -> usize {
        self.jobs.get().map_or(0, |count| count())
    }

    /// What the queues hold now; those are left out that do not run here.
    pub fn loads(&self) -> Vec<Load> {
        self.queues.get().map_or_else(Vec::new, |depths| depths())
    }
}

impl fmt::Debug for Backlog {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Backlog({})", self.waiting())
    }
}
