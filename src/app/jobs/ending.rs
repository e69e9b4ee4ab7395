//! How an attempt at a job ends.

use serde_json::value::RawValue;

use crate::{
    app::asking::{Answer, BrokenAnswer, Trail},
    domain::{Credits, Error, JobError, Result, Timestamp, Usage},
    store::jobs::JobResult,
};

/// What an attempt led to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// An answer that keeps the contract.
    Succeeded(Success),
    /// The client of a direct job went away before there was anything to charge for.
    Left,
    /// No answer, or none that keeps the contract.
    Failed {
        /// Why.
        error: JobError,
        /// When to try again, where that can help and attempts are left.
        retry_at: Option<Timestamp>,
        /// Whether the queue gave up on something that another attempt could have mended.
        exhausted: bool,
        /// The answer that did not keep the contract.
        answer: Option<BrokenAnswer>,
        /// The models that were asked in vain.
        trail: Trail,
    },
}

/// An answer that keeps the contract, and what it costs.
#[derive(Clone, Debug)]
pub struct Success {
    /// The validated JSON, where a schema was given.
    pub output: Option<Box<RawValue>>,
    /// What the model said.
    pub text: String,
    /// The model that answered, by its name in the catalog.
    pub model: String,
    /// The provider that answered.
    pub provider: String,
    /// Tokens of all calls together.
    pub usage: Usage,
    /// Whether the provider reported none, so that they are an estimate.
    pub estimated: bool,
    /// Whether the client went away before its end.
    pub cut_short: bool,
    /// What it costs.
    pub cost: Credits,
    /// The number of the price that this was made with.
    pub price: Option<i64>,
    /// The way to the answer.
    pub trail: Trail,
}

impl Outcome {
    /// What its texts hold, in bytes.
    pub(in crate::app) fn bytes(&self) -> usize {
        let json = |json: Option<&RawValue>| json.map_or(0, |json| json.get().len());
        match self {
            Self::Succeeded(success) => success.text.len() + json(success.output.as_deref()),
            Self::Failed { answer, .. } => answer.as_ref().map_or(0, |answer| answer.text.len()),
            Self::Left => 0,
        }
    }
}

impl Success {
    /// Charges what the tokens of all calls cost with the model that answered.
    pub fn of(answer: Answer) -> Result<Self> {
        let Answer { model, output, completion, trail } = answer;
        Ok(Self {
            output,
            text: completion.text,
            model: model.name.clone(),
            provider: model.provider.clone(),
            usage: completion.usage,
            estimated: completion.estimated,
            cut_short: false,
            cost: model.cost(completion.usage).map_err(Error::internal)?,
            price: model.price.map(|price| price.row),
            trail,
        })
    }

    pub(super) fn result(&self) -> JobResult {
        JobResult {
            output: self.output.clone(),
            output_text: Some(self.text.clone()),
            model: Some(self.model.clone()),
            provider: Some(self.provider.clone()),
            usage: Some(self.usage),
            estimated: self.estimated,
            charged: self.cost,
            ..JobResult::default()
        }
    }
}
