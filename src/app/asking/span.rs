//! What is told of an attempt at a job, as a step of its trace.

use super::Asked;
use crate::{
    domain::{AccountId, JobId},
    observe::traces::Record,
};

/// An attempt at a job.
#[derive(Clone, Copy, Debug)]
pub struct AttemptAt {
    /// The job.
    pub job: JobId,
    /// Whose it is.
    pub account: AccountId,
    /// Its number, from 1.
    pub number: u32,
}

/// Tells of an attempt and what it led to; `None` where that is not known.
pub fn describe_attempt(record: &mut Record, of: AttemptAt, asked: Option<&Asked>) {
    record.text("skai.job.id", of.job.to_string());
    record.text("skai.account.id", of.account.to_string());
    record.whole("skai.attempt", of.number);
    let outcome = match asked {
        Some(Asked::Answered(_)) => "answered",
        Some(Asked::Abandoned) => "abandoned",
        Some(Asked::Failed { error, .. }) => {
            record.fail(error.code.as_str());
            "failed"
        }
        Some(Asked::Unanswered { error, .. }) => {
            record.fail(error.code.as_str());
            "unanswered"
        }
        None => {
            record.fail("INTERNAL");
            "failed"
        }
    };
    record.text("skai.outcome", outcome);
}
