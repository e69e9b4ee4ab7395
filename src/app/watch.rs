//! Waiting for a job's next step or a batch's end, without polling: the writer's signals wake whoever watches
//! it.

mod live;
mod pulse;
mod steps;

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

pub use live::{Listener, Listening};
pub use pulse::Pulse;
pub use steps::{Bell, Steps, Told};

use live::Ears;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    ambient::lock,
    domain::{BatchId, Error, ErrorKind, EvalRunId, JobId, Result, TaskId, Topics},
    store::Signal,
};

/// Requests that watch something at the same time; each is small, but they are not without limit.
const WATCHERS_MAX: usize = 20_000;
/// Jobs that all [`Steps`] together hear of: a bound of their own, so that tasks of one account keep no request of
/// another from waiting.
const STEPS_MAX: usize = 100_000;

/// Who watches which job or batch. Clones share it.
#[derive(Clone, Default)]
pub struct Watches(Arc<Mutex<Watched>>, Arc<Condvar>);

#[derive(Default)]
struct Watched {
    /// By the id of what is watched.
    known: HashMap<Uuid, watch::Sender<()>>,
    /// Who waits on a thread for steps of many jobs, by the id of each.
    bells: HashMap<Uuid, Vec<Bell>>,
    watchers: usize,
    /// How many bells there are, one for each job of who waits.
    heard: usize,
    /// Who listens for changes of an account.
    ears: Ears,
    /// Wakes everybody, for good, when the server is about to stop.
    closed: bool,
}

/// Hears of steps from now on. Watch first and look then: so no step is missed.
pub struct Watch {
    id: Uuid,
    watches: Watches,
    steps: watch::Receiver<()>,
}

impl Watches {
    /// Watches a job: each of its steps.
    pub fn job(&self, job: JobId) -> Result<Watch> {
        self.watch(job.uuid())
    }

    /// Watches a batch: its end.
    pub fn batch(&self, batch: BatchId) -> Result<Watch> {
        self.watch(batch.uuid())
    }

    /// Watches a run of an eval: its end.
    pub fn eval_run(&self, run: EvalRunId) -> Result<Watch> {
        self.watch(run.uuid())
    }

    /// Watches a scheduled task: each of its steps.
    pub fn task(&self, task: TaskId) -> Result<Watch> {
        self.watch(task.uuid())
    }

    fn watch(&self, id: Uuid) -> Result<Watch> {
        let mut watched = lock(&self.0);
        if watched.watchers >= WATCHERS_MAX {
            return Err(too_many());
        }
        watched.watchers += 1;
        let closed = watched.closed;
        let sender = watched.known.entry(id).or_insert_with(|| watch::Sender::new(()));
        let mut steps = sender.subscribe();
        if closed {
            steps.mark_changed();
        }
        drop(watched);
        Ok(Watch { id, watches: self.clone(), steps })
    }

    /// Takes in what the writer committed.
    pub fn hear(&self, signals: &[Signal]) {
        let mut watched = None;
        for signal in signals {
            let id = match signal {
                Signal::Job(job) => {
                    watched.get_or_insert_with(|| lock(&self.0)).ring(*job);
                    job.uuid()
                }
                Signal::Elsewhere => {
                    let watched = watched.get_or_insert_with(|| lock(&self.0));
                    watched.ring_all();
                    watched.doubt(signal);
                    watched.tell_all(Topics::ALL);
                    continue;
                }
                Signal::Changed(change) => {
                    watched.get_or_insert_with(|| lock(&self.0)).hear_change(change);
                    continue;
                }
                Signal::KeyChanged(_) | Signal::UserChanged(_) | Signal::AccountChanged => {
                    watched.get_or_insert_with(|| lock(&self.0)).doubt(signal);
                    continue;
                }
                Signal::BatchEnded(batch) => batch.uuid(),
                Signal::EvalRunEnded(run) => run.uuid(),
                Signal::Task(task, _) => task.uuid(),
                _ => continue,
            };
            let watched = watched.get_or_insert_with(|| lock(&self.0));
            if let Some(sender) = watched.known.get(&id) {
                sender.send_replace(());
            }
        }
    }

    /// Wakes everybody: who waits answers with what there is.
    pub fn close(&self) {
        let mut watched = lock(&self.0);
        watched.closed = true;
        for sender in watched.known.values() {
            sender.send_replace(());
        }
        watched.ring_all();
        watched.close_ears();
        self.1.notify_all();
    }

    /// Waits until [`Watches::close`] is called, but no longer than `limit`. Blocks.
    pub fn wait_closed(&self, limit: Duration) {
        drop(self.1.wait_timeout_while(lock(&self.0), limit, |watched| !watched.closed));
    }

    /// True once [`Watches::close`] was called.
    pub fn is_closed(&self) -> bool {
        lock(&self.0).closed
    }
}

fn too_many() -> Error {
    let message = "too many requests wait for something; ask again without waiting";
    Error::new(ErrorKind::Unavailable, message)
}

impl Watch {
    /// The receiver to await the next step with.
    pub fn steps(&mut self) -> &mut watch::Receiver<()> {
        &mut self.steps
    }

    /// True where nothing more should be waited for: the server is about to stop.
    pub fn is_closed(&self) -> bool {
        self.watches.is_closed()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = lock(&self.watches.0);
        watched.watchers -= 1;
        // This one still counts as a receiver.
        if watched.known.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1) {
            watched.known.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(n: u128) -> JobId {
        JobId::from_uuid(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn only_steps_of_the_watched_job_are_heard() {
        let watches = Watches::default();
        let mut one = watches.job(job(1)).unwrap();
        watches.hear(&[Signal::Job(job(2)), Signal::Paused]);
        assert!(!one.steps().has_changed().unwrap());
        watches.hear(&[Signal::Job(job(1))]);
        assert!(one.steps().has_changed().unwrap());
    }

    #[test]
    fn nothing_is_left_when_nobody_watches() {
        let watches = Watches::default();
        let (one, two) = (watches.job(job(1)).unwrap(), watches.job(job(1)).unwrap());
        drop(one);
        assert_eq!(lock(&watches.0).known.len(), 1);
        drop(two);
        assert!(lock(&watches.0).known.is_empty() && lock(&watches.0).watchers == 0);
    }

    #[test]
    fn closing_wakes_those_who_come_later_too() {
        let watches = Watches::default();
        watches.close();
        assert!(watches.job(job(1)).unwrap().steps().has_changed().unwrap());
    }
}
