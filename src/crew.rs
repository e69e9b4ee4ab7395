//! Threads for work that blocks: as many as there is work for, and none when there is none for a while.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::ambient::{self, lock};

type Task = Box<dyn FnOnce() + Send>;

/// How long a thread without work stays.
const PATIENCE: Duration = Duration::from_secs(10);

/// A pool of threads. The caller bounds how many tasks it hands over at the same time.
#[derive(Clone)]
pub(crate) struct Crew {
    name: &'static str,
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    idle: usize,
}

impl Crew {
    /// No threads yet; they will carry this name.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, shared: Arc::default() }
    }

    /// Hands a task to a thread that is free, or to a new one.
    pub(crate) fn run(&self, task: impl FnOnce() + Send + 'static) {
        let (state, wake) = &*self.shared;
        let needs_thread = {
            let mut state = lock(state);
            state.tasks.push_back(Box::new(task));
            state.tasks.len() > state.idle
        };
        if needs_thread {
            let crew = self.clone();
            if let Err(error) = ambient::thread(self.name, move || crew.work()) {
                // The task stays for the threads there are.
                tracing::error!(%error, "no thread for more work");
            }
        }
        wake.notify_one();
    }

    fn work(&self) {
        while let Some(task) = self.next() {
            task();
        }
    }

    fn next(&self) -> Option<Task> {
        let (state, wake) = &*self.shared;
        let mut state = lock(state);
        if let Some(task) = state.tasks.pop_front() {
            return Some(task);
        }
        state.idle += 1;
        let (mut state, _) = wake
            .wait_timeout_while(state, PATIENCE, |state| state.tasks.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.tasks.pop_front()
    }
}
