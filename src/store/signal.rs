//! What the writer tells listeners after a commit, so that nobody has to poll for it.
//!
//! A signal is a hint: who hears it looks at the database before it acts.

use super::{queue::Waiting, telemetry::rows::Report};
use crate::domain::{
    ApiKeyId, BatchId, Credits, DeliveryStatus, EntryKind, Environment, EvalRunId, JobId,
    JobStatus, ProjectId, QueueName, TaskId, TaskStatus, UserId,
};

/// Something that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Work waits in a queue, at once or from some time on.
    Queued(Waiting),
    /// This row of a queue is gone though nobody finished it: whoever works on it may stop.
    Withdrawn(Waiting),
    /// Somebody asks for work that waits: it may begin also where its queue is paused.
    Demanded(Waiting),
    /// A scheduled task took a step and stands like this.
    Task(TaskId, TaskStatus),
    /// When the first schedule is due may have changed.
    Rescheduled,
    /// A row of a queue that waits is in another lane now.
    Moved {
        /// The row as it is.
        work: Waiting,
        /// The lane that it was in.
        from: i64,
    },
    /// A job took a step.
    Job(JobId),
    /// A job reached this terminal status.
    Ended(JobStatus),
    /// The last job of a batch ended.
    BatchEnded(BatchId),
    /// The cases of a run of an eval are judged.
    EvalRunEnded(EvalRunId),
    /// A key must not be accepted from memory any more.
    KeyChanged(ApiKeyId),
    /// A project changed: none of its keys must be accepted from memory any more.
    ProjectChanged(ProjectId),
    /// An account changed: none of its keys must be accepted from memory any more.
    AccountChanged,
    /// What somebody who signs in may do, or with which browsers, changed: none of their sessions must be accepted
    /// from memory any more.
    UserChanged(UserId),
    /// The agent of this internal number must not be run from memory any more.
    AgentChanged(i64),
    /// What an account says of recording invocations may have changed.
    RecordingChanged,
    /// Queues were paused or resumed.
    Paused,
    /// A duty of the server's may be due.
    DutyPlanned,
    /// Credits of an account moved: by so much, to or from it, as an entry of its ledger says.
    Posted(EntryKind, Environment, Credits),
    /// A delivery is over, so or so.
    DeliveryEnded(DeliveryStatus),
    /// Work of a queue was given up and became a dead letter.
    Buried(QueueName),
    /// Another process wrote to the database: anything may have changed, but for queues.
    Elsewhere,
    /// Another process changed queues: it added, withdrew or paused.
    QueuesElsewhere,
    /// The disk failed in a way that makes memory and file differ: the process must end.
    Fatal,
}

impl Signal {
    /// Whether a queue changed.
    pub(in crate::store) const fn is_of_queue(&self) -> bool {
        matches!(self, Self::Queued(_) | Self::Withdrawn(_) | Self::Moved { .. } | Self::Paused)
    }
}

/// What deeds tell of, once they are committed.
#[derive(Default)]
pub(in crate::store) struct Told {
    pub(in crate::store) signals: Vec<Signal>,
    pub(in crate::store) reports: Vec<Report>,
}

impl Told {
    /// How much was told so far.
    pub(in crate::store) fn len(&self) -> (usize, usize) {
        (self.signals.len(), self.reports.len())
    }

    /// Takes back what was told since it was so much: what it tells of was undone.
    pub(in crate::store) fn truncate(&mut self, (signals, reports): (usize, usize)) {
        self.signals.truncate(signals);
        self.reports.truncate(reports);
    }
}
