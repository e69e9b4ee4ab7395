//! What ended and is to be added to a sum.

use crate::{
    domain::{Latencies, UsageTotals},
    store::usage_tail::Ended,
};

/// Some of what ended, added up.
#[derive(Default)]
pub(super) struct More {
    /// Counts and sums.
    pub(super) totals: UsageTotals,
    /// How long each took that is in the histogram.
    pub(super) latencies_ms: Vec<u64>,
}

impl More {
    pub(super) fn add(&mut self, ended: &Ended) {
        self.totals.add(&ended.totals);
        self.latencies_ms.extend(ended.latency_ms());
    }

    pub(super) fn record_in(&self, latencies: &mut Latencies) {
        self.latencies_ms.iter().for_each(|latency| latencies.record(*latency));
    }
}
