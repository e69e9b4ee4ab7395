//! Runs scheduled tasks: asks the account's server, runs an agent, or works on the server's own data, and records what
//! came of it.

use std::{sync::Arc, time::Duration};

use http::Method;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{builtins, record, until_stopped};
use crate::{
    app::{
        App, functions,
        tasks::{self, Attempt, Outcome, Retry},
    },
    domain::{
        Builtin, Deadline, EndpointUrl, Error, HttpMethod, QueueName, Result, ScheduleId,
        TaskError, TaskId, Timestamp, TraceContext, json,
    },
    observe::traces::{Record, SpanKind},
    queue::{GiveUp, Kind, Stop},
    store::{
        SystemScope, Tx,
        functions::{Http, Target},
        queue::Claimed,
    },
    webhooks::{
        send::{self, Request, Sender},
        sign,
    },
};

/// The worker of `task.run`.
pub struct RunTask {
    app: Arc<App>,
    sender: Sender,
}

/// What an account's server is asked.
#[derive(Serialize)]
struct Asked<'a> {
    id: TaskId,
    object: &'static str,
    function_name: &'a str,
    schedule_id: Option<ScheduleId>,
    scheduled_time: Timestamp,
    attempt: u32,
    payload: Option<&'a RawValue>,
    request_id: &'a str,
}

/// What it answered.
#[derive(Serialize)]
struct Answered {
    status_code: u16,
    body: Box<RawValue>,
}

impl RunTask {
    /// Works with these deeds and asks by `sender`, whose guard decides at every attempt where it may go.
    pub fn new(app: Arc<App>, sender: Sender) -> Self {
        Self { app, sender }
    }

    fn outcome(
        &self,
        claimed: &Claimed,
        attempt: &Attempt,
        trace: Option<TraceContext>,
        stop: &Stop,
    ) -> Option<Outcome> {
        let outcome = match &attempt.target {
            Target::Http(http) => until_stopped(stop, || self.ask(attempt, http, trace)),
            Target::Builtin(builtin) => self.work(claimed, attempt, *builtin, stop),
            Target::Agent { agent, input } => {
                let task = &attempt.task;
                match self.accept(claimed, attempt, (agent, input.as_deref()), trace, stop) {
                    Ok(()) => return None,
                    Err(error) => {
                        let id = task.id;
                        tracing::debug!(task = %id, error = error.message(), "run not accepted");
                        Ok(Outcome::refused(&error))
                    }
                }
            }
        };
        Some(outcome.unwrap_or_else(|error| Outcome::refused(&error)))
    }

    /// The signed request, once.
    fn ask(&self, attempt: &Attempt, http: &Http, trace: Option<TraceContext>) -> Result<Outcome> {
        let url = EndpointUrl::parse(&http.url)?;
        let task = &attempt.task;
        let body = if http.method.has_body() { asked(attempt)? } else { Vec::new() };
        let secrets = functions::secrets(&self.app, http)?;
        let id = task.id.to_string();
        let signed = sign::sign(&secrets, &id, self.app.ambient.now(), &body);
        let own = functions::open_headers(&self.app, http)?;
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(own.len() + 6);
        headers.extend(signed.headers());
        if http.method.has_body() {
            headers.push(("content-type", "application/json"));
        }
        headers.extend(own.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let trace = trace.map(|trace| trace.to_string());
        // Whoever gives one of their own wants that.
        let has_own = own.iter().any(|(name, _)| name.eq_ignore_ascii_case(send::TRACE_PARENT));
        headers.extend(
            trace.as_ref().filter(|_| !has_own).map(|it| (send::TRACE_PARENT, it.as_str())),
        );
        let longest = Deadline::time(self.app.settings.tasks.runtime);
        let request = Request {
            method: method(http.method),
            url: &url,
            headers: &headers,
            body: &body,
            timeout: Some(Duration::from_millis(http.timeout_ms).min(longest)),
        };
        answered(&self.sender.send(&request))
    }

    fn work(
        &self,
        claimed: &Claimed,
        attempt: &Attempt,
        builtin: Builtin,
        stop: &Stop,
    ) -> Result<Outcome> {
        let payload = tasks::value(attempt.task.payload.as_deref())?;
        let result = builtins::run(&self.app, claimed.scope, builtin, payload.as_ref(), stop)?;
        Ok(Outcome::Completed(result.to_string()))
    }

    /// Lets the run of an agent become a job, which ends the task when it is over.
    fn accept(
        &self,
        claimed: &Claimed,
        attempt: &Attempt,
        (agent, input): (&str, Option<&RawValue>),
        trace: Option<TraceContext>,
        stop: &Stop,
    ) -> Result<()> {
        let task = &attempt.task;
        let accepted = tasks::run_agent(&self.app, claimed, task, agent, input, trace)
            .and_then(|job| if stop.is_set() { Ok(true) } else { job.wait() });
        accepted.map(drop).inspect_err(|error| {
            // Else the next start tries again, as if nothing had been.
            if !stop.is_set() {
                tasks::skipped(&self.app, claimed, task, agent, error);
            }
        })
    }

    fn note(&self, attempt: &Attempt, outcome: Option<&Outcome>, took: Duration) {
        let outcome = word(outcome);
        self.app.metrics.task_attempt(attempt.target.kind().as_str(), outcome, took);
    }
}

impl Kind for RunTask {
    type Task = (Attempt, Duration);

    const QUEUE: QueueName = QueueName::TaskRun;

    fn begin(&self, tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<Self::Task>> {
        let attempt = tasks::begin(&self.app, tx, claimed)?;
        Ok(attempt.map(|attempt| (attempt, tx.now().since(claimed.run_at))))
    }

    fn run(&self, claimed: &Claimed, (attempt, lag): Self::Task, stop: &Stop) -> Result<()> {
        if stop.is_set() {
            return Ok(());
        }
        self.app.metrics.task_lag(lag);
        let began = self.app.ambient.monotonic();
        let mut span = self.app.traces.begin(None, SpanKind::Consumer, Self::QUEUE.as_str());
        span.describe(|record| describe(record, claimed, &attempt));
        let outcome = self.outcome(claimed, &attempt, span.context(), stop);
        span.describe(|record| tell(record, outcome.as_ref()));
        self.note(&attempt, outcome.as_ref(), self.app.ambient.monotonic().saturating_sub(began));
        let Some(outcome) = outcome else { return Ok(()) };
        let failed = matches!(outcome, Outcome::Failed { .. });
        if failed && stop.is_set() {
            // The stop may be what ended it, so nothing is known of the function.
            return Ok(());
        }
        let is_builtin = matches!(attempt.target, Target::Builtin(_));
        if failed && is_builtin && self.app.watches.is_closed() {
            return tasks::put_back(&self.app, claimed).wait().map(drop);
        }
        let recorded = record(stop, || {
            tasks::finish(&self.app, claimed, attempt.task.clone(), outcome.clone())
        })?;
        if recorded != Some(true) {
            tracing::debug!("a late outcome of a task was discarded");
        }
        Ok(())
    }

    fn give_up(&self, claimed: &Claimed, why: GiveUp) -> Result<()> {
        tasks::give_up(&self.app, claimed, why.code()).wait().map(drop)
    }
}

/// How an attempt ended.
const fn word(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        None => "accepted",
        Some(Outcome::Completed(_)) => "completed",
        Some(Outcome::Failed { .. }) => "failed",
    }
}

/// What is told of an attempt.
fn describe(record: &mut Record, claimed: &Claimed, attempt: &Attempt) {
    record.text("skai.task.id", attempt.task.id.to_string());
    record.text("skai.account.id", claimed.scope.account_id().to_string());
    record.text("skai.function.kind", attempt.target.kind().as_str());
    record.whole("skai.attempt", attempt.number());
}

/// Tells how it ended.
fn tell(record: &mut Record, outcome: Option<&Outcome>) {
    record.text("skai.outcome", word(outcome));
    if let Some(Outcome::Failed { error, .. }) = outcome {
        record.fail(error.code.clone());
    }
}

fn asked(attempt: &Attempt) -> Result<Vec<u8>> {
    let task = &attempt.task;
    let asked = Asked {
        id: task.id,
        object: "scheduled_task",
        function_name: &task.function,
        schedule_id: task.schedule.map(|(_, id)| id),
        scheduled_time: task.scheduled_time,
        attempt: attempt.number(),
        payload: task.payload.as_deref(),
        request_id: &task.request_id,
    };
    serde_json::to_vec(&asked).map_err(Error::internal)
}

const fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
    }
}

/// What an answer means for its task.
fn answered(attempt: &send::Attempt) -> Result<Outcome> {
    let result = match attempt.outcome {
        send::Outcome::Status(status_code) => {
            let answered = Answered { status_code, body: kept(&attempt.response_body)? };
            Some(serde_json::to_string(&answered).map_err(Error::internal)?)
        }
        _ => None,
    };
    match result {
        Some(result) if attempt.outcome.is_success() => Ok(Outcome::Completed(result)),
        result => {
            let error = TaskError::new(
                attempt.outcome.code().as_str(),
                attempt.outcome.in_words("function"),
            );
            let retry = match attempt.outcome {
                send::Outcome::Refused(_) => Retry::Never,
                _ => Retry::After(attempt.retry_after),
            };
            Ok(Outcome::Failed { error, result, retry })
        }
    }
}

/// The body of an answer: as it came, where it is JSON that every reader reads alike, else as text.
fn kept(text: &str) -> Result<Box<RawValue>> {
    let kept = match json::check(text.as_bytes()) {
        Ok(_) => RawValue::from_string(text.trim().to_owned()),
        Err(_) => to_raw_value(text),
    };
    kept.map_err(Error::internal)
}
