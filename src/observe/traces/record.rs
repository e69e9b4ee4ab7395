//! What is told of one step.

use std::{borrow::Cow, time::Duration};

use crate::domain::TraceContext;

/// Characters of a text that are kept.
const TEXT_MAX: usize = 256;

/// Which side of a conversation a step is, by OpenTelemetry's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpanKind {
    /// Neither.
    Internal = 1,
    /// It answers a request.
    Server = 2,
    /// It sends one, and waits for the answer.
    Client = 3,
    /// It works on what was queued.
    Consumer = 5,
}

/// The value of an attribute.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Text(Cow<'static, str>),
    Whole(i64),
}

/// What is told of one step. No prompt, answer, header or secret belongs here.
#[derive(Clone, Debug)]
pub struct Record {
    pub(super) context: TraceContext,
    pub(super) parent: Option<TraceContext>,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: SpanKind,
    /// Since 1970.
    pub(super) start: Duration,
    /// Since 1970.
    pub(super) end: Duration,
    pub(super) attributes: Vec<(&'static str, Value)>,
    pub(super) has_failed: bool,
    /// Its length is that of a wait that began before the span was made.
    is_wait: bool,
}

impl Record {
    pub(super) fn new(
        context: TraceContext,
        parent: Option<TraceContext>,
        kind: SpanKind,
        name: &'static str,
        start: Duration,
    ) -> Self {
        Self {
            context,
            parent,
            name: Cow::Borrowed(name),
            kind,
            start,
            end: start,
            attributes: Vec::with_capacity(8),
            has_failed: false,
            is_wait: false,
        }
    }

    /// Gives it another name. There must be few: ids belong into attributes.
    pub fn name(&mut self, name: impl Into<Cow<'static, str>>) {
        self.name = name.into();
    }

    /// Adds a text, of which the first 256 characters are kept.
    pub fn text(&mut self, key: &'static str, value: impl Into<Cow<'static, str>>) {
        let mut value = value.into();
        if let Some((end, _)) = value.char_indices().nth(TEXT_MAX) {
            value.to_mut().truncate(end);
        }
        self.attributes.push((key, Value::Text(value)));
    }

    /// Adds a number.
    pub fn whole(&mut self, key: &'static str, value: impl TryInto<i64>) {
        self.attributes.push((key, Value::Whole(value.try_into().unwrap_or(i64::MAX))));
    }

    /// The step failed; `why` is one of few words.
    pub fn fail(&mut self, why: impl Into<Cow<'static, str>>) {
        self.has_failed = true;
        self.text("error.type", why);
    }

    /// It is a wait that began at this time since 1970.
    pub(super) fn began_at(&mut self, start: Duration) {
        (self.start, self.is_wait) = (start, true);
    }

    /// Its end: by a clock that does not jump, unless it began before anybody looked at that.
    pub(super) fn ended_after(&mut self, length: Duration, now: Duration) {
        self.end =
            if self.is_wait { now.max(self.start) } else { self.start.saturating_add(length) };
    }
}
