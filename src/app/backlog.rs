//! How much waits in the queue of jobs, for who decides whether to take more.

use std::{fmt, sync::OnceLock};

/// Tells how many jobs wait.
type Count = Box<dyn Fn() -> usize + Send + Sync>;

/// The jobs of all accounts that wait. Their number is the queue's and is known to it alone, so it tells;
/// where no queue runs, as in commands, none wait.
#[derive(Default)]
pub struct Backlog(OnceLock<Count>);

impl Backlog {
    /// Asks `count` from now on; only the first that is given.
    pub fn watch(&self, count: impl Fn() -> usize + Send + Sync + 'static) {
        let _first = self.0.set(Box::new(count)).is_ok();
    }

    /// How many jobs wait now.
    pub fn waiting(&self) -> usize {
        self.0.get().map_or(0, |count| count())
    }
}

impl fmt::Debug for Backlog {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Backlog({})", self.waiting())
    }
}
