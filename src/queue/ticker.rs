//! Looks for what no signal tells of: time that is over. Once a second, or as soon as something is known to be due.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use crate::{
    ambient::{self, Ambient, lock},
    domain::Timestamp,
};

const PERIOD: Duration = Duration::from_secs(1);

/// A thread that calls its duties once a second, and whenever a manual clock is moved.
pub struct Ticker {
    shared: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    stopped: bool,
    due: bool,
}

impl Ticker {
    /// Starts calling `duty`.
    pub fn start(ambient: &Ambient, duty: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        Self::spawn(ambient, PERIOD, move || {
            duty();
            None
        })
    }

    /// The same for a duty that says when it is due next, where that is known: then it is called at that time, and not
    /// up to a second later. The first call comes at once.
    pub fn timed(
        ambient: &Ambient,
        duty: impl Fn() -> Option<Timestamp> + Send + 'static,
    ) -> std::io::Result<Self> {
        Self::spawn(ambient, Duration::ZERO, duty)
    }

    fn spawn(
        ambient: &Ambient,
        first: Duration,
        duty: impl Fn() -> Option<Timestamp> + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::<(Mutex<State>, Condvar)>::default();
        ambient.on_set(waker(&shared));
        let (ticking, clock) = (Arc::clone(&shared), ambient.clone());
        let thread = ambient::thread("ticker", move || {
            let mut nap = first;
            while wait(&ticking, nap) {
                let next = duty();
                nap = next.map_or(PERIOD, |next| next.since(clock.now()).min(PERIOD));
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Calls the duties at once, each time that it is called.
    pub fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        waker(&self.shared)
    }

    /// Stops after the duty that may be running.
    pub fn stop(mut self) {
        lock(&self.shared.0).stopped = true;
        self.shared.1.notify_all();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn waker(shared: &Arc<(Mutex<State>, Condvar)>) -> impl Fn() + Send + Sync + 'static {
    let shared = Arc::clone(shared);
    move || {
        lock(&shared.0).due = true;
        shared.1.notify_all();
    }
}

/// Waits for the next turn; false when stopped.
fn wait((state, wake): &(Mutex<State>, Condvar), nap: Duration) -> bool {
    let state = lock(state);
    let (mut state, _) = wake
        .wait_timeout_while(state, nap, |state| !state.stopped && !state.due)
        .unwrap_or_else(PoisonError::into_inner);
    state.due = false;
    !state.stopped
}
