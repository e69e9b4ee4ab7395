//! Numbers that others count anyway: they are asked for when somebody looks.

use std::{
    borrow::Cow,
    fmt,
    sync::{PoisonError, RwLock},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::Tally;

/// A number that somebody else keeps.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The metric's name without `skai_` and, for counters, without `_total`.
    pub name: &'static str,
    /// What it counts; the same for all samples of a name.
    pub help: &'static str,
    /// Tells the samples of one name apart.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    /// The number, or numbers.
    pub value: Value,
}

/// What a sample tells; the same kind for all samples of a name.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// It goes up and down.
    Gauge(f64),
    /// It only rises.
    Counter(f64),
    /// Numbers by size: their sum, and how many fell between each bound and the one before.
    Histogram(f64, Vec<(f64, u64)>),
}

impl Sample {
    /// A number that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, labels: Vec::new(), value: Value::Gauge(value) }
    }

    /// A number that only rises.
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { value: Value::Counter(value), ..Self::gauge(name, help, value) }
    }

    /// Numbers by size.
    pub fn histogram<const N: usize>(
        name: &'static str,
        help: &'static str,
        tally: &Tally<N>,
    ) -> Self {
        let value = Value::Histogram(tally.sum(), tally.buckets());
        Self { name, help, labels: Vec::new(), value }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

pub(super) type Source = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// Who is asked at each look.
#[derive(Default)]
pub(super) struct Pulled(RwLock<Vec<Source>>);

impl Pulled {
    /// Asks this one too.
    pub(super) fn add(&self, source: Source) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(source);
    }
}

impl fmt::Debug for Pulled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Pulled")
    }
}

impl Collector for Pulled {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut samples: Vec<Sample> = {
            let sources = self.0.read().unwrap_or_else(PoisonError::into_inner);
            sources.iter().flat_map(|source| source()).collect()
        };
        // The format wants all samples of a name together.
        samples.sort_by_key(|sample| sample.name);
        for family in samples.chunk_by(|one, next| one.name == next.name) {
            encode_family(&mut encoder, family)?;
        }
        Ok(())
    }
}

fn encode_family(encoder: &mut DescriptorEncoder<'_>, family: &[Sample]) -> fmt::Result {
    let Some(first) = family.first() else { return Ok(()) };
    let kind = match first.value {
        Value::Gauge(_) => MetricType::Gauge,
        Value::Counter(_) => MetricType::Counter,
        Value::Histogram(..) => MetricType::Histogram,
    };
    let mut metric = encoder.encode_descriptor(first.name, first.help, None, kind)?;
    for sample in family {
        if sample.labels.is_empty() {
            return encode_value(sample, metric);
        }
        encode_value(sample, metric.encode_family(&sample.labels)?)?;
    }
    Ok(())
}

fn encode_value(sample: &Sample, mut encoder: MetricEncoder<'_>) -> fmt::Result {
    match &sample.value {
        Value::Counter(value) => ConstCounter::new(*value).encode(encoder),
        Value::Gauge(value) => ConstGauge::new(*value).encode(encoder),
        Value::Histogram(sum, buckets) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}
