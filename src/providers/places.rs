//! How many calls one provider gets at a time.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::{ambient::lock, wire};

/// Places for calls. Who waits for one gets it in the order of arrival.
pub(super) struct Places {
    most: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: u32,
    /// What wakes those who wait, the first in front.
    waiting: VecDeque<Arc<Condvar>>,
}

/// A place, until it is dropped.
pub(super) struct Place(Arc<Places>);

impl Places {
    pub(super) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// The number of places.
    pub(super) const fn most(&self) -> u32 {
        self.most
    }

    /// Takes a place that is free and that nobody waits for.
    pub(super) fn free(self: &Arc<Self>) -> Option<Place> {
        let mut state = lock(&self.state);
        if state.waiting.is_empty() { self.take(&mut state) } else { None }
    }

    /// Waits for a place, no longer than this and only until the line of this thread's call is cut.
    pub(super) fn wait(self: &Arc<Self>, longest: Duration) -> Option<Place> {
        let bell = Arc::new(Condvar::new());
        let (this, own) = (Arc::clone(self), Arc::clone(&bell));
        let _waiting = wire::on_cut(move || this.wake(&own));
        let mut state = lock(&self.state);
        state.waiting.push_back(Arc::clone(&bell));
        let not_yet = |state: &mut State| {
            let is_next = state.taken < self.most && state.is_first(&bell);
            !is_next && !wire::is_cut()
        };
        let waited = bell.wait_timeout_while(state, longest, not_yet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_first = state.is_first(&bell);
        state.waiting.retain(|waiting| !Arc::ptr_eq(waiting, &bell));
        let place = if wire::is_cut() || !is_first { None } else { self.take(&mut state) };
        // Another is in front now, who may find a place too.
        self.call_first(&state);
        place
    }

    fn take(self: &Arc<Self>, state: &mut State) -> Option<Place> {
        if state.taken >= self.most {
            return None;
        }
        state.taken += 1;
        Some(Place(Arc::clone(self)))
    }

    /// Wakes who is in front where there is a place for it.
    fn call_first(&self, state: &State) {
        if let Some(bell) = state.waiting.front().filter(|_| state.taken < self.most) {
            bell.notify_one();
        }
    }

    /// Wakes the one that is cut. If it looked before, it sleeps now, for want of the lock.
    fn wake(&self, bell: &Condvar) {
        drop(lock(&self.state));
        bell.notify_one();
    }
}

impl State {
    fn is_first(&self, bell: &Arc<Condvar>) -> bool {
        self.waiting.front().is_some_and(|first| Arc::ptr_eq(first, bell))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.taken -= 1;
        self.0.call_first(&state);
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
    fn places_go_in_the_order_of_arrival() {
        let places = Places::new(1);
        let place = places.free().unwrap();
        let order = Mutex::new(Vec::new());
        thread::scope(|threads| {
            for number in 0..5 {
                let (places, order) = (&places, &order);
                threads.spawn(move || {
                    let _place = places.wait(LONG).unwrap();
                    lock(order).push(number);
                });
                while lock(&places.state).waiting.len() <= number {
                    thread::yield_now();
                }
            }
            drop(place);
            while places.free().is_none() {
                thread::yield_now();
            }
        });
        assert_eq!(*lock(&order), [0, 1, 2, 3, 4]);
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
