//! Spans: how long each step of a request took, from the door to the webhook, for a collector that speaks
//! OpenTelemetry's protocol. Where nothing is exported, a span does no more than pass on the trace it was given.
//!
//! A span is a value that its owner carries; there is no current one. It ends when it is dropped, also by a panic.

mod export;
mod otlp;
mod record;

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, atomic::Ordering, mpsc},
    time::Duration,
};

pub use export::{Exporter, TraceSettings};
pub use record::{Record, SpanKind};

use crate::{
    ambient::Ambient,
    domain::{Timestamp, TraceContext},
};
use export::{Counts, Item};

/// Where spans go. Clones share one; the default exports nothing.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Inner>>);

struct Inner {
    ambient: Ambient,
    /// Of the traces that begin here, this part is recorded.
    sample_ratio: f64,
    spans: mpsc::SyncSender<Item>,
    counts: Arc<Counts>,
}

/// How many spans went where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceTotals {
    /// Taken by the collector.
    pub exported: u64,
    /// Lost: there was no room, or the collector did not take them.
    pub dropped: u64,
}

impl Traces {
    /// A step of the trace that `parent` is of, or of a new one where there is none.
    pub fn begin(&self, parent: Option<TraceContext>, kind: SpanKind, name: &'static str) -> Span {
        match (&self.0, parent) {
            (Some(inner), None) => inner.root(kind, name),
            _ => self.within(parent, kind, name),
        }
    }

    /// A step of the trace that `parent` is of. Without one it is of none, and not recorded.
    pub fn within(&self, parent: Option<TraceContext>, kind: SpanKind, name: &'static str) -> Span {
        match (&self.0, parent) {
            (Some(inner), Some(parent)) if parent.is_sampled() => inner.child(parent, kind, name),
            _ => Span { context: parent, open: None },
        }
    }

    /// Records that there was a wait from `since` until now.
    pub fn waited(
        &self,
        parent: Option<TraceContext>,
        name: &'static str,
        since: Timestamp,
        describe: impl FnOnce(&mut Record),
    ) {
        let mut span = self.within(parent, SpanKind::Internal, name);
        span.describe(|record| {
            record.began_at(since.since(Timestamp::default()));
            describe(record);
        });
    }

    /// How many spans went where; `None` where nothing is exported.
    pub fn totals(&self) -> Option<TraceTotals> {
        let counts = &self.0.as_ref()?.counts;
        let load = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        Some(TraceTotals { exported: load(&counts.exported), dropped: load(&counts.dropped) })
    }
}

impl Inner {
    /// Whether a trace is recorded follows from its name, so that all of it is or none.
    fn root(self: &Arc<Self>, kind: SpanKind, name: &'static str) -> Span {
        let trace: [u8; 16] = self.ambient.random();
        let drawn = trace.last_chunk().copied().map(u64::from_be_bytes).unwrap_or_default() >> 11;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
        let fraction = drawn as f64 / (1_u64 << 53) as f64;
        if fraction >= self.sample_ratio {
            return Span::default();
        }
        let context = TraceContext::new(trace, self.ambient.random(), true);
        context.map_or_else(Span::default, |context| self.open(context, None, kind, name))
    }

    fn child(self: &Arc<Self>, parent: TraceContext, kind: SpanKind, name: &'static str) -> Span {
        match parent.step(self.ambient.random()) {
            Some(context) => self.open(context, Some(parent), kind, name),
            None => Span { context: Some(parent), open: None },
        }
    }

    fn open(
        self: &Arc<Self>,
        context: TraceContext,
        parent: Option<TraceContext>,
        kind: SpanKind,
        name: &'static str,
    ) -> Span {
        let record = Record::new(context, parent, kind, name, self.ambient.since_epoch());
        let open = Open { inner: Arc::clone(self), began: self.ambient.monotonic(), record };
        Span { context: Some(context), open: Some(Box::new(open)) }
    }
}

/// A step of a trace, or a place in one that is not recorded. The default is of no trace.
#[derive(Default)]
#[must_use = "a span ends when it is dropped"]
pub struct Span {
    context: Option<TraceContext>,
    open: Option<Box<Open>>,
}

/// A span that is recorded.
struct Open {
    inner: Arc<Inner>,
    began: Duration,
    record: Record,
}

impl Span {
    /// What is passed on: the span itself, or what it would be a part of.
    pub const fn context(&self) -> Option<TraceContext> {
        self.context
    }

    /// Records nothing of a step whose trace began elsewhere; that is passed on, and what it leads to is not recorded
    /// either. Traces that began here stay.
    pub fn leave_out_given(&mut self) {
        if let Some(parent) = self.open.as_ref().and_then(|open| open.record.parent) {
            (self.context, self.open) = (Some(parent.unrecorded()), None);
        }
    }

    /// Says more of the step, where anybody will read it.
    pub fn describe(&mut self, describe: impl FnOnce(&mut Record)) {
        if let Some(open) = &mut self.open {
            describe(&mut open.record);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Open { inner, began, mut record } = *open;
        if std::thread::panicking() && !record.has_failed {
            record.fail("INTERNAL");
        }
        record.ended_after(
            inner.ambient.monotonic().saturating_sub(began),
            inner.ambient.since_epoch(),
        );
        if inner.spans.try_send(Item::Span(Box::new(record))).is_err() {
            inner.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
