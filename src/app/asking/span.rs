//! An attempt at a job, as a step of its trace.

use super::Asked;
use crate::{
    app::{App, Caller},
    domain::{AccountId, JobId, QueueName, TraceContext},
    observe::traces::{Span, SpanKind},
    store::{jobs::Job, new_jobs::NewJob, queue::Claimed},
};

/// What every attempt is called.
const NAME: &str = QueueName::GenerationCreate.as_str();

/// An attempt that is being made. Its step ends when this is dropped.
#[must_use = "the attempt ends when this is dropped"]
pub struct AttemptSpan(Span);

impl AttemptSpan {
    /// An attempt at a job that waited in the queue, which is a step too.
    pub fn queued(app: &App, claimed: &Claimed, job: &Job) -> Self {
        app.traces.waited(job.trace, "queue.wait", claimed.run_at, |record| {
            record.text("skai.queue", NAME);
            record.text("skai.job.id", job.id.to_string());
        });
        let span = app.traces.within(job.trace, SpanKind::Consumer, NAME);
        Self::of(span, job.id, claimed.scope.account_id(), claimed.attempts)
    }

    /// The only attempt at a job whose client waits.
    pub fn direct(app: &App, caller: &Caller, new: &NewJob) -> Self {
        let span = app.traces.within(new.trace, SpanKind::Internal, NAME);
        Self::of(span, new.id, caller.scope.account_id(), 1)
    }

    fn of(mut span: Span, job: JobId, account: AccountId, number: u32) -> Self {
        span.describe(|record| {
            record.text("skai.job.id", job.to_string());
            record.text("skai.account.id", account.to_string());
            record.whole("skai.attempt", number);
        });
        Self(span)
    }

    /// What it leads to is a step behind this one.
    pub const fn context(&self) -> Option<TraceContext> {
        self.0.context()
    }

    /// Tells what it led to; `None` where that is not known.
    pub fn tell(&mut self, asked: Option<&Asked>) {
        self.0.describe(|record| {
            let (outcome, why) = outcome(asked);
            record.text("skai.outcome", outcome);
            if let Some(why) = why {
                record.fail(why);
            }
        });
    }
}

/// How it ended, and why where it failed.
const fn outcome(asked: Option<&Asked>) -> (&'static str, Option<&'static str>) {
    match asked {
        Some(Asked::Answered(_)) => ("answered", None),
        Some(Asked::Abandoned) => ("abandoned", None),
        Some(Asked::Failed { error, .. }) => ("failed", Some(error.code.as_str())),
        Some(Asked::Unanswered { error, .. }) => ("unanswered", Some(error.code.as_str())),
        None => ("failed", Some("INTERNAL")),
    }
}
