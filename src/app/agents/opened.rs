//! Agents that were opened for runs, kept in memory: a run of one that is known reads nothing and compiles nothing.

use std::sync::Arc;

use super::{Ready, must_find, must_find_version, refuse_archived};
use crate::{
    app::{
        App,
        cache::{BELIEVED, Bounds, Cache, CacheUse},
    },
    domain::Result,
    store::{AccountScope, AccountSeq, Signal},
};

/// Versions that are kept.
const MOST: usize = 4_000;
/// What they may hold together, in bytes of memory.
const MOST_BYTES: usize = 64 << 20;

/// An agent of an account by its name, and a version of it, or the active one.
type Key = (AccountSeq, String, Option<u32>);

/// Agents that are ready to run. Those that are not there, or are archived, are not kept: each request asks anew.
pub struct Opened(Cache<Key, Arc<Ready>>);

impl Default for Opened {
    fn default() -> Self {
        Self(Cache::new(Bounds { entries: MOST, bytes: MOST_BYTES, ttl: BELIEVED }))
    }
}

impl Opened {
    /// Lets go of agents that changed. A listener of the store's.
    pub fn hear(&self, signals: &[Signal]) {
        for signal in signals {
            match signal {
                Signal::AgentChanged(agent) => self.0.forget(|ready| ready.agent().seq == *agent),
                Signal::Elsewhere => self.0.clear(),
                _ => {}
            }
        }
    }

    /// How often an agent was in memory.
    pub fn uses(&self) -> CacheUse {
        self.0.uses()
    }
}

/// Opens an agent for runs: a version, or the active one. Where it is not in memory, blocks while it reads, and
/// compiles what is not known yet. [`NotFound`] where there is no such agent or version, [`Conflict`] where it is
/// archived.
///
/// [`NotFound`]: crate::domain::ErrorKind::NotFound
/// [`Conflict`]: crate::domain::ErrorKind::Conflict
pub fn ready(
    app: &App,
    scope: AccountScope,
    name: &str,
    version: Option<u32>,
) -> Result<Arc<Ready>> {
    let key = (scope.seq(), name.to_owned(), version);
    app.agents.0.find(key, app.ambient.monotonic(), || {
        let found = app.store.read(scope, |snapshot| match version {
            None => must_find(snapshot, name),
            Some(n) => must_find_version(snapshot, name, n),
        })?;
        refuse_archived(&found.agent)?;
        let ready = Ready::of(app, found)?;
        let bytes = ready.bytes() + name.len();
        Ok((Arc::new(ready), bytes))
    })
}
