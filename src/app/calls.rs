//! Calls that clients wait for on their connections: their threads, how many there may be, and what cuts
//! them short.

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::{
    ambient::lock,
    crew::Crew,
    domain::{Error, ErrorKind, QueueName, Result},
    store::{AccountSeq, Commit, Signal},
    wire::Line,
};

/// How long calls that were cut may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Records an outcome; gives whether anybody still wanted it.
type Record = Box<dyn Fn() -> Commit<bool> + Send>;

/// How many calls there may be at the same time.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Of all accounts.
    pub all: usize,
    /// Of one account.
    pub account: usize,
}

/// The calls that are under way. Clones share them.
#[derive(Clone)]
pub struct Calls {
    crew: Crew,
    limits: CallLimits,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// How many calls began.
    begun: AtomicU32,
    /// Rings when the last call ends.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    /// Of each account that has some.
    of_account: HashMap<AccountSeq, usize>,
    /// By the internal number of the job.
    live: HashMap<i64, Live>,
    /// Outcomes that the database did not take yet.
    unrecorded: Vec<Record>,
    is_closed: bool,
}

/// A call that asks a provider.
struct Live {
    line: Line,
    /// Whether its client got a piece of the answer.
    answers: bool,
}

impl Calls {
    /// None yet.
    pub fn new(limits: CallLimits) -> Self {
        Self { crew: Crew::new("call"), limits, shared: Arc::default() }
    }

    /// Runs a call on a thread of its own, or refuses it where there are too many. The call leaves its place
    /// before it tells its end, so that whoever hears of it finds one for the next.
    pub fn run(
        &self,
        account: AccountSeq,
        call: impl FnOnce(Place) + Send + 'static,
    ) -> Result<()> {
        let place = self.enter(account)?;
        self.crew.run(move || call(place));
        Ok(())
    }

    fn enter(&self, account: AccountSeq) -> Result<Place> {
        let mut state = lock(&self.shared.state);
        let own = state.of_account.get(&account).copied().unwrap_or(0);
        let full = match (state.running >= self.limits.all, own >= self.limits.account) {
            (true, _) => Some((state.running, "the server makes")),
            (false, true) => Some((own, "the account may make")),
            (false, false) => None,
        };
        if let Some((running, whose)) = full {
            let message = format!(
                "{running} calls are under way, as many as {whose} at the same time; send it again in a \
                 moment, or as a job"
            );
            return Err(Error::new(ErrorKind::QueueFull, message));
        }
        state.running += 1;
        state.of_account.insert(account, own + 1);
        Ok(Place { account, shared: Arc::clone(&self.shared) })
    }

    /// Waits until none is under way, or for so long, and cuts the rest. Some have no connection any more:
    /// their clients left.
    pub fn drain(&self, patience: Duration) {
        self.wait(patience);
        let lines: Vec<Line> = {
            let mut state = lock(&self.shared.state);
            state.is_closed = true;
            state.live.drain().map(|(_, live)| live.line).collect()
        };
        lines.iter().for_each(Line::cut);
        // What was cut is recorded, and told to whoever still listens.
        self.wait(FAREWELL);
    }

    fn wait(&self, patience: Duration) {
        let busy = |state: &mut State| state.running > 0;
        let waited = self.shared.idle.wait_timeout_while(lock(&self.shared.state), patience, busy);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// A number for a call that begins, below 2³¹ and unlike those of all that are under way.
    pub(super) fn number(&self) -> u32 {
        self.shared.begun.fetch_add(1, Ordering::Relaxed) & 0x7FFF_FFFF
    }

    /// Whether the server cuts all calls, since it stops.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.shared.state).is_closed
    }

    /// How many are under way.
    pub fn running(&self) -> usize {
        lock(&self.shared.state).running
    }

    /// Lets `line` be cut when the job is withdrawn, until what is given back is dropped.
    pub(super) fn attach(&self, job: i64, line: Line) -> Attached {
        let mut state = lock(&self.shared.state);
        if state.is_closed {
            line.cut();
        } else {
            state.live.insert(job, Live { line: line.clone(), answers: false });
        }
        drop(state);
        Attached { job, line, shared: Arc::clone(&self.shared) }
    }

    /// Ends a call whose client has a part of its answer; false where it has none, or there is no such call.
    pub(super) fn cut_answer(&self, job: i64) -> bool {
        let state = lock(&self.shared.state);
        let line = state.live.get(&job).filter(|live| live.answers).map(|live| live.line.clone());
        drop(state);
        line.inspect(Line::cut).is_some()
    }

    /// Takes in what the writer committed.
    pub fn hear(&self, signals: &[Signal]) {
        for signal in signals {
            let Signal::Withdrawn(work) = signal else { continue };
            if work.id.queue == QueueName::GenerationCreate {
                let live = lock(&self.shared.state).live.remove(&work.id.subject);
                live.inspect(|live| live.line.cut());
            }
        }
    }

    /// Keeps an outcome that the database did not take, for [`Calls::record_late`].
    pub(super) fn keep(&self, record: impl Fn() -> Commit<bool> + Send + 'static) {
        lock(&self.shared.state).unrecorded.push(Box::new(record));
    }

    /// Records what could not be recorded at its time; gives how many outcomes.
    pub fn record_late(&self) -> usize {
        let waiting = std::mem::take(&mut lock(&self.shared.state).unrecorded);
        let mut recorded = 0;
        for record in waiting {
            match record().wait() {
                Ok(_) => recorded += 1,
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    lock(&self.shared.state).unrecorded.push(record);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the outcome of a call cannot be recorded");
                }
            }
        }
        recorded
    }
}

/// The place of a running call, until it is dropped.
#[must_use = "a call without a place is not counted"]
pub struct Place {
    account: AccountSeq,
    shared: Arc<Shared>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.running -= 1;
        if let Some(own) = state.of_account.get_mut(&self.account) {
            *own -= 1;
            if *own == 0 {
                state.of_account.remove(&self.account);
            }
        }
        if state.running == 0 {
            self.shared.idle.notify_all();
        }
    }
}

/// A line that is cut when its job is withdrawn.
pub(super) struct Attached {
    job: i64,
    line: Line,
    shared: Arc<Shared>,
}

impl Attached {
    /// The call's client gets the first piece of its answer now.
    pub(super) fn answers(&self) {
        if let Some(live) = lock(&self.shared.state).live.get_mut(&self.job) {
            live.answers |= live.line.is(&self.line);
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        // Where the job of this one was undone, its number may be that of another call by now.
        if state.live.get(&self.job).is_some_and(|live| live.line.is(&self.line)) {
            state.live.remove(&self.job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::Timestamp,
        store::queue::{Waiting, WorkId},
    };

    fn withdrawn(subject: i64) -> Signal {
        let id = WorkId { queue: QueueName::GenerationCreate, subject };
        Signal::Withdrawn(Waiting { id, lane: 1, priority: 0, run_at: Timestamp::default() })
    }

    /// Calls within these limits.
    fn calls(all: usize, account: usize) -> Calls {
        Calls::new(CallLimits { all, account })
    }

    fn account(number: i64) -> AccountSeq {
        AccountSeq::of_test(number)
    }

    #[test]
    fn there_are_no_more_than_there_may_be() {
        let calls = calls(3, 2);
        let [one, other, third] = [1, 2, 3].map(account);
        let first = calls.enter(one).unwrap();
        let second = calls.enter(one).unwrap();
        let refused = calls.enter(one).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::QueueFull);
        assert!(refused.message().contains("2 calls are under way, as many as the account"));
        let _third = calls.enter(other).unwrap();
        let refused = calls.enter(third).err().unwrap();
        assert!(refused.message().contains("3 calls are under way, as many as the server"));
        drop((first, second));
        assert!(calls.enter(third).is_ok() && calls.enter(one).is_ok());
        assert_eq!(calls.running(), 1);
    }

    #[test]
    fn a_line_is_cut_when_its_job_is_withdrawn() {
        let calls = calls(1, 1);
        let [cut, other, gone] = [Line::default(), Line::default(), Line::default()];
        let _one = calls.attach(1, cut.clone());
        let _two = calls.attach(2, other.clone());
        drop(calls.attach(3, gone.clone()));
        calls.hear(&[withdrawn(1), withdrawn(3), Signal::Paused]);
        assert!(cut.is_cut() && !other.is_cut() && !gone.is_cut());
    }

    #[test]
    fn only_what_answers_is_cut_as_an_answer() {
        let calls = calls(1, 1);
        let line = Line::default();
        let attached = calls.attach(1, line.clone());
        assert!(!calls.cut_answer(1) && !line.is_cut());
        attached.answers();
        assert!(calls.cut_answer(1) && line.is_cut());
        assert!(!calls.cut_answer(2));
    }

    #[test]
    fn a_call_whose_job_was_undone_has_no_part_in_the_next_of_its_number() {
        let calls = calls(1, 1);
        let [undone, line] = [Line::default(), Line::default()];
        let before = calls.attach(1, undone.clone());
        let now = calls.attach(1, line.clone());
        before.answers();
        assert!(!calls.cut_answer(1));
        now.answers();
        drop(before);
        assert!(calls.cut_answer(1) && line.is_cut() && !undone.is_cut());
        drop(now);
        assert!(!calls.cut_answer(1));
    }

    #[test]
    fn an_outcome_that_cannot_be_recorded_keeps_no_other() {
        let calls = calls(1, 1);
        let tell = |kind: ErrorKind| move || Commit::refused(Error::new(kind, "no"));
        calls.keep(tell(ErrorKind::ServerError));
        calls.keep(tell(ErrorKind::Unavailable));
        calls.keep(tell(ErrorKind::ServerError));
        assert_eq!(calls.record_late(), 0);
        assert_eq!(lock(&calls.shared.state).unrecorded.len(), 1, "it waits for the database");
    }
}
