//! Credits that moved. They are counted in microcredits, as floating-point sums would drift.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Sample;
use crate::domain::{Credits, EntryKind, Environment};

const ENVIRONMENTS: [Environment; 2] = [Environment::Live, Environment::Test];

/// Microcredits since the start, by environment and kind of entry.
#[derive(Debug, Default)]
pub(super) struct Moved([[AtomicU64; EntryKind::ALL.len()]; 2]);

impl Moved {
    /// Adds an amount, whatever its sign.
    pub(super) fn add(&self, kind: EntryKind, environment: Environment, amount: Credits) {
        let [live, test] = &self.0;
        let kinds = if environment == Environment::Live { live } else { test };
        let place = EntryKind::ALL.iter().zip(kinds).find(|(known, _)| **known == kind);
        if let Some((_, sum)) = place {
            sum.fetch_add(amount.micros().unsigned_abs(), Ordering::Relaxed);
        }
    }

    /// All sums, in credits.
    #[expect(clippy::cast_precision_loss, reason = "a metric may be off by one in 2^53")]
    pub(super) fn samples(&self) -> Vec<Sample> {
        let help =
            "Credits that entries of ledgers moved since the start, without their sign, by kind";
        let by_environment = ENVIRONMENTS.into_iter().zip(&self.0);
        let all = by_environment.flat_map(|(environment, kinds)| {
            EntryKind::ALL.into_iter().zip(kinds).map(move |(kind, sum)| {
                let credits = sum.load(Ordering::Relaxed) as f64 / 1e6;
                let sample = Sample::counter("credits", help, credits);
                sample.label("kind", kind.as_str()).label("environment", environment.as_str())
            })
        });
        all.collect()
    }
}
