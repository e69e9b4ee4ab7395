//! Calls that clients wait for on their connections: their threads, how many there may be, and what cuts
//! them short.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    ambient::lock,
    crew::Crew,
    domain::{Error, ErrorKind, QueueName, Result},
    store::{Commit, Signal},
    wire::Line,
};

/// Records an outcome; gives whether anybody still wanted it.
type Record = Box<dyn Fn() -> Commit<bool> + Send>;

/// The calls that are under way. Clones share them.
#[derive(Clone)]
pub struct Calls {
    crew: Crew,
    limit: usize,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Rings when the last call ends.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    /// By the internal number of the job.
    lines: HashMap<i64, Line>,
    /// Outcomes that the database did not take yet.
    unrecorded: Vec<Record>,
    is_closed: bool,
}

impl Calls {
    /// None yet, and at most `limit` at the same time.
    pub fn new(limit: usize) -> Self {
        Self { crew: Crew::new("call"), limit, shared: Arc::default() }
    }

    /// Runs a call on a thread of its own, or refuses it where there are too many. The call leaves its place
    /// before it tells its end, so that whoever hears of it finds one for the next.
    pub fn run(&self, call: impl FnOnce(Place) + Send + 'static) -> Result<()> {
        let place = self.enter()?;
        self.crew.run(move || call(place));
        Ok(())
    }

    fn enter(&self) -> Result<Place> {
        let mut state = lock(&self.shared.state);
        if state.running >= self.limit {
            let message = format!(
                "{} calls are under way, as many as the server makes at the same time; send it again \
                 in a moment, or as a job",
                state.running
            );
            return Err(Error::new(ErrorKind::QueueFull, message));
        }
        state.running += 1;
        Ok(Place(Arc::clone(&self.shared)))
    }

    /// Waits until none is under way, or for so long, and cuts the rest. Some have no connection any more:
    /// their clients left.
    pub fn drain(&self, patience: Duration) {
        let state = lock(&self.shared.state);
        let busy = |state: &mut State| state.running > 0;
        let waited = self.shared.idle.wait_timeout_while(state, patience, busy);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_closed = true;
        let lines: Vec<Line> = state.lines.drain().map(|(_, line)| line).collect();
        drop(state);
        lines.iter().for_each(Line::cut);
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
            state.lines.insert(job, line);
        }
        drop(state);
        Attached { job, shared: Arc::clone(&self.shared) }
    }

    /// Takes in what the writer committed.
    pub fn hear(&self, signals: &[Signal]) {
        for signal in signals {
            let Signal::Withdrawn(work) = signal else { continue };
            if work.id.queue == QueueName::GenerationCreate {
                let line = lock(&self.shared.state).lines.remove(&work.id.subject);
                line.inspect(Line::cut);
            }
        }
    }

    /// Keeps an outcome that the database did not take, for [`Calls::record_late`].
    pub(super) fn keep(&self, record: impl Fn() -> Commit<bool> + Send + 'static) {
        lock(&self.shared.state).unrecorded.push(Box::new(record));
    }

    /// Records what could not be recorded at its time; gives how many outcomes.
    pub fn record_late(&self) -> Result<usize> {
        let waiting = std::mem::take(&mut lock(&self.shared.state).unrecorded);
        let mut recorded = 0;
        for record in waiting {
            match record().wait() {
                Ok(_) => recorded += 1,
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    lock(&self.shared.state).unrecorded.push(record);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(recorded)
    }
}

/// The place of a running call, until it is dropped.
#[must_use = "a call without a place is not counted"]
pub struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.running -= 1;
        if state.running == 0 {
            self.0.idle.notify_all();
        }
    }
}

/// A line that is cut when its job is withdrawn.
pub(super) struct Attached {
    job: i64,
    shared: Arc<Shared>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        lock(&self.shared.state).lines.remove(&self.job);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::{
        domain::Timestamp,
        store::queue::{Waiting, WorkId},
    };

    fn withdrawn(subject: i64) -> Signal {
        let id = WorkId { queue: QueueName::GenerationCreate, subject };
        Signal::Withdrawn(Waiting { id, lane: 1, priority: 0, run_at: Timestamp::default() })
    }

    #[test]
    fn there_are_no_more_than_there_may_be() {
        let calls = Calls::new(1);
        let (go, wait) = mpsc::channel::<()>();
        let (end, ended) = mpsc::channel::<()>();
        calls
            .run(move |_place| {
                let _told = wait.recv();
                drop(end);
            })
            .unwrap();
        let refused = calls.run(|_| panic!("it has no place")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::QueueFull);
        go.send(()).unwrap();
        assert!(ended.recv().is_err());
    }

    #[test]
    fn a_line_is_cut_when_its_job_is_withdrawn() {
        let calls = Calls::new(1);
        let [cut, other, gone] = [Line::default(), Line::default(), Line::default()];
        let _one = calls.attach(1, cut.clone());
        let _two = calls.attach(2, other.clone());
        drop(calls.attach(3, gone.clone()));
        calls.hear(&[withdrawn(1), withdrawn(3), Signal::Paused]);
        assert!(cut.is_cut() && !other.is_cut() && !gone.is_cut());
    }
}
