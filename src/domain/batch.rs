//! A batch: jobs that are accepted together, and what is said of them as a whole.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Error, JobStatus, Result};

/// Where a batch stands. `queued → running → completed`, or `canceling → canceled` once a client canceled
/// it; a retry of one of its jobs goes back to `running`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// None of its jobs has begun.
    Queued,
    /// Some have begun, and not all are over.
    Running,
    /// All are over, each in its own way.
    Completed,
    /// None of its jobs begins any more; those that are not over are being canceled.
    Canceling,
    /// All are over after a client canceled it.
    Canceled,
}

impl BatchStatus {
    /// Where a batch stands by what is known of it.
    pub const fn of(is_begun: bool, is_cancel_requested: bool, is_finished: bool) -> Self {
        match (is_finished, is_cancel_requested, is_begun) {
            (true, true, _) => Self::Canceled,
            (true, false, _) => Self::Completed,
            (false, true, _) => Self::Canceling,
            (false, false, true) => Self::Running,
            (false, false, false) => Self::Queued,
        }
    }

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Canceling => "canceling",
            Self::Canceled => "canceled",
        }
    }

    /// True where it only leaves by a retry of one of its jobs.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Canceled)
    }
}

/// How many jobs of a batch stand where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
pub struct BatchCounts {
    /// All of them.
    pub total: u64,
    /// Wait for their first or next attempt.
    pub queued: u64,
    /// Are being attempted.
    pub running: u64,
    /// Ended with an output.
    pub succeeded: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Were ended by a client.
    pub canceled: u64,
    /// Waited longer than their time to live.
    pub expired: u64,
}

/// By how many a step of one job changes each count that a batch keeps. What is left are those that wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BatchStep {
    /// Of [`BatchCounts::running`].
    pub running: i64,
    /// Of [`BatchCounts::succeeded`].
    pub succeeded: i64,
    /// Of [`BatchCounts::failed`].
    pub failed: i64,
    /// Of [`BatchCounts::canceled`].
    pub canceled: i64,
    /// Of [`BatchCounts::expired`].
    pub expired: i64,
}

impl BatchStep {
    /// The step of one job from a status to another; `None` where it stays, as one does that begins again
    /// after a crash.
    pub fn of(from: JobStatus, to: JobStatus) -> Option<Self> {
        let mut step = Self::default();
        step.add(from, -1);
        step.add(to, 1);
        (from != to).then_some(step)
    }

    fn add(&mut self, status: JobStatus, change: i64) {
        let count = match status {
            JobStatus::Queued => return,
            JobStatus::Running => &mut self.running,
            JobStatus::Succeeded => &mut self.succeeded,
            JobStatus::Failed => &mut self.failed,
            JobStatus::Canceled => &mut self.canceled,
            JobStatus::Expired => &mut self.expired,
        };
        *count += change;
    }
}

/// The longest `custom_id`, in characters.
const CUSTOM_ID_MAX: usize = 64;

/// Checks the name that a client gives to a request of a batch.
pub fn check_custom_id(custom_id: &str) -> Result<()> {
    let length = custom_id.chars().take(CUSTOM_ID_MAX + 1).count();
    if (1..=CUSTOM_ID_MAX).contains(&length) && !custom_id.contains(char::is_control) {
        return Ok(());
    }
    let message = format!("custom_id must be 1 to {CUSTOM_ID_MAX} printable characters");
    Err(Error::invalid("custom_id", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_moves_one_job() {
        use JobStatus::{Canceled, Expired, Failed, Queued, Running, Succeeded};
        let step = |from, to| {
            let BatchStep { running, succeeded, failed, canceled, expired } =
                BatchStep::of(from, to)?;
            Some([running, succeeded, failed, canceled, expired])
        };
        for (from, to, expected) in [
            (Queued, Running, Some([1, 0, 0, 0, 0])),
            (Running, Running, None),
            (Running, Queued, Some([-1, 0, 0, 0, 0])),
            (Running, Succeeded, Some([-1, 1, 0, 0, 0])),
            (Running, Failed, Some([-1, 0, 1, 0, 0])),
            (Queued, Canceled, Some([0, 0, 0, 1, 0])),
            (Queued, Expired, Some([0, 0, 0, 0, 1])),
            (Failed, Queued, Some([0, 0, -1, 0, 0])),
            (Expired, Queued, Some([0, 0, 0, 0, -1])),
        ] {
            assert_eq!(step(from, to), expected, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn a_custom_id_is_short_and_printable() {
        for good in ["a", "Zeile 7", "é", &"ü".repeat(64)] {
            check_custom_id(good).unwrap();
        }
        for bad in ["", "a\n", "\0", &"x".repeat(65)] {
            assert_eq!(check_custom_id(bad).unwrap_err().param(), Some("custom_id"), "{bad:?}");
        }
    }
}
