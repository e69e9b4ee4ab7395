//! What the writer has done since the start.

use std::time::Duration;

use crate::observe::metrics::Tally;

/// Upper bounds of the numbers of writes in a commit.
const BATCHES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Upper bounds of how long commits take, in seconds: a wait for a disk is a fraction of a millisecond, or many.
const COMMITS: [f64; 13] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Totals of the writer since the start, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct CommitTotals {
    /// Commits made.
    pub commits: u64,
    /// Deeds within them.
    pub deeds: u64,
    /// Time spent on them, the disk included, but not the wait of patient ones for company.
    pub busy: Duration,
    /// How many writes the commits had.
    pub batches: Tally<9>,
    /// How long they took, in seconds, counted as `busy` is.
    pub durations: Tally<13>,
}

impl Default for CommitTotals {
    fn default() -> Self {
        let (batches, durations) = (Tally::new(BATCHES), Tally::new(COMMITS));
        Self { commits: 0, deeds: 0, busy: Duration::ZERO, batches, durations }
    }
}

impl CommitTotals {
    /// Counts a commit of so many writes. It is the writer that does it, and only who looks at metrics waits with it.
    pub(in crate::store) fn add(&mut self, deeds: usize, taken: Duration) {
        self.commits += 1;
        self.deeds += deeds as u64;
        self.busy = self.busy.saturating_add(taken);
        self.batches.add(f64::from(u32::try_from(deeds).unwrap_or(u32::MAX)));
        self.durations.add(taken.as_secs_f64());
    }
}
