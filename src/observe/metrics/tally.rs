//! A histogram for who counts under a lock of its own anyway.

/// How many numbers were up to which bound, and their sum.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tally<const N: usize> {
    /// Rising.
    bounds: [f64; N],
    /// Numbers up to each bound that are above the one before.
    counts: [u64; N],
    /// Numbers above all bounds.
    beyond: u64,
    sum: f64,
}

impl<const N: usize> Tally<N> {
    /// No number yet; `bounds` rise.
    pub const fn new(bounds: [f64; N]) -> Self {
        Self { bounds, counts: [0; N], beyond: 0, sum: 0.0 }
    }

    /// Counts a number.
    pub fn add(&mut self, number: f64) {
        let at = self.bounds.partition_point(|bound| *bound < number);
        *self.counts.get_mut(at).unwrap_or(&mut self.beyond) += 1;
        self.sum += number;
    }

    /// The sum of all numbers.
    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    /// How many numbers fell between each bound and the one before; the last bound is infinite.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounded = self.bounds.into_iter().zip(self.counts);
        bounded.chain([(f64::INFINITY, self.beyond)]).collect()
    }
}
