//! From one model to the next, and what is remembered of the way.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use serde::Serialize;

use super::{Answer, Asked, Attempt, OneAsked, Question};
use crate::{
    app::{App, prices},
    domain::{Catalog, Environment, Error, JobErrorCode, Model, Result},
    providers::{Provider, ProviderError, SANDBOX},
};

/// What led to an answer, or to none.
#[derive(Clone, Default, Debug, Serialize)]
pub struct Trail {
    /// The models that were passed over, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// How often the model that answered was asked to repair its answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub repairs: u32,
    /// How long all calls together took.
    #[serde(skip)]
    pub provider_time: Duration,
}

/// A model that gave no answer.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// Its name in the catalog.
    pub model: String,
    /// Who runs it; `None` where it is not in the catalog any more.
    pub provider: Option<String>,
    /// What its clients would branch on.
    pub code: JobErrorCode,
    /// What happened, in words.
    pub message: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The way from model to model.
#[derive(Default)]
pub(super) struct Route {
    pub(super) trail: Trail,
    /// The error that counts where none answers: the first that asking again could mend, or else the last.
    worst: Option<ProviderError>,
}

impl Route {
    /// Notes that a model gave no answer. Breaks where no other would give one either.
    pub(super) fn note(
        &mut self,
        model: &str,
        provider: Option<String>,
        error: ProviderError,
    ) -> ControlFlow<()> {
        let goes_on = error.retryable || error.code == JobErrorCode::ServerError;
        self.trail.tried.push(Tried {
            model: model.to_owned(),
            provider,
            code: error.code,
            message: error.message.clone(),
        });
        if !self.worst.as_ref().is_some_and(|worst| worst.retryable) {
            self.worst = Some(error);
        }
        if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// The end where no model answered; `None` where none was asked.
    pub(super) fn unanswered(self) -> Option<Asked> {
        let Self { trail, worst } = self;
        worst.map(|error| Asked::Unanswered { error, trail })
    }

    /// The end that a model led to.
    pub(super) fn end(
        mut self,
        question: &Question<'_>,
        attempt: Attempt,
        name: &str,
        provider: Option<String>,
    ) -> Asked {
        match attempt {
            Attempt::Abandoned => Asked::Abandoned,
            Attempt::Answered { model, output, completion } => {
                Asked::Answered(Answer { model, output, completion, trail: self.trail })
            }
            Attempt::Failed(error, answer) => {
                if answer.is_none() {
                    self.trail.tried.push(Tried {
                        model: name.to_owned(),
                        provider,
                        code: error.code,
                        message: error.message.clone(),
                    });
                }
                Asked::Failed { error, answer, trail: self.trail }
            }
            Attempt::OutOfTime => {
                Asked::Unanswered { error: question.out_of_time(), trail: self.trail }
            }
            Attempt::BrokenOff(error) => {
                let _ended = self.note(name, provider, error.clone());
                Asked::Unanswered { error, trail: self.trail }
            }
        }
    }
}

impl App {
    /// Asks the model of that name, and says who runs it: under tests always the sandbox. The configuration
    /// may have changed since the question was accepted; the price has not.
    pub(super) fn find(
        &self,
        catalog: &Catalog,
        question: &Question<'_>,
        name: &str,
        ask: impl FnOnce(Arc<Model>, &dyn Provider) -> OneAsked,
    ) -> Result<(Option<String>, OneAsked)> {
        let unusable = |error: &Error| (None, Err(ProviderError::misconfigured(error.message())));
        let model = match catalog.find(name, "model") {
            Ok(model) => prices::as_accepted(self, catalog, model, question.price_list)?,
            Err(error) => return Ok(unusable(&error)),
        };
        if let Err(error) = model.check_priced() {
            return Ok(unusable(&error));
        }
        let (model, found) = match question.environment {
            Environment::Live => (Arc::clone(&model), self.providers.get(&model.provider)),
            Environment::Test => (run_by_the_sandbox(&model), Some(self.providers.sandbox())),
        };
        let provider = Some(model.provider.clone());
        let asked = match found {
            Some(found) => ask(model, &*found),
            None => Err(ProviderError::misconfigured(format!(
                "the provider of model `{name}` is not configured any more"
            ))),
        };
        Ok((provider, asked))
    }
}

/// The model with its price and its bounds, and another who runs it.
fn run_by_the_sandbox(model: &Model) -> Arc<Model> {
    Arc::new(Model { provider: SANDBOX.to_owned(), ..model.clone() })
}
