//! How many calls one provider gets at a time.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::{ambient::lock, wire};

/// Places for calls.
pub(super) struct Places {
    most: u32,
    taken: Mutex<u32>,
    freed: Condvar,
}

/// A place, until it is dropped.
pub(super) struct Place(Arc<Places>);

impl Places {
    pub(super) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::new(0), freed: Condvar::new() })
    }

    /// The number of places.
    pub(super) const fn most(&self) -> u32 {
        self.most
    }

    /// Takes a place that is free.
    pub(super) fn free(self: &Arc<Self>) -> Option<Place> {
        self.take(&mut lock(&self.taken))
    }

    /// Waits for a place, no longer than this and only until the line of this thread's call is cut.
    pub(super) fn wait(self: &Arc<Self>, longest: Duration) -> Option<Place> {
        let this = Arc::clone(self);
        let _waiting = wire::on_cut(move || this.wake());
        let full = |taken: &mut u32| *taken >= self.most && !wire::is_cut();
        let waited = self.freed.wait_timeout_while(lock(&self.taken), longest, full);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if wire::is_cut() { None } else { self.take(&mut taken) }
    }

    fn take(self: &Arc<Self>, taken: &mut u32) -> Option<Place> {
        if *taken >= self.most {
            return None;
        }
        *taken += 1;
        Some(Place(Arc::clone(self)))
    }

    /// Wakes all: the one that is cut is among them. Whoever looked before sleeps now, for want of the lock.
    fn wake(&self) {
        drop(lock(&self.taken));
        self.freed.notify_all();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *lock(&self.0.taken) -= 1;
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::wire::Line;

    /// Longer than the test may take.
    const LONG: Duration = Duration::from_mins(5);

    #[test]
    fn a_place_that_is_left_goes_to_who_waits() {
        let places = Places::new(1);
        let place = places.free().unwrap();
        assert!(places.free().is_none() && places.wait(Duration::from_millis(1)).is_none());
        thread::scope(|threads| {
            let waits = threads.spawn(|| places.wait(LONG).is_some());
            drop(place);
            assert!(waits.join().unwrap());
        });
        assert!(places.free().is_some());
    }

    #[test]
    fn a_cut_ends_the_wait() {
        let (places, line) = (Places::new(1), Line::default());
        let _place = places.free().unwrap();
        thread::scope(|threads| {
            let waits = threads.spawn(|| line.during(|| places.wait(LONG).is_none()));
            line.cut();
            assert!(waits.join().unwrap());
        });
        assert!(line.during(|| places.wait(LONG).is_none()), "it stays cut");
    }
}
