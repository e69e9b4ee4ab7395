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
    changed: Condvar,
}

#[derive(Default)]
struct State {
    taken: u32,
    /// The tickets of those who wait, the first in front.
    waiting: VecDeque<u64>,
    last_ticket: u64,
}

/// A place, until it is dropped.
pub(super) struct Place(Arc<Places>);

impl Places {
    pub(super) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default(), changed: Condvar::new() })
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
        let this = Arc::clone(self);
        let _waiting = wire::on_cut(move || this.wake());
        let mut state = lock(&self.state);
        let ticket = state.queue_up();
        let not_yet = |state: &mut State| {
            let is_next = state.taken < self.most && state.waiting.front() == Some(&ticket);
            !is_next && !wire::is_cut()
        };
        let waited = self.changed.wait_timeout_while(state, longest, not_yet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_next = state.waiting.front() == Some(&ticket);
        state.waiting.retain(|waiting| *waiting != ticket);
        // Another is in front now, who may find a place too.
        self.changed.notify_all();
        if wire::is_cut() || !is_next { None } else { self.take(&mut state) }
    }

    fn take(self: &Arc<Self>, state: &mut State) -> Option<Place> {
        if state.taken >= self.most {
            return None;
        }
        state.taken += 1;
        Some(Place(Arc::clone(self)))
    }

    /// Wakes all: the one that is cut is among them. Whoever looked before sleeps now, for want of the lock.
    fn wake(&self) {
        drop(lock(&self.state));
        self.changed.notify_all();
    }
}

impl State {
    fn queue_up(&mut self) -> u64 {
        self.last_ticket += 1;
        self.waiting.push_back(self.last_ticket);
        self.last_ticket
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0.state).taken -= 1;
        self.0.changed.notify_all();
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
