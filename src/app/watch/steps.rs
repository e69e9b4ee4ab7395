//! Waiting on a thread for steps of many jobs at once.

use std::{
    collections::BTreeSet,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::{STEPS_MAX, Watched, Watches, too_many};
use crate::{
    ambient::lock,
    domain::{JobId, Result},
};

/// Hears of steps of some jobs from now on. Begin to hear first and look then: so no step is missed.
pub struct Steps {
    jobs: Vec<JobId>,
    watches: Watches,
    bell: Bell,
}

/// What wakes who waits for [`Steps`]. Clones are the same bell.
#[derive(Clone, Default)]
pub struct Bell(Arc<(Mutex<Heard>, Condvar)>);

#[derive(Default)]
struct Heard {
    jobs: BTreeSet<JobId>,
    /// Anything may have happened.
    all: bool,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// These jobs took steps; none where only time passed.
    Jobs(BTreeSet<JobId>),
    /// Anything may have happened: look at all of them.
    All,
}

impl Bell {
    /// Wakes who waits, or who is about to: it looks at everything again.
    pub fn ring(&self) {
        let (heard, told) = &*self.0;
        lock(heard).all = true;
        told.notify_all();
    }

    fn step(&self, job: JobId) {
        let (heard, told) = &*self.0;
        lock(heard).jobs.insert(job);
        told.notify_all();
    }
}

impl Watches {
    /// Hears of steps of these jobs.
    pub fn steps(&self, jobs: Vec<JobId>) -> Result<Steps> {
        let mut watched = lock(&self.0);
        if watched.heard.saturating_add(jobs.len()) > STEPS_MAX {
            return Err(too_many());
        }
        watched.heard += jobs.len();
        let bell = Bell::default();
        for job in &jobs {
            watched.bells.entry(job.uuid()).or_default().push(bell.clone());
        }
        drop(watched);
        Ok(Steps { jobs, watches: self.clone(), bell })
    }
}

impl Watched {
    pub(super) fn ring(&self, job: JobId) {
        for bell in self.bells.get(&job.uuid()).into_iter().flatten() {
            bell.step(job);
        }
    }

    pub(super) fn ring_all(&self) {
        self.bells.values().flatten().for_each(Bell::ring);
    }
}

impl Steps {
    /// What wakes [`Steps::wait`], for whoever may end the wait.
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// True where nothing more should be waited for: the server is about to stop.
    pub fn is_closed(&self) -> bool {
        self.watches.is_closed()
    }

    /// Waits for something to be heard since the last time, but no longer than `limit`.
    pub fn wait(&self, limit: Duration) -> Told {
        let (heard, told) = &*self.bell.0;
        let silent = |heard: &mut Heard| heard.jobs.is_empty() && !heard.all;
        let waited = told.wait_timeout_while(lock(heard), limit, silent);
        let heard = std::mem::take(&mut *waited.unwrap_or_else(PoisonError::into_inner).0);
        if heard.all { Told::All } else { Told::Jobs(heard.jobs) }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        let mut watched = lock(&self.watches.0);
        watched.heard -= self.jobs.len();
        for job in &self.jobs {
            if let Some(bells) = watched.bells.get_mut(&job.uuid()) {
                bells.retain(|bell| !Arc::ptr_eq(&bell.0, &self.bell.0));
                if bells.is_empty() {
                    watched.bells.remove(&job.uuid());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Signal;

    const LONG: Duration = Duration::from_mins(1);

    fn job(n: u128) -> JobId {
        JobId::from_uuid(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn steps_are_heard_also_before_somebody_waits_for_them() {
        let watches = Watches::default();
        let steps = watches.steps(vec![job(1), job(2)]).unwrap();
        watches.hear(&[Signal::Job(job(3)), Signal::Paused]);
        assert_eq!(steps.wait(Duration::ZERO), Told::Jobs(BTreeSet::new()));
        watches.hear(&[Signal::Job(job(2)), Signal::Job(job(1)), Signal::Job(job(2))]);
        assert_eq!(steps.wait(LONG), Told::Jobs([job(1), job(2)].into()));
        watches.hear(&[Signal::Elsewhere]);
        assert_eq!(steps.wait(LONG), Told::All);
    }

    #[test]
    fn a_bell_and_the_end_of_the_server_wake_who_waits() {
        let watches = Watches::default();
        let steps = watches.steps(vec![job(1)]).unwrap();
        let bell = steps.bell();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| steps.wait(LONG));
            bell.ring();
            assert_eq!(waiting.join().unwrap(), Told::All);
        });
        assert!(!steps.is_closed());
        watches.close();
        assert_eq!(steps.wait(LONG), Told::All);
        assert!(steps.is_closed());
    }

    #[test]
    fn nothing_is_left_when_nobody_waits() {
        let watches = Watches::default();
        let (one, two) =
            (watches.steps(vec![job(1)]).unwrap(), watches.steps(vec![job(1), job(2)]).unwrap());
        drop(one);
        watches.hear(&[Signal::Job(job(1))]);
        assert_eq!(two.wait(LONG), Told::Jobs([job(1)].into()));
        drop(two);
        assert!(lock(&watches.0).bells.is_empty() && lock(&watches.0).heard == 0);
    }

    #[test]
    fn no_request_is_kept_from_waiting() {
        let watches = Watches::default();
        let steps = watches.steps((0..STEPS_MAX as u128).map(job).collect()).unwrap();
        assert!(watches.steps(vec![job(1)]).is_err());
        watches.job(job(1)).unwrap();
        drop(steps);
        watches.steps(vec![job(1)]).unwrap();
    }

    #[test]
    fn who_waits_for_the_end_waits_no_longer() {
        let watches = Watches::default();
        watches.wait_closed(Duration::ZERO);
        std::thread::scope(|scope| {
            scope.spawn(|| watches.wait_closed(LONG));
            watches.close();
        });
        assert!(watches.is_closed());
    }
}
