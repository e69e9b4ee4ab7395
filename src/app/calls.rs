//! Calls that clients wait for on their connections: their threads, how many there may be, and what cuts
//! them short.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
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
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    running: usize,
    /// By the internal number of the job.
    lines: HashMap<i64, Line>,
    /// Outcomes that the database did not take yet.
    unrecorded: Vec<Record>,
}

impl Calls {
    /// None yet, and at most `limit` at the same time.
    pub fn new(limit: usize) -> Self {
        Self { crew: Crew::new("call"), limit, state: Arc::default() }
    }

    /// Runs a call on a thread of its own, or refuses it where there are too many.
    pub fn run(&self, call: impl FnOnce() + Send + 'static) -> Result<()> {
        let place = self.enter()?;
        self.crew.run(move || {
            let _place = place;
            call();
        });
        Ok(())
    }

    fn enter(&self) -> Result<Place> {
        let mut state = lock(&self.state);
        if state.running >= self.limit {
            let message = format!(
                "{} calls are under way, as many as the server makes at the same time; send it again \
                 in a moment, or as a job",
                state.running
            );
            return Err(Error::new(ErrorKind::QueueFull, message));
        }
        state.running += 1;
        Ok(Place(Arc::clone(&self.state)))
    }

    /// How many are under way.
    pub fn running(&self) -> usize {
        lock(&self.state).running
    }

    /// Lets `line` be cut when the job is withdrawn, until what is given back is dropped.
    pub(super) fn attach(&self, job: i64, line: Line) -> Attached {
        lock(&self.state).lines.insert(job, line);
        Attached { job, state: Arc::clone(&self.state) }
    }

    /// Takes in what the writer committed.
    pub fn hear(&self, signals: &[Signal]) {
        for signal in signals {
            let Signal::Withdrawn(work) = signal else { continue };
            if work.id.queue == QueueName::GenerationCreate {
                let line = lock(&self.state).lines.remove(&work.id.subject);
                line.inspect(Line::cut);
            }
        }
    }

    /// Ends all calls with what there is of their answers: the server is about to stop.
    pub fn cut(&self) {
        let lines = std::mem::take(&mut lock(&self.state).lines);
        lines.values().for_each(Line::cut);
    }

    /// Keeps an outcome that the database did not take, for [`Calls::record_late`].
    pub(super) fn keep(&self, record: impl Fn() -> Commit<bool> + Send + 'static) {
        lock(&self.state).unrecorded.push(Box::new(record));
    }

    /// Records what could not be recorded at its time; gives how many outcomes.
    pub fn record_late(&self) -> Result<usize> {
        let waiting = std::mem::take(&mut lock(&self.state).unrecorded);
        let mut recorded = 0;
        for record in waiting {
            match record().wait() {
                Ok(_) => recorded += 1,
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    lock(&self.state).unrecorded.push(record);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(recorded)
    }
}

/// The place of a running call.
struct Place(Arc<Mutex<State>>);

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0).running -= 1;
    }
}

/// A line that is cut when its job is withdrawn.
pub(super) struct Attached {
    job: i64,
    state: Arc<Mutex<State>>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        lock(&self.state).lines.remove(&self.job);
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
            .run(move || {
                let _told = wait.recv();
                drop(end);
            })
            .unwrap();
        let refused = calls.run(|| panic!("it has no place")).unwrap_err();
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
