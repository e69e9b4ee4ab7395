//! Runs generation jobs: asks the models, and records one outcome of the attempt.

use std::{sync::Arc, time::Duration};

use super::{record, until_stopped};
use crate::{
    app::{
        App,
        asking::{Asked, AttemptSpan, Question, Trail},
        jobs::{self, Outcome, Success},
    },
    domain::{ChatMessage, Deadline, Error, JobError, Parameters, QueueName, Result},
    providers::ProviderError,
    queue::{GiveUp, Kind, Stop},
    store::{SystemScope, Tx, jobs::Job, queue::Claimed},
};

/// The worker of `generation.create`.
pub struct RunGeneration {
    app: Arc<App>,
    max_runtime: Duration,
}

impl RunGeneration {
    /// Works with these deeds, in a queue that takes attempts for crashed after `max_runtime`.
    pub fn new(app: Arc<App>, max_runtime: Duration) -> Self {
        Self { app, max_runtime }
    }
}

impl Kind for RunGeneration {
    type Task = Job;

    const QUEUE: QueueName = QueueName::GenerationCreate;

    fn begin(&self, tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<Job>> {
        jobs::begin(&self.app, tx, claimed)
    }

    fn run(&self, claimed: &Claimed, job: Job, stop: &Stop) -> Result<()> {
        let mut span = AttemptSpan::queued(&self.app, claimed, &job);
        // What this attempt leads to is a step behind it.
        let job = Job { trace: span.context(), ..job };
        let asked = until_stopped(stop, || self.ask(claimed, &job, stop));
        span.tell(asked.as_ref().ok());
        let outcome = match asked? {
            Asked::Abandoned => return Ok(()),
            Asked::Answered(answer) => Outcome::Succeeded(Success::of(answer)?),
            Asked::Failed { error, answer, trail } => {
                Outcome::Failed { error, retry_at: None, exhausted: false, answer, trail }
            }
            Asked::Unanswered { error, trail } => self.unanswered(claimed, &job, error, trail),
        };
        let (job, outcome) = (Arc::new(job), Arc::new(outcome));
        // Where it is not recorded, somebody else ended the job meanwhile.
        record(stop, || jobs::finish(&self.app, claimed, Arc::clone(&job), Arc::clone(&outcome)))
            .map(drop)
    }

    fn give_up(&self, claimed: &Claimed, why: GiveUp) -> Result<()> {
        jobs::give_up(&self.app, claimed, why.code()).wait().map(drop)
    }
}

impl RunGeneration {
    fn ask(&self, claimed: &Claimed, job: &Job, stop: &Stop) -> Result<Asked> {
        let request = &job.request;
        let messages: Vec<ChatMessage> =
            serde_json::from_str(request.messages.get()).map_err(Error::internal)?;
        let parameters: Parameters =
            serde_json::from_str(&request.parameters).map_err(Error::internal)?;
        let contract = request.output_schema.as_deref();
        let contract = contract
            .map(|schema| self.app.contracts.compile(schema, "output_schema"))
            .transpose()?;
        let question = Question {
            environment: claimed.scope.environment(),
            model: &job.model,
            messages: &messages,
            parameters: &parameters,
            completion_bound: job.completion_bound,
            price_list: job.price_list,
            output_schema: request.output_schema.as_deref(),
            contract: contract.as_deref(),
            as_is: false,
            max_repairs: parameters.max_repairs.unwrap_or(self.app.settings.max_repairs),
            user: job.user.as_deref(),
            request_id: &job.request_id,
            trace: job.trace,
            deadline: Deadline::of(self.app.ambient.monotonic(), self.max_runtime),
        };
        self.app.ask(&question, &|| stop.is_set())
    }

    /// Decides whether to try again: only where that can help, attempts are left, and the next one
    /// would still begin within the job's time to live.
    fn unanswered(
        &self,
        claimed: &Claimed,
        job: &Job,
        error: ProviderError,
        trail: Trail,
    ) -> Outcome {
        let ambient = &self.app.ambient;
        let again = error.retryable && claimed.attempts < job.max_attempts;
        let delay = || {
            let backoff = &self.app.settings.job_backoff;
            backoff.delay(claimed.attempts, ambient.fraction(), error.retry_after)
        };
        let retry_at = again
            .then(delay)
            .flatten()
            .map(|delay| ambient.now().plus(delay))
            .filter(|at| *at < claimed.expires_at);
        Outcome::Failed {
            exhausted: error.retryable && retry_at.is_none(),
            error: JobError { code: error.code, message: error.message },
            retry_at,
            answer: None,
            trail,
        }
    }
}
