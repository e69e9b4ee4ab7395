//! How long jobs took, as a histogram: small, and two of them make one without loss.

use std::fmt;

use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2Serializer},
};

use super::{Error, Result};

/// Decimal digits that the histogram tells apart: neighbours differ by less than 1 %.
const DIGITS: u8 = 2;
/// A week, in milliseconds: what takes longer counts as this.
const MOST: u64 = 604_800_000;
/// More jobs than ever are counted together: as long as there are fewer, every sum of counts can be written.
const JOBS_MAX: u64 = 1 << 48;
/// What the format V2 begins with, where it is not compressed.
const COOKIE: u64 = 0x1c84_9303 | 0x10;

/// How long jobs took, in milliseconds. A value up to 255 ms is kept as it is; of a longer one it is known only
/// in which of some ranges it lies, each less than 1 % wide. What took longer than a week counts as a week.
///
/// ```
/// use skai_server::domain::Latencies;
/// let (mut monday, mut tuesday) = (Latencies::empty().unwrap(), Latencies::empty().unwrap());
/// monday.record(120);
/// tuesday.record(80);
/// monday.merge(&tuesday).unwrap();
/// assert_eq!((monday.count(), monday.quantile(0.5), monday.quantile(0.95)), (2, Some(80), Some(120)));
/// ```
#[derive(Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// Those of no job.
    pub fn empty() -> Result<Self> {
        Histogram::new_with_bounds(1, MOST, DIGITS).map(Self).map_err(Error::internal)
    }

    /// Adds how long one job took.
    pub fn record(&mut self, millis: u64) {
        self.0.saturating_record(millis);
    }

    /// Adds all that another has.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.add(&other.0).map_err(Error::internal)
    }

    /// How many jobs there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The least number of milliseconds that so large a part of the jobs, from 0 to 1, did not exceed; up to a week at
    /// most 1 % above what it is exactly. `None` without jobs.
    pub fn quantile(&self, part: f64) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(part))
    }

    /// The histogram in the format V2 of `HdrHistogram`, not compressed; nothing where there are no jobs.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if !self.0.is_empty() {
            V2Serializer::new().serialize(&self.0, &mut bytes).map_err(Error::internal)?;
        }
        Ok(bytes)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Bytes that are damaged cost no more memory than one histogram.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Self::empty();
        }
        if !is_ours(bytes) {
            return Err(not_ours());
        }
        let read: Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes).map_err(Error::internal)?;
        if !bytes.is_empty() || read.len() > JOBS_MAX {
            return Err(not_ours());
        }
        Ok(Self(read))
    }
}

/// Bytes before the counts.
const HEADER: usize = 40;

/// Whether all that comes before the counts is as we write it, and says how many bytes the counts take. Nothing else
/// may reach the decoder: it makes room for what the bytes say, and inflates what is compressed.
fn is_ours(bytes: &[u8]) -> bool {
    let Some((header, counts)) = bytes.split_at_checked(HEADER) else { return false };
    let number =
        |at: usize| header.iter().skip(at).take(4).fold(0, |n, byte| n << 8 | u64::from(*byte));
    let long = |at: usize| number(at) << 32 | number(at + 4);
    let (cookie, length, offset, digits) = (number(0), number(4), number(8), number(12));
    // The least number that a count can be spelled as: the decoder would negate it, which is none.
    let has_least = counts.windows(9).any(|window| window.iter().all(|byte| *byte == u8::MAX));
    cookie == COOKIE
        && usize::try_from(length) == Ok(counts.len())
        && (offset, digits) == (0, u64::from(DIGITS))
        && (long(16), long(24), long(32)) == (1, MOST, 1_f64.to_bits())
        && !has_least
}

fn not_ours() -> Error {
    Error::internal("a histogram of latencies is not one of ours")
}

impl PartialEq for Latencies {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map()
            .entries(self.0.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value())))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::V2DeflateSerializer;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Latencies {
        let mut latencies = Latencies::empty().unwrap();
        for value in values {
            latencies.record(*value);
        }
        latencies
    }

    /// The value of nearest rank.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "there are few values"
    )]
    fn exact(values: &[u64], part: f64) -> u64 {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let rank = (part * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted[rank - 1]
    }

    #[test]
    fn nothing_is_empty_and_short_values_are_exact() {
        let empty = Latencies::empty().unwrap();
        assert_eq!((empty.count(), empty.quantile(0.5)), (0, None));
        assert!(empty.to_bytes().unwrap().is_empty());
        assert_eq!(Latencies::from_bytes(&[]).unwrap(), empty);
        for value in 0..256 {
            assert_eq!(of(&[value]).quantile(0.5), Some(value));
        }
        // Longer than a week.
        let long = of(&[u64::MAX]).quantile(0.95).unwrap();
        assert!((MOST..=MOST + MOST / 100).contains(&long), "{long}");
    }

    #[test]
    fn what_is_broken_or_of_others_is_refused() {
        let bytes = of(&[1, 500, 70_000]).to_bytes().unwrap();
        let longer = [bytes.as_slice(), &[0]].concat();
        for bad in [&bytes[..bytes.len() - 1], &bytes[..3], &longer, &[0; 40]] {
            assert!(Latencies::from_bytes(bad).is_err(), "{bad:?}");
        }
        let mut other = Vec::new();
        let foreign = Histogram::<u64>::new_with_bounds(1, 1_000, 3).unwrap();
        V2Serializer::new().serialize(&foreign, &mut other).unwrap();
        assert!(Latencies::from_bytes(&other).is_err());
    }

    #[test]
    fn a_header_that_lies_costs_nothing() {
        let bytes = of(&[1, 500, 70_000]).to_bytes().unwrap();
        // A payload of 4 GB, and one that is compressed.
        let mut long = bytes.clone();
        long[4..8].fill(u8::MAX);
        let mut compressed = Vec::new();
        V2DeflateSerializer::new().serialize(&of(&[1]).0, &mut compressed).unwrap();
        for bad in [&long, &compressed] {
            assert!(!is_ours(bad) && Latencies::from_bytes(bad).is_err());
        }
        for at in 0..HEADER {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(!is_ours(&bad), "{at}");
        }
        assert!(is_ours(&bytes));
        // No number of jobs that is counted anywhere.
        for counts in [[u8::MAX; 9], [0x80; 9], [0xfe; 9]] {
            assert!(Latencies::from_bytes(&with_header(&counts)).is_err(), "{counts:?}");
        }
    }

    /// These counts, behind a header that is right.
    fn with_header(counts: &[u8]) -> Vec<u8> {
        let mut bytes = of(&[1]).to_bytes().unwrap();
        bytes.truncate(HEADER);
        bytes[4..8].copy_from_slice(&u32::try_from(counts.len()).unwrap().to_be_bytes());
        bytes.extend(counts);
        bytes
    }

    /// Bytes as counts: few, many, and those that go on.
    fn counts() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![any::<u8>(), Just(u8::MAX), Just(0x80), Just(0x7f), Just(0)];
        prop::collection::vec(byte, 0..200)
    }

    #[test]
    fn a_day_of_many_jobs_stays_small() {
        let values: Vec<u64> = (0..100_000).map(|n| 200 + n % 3_000).collect();
        let bytes = of(&values).to_bytes().unwrap();
        assert!(bytes.len() < 2_000, "{}", bytes.len());
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(counts in counts(), bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for bytes in [with_header(&counts), bytes] {
                if let Ok(read) = Latencies::from_bytes(&bytes) {
                    let mut merged = of(&[1, 70_000]);
                    merged.merge(&read).unwrap();
                    merged.record(5);
                    prop_assert!(merged.count() > read.count() && merged.to_bytes().is_ok());
                    prop_assert!(merged.quantile(0.5) <= merged.quantile(0.95));
                }
            }
        }

        #[test]
        fn quantiles_are_at_most_a_percent_too_high(
            values in prop::collection::vec(0..MOST, 1..300),
            part in 0.01..1.0_f64,
        ) {
            let (shown, exact) = (of(&values).quantile(part).unwrap(), exact(&values, part));
            prop_assert!(shown >= exact && shown <= exact + exact / 100, "{shown} for {exact}");
        }

        #[test]
        fn merging_is_recording_all(
            one in prop::collection::vec(0..MOST, 0..100),
            other in prop::collection::vec(0..2_000_u64, 0..100),
        ) {
            let mut merged = of(&one);
            let stored = of(&other).to_bytes().unwrap();
            merged.merge(&Latencies::from_bytes(&stored).unwrap()).unwrap();
            let all = of(&[one, other].concat());
            prop_assert_eq!(&merged, &all);
            prop_assert_eq!(merged.to_bytes().unwrap(), all.to_bytes().unwrap());
            prop_assert_eq!(Latencies::from_bytes(&all.to_bytes().unwrap()).unwrap(), all);
        }
    }
}
