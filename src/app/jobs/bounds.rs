//! What a job may use and cost at most, whichever of its models answers.

use std::iter;

use serde_json::value::RawValue;

use crate::{
    app::App,
    domain::{
        Catalog, ChatMessage, Credits, Error, ErrorKind, Parameters, Result, prompt_upper_bound,
    },
    store::jobs::Job,
};

/// What a job may use and cost at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Completion tokens. What the job may cost is estimated with them, so that a model whose own bound is raised
    /// later still keeps within what was set aside.
    pub(super) completion: u32,
    /// Tokens of the prompt and the completion.
    pub(super) tokens: u64,
    /// Credits, with the dearest of its models.
    pub(super) estimate: Credits,
}

impl Bounds {
    /// The bounds of a job for `model`, or those to fall back to, with the models and prices of this catalog.
    pub(super) fn of(
        catalog: &Catalog,
        model: &str,
        parameters: &Parameters,
        prompt: u64,
    ) -> Result<Self> {
        let names = iter::once(model).chain(parameters.fallback_models.iter().map(String::as_str));
        let find = |(at, name)| catalog.find(name, "model").map_err(|error| named(at, error));
        let models = names.enumerate().map(find).collect::<Result<Vec<_>>>()?;
        let most = models.iter().map(|model| model.max_tokens).max();
        let completion = parameters.max_tokens.or(most).unwrap_or_default();
        let mut estimate = Credits::ZERO;
        for (at, model) in models.iter().enumerate() {
            let cost = model.estimate(prompt, completion).map_err(|error| named(at, error))?;
            estimate = estimate.max(cost);
        }
        Ok(Self { completion, tokens: prompt.saturating_add(completion.into()), estimate })
    }

    /// The bounds of a job that is accepted already, with another catalog.
    pub(super) fn again(catalog: &Catalog, job: &Job) -> Result<Self> {
        let parameters = parameters(job)?;
        Self::of(catalog, &job.model, &parameters, prompt_of(job, &parameters)?)
    }
}

/// Names the field of the model that is not there or has no price: the one asked for, or one to fall back to.
fn named(at: usize, error: Error) -> Error {
    match (at.checked_sub(1), error.kind()) {
        (Some(at), ErrorKind::UnknownModel | ErrorKind::ModelNotPriced) => {
            error.with_param(format!("fallback_models/{at}"))
        }
        _ => error,
    }
}

/// Refuses models that are not there or have no price.
pub(in crate::app) fn check_models(app: &App, model: &str, parameters: &Parameters) -> Result<()> {
    Bounds::of(&app.catalog.current(), model, parameters, 0).map(drop)
}

/// At least as many tokens as a provider can count for the prompt. Among what is handed through are the
/// tools, which are read as part of it.
pub fn prompt_bound(
    messages: &[ChatMessage],
    output_schema: Option<&RawValue>,
    parameters: &Parameters,
) -> u64 {
    let schema = output_schema.map(RawValue::get);
    let extras = parameters.extras.values().map(|extra| extra.get());
    prompt_upper_bound(messages, schema.into_iter().chain(extras))
}

/// How many tokens a job may use that was accepted for so many of the completion.
pub(in crate::app) fn tokens_of(job: &Job) -> Result<u64> {
    Ok(prompt_of(job, &parameters(job)?)?.saturating_add(job.completion_bound.into()))
}

fn prompt_of(job: &Job, parameters: &Parameters) -> Result<u64> {
    let messages: Vec<ChatMessage> =
        serde_json::from_str(job.request.messages.get()).map_err(Error::internal)?;
    Ok(prompt_bound(&messages, job.request.output_schema.as_deref(), parameters))
}

fn parameters(job: &Job) -> Result<Parameters> {
    serde_json::from_str(&job.request.parameters).map_err(Error::internal)
}
