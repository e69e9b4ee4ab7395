//! Runs generation jobs: asks the model, holds its answer against the contract, asks again where it
//! broke it, and turns to the next model where this one cannot answer.
//!
//! One attempt may make many calls, but records one outcome:
//!
//! - All calls together end by the attempt's deadline, well before its queue would take it for crashed.
//!   None begins after it: the attempt then ends with `TIMEOUT`, to be tried again as usual.
//! - A model that cannot be used at the moment, or at all, is passed over for the next of
//!   `fallback_models`. A provider that refuses the request itself (`BAD_REQUEST`) ends the attempt.
//! - An answer that breaks the contract is quoted back with what is wrong, up to `max_repairs` times.
//!   After that the job fails with `OUTPUT_SCHEMA_MISMATCH`: another attempt would likely end the same.
//!   It keeps the last answer, so that one can see what was wrong, and costs nothing.
//! - A model that declines to answer (a refusal, or a content filter, without a text) fails the job
//!   with `BAD_REQUEST`: it is the request that it declined.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, value::RawValue};

use super::{record, until_stopped};
use crate::{
    app::{
        App,
        jobs::{self, BrokenAnswer, Outcome},
    },
    domain::{
        Contract, Deadline, Error, JobError, JobErrorCode, Message, Model, Parameters, QueueName,
        Result, Role, Usage, Violation, format_duration, json,
    },
    providers::{Call, Completion, Provider, ProviderError, Providers},
    queue::{GiveUp, Kind, Stop},
    store::{SystemScope, Tx, jobs::Job, queue::Claimed},
};

/// How much of an answer is quoted back to the model, in bytes.
const ANSWER_QUOTED: usize = 16 << 10;
/// How much is said about what is wrong with it, in bytes.
const VIOLATIONS_QUOTED: usize = 4 << 10;
/// The same in the job's error.
const VIOLATIONS_TOLD: usize = 1_000;

/// The worker of `generation.create`.
pub struct RunGeneration {
    app: Arc<App>,
    providers: Arc<Providers>,
    max_runtime: Duration,
}

impl RunGeneration {
    /// Works with these deeds and these providers, in a queue that takes attempts for crashed after
    /// `max_runtime`.
    pub fn new(app: Arc<App>, providers: Arc<Providers>, max_runtime: Duration) -> Self {
        Self { app, providers, max_runtime }
    }
}

impl Kind for RunGeneration {
    type Task = Job;

    const QUEUE: QueueName = QueueName::GenerationCreate;

    fn begin(&self, tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<Job>> {
        jobs::begin(tx, claimed)
    }

    fn run(&self, claimed: &Claimed, job: Job, stop: &Stop) -> Result<()> {
        let outcome = match until_stopped(stop, || self.attempt(&job, stop))? {
            Attempt::Abandoned => return Ok(()),
            Attempt::Answered(answer) => succeeded(answer)?,
            Attempt::Failed(error, answer) => {
                Outcome::Failed { error, retry_at: None, exhausted: false, answer }
            }
            Attempt::Unanswered(error) => self.unanswered(claimed, &job, error),
        };
        // Where it is not recorded, somebody else ended the job meanwhile.
        record(stop, || jobs::finish(&self.app, claimed, job.clone(), outcome.clone())).map(drop)
    }

    fn give_up(&self, claimed: &Claimed, why: GiveUp) -> Result<()> {
        let code = match why {
            GiveUp::Expired => JobErrorCode::Expired,
            GiveUp::CrashLoop => JobErrorCode::CrashLoop,
        };
        jobs::give_up(&self.app, claimed, code).wait().map(drop)
    }
}

/// How an attempt ended.
enum Attempt {
    /// Nobody wants the result any more.
    Abandoned,
    /// With an answer that keeps the contract.
    Answered(Answer),
    /// With one that does not, or with none that there could be.
    Failed(JobError, Option<BrokenAnswer>),
    /// No model could be asked.
    Unanswered(ProviderError),
}

/// An answer that keeps the contract.
struct Answer {
    model: Arc<Model>,
    output: Option<Box<RawValue>>,
    text: String,
    usage: Usage,
}

/// What all calls of an attempt have in common.
struct Request<'j> {
    job: &'j Job,
    messages: Vec<Message>,
    parameters: Parameters,
    contract: Option<Arc<Contract>>,
    deadline: Deadline,
}

impl<'j> Request<'j> {
    fn of(app: &App, job: &'j Job, deadline: Deadline) -> Result<Self> {
        let request = &job.request;
        Ok(Self {
            job,
            messages: serde_json::from_str(request.messages.get()).map_err(Error::internal)?,
            parameters: serde_json::from_str(&request.parameters).map_err(Error::internal)?,
            contract: request
                .output_schema
                .as_deref()
                .map(|schema| app.contracts.compile(schema, "output_schema"))
                .transpose()?,
            deadline,
        })
    }

    fn call<'a>(
        &'a self,
        model: &'a Model,
        messages: &'a [Message],
        at_most: Duration,
    ) -> Call<'a> {
        let Parameters { temperature, max_tokens, top_p, stop, seed, timeout_ms, .. } =
            &self.parameters;
        Call {
            model: &model.upstream,
            messages,
            temperature: *temperature,
            max_tokens: *max_tokens,
            top_p: *top_p,
            stop,
            seed: *seed,
            output_schema: self.job.request.output_schema.as_deref(),
            user: self.job.user.as_deref(),
            request_id: &self.job.request_id,
            timeout: timeout_ms.map(Duration::from_millis),
            at_most,
        }
    }

    /// The model asked for and those to turn to, in this order.
    fn models(&self) -> impl Iterator<Item = &str> {
        let fallbacks = self.parameters.fallback_models.iter().map(String::as_str);
        std::iter::once(self.job.model.as_str()).chain(fallbacks)
    }
}

impl RunGeneration {
    /// Asks one model after the other. Where none answers, the error that counts is the first that
    /// another attempt could mend, or else the last.
    fn attempt(&self, job: &Job, stop: &Stop) -> Result<Attempt> {
        let deadline = Deadline::of(self.app.ambient.monotonic(), self.max_runtime);
        let request = Request::of(&self.app, job, deadline)?;
        let mut worst: Option<ProviderError> = None;
        for name in request.models() {
            let error = match self.ask(&request, name, stop) {
                Ok(attempt) => return Ok(attempt),
                Err(_) if stop.is_set() => return Ok(Attempt::Abandoned),
                Err(error) => error,
            };
            tracing::info!(
                job_id = %job.id,
                request_id = job.request_id,
                model = name,
                %error,
                "the model gave no answer"
            );
            let goes_on = error.retryable || error.code == JobErrorCode::ServerError;
            if !worst.as_ref().is_some_and(|worst| worst.retryable) {
                worst = Some(error);
            }
            if !goes_on {
                break;
            }
        }
        let error = worst.ok_or_else(|| Error::internal("a job names no model"))?;
        Ok(Attempt::Unanswered(error))
    }

    /// Asks one model, and again where its answer breaks the contract.
    fn ask(&self, request: &Request<'_>, name: &str, stop: &Stop) -> Asked {
        let (model, provider) = self.find(name)?;
        let mut messages = request.messages.clone();
        let mut usage = Usage::default();
        let mut repairs = 0;
        loop {
            if stop.is_set() {
                return Ok(Attempt::Abandoned);
            }
            let Some(left) = request.deadline.left(self.app.ambient.monotonic()) else {
                return Ok(Attempt::Unanswered(out_of_time(self.max_runtime)));
            };
            let completion = provider.complete(&request.call(&model, &messages, left))?;
            usage = usage.plus(completion.usage);
            if let Some(error) = declined(&completion) {
                return Ok(Attempt::Failed(error, None));
            }
            let text = completion.text;
            let wrong = match output(request.contract.as_deref(), &text) {
                Ok(output) => return Ok(Attempt::Answered(Answer { model, output, text, usage })),
                Err(wrong) => wrong,
            };
            if repairs == self.app.settings.max_repairs {
                let answer = BrokenAnswer { text, provider: model.provider.clone(), usage };
                return Ok(Attempt::Failed(mismatch(&wrong, repairs), Some(answer)));
            }
            repairs += 1;
            messages.extend(repair(&text, &wrong));
        }
    }

    /// The model and who runs it. The configuration may have changed since the job was accepted.
    fn find(
        &self,
        name: &str,
    ) -> std::result::Result<(Arc<Model>, Arc<dyn Provider>), ProviderError> {
        let model = self.app.catalog.find(name, "model").cloned();
        let priced = model.and_then(|model| model.cost(Usage::default()).map(|_| model));
        let model = priced.map_err(|error| ProviderError {
            code: JobErrorCode::ServerError,
            status: None,
            message: error.message().to_owned(),
            retry_after: None,
            retryable: false,
        })?;
        match self.providers.get(&model.provider) {
            Some(provider) => Ok((model, provider)),
            None => Err(ProviderError {
                code: JobErrorCode::ServerError,
                status: None,
                message: format!("the provider of model `{name}` is not configured any more"),
                retry_after: None,
                retryable: false,
            }),
        }
    }

    /// Decides whether to try again: only where that can help, attempts are left, and the next one
    /// would still begin within the job's time to live.
    fn unanswered(&self, claimed: &Claimed, job: &Job, error: ProviderError) -> Outcome {
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
        }
    }
}

/// Charges what the tokens of all calls cost at the price of the model that answered.
fn succeeded(answer: Answer) -> Result<Outcome> {
    let Answer { model, output, text, usage } = answer;
    let cost = model.cost(usage).map_err(Error::internal)?;
    Ok(Outcome::Succeeded { output, text, provider: model.provider.clone(), usage, cost })
}

/// The error of an attempt whose deadline has come before an answer that keeps the contract.
fn out_of_time(max_runtime: Duration) -> ProviderError {
    let time = format_duration(Deadline::time(max_runtime));
    ProviderError {
        code: JobErrorCode::Timeout,
        status: None,
        message: format!("the calls to models took {time} together, and none answered in time"),
        retry_after: None,
        retryable: true,
    }
}

/// What asking one model led to; an error is its provider's.
type Asked = std::result::Result<Attempt, ProviderError>;

/// Why there is no text, where the model was asked and declined.
fn declined(completion: &Completion) -> Option<JobError> {
    let filtered = completion.finish_reason.as_deref() == Some("content_filter");
    if !completion.text.is_empty() || !(filtered || completion.refusal.is_some()) {
        return None;
    }
    let said = completion.refusal.as_deref().unwrap_or("its content filter stopped it");
    let message = format!("the model declined to answer: {}", cut(said, VIOLATIONS_TOLD));
    Some(JobError { code: JobErrorCode::BadRequest, message })
}

/// The JSON that the text is, if there is a contract and it keeps it.
fn output(
    contract: Option<&Contract>,
    text: &str,
) -> std::result::Result<Option<Box<RawValue>>, Vec<String>> {
    let Some(contract) = contract else { return Ok(None) };
    let text = unfenced(text);
    let parsed = json::check(text.as_bytes()).map_err(|fault| fault.to_string());
    let parsed = parsed.and_then(|checked| {
        let raw = RawValue::from_string(checked.text().to_owned());
        let value = serde_json::from_str::<Value>(checked.text());
        raw.and_then(|raw| value.map(|value| (raw, value))).map_err(|error| error.to_string())
    });
    let (raw, value) = parsed.map_err(|fault| {
        vec![format!("the answer must be one JSON value and nothing else: {fault}")]
    })?;
    let violations = |found: Vec<Violation>| found.iter().map(in_words).collect();
    contract.check(&value).map(|()| Some(raw)).map_err(violations)
}

/// The text without white space around it, and without the one code fence that models like to put
/// around JSON. Nothing else is forgiven.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inner.and_then(|inner| inner.split_once('\n')) {
        Some((tag, body)) if matches!(tag.trim(), "" | "json" | "JSON") => body.trim(),
        _ => text,
    }
}

fn in_words(violation: &Violation) -> String {
    let Violation { path, schema_path, message } = violation;
    let place = if path.is_empty() { "the whole value" } else { path };
    format!("{place}: {message} (schema: {schema_path})")
}

/// What the model is told, so that it can do better.
fn repair(answer: &str, wrong: &[String]) -> [Message; 2] {
    let list = cut(&wrong.join("\n- "), VIOLATIONS_QUOTED);
    let content = format!(
        "Your answer does not satisfy the JSON Schema that was asked for:\n- {list}\n\
         Answer again with the corrected JSON value alone: no other text, no code fence."
    );
    [
        Message { role: Role::Assistant, content: cut(answer, ANSWER_QUOTED) },
        Message { role: Role::User, content },
    ]
}

fn mismatch(wrong: &[String], repairs: u32) -> JobError {
    let list = cut(&wrong.join("; "), VIOLATIONS_TOLD);
    let message =
        format!("the output does not satisfy output_schema after {repairs} repairs: {list}");
    JobError { code: JobErrorCode::OutputSchemaMismatch, message }
}

/// The text, cut to a number of bytes.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(limit)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> std::result::Result<String, Vec<String>> {
        let contract = Contract::compile(&json!({
            "type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}},
        }));
        let output = output(Some(&contract.unwrap()), text)?;
        Ok(output.unwrap().get().to_owned())
    }

    #[test]
    fn one_surrounding_fence_is_forgiven_and_nothing_else() {
        for good in [
            "{\"a\":1}",
            " \n{\"a\":1}\t",
            "```json\n{\"a\":1}\n```",
            "```\n{\"a\":1}```\n",
            "```JSON \r\n\n{\"a\":1}\n\n```",
        ] {
            assert_eq!(read(good).unwrap(), "{\"a\":1}", "{good:?}");
        }
        for bad in [
            "",
            "Here you are: {\"a\":1}",
            "{\"a\":1} I hope that helps.",
            "```json\n{\"a\":1}\n``` Done.",
            "```json\n```json\n{\"a\":1}\n```\n```",
            "```yaml\n{\"a\":1}\n```",
            "```{\"a\":1}```",
            "{\"a\":1}{\"a\":1}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":NaN}",
        ] {
            let wrong = read(bad).unwrap_err();
            assert!(
                wrong[0].starts_with("the answer must be one JSON value"),
                "{bad:?}: {wrong:?}"
            );
        }
    }

    #[test]
    fn what_breaks_the_contract_is_told_with_its_place() {
        let wrong = read("{\"a\":\"x\"}").unwrap_err();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].starts_with("/a: must be of type integer (schema: "), "{wrong:?}");
    }

    #[test]
    fn what_is_quoted_is_bounded() {
        let wrong = vec!["é".repeat(10_000); 20];
        let [assistant, user] = repair(&"ü".repeat(100_000), &wrong);
        assert!(assistant.content.len() < ANSWER_QUOTED + 10);
        assert!(user.content.len() < VIOLATIONS_QUOTED + 300);
        assert!(mismatch(&wrong, 1).message.len() < VIOLATIONS_TOLD + 100);
    }
}
