//! Since when work has been ready, to a second: so many numbers as there are seconds in which ready work came due, and
//! not as many as there is work.

use std::collections::BTreeMap;

use crate::domain::Timestamp;

/// A second since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Second(u32);

impl Second {
    /// The second that this time is in.
    pub(super) fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.seconds()).unwrap_or(0))
    }

    /// Its beginning.
    pub(super) fn begin(self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.0) * 1_000)
    }
}

/// How much of what is ready came due in which second.
#[derive(Debug, Default)]
pub(super) struct Ages(BTreeMap<Second, usize>);

impl Ages {
    /// Work became ready that was due then.
    pub(super) fn add(&mut self, due: Second) {
        *self.0.entry(due).or_default() += 1;
    }

    /// Such work is ready no more.
    pub(super) fn remove(&mut self, due: Second) {
        if let Some(count) = self.0.get_mut(&due) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&due);
            }
        }
    }

    /// When the oldest came due, down to a second; `None` where none is ready.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.0.keys().next().map(|due| due.begin())
    }
}
