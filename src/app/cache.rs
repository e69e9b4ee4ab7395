//! What is kept in memory of what the database says: the newest answers, for a while, in bounded room.
//!
//! Whoever changes something lets go of what is kept of it in the commit's signals, before the change is answered.
//! An answer that was read before is not kept after that, and whatever slips through is gone with its time.

#[cfg(test)]
mod tests;

use std::{
    hash::Hash,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hashlink::LruCache;

use crate::{ambient::lock, domain::Result};

/// How long what is kept is believed, unless somebody says otherwise.
pub(super) const BELIEVED: Duration = Duration::from_mins(1);

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Entries.
    pub(super) entries: usize,
    /// What they may hold together, in bytes of memory.
    pub(super) bytes: usize,
    /// From when it was asked for.
    pub(super) ttl: Duration,
}

/// Values by key, without a lock. What was not asked for the longest goes first.
pub(super) struct Kept<K, V> {
    bounds: Bounds,
    entries: LruCache<K, Entry<V>>,
    /// The sum of [`Entry::bytes`].
    bytes: usize,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    /// From this monotonic time on it is not believed.
    until: Duration,
}

impl<K: Eq + Hash, V> Kept<K, V> {
    /// Nothing yet.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, entries: LruCache::new_unbounded(), bytes: 0 }
    }

    /// The value of that key, where it is still believed. `now` is monotonic.
    pub(super) fn get(&mut self, key: &K, now: Duration) -> Option<&V> {
        let until = self.entries.peek(key)?.until;
        if now < until {
            return self.entries.get(key).map(|entry| &entry.value);
        }
        self.remove(key);
        None
    }

    /// Keeps a value that holds so many bytes and was asked for at `now`. One that has no room at all is not kept.
    pub(super) fn put(&mut self, key: K, value: V, bytes: usize, now: Duration) {
        self.remove(&key);
        let until = now.saturating_add(self.bounds.ttl);
        if until <= now || bytes > self.bounds.bytes {
            return;
        }
        self.entries.insert(key, Entry { value, bytes, until });
        self.bytes += bytes;
        while self.bytes > self.bounds.bytes || self.entries.len() > self.bounds.entries {
            let Some((_, oldest)) = self.entries.remove_lru() else { return };
            self.bytes -= oldest.bytes;
        }
    }

    /// Whether something is kept under this key, believed or not.
    pub(super) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// How many are kept, believed or not.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Lets go of what is doubtful.
    pub(super) fn forget(&mut self, is_doubtful: impl Fn(&V) -> bool) {
        let bytes = &mut self.bytes;
        self.entries.retain(|_, entry| {
            let stays = !is_doubtful(&entry.value);
            *bytes -= if stays { 0 } else { entry.bytes };
            stays
        });
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }
}

/// How often something was in memory, and how often it was not, since the start.
#[derive(Debug, Default)]
pub(super) struct Uses {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Uses {
    /// It was there.
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// It was not.
    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Both, and how much is kept now.
    pub(super) fn of(&self, entries: usize) -> CacheUse {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        CacheUse { hits: read(&self.hits), misses: read(&self.misses), entries }
    }
}

/// How a cache fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheUse {
    /// How often what was asked for was in memory, since the start.
    pub hits: u64,
    /// How often it was not.
    pub misses: u64,
    /// How many entries are kept.
    pub entries: usize,
}

/// Values by key in front of the database. The lock is held for a look alone, never while something is read or
/// made, so two may make the same at the same time.
pub(super) struct Cache<K, V> {
    inner: Mutex<Inner<K, V>>,
    uses: Uses,
}

struct Inner<K, V> {
    kept: Kept<K, V>,
    /// Counts what was let go of: what was asked for before may be of before the change.
    epoch: u64,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// Nothing yet.
    pub(super) fn new(bounds: Bounds) -> Self {
        let inner = Inner { kept: Kept::new(bounds), epoch: 0 };
        Self { inner: Mutex::new(inner), uses: Uses::default() }
    }

    /// The value of that key: the one that is kept, or else what `make` gives with its size in bytes of memory. That
    /// is kept unless something was let go of meanwhile. `now` is monotonic. An error is not kept.
    pub(super) fn find(
        &self,
        key: K,
        now: Duration,
        make: impl FnOnce() -> Result<(V, usize)>,
    ) -> Result<V> {
        let epoch = {
            let mut inner = lock(&self.inner);
            if let Some(value) = inner.kept.get(&key, now) {
                self.uses.hit();
                return Ok(value.clone());
            }
            inner.epoch
        };
        self.uses.miss();
        let (value, bytes) = make()?;
        let mut inner = lock(&self.inner);
        if inner.epoch == epoch {
            inner.kept.put(key, value.clone(), bytes, now);
        }
        Ok(value)
    }

    /// Lets go of what a commit made doubtful.
    pub(super) fn forget(&self, is_doubtful: impl Fn(&V) -> bool) {
        let mut inner = lock(&self.inner);
        inner.epoch += 1;
        inner.kept.forget(is_doubtful);
    }

    /// Lets go of everything.
    pub(super) fn clear(&self) {
        let mut inner = lock(&self.inner);
        inner.epoch += 1;
        inner.kept.clear();
    }

    /// Notes that the caller had the answer at hand.
    pub(super) fn hit(&self) {
        self.uses.hit();
    }

    /// How it fares.
    pub(super) fn uses(&self) -> CacheUse {
        self.uses.of(lock(&self.inner).kept.len())
    }
}
