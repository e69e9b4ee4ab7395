//! Once a second, looks for what no signal tells of: time that is over.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use crate::ambient::{self, Ambient, lock};

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
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        ambient.on_set(waker(&shared));
        let ticking = Arc::clone(&shared);
        let thread = ambient::thread("ticker", move || {
            while wait(&ticking) {
                duty();
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
fn wait((state, wake): &(Mutex<State>, Condvar)) -> bool {
    let state = lock(state);
    let (mut state, _) = wake
        .wait_timeout_while(state, PERIOD, |state| !state.stopped && !state.due)
        .unwrap_or_else(PoisonError::into_inner);
    state.due = false;
    !state.stopped
}
