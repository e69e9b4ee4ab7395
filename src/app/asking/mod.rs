//! Asks models: one after the other until one answers, and again where an answer breaks its contract.
//!
//! One question may make many calls:
//!
//! - All together end by its deadline. None begins after it: the question then ends with `TIMEOUT`.
//! - A model that cannot be used at the moment, or at all, is passed over for the next of
//!   `fallback_models`. A provider that refuses the request itself (`BAD_REQUEST`) ends the question.
//! - An answer that breaks the contract is quoted back with what is wrong, up to `max_repairs` times.
//!   After that the question fails with `OUTPUT_SCHEMA_MISMATCH`: asked again it would likely end the same.
//!   The last answer is kept, so that one can see what was wrong.
//! - A model that declines to answer (a refusal, or a content filter, without a text) fails the question
//!   with `BAD_REQUEST`: it is the request that it declined. It stands where the question takes answers as
//!   they are, and in a stream, which has told it already.
//! - A stream cannot be taken back: once a piece of it was handed over no other model is asked, and
//!   nothing is repaired.

mod contract;
mod route;
mod span;

use std::{borrow::Cow, ops::ControlFlow, sync::Arc, time::Duration};

use serde_json::value::RawValue;

pub use route::{Trail, Tried};
pub use span::AttemptSpan;

use super::App;
use crate::{
    domain::{
        ChatMessage, Contract, Deadline, Environment, Error, JobError, JobErrorCode, Model,
        Parameters, Result, TraceContext, Usage, format_duration,
    },
    providers::{Call, Completion, Provider, ProviderError, Sink},
};
use route::Route;

/// What a model is to answer.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Where it is asked: for tests, the sandbox answers whatever the model.
    pub environment: Environment,
    /// The model asked for, by its name in the catalog.
    pub model: &'a str,
    /// The conversation so far.
    pub messages: &'a [ChatMessage],
    /// The settings of the calls, and the models to turn to.
    pub parameters: &'a Parameters,
    /// No answer is longer than this many tokens.
    pub completion_bound: u32,
    /// The number of the newest price that counts: answers cost what their model cost then.
    pub price_list: i64,
    /// The JSON Schema as the provider gets it.
    pub output_schema: Option<&'a RawValue>,
    /// The same, to hold the answer against.
    pub contract: Option<&'a Contract>,
    /// Whether refusals and answers that were cut stand as the model gave them, contract or not: clients of
    /// OpenAI's API know what to do with them.
    pub as_is: bool,
    /// How often an answer that breaks the contract is quoted back.
    pub max_repairs: u32,
    /// The end user on whose behalf the question is asked.
    pub user: Option<&'a str>,
    /// Sent along to the provider.
    pub request_id: &'a str,
    /// The step of a trace that asks, where there is one.
    pub trace: Option<TraceContext>,
    /// When all calls must be over.
    pub deadline: Deadline,
}

/// How a question ended.
#[derive(Debug)]
pub enum Asked {
    /// Nobody wants the answer any more.
    Abandoned,
    /// With an answer that keeps the contract.
    Answered(Answer),
    /// With one that does not, or with none that there could be.
    Failed {
        /// Why.
        error: JobError,
        /// The answer that did not keep the contract.
        answer: Option<BrokenAnswer>,
        /// What led to it.
        trail: Trail,
    },
    /// No model answered.
    Unanswered {
        /// The first failure that asking again could mend, or else the last.
        error: ProviderError,
        /// What led to it.
        trail: Trail,
    },
}

/// An answer that keeps the contract.
#[derive(Debug)]
pub struct Answer {
    /// The model that answered, with the price that it had when the question was accepted.
    pub model: Arc<Model>,
    /// The validated JSON, where there is a contract. Of a stream: where it happens to keep it.
    pub output: Option<Box<RawValue>>,
    /// The last call's answer, with the tokens of all calls together.
    pub completion: Completion,
    /// What led to it.
    pub trail: Trail,
}

/// An answer that does not keep the contract: shown with the job, and not charged.
#[derive(Clone, Debug)]
pub struct BrokenAnswer {
    /// The beginning of what the model said: as it costs nothing, it is not told whole.
    pub text: String,
    /// The model that answered, by its name in the catalog.
    pub model: String,
    /// The provider that answered.
    pub provider: String,
    /// Tokens of all calls together.
    pub usage: Usage,
}

impl<'a> Question<'a> {
    fn call(&self, model: &'a Model, messages: &'a [ChatMessage], at_most: Duration) -> Call<'a> {
        let Parameters { temperature, max_tokens, top_p, stop, seed, timeout_ms, extras, .. } =
            self.parameters;
        Call {
            model: &model.upstream,
            messages,
            temperature: *temperature,
            max_tokens: *max_tokens,
            default_max_tokens: model.max_tokens.min(self.completion_bound),
            top_p: *top_p,
            stop,
            seed: *seed,
            output_schema: self.output_schema,
            extras,
            user: self.user,
            request_id: self.request_id,
            trace: self.trace,
            timeout: timeout_ms.map(Duration::from_millis),
            at_most,
        }
    }

    /// The model asked for and those to turn to, in this order.
    fn models(&self) -> impl Iterator<Item = &'a str> {
        let fallbacks = self.parameters.fallback_models.iter().map(String::as_str);
        std::iter::once(self.model).chain(fallbacks)
    }

    /// The error of a question whose deadline has come before its answer.
    fn out_of_time(&self) -> ProviderError {
        let time = format_duration(self.deadline.total());
        let message =
            format!("the calls to models took {time} together, and none answered in time");
        ProviderError::new(JobErrorCode::Timeout, message)
    }
}

/// What asking one model led to.
enum Attempt {
    Abandoned,
    Answered {
        model: Arc<Model>,
        output: Option<Box<RawValue>>,
        completion: Completion,
    },
    Failed(JobError, Option<BrokenAnswer>),
    OutOfTime,
    /// Its provider failed after a part of the answer was handed over.
    BrokenOff(ProviderError),
}

type OneAsked = std::result::Result<Attempt, ProviderError>;

impl App {
    /// Asks until there is a whole answer, or none to be had. `stopped` says when nobody wants it any more;
    /// whoever says so also cuts the thread's [`Line`](crate::wire::Line).
    pub fn ask(&self, question: &Question<'_>, stopped: &dyn Fn() -> bool) -> Result<Asked> {
        self.each_model(question, stopped, |model, provider, trail| {
            self.ask_one(question, model, provider, trail, stopped)
        })
    }

    /// Asks and hands the answer to `sink` piece by piece. Where `sink` breaks, or the thread's line is cut after the
    /// first piece or after the prompt's tokens were reported, the question ends with the answer as far as it came.
    pub fn ask_streaming(
        &self,
        question: &Question<'_>,
        sink: &mut Sink<'_>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Asked> {
        self.each_model(question, stopped, |model, provider, _| {
            self.stream_one(question, model, provider, sink, stopped)
        })
    }

    /// Asks one model after the other, until one does not fail.
    fn each_model(
        &self,
        question: &Question<'_>,
        stopped: &dyn Fn() -> bool,
        mut ask: impl FnMut(Arc<Model>, &dyn Provider, &mut Trail) -> OneAsked,
    ) -> Result<Asked> {
        let (mut route, catalog) = (Route::default(), self.catalog.current());
        for name in question.models() {
            let began = self.ambient.monotonic();
            let (served_by, attempt) = self.find(&catalog, question, name, |model, provider| {
                ask(model, provider, &mut route.trail)
            })?;
            route.trail.provider_time += self.ambient.monotonic().saturating_sub(began);
            let error = match attempt {
                Ok(attempt) => return Ok(route.end(question, attempt, name, served_by)),
                Err(_) if stopped() => return Ok(Asked::Abandoned),
                Err(error) => error,
            };
            let request_id = question.request_id;
            let trace_id = question.trace.map(|trace| tracing::field::display(trace.trace_id()));
            tracing::info!(request_id, trace_id, model = name, %error, "the model gave no answer");
            if route.note(name, served_by, error).is_break() {
                break;
            }
        }
        route.unanswered().ok_or_else(|| Error::internal("a question names no model"))
    }

    /// Asks one model, and again where its answer breaks the contract.
    fn ask_one(
        &self,
        question: &Question<'_>,
        model: Arc<Model>,
        provider: &dyn Provider,
        trail: &mut Trail,
        stopped: &dyn Fn() -> bool,
    ) -> OneAsked {
        let mut messages = Cow::Borrowed(question.messages);
        let mut before: Option<Completion> = None;
        trail.repairs = 0;
        loop {
            if stopped() {
                return Ok(Attempt::Abandoned);
            }
            let Some(left) = question.deadline.left(self.ambient.monotonic()) else {
                return Ok(Attempt::OutOfTime);
            };
            let mut completion = provider.complete(&question.call(&model, &messages, left))?;
            if let Some(before) = before.take() {
                completion.add_usage_of(&before);
            }
            if question.as_is && contract::is_unfinished(&completion) {
                return Ok(Attempt::Answered { model, output: None, completion });
            }
            if let Some(error) = contract::declined(&completion) {
                return Ok(Attempt::Failed(error, None));
            }
            let wrong = match contract::output(question.contract, &completion) {
                Ok(output) => return Ok(Attempt::Answered { model, output, completion }),
                Err(wrong) => wrong,
            };
            if trail.repairs >= question.max_repairs {
                let error = contract::mismatch(&wrong, trail.repairs);
                return Ok(Attempt::Failed(error, Some(BrokenAnswer::of(&model, &completion))));
            }
            trail.repairs += 1;
            messages.to_mut().extend(contract::repair(&completion.text, &wrong));
            before = Some(completion);
        }
    }

    fn stream_one(
        &self,
        question: &Question<'_>,
        model: Arc<Model>,
        provider: &dyn Provider,
        sink: &mut Sink<'_>,
        stopped: &dyn Fn() -> bool,
    ) -> OneAsked {
        if stopped() {
            return Ok(Attempt::Abandoned);
        }
        let Some(left) = question.deadline.left(self.ambient.monotonic()) else {
            return Ok(Attempt::OutOfTime);
        };
        let mut handed = false;
        let mut noting = |delta| -> ControlFlow<()> {
            handed = true;
            sink(delta)
        };
        let call = question.call(&model, question.messages, left);
        match provider.stream(&call, &mut noting) {
            Ok(completion) => {
                let output = contract::output(question.contract, &completion).unwrap_or_default();
                Ok(Attempt::Answered { model, output, completion })
            }
            Err(error) if handed => Ok(Attempt::BrokenOff(error)),
            Err(error) => Err(error),
        }
    }
}

impl BrokenAnswer {
    fn of(model: &Model, completion: &Completion) -> Self {
        Self {
            text: contract::excerpt(&completion.text),
            model: model.name.clone(),
            provider: model.provider.clone(),
            usage: completion.usage,
        }
    }
}
