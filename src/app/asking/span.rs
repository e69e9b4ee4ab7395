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
pub struct AttemptSpan {
    span: Span,
    job: JobId,
    account: AccountId,
    number: u32,
}

impl AttemptSpan {
    /// An attempt at a job that waited in the queue, which is a step too.
    pub fn queued(app: &App, claimed: &Claimed, job: &Job) -> Self {
        app.traces.waited(job.trace, "queue.wait", claimed.run_at, |record| {
            record.text("skai.queue", NAME);
            record.text("skai.job.id", job.id.to_string());
        });
        Self {
            span: app.traces.within(job.trace, SpanKind::Consumer, NAME),
            job: job.id,
            account: claimed.scope.account_id(),
            number: claimed.attempts,
        }
    }

    /// The only attempt at a job whose client waits.
    pub fn direct(app: &App, caller: &Caller, new: &NewJob) -> Self {
        Self {
            span: app.traces.within(new.trace, SpanKind::Internal, NAME),
            job: new.id,
            account: caller.scope.account_id(),
            number: 1,
        }
    }

    /// What it leads to is a step behind this one.
    pub const fn context(&self) -> Option<TraceContext> {
        self.span.context()
    }

    /// Tells what it led to; `None` where that is not known.
    pub fn tell(&mut self, asked: Option<&Asked>) {
        let (job, account, number) = (self.job, self.account, self.number);
        self.span.describe(|record| {
            record.text("skai.job.id", job.to_string());
            record.text("skai.account.id", account.to_string());
            record.whole("skai.attempt", number);
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
