//! How often it happened what the interleavings are about, so that none of it is proven by never taking place.

use std::collections::BTreeMap;

/// What happened in some worlds.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<&'static str, u32>);

impl Tally {
    /// It happened again.
    pub(super) fn saw(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// The same with what happened elsewhere.
    pub(super) fn and(mut self, other: Self) -> Self {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
        self
    }

    /// Fails where anything happened less often than it has to.
    pub(super) fn assert_at_least(&self, floors: &[(&'static str, u32)]) {
        for (what, floor) in floors {
            let times = self.0.get(what).copied().unwrap_or_default();
            assert!(times >= *floor, "{what}: {times} times, and {floor} are due: {self:?}");
        }
    }
}
