//! A provider with its breaker, its places and its observer.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::{
    Call, Completion, Observer, Provider, ProviderError, ProviderState, Sink,
    breaker::{Breaker, BreakerState, Permit, Verdict},
    places::{Place, Places},
};
use crate::{
    ambient::Ambient,
    domain::{JobErrorCode, format_duration},
    observe::traces::{Record, Span, SpanKind, Traces},
    wire,
};

/// How far a provider is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProviderLimits {
    /// Failures in a row after which it is left alone; 0: it never is.
    pub breaker_failures: u32,
    /// For how long it is left alone then.
    pub breaker_pause: Duration,
    /// Calls to it at the same time; 0: any number.
    pub max_concurrency: u32,
}

/// Who is told of calls.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) observer: Observer,
    pub(super) traces: Traces,
}

pub(super) struct Guarded {
    name: String,
    kind: &'static str,
    in_flight: AtomicU32,
    inner: Box<dyn Provider>,
    /// How long a call may take that names no timeout.
    usual: Duration,
    breaker: Breaker,
    places: Option<Arc<Places>>,
    ambient: Ambient,
    watched: Watched,
}

/// A call that runs, until it is dropped.
struct Running<'a>(&'a AtomicU32);

impl<'a> Running<'a> {
    fn count(all: &'a AtomicU32) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What became of a call that was made.
type Answer = Result<Completion, ProviderError>;

impl Guarded {
    pub(super) fn new(
        (name, kind): (String, &'static str),
        (inner, usual): (Box<dyn Provider>, Duration),
        limits: ProviderLimits,
        ambient: &Ambient,
        watched: &Watched,
    ) -> Self {
        let ProviderLimits { breaker_failures, breaker_pause, max_concurrency } = limits;
        Self {
            name,
            kind,
            in_flight: AtomicU32::new(0),
            inner,
            usual,
            breaker: Breaker::new(breaker_failures, breaker_pause, usual, ambient),
            places: (max_concurrency > 0).then(|| Places::new(max_concurrency)),
            ambient: ambient.clone(),
            watched: watched.clone(),
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        self.breaker.state()
    }

    /// How it is.
    pub(super) fn look(&self) -> ProviderState<'_> {
        ProviderState {
            name: &self.name,
            kind: self.kind,
            breaker: self.state(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            limit: self.places.as_ref().map(|places| places.most()),
        }
    }

    /// Makes a call if it may be made, as a step of its trace. `run` also says whether its sink broke.
    fn guard(
        &self,
        call: &Call<'_>,
        run: impl FnOnce(&Call<'_>, &mut Permit) -> (Answer, bool),
    ) -> Answer {
        let mut span = self.watched.traces.within(call.trace, SpanKind::Client, "chat");
        let call = &Call { trace: span.context(), ..*call };
        let answer = self.call(call, run, &mut span);
        span.describe(|record| describe(record, &self.name, call, &answer));
        answer
    }

    fn call(
        &self,
        call: &Call<'_>,
        run: impl FnOnce(&Call<'_>, &mut Permit) -> (Answer, bool),
        span: &mut Span,
    ) -> Answer {
        if let Some(left) = self.breaker.refuses() {
            return Err(self.left_alone(span, left));
        }
        let (_place, waited) = self.place(span, call.time(self.usual))?;
        let mut permit = self.breaker.admit().map_err(|left| self.left_alone(span, left))?;
        let call = &call.after(waited, self.usual);
        let _running = Running::count(&self.in_flight);
        let began = self.ambient.monotonic();
        let (answer, unwanted) = run(call, &mut permit);
        let took = self.ambient.monotonic().saturating_sub(began);
        permit.settle(self.verdict(call, &answer, !waited.is_zero()));
        let outcome = match &answer {
            Ok(_) if unwanted => "canceled",
            _ if wire::is_cut() => "canceled",
            Ok(_) => "ok",
            Err(error) => error.code.as_str(),
        };
        self.tell(span, outcome, Some(took));
        answer
    }

    /// A place for a call, and how long it was waited for, which counts as time of the call.
    fn place(
        &self,
        span: &mut Span,
        longest: Duration,
    ) -> Result<(Option<Place>, Duration), ProviderError> {
        let Some(places) = &self.places else { return Ok((None, Duration::ZERO)) };
        if let Some(place) = places.free() {
            return Ok((Some(place), Duration::ZERO));
        }
        let began = self.ambient.monotonic();
        let place = places.wait(longest);
        let waited = self.ambient.monotonic().saturating_sub(began);
        match place {
            Some(place) if waited < longest => Ok((Some(place), waited)),
            _ if wire::is_cut() => {
                self.tell(span, "canceled", None);
                Err(ProviderError::new(JobErrorCode::ServerError, "the call was given up"))
            }
            _ => {
                self.tell(span, "busy", None);
                Err(busy(places.most(), longest))
            }
        }
    }

    /// Says how a call ended, or why it was not made.
    fn tell(&self, span: &mut Span, outcome: &'static str, took: Option<Duration>) {
        (self.watched.observer)(&self.name, outcome, took);
        span.describe(|record| match outcome {
            "ok" | "canceled" => record.text("skai.outcome", outcome),
            _ => record.fail(outcome),
        });
    }

    fn left_alone(&self, span: &mut Span, left: Duration) -> ProviderError {
        self.tell(span, "breaker_open", None);
        let message = "the provider failed several times in a row and is left alone for a moment";
        ProviderError {
            retry_after: Some(left),
            ..ProviderError::new(JobErrorCode::ServerError, message)
        }
    }

    /// What a call tells of the provider. One that was cut or had too large an answer tells nothing, and a timeout only where the call
    /// had the time that calls usually have; after a wait for a place half of it will do.
    fn verdict(&self, call: &Call<'_>, answer: &Answer, has_waited: bool) -> Verdict {
        let enough = if has_waited { self.usual / 2 } else { self.usual };
        match answer {
            Ok(_) => Verdict::Works,
            Err(error) if error.provoked || wire::is_cut() => Verdict::Nothing,
            Err(error) => match error.code {
                JobErrorCode::ServerError if error.retryable => Verdict::Fails,
                JobErrorCode::Timeout if call.time(self.usual) >= enough => Verdict::Fails,
                JobErrorCode::RateLimit => Verdict::Limits,
                // Without a status it was not asked.
                JobErrorCode::BadRequest if error.status.is_some() => Verdict::Works,
                _ => Verdict::Nothing,
            },
        }
    }
}

impl Provider for Guarded {
    fn complete(&self, call: &Call<'_>) -> Answer {
        self.guard(call, |call, _| (self.inner.complete(call), false))
    }

    fn stream(&self, call: &Call<'_>, sink: &mut Sink<'_>) -> Answer {
        self.guard(call, |call, permit| {
            let (mut begun, mut unwanted) = (false, false);
            let mut noting = |delta| -> ControlFlow<()> {
                if !std::mem::replace(&mut begun, true) {
                    permit.begun();
                }
                let goes_on = sink(delta);
                unwanted = goes_on.is_break();
                goes_on
            };
            let answer = self.inner.stream(call, &mut noting);
            (answer, unwanted)
        })
    }
}

impl Call<'_> {
    /// The same call after a wait.
    fn after(&self, waited: Duration, usual: Duration) -> Self {
        if waited.is_zero() {
            return *self;
        }
        let left = self.time(usual).saturating_sub(waited);
        Self { timeout: Some(left), at_most: self.at_most.saturating_sub(waited), ..*self }
    }
}

/// What is told of a call: nothing that was said.
fn describe(record: &mut Record, provider: &str, call: &Call<'_>, answer: &Answer) {
    record.name(format!("chat {}", call.model));
    record.text("gen_ai.operation.name", "chat");
    record.text("gen_ai.provider.name", provider.to_owned());
    record.text("gen_ai.request.model", call.model.to_owned());
    match answer {
        Ok(Completion { usage, .. }) => {
            record.whole("gen_ai.usage.input_tokens", usage.prompt_tokens);
            record.whole("gen_ai.usage.output_tokens", usage.completion_tokens);
        }
        Err(ProviderError { status: Some(status), .. }) => {
            record.whole("http.response.status_code", *status);
        }
        Err(_) => {}
    }
}

fn busy(most: u32, waited: Duration) -> ProviderError {
    let waited = format_duration(waited);
    let message = format!(
        "the server makes {most} calls to this provider at a time, and this one's turn did not come within {waited}"
    );
    ProviderError::new(JobErrorCode::RateLimit, message)
}
