//! Whose invocations are recorded.

use std::time::Duration;

use crate::{
    ambient::Ambient,
    app::cache::{BELIEVED, Bounds, Cache, CacheUse},
    domain::Result,
    store::{Signal, Store, SystemScope, projects},
};

/// Projects that are kept.
const ENTRIES: usize = 10_000;
/// What one takes, in bytes of memory.
const BYTES: usize = 64;

/// What projects and their accounts say of it. Asked on the thread of telemetry alone.
pub struct Switches {
    store: Store,
    ambient: Ambient,
    by_default: bool,
    by_project: Cache<i64, bool>,
}

impl Switches {
    pub(super) fn of(store: Store, ambient: Ambient, by_default: bool) -> Self {
        let bounds = Bounds { entries: ENTRIES, bytes: ENTRIES * BYTES, ttl: BELIEVED };
        Self { store, ambient, by_default, by_project: Cache::new(bounds) }
    }

    /// Whether invocations of the project of that internal number are recorded. Where that cannot be read, none is.
    pub(super) fn records(&self, project: i64) -> bool {
        let now: Duration = self.ambient.monotonic();
        self.find(project, now).unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "an invocation is not recorded: its project's switch cannot be read"
            );
            false
        })
    }

    fn find(&self, project: i64, now: Duration) -> Result<bool> {
        let read = || {
            let said = self.store.read(SystemScope::new(), |snapshot| {
                projects::records_invocations(snapshot, project)
            })?;
            Ok((said.unwrap_or(self.by_default), BYTES))
        };
        self.by_project.find(project, now, read)
    }

    /// How often a project was in memory.
    pub fn uses(&self) -> CacheUse {
        self.by_project.uses()
    }

    /// Lets go of what a commit may have changed.
    pub(in crate::app) fn hear(&self, signals: &[Signal]) {
        let changes = |signal: &Signal| {
            matches!(
                signal,
                Signal::ProjectChanged(_) | Signal::RecordingChanged | Signal::Elsewhere
            )
        };
        if signals.iter().any(changes) {
            self.by_project.clear();
        }
    }
}
