//! What the writer tells listeners after a commit, so that nobody has to poll for it.
//!
//! A signal is a hint: who hears it looks at the database before it acts.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{queue::Waiting, telemetry::rows::Report};
use crate::domain::{
    AccountId, ApiKeyId, BatchId, Credits, DeliveryStatus, EntryKind, Environment, EvalRunId,
    JobId, JobStatus, ProjectId, QueueName, TaskId, TaskStatus, Topic, Topics, UserId,
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
    /// Rows changed. Told only while somebody asks for it by [`Store::tell_changes`](super::Store::tell_changes).
    Changed(Change),
    /// Another process wrote to the database: anything may have changed, but for queues.
    Elsewhere,
    /// Another process changed queues: it added, withdrew or paused.
    QueuesElsewhere,
    /// The disk failed in a way that makes memory and file differ: the process must end.
    Fatal,
}

/// Rows of an account changed, or of the server itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// Whose rows; `None`: the server's.
    pub account: Option<(AccountId, Environment)>,
    /// What they are.
    pub topics: Topics,
}

/// How many ask to be told of changes.
#[derive(Clone, Default)]
pub(in crate::store) struct Askers(Arc<AtomicUsize>);

/// While it lives, changes are told.
pub struct Telling(Askers);

impl Askers {
    pub(in crate::store) fn ask(&self) -> Telling {
        self.0.fetch_add(1, Ordering::SeqCst);
        Telling(self.clone())
    }

    fn are_any(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
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
    changes: Vec<Change>,
    /// Changes of the deeds before this one.
    done: usize,
}

impl Told {
    /// How much was told so far; what comes now is the next deed's.
    pub(in crate::store) fn begin_deed(&mut self) -> (usize, usize) {
        self.done = self.changes.len();
        (self.signals.len(), self.reports.len())
    }

    /// Takes back what this deed told since it was so much: what it tells of was undone.
    pub(in crate::store) fn truncate(&mut self, (signals, reports): (usize, usize)) {
        self.signals.truncate(signals);
        self.reports.truncate(reports);
        self.changes.truncate(self.done);
    }

    /// This deed changed rows of these topics. Most deeds are for one account, and so add one entry.
    pub(in crate::store) fn touch(
        &mut self,
        account: Option<(AccountId, Environment)>,
        topics: Topics,
    ) {
        match self.changes[self.done..].last_mut() {
            Some(last) if last.account == account => last.topics = last.topics.or(topics),
            _ => self.changes.push(Change { account, topics }),
        }
    }

    /// What listeners hear: of changes only where some ask for them.
    pub(in crate::store) fn signals(self, askers: &Askers) -> Vec<Signal> {
        let mut signals = self.signals;
        if askers.are_any() {
            signals.extend(merged(self.changes).map(Signal::Changed));
        }
        signals
    }
}

/// One change for each account and one for the server, however many deeds shared the commit. The operator is shown the
/// audit logs of all, and how many dead letters there are.
fn merged(changes: Vec<Change>) -> impl Iterator<Item = Change> {
    const OF_SERVER: Topics = Topics::NONE.with(Topic::Audit).with(Topic::DeadLetters);
    let mut all: HashMap<Option<(AccountId, Environment)>, Topics> = HashMap::new();
    for Change { account, topics } in changes {
        let known = all.entry(account).or_default();
        *known = known.or(topics);
        if !topics.common(OF_SERVER).is_empty() {
            let server = all.entry(None).or_default();
            *server = server.with(Topic::Server);
        }
    }
    all.into_iter().map(|(account, topics)| Change { account, topics })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_that_share_a_commit_are_told_of_once_for_each_account() {
        let one = Some((AccountId::MAX, Environment::Live));
        let topics = |topic| Topics::NONE.with(topic);
        let mut told = Told::default();
        for topic in [Topic::Jobs, Topic::Usage, Topic::Jobs] {
            told.begin_deed();
            told.touch(one, topics(topic));
            told.touch(Some((AccountId::MAX, Environment::Test)), topics(Topic::Audit));
        }
        let askers = Askers::default();
        let _asks = askers.ask();
        let changes = told.signals(&askers);
        let change = |account, topics| Signal::Changed(Change { account, topics });
        let expected = [
            change(None, topics(Topic::Server)),
            change(one, topics(Topic::Jobs).with(Topic::Usage)),
            change(Some((AccountId::MAX, Environment::Test)), topics(Topic::Audit)),
        ];
        assert_eq!(changes.len(), expected.len());
        assert!(expected.iter().all(|one| changes.contains(one)), "{changes:?}");
    }

    #[test]
    fn the_operator_is_told_of_logs_and_dead_letters_of_all() {
        let askers = Askers::default();
        let _asks = askers.ask();
        for topic in Topic::ALL {
            let mut told = Told::default();
            told.touch(Some((AccountId::MAX, Environment::Live)), Topics::NONE.with(*topic));
            let of_server = Change { account: None, topics: Topics::NONE.with(Topic::Server) };
            let is_told = told.signals(&askers).contains(&Signal::Changed(of_server));
            assert_eq!(is_told, [Topic::Audit, Topic::DeadLetters].contains(topic), "{topic:?}");
        }
    }

    #[test]
    fn nothing_is_told_while_nobody_asks() {
        let mut told = Told::default();
        told.touch(None, Topics::ALL);
        assert!(told.signals(&Askers::default()).is_empty());
    }
}
