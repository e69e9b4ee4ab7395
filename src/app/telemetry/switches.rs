//! Whose invocations are recorded.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    ambient::lock,
    store::{Signal, Store, SystemScope, projects},
};

/// What projects and accounts say of it, kept in memory and read again after it changed. Asked on the thread of
/// telemetry alone.
pub struct Switches {
    store: Store,
    by_default: bool,
    is_stale: AtomicBool,
    by_project: Mutex<HashMap<i64, bool>>,
}

impl Switches {
    pub(super) fn of(store: Store, by_default: bool) -> Self {
        let (is_stale, by_project) = (AtomicBool::new(true), Mutex::default());
        Self { store, by_default, is_stale, by_project }
    }

    /// Whether invocations of the project of that internal number are recorded. Where it cannot be read, none is.
    pub fn records(&self, project: i64) -> bool {
        // Before the look: a change that comes during it is looked for again.
        if self.is_stale.swap(false, Ordering::AcqRel) && !self.read() {
            self.is_stale.store(true, Ordering::Release);
            return false;
        }
        lock(&self.by_project).get(&project).copied().unwrap_or(self.by_default)
    }

    fn read(&self) -> bool {
        let read = self.store.read(SystemScope::new(), projects::invocation_switches);
        match read {
            Ok(switches) => *lock(&self.by_project) = switches.into_iter().collect(),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "no invocation is recorded until the switches can be read");
                return false;
            }
        }
        true
    }

    /// Forgets what a commit may have changed.
    pub fn hear(&self, signals: &[Signal]) {
        let changes = |signal: &Signal| {
            matches!(signal, Signal::ProjectChanged(_) | Signal::AccountChanged | Signal::Elsewhere)
        };
        if signals.iter().any(changes) {
            self.is_stale.store(true, Ordering::Release);
        }
    }
}
