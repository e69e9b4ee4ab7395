//! Hearing of what changes in an account as it happens: for pages that show it. What is heard is which kinds of
//! objects changed, never how; who hears it looks.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{Watched, Watches};
use crate::{
    ambient::lock,
    domain::{AccountId, Environment, Error, ErrorKind, Result, Topic, Topics},
    store::{AccountScope, Change, Store, Telling},
};

/// Streams of all accounts at the same time.
const EARS_MAX: usize = 200;
/// Streams of one account.
const EARS_OF_ACCOUNT_MAX: usize = 20;
/// When one who was refused may ask again.
const PAUSE: Duration = Duration::from_secs(5);

/// Who listens, by account.
#[derive(Default)]
pub(super) struct Ears {
    known: HashMap<AccountId, Vec<Arc<Ear>>>,
    all: usize,
}

/// What was heard and not yet taken. It stays so small, however long nobody takes it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Heard {
    /// What changed.
    pub topics: Topics,
    /// Whether nothing more should be waited for: the server is about to stop.
    pub closed: bool,
}

/// Where one who listens is told.
struct Ear {
    environment: Environment,
    hears: Topics,
    heard: watch::Sender<Heard>,
}

/// Hears of changes from now on. Listen first and look then: so no change is missed.
pub struct Listening {
    account: AccountId,
    watches: Watches,
    ear: Arc<Ear>,
    heard: watch::Receiver<Heard>,
    /// As long as it lives the store tells of changes.
    _telling: Telling,
}

impl Ear {
    fn hear(&self, topics: Topics) {
        let topics = topics.within(self.hears);
        self.heard.send_if_modified(|heard| {
            let all = heard.topics.and(topics);
            std::mem::replace(&mut heard.topics, all) != all
        });
    }
}

impl Watches {
    /// Hears of changes of an account, of the topics in `hears`. 429 where the account has too many who listen, 503
    /// where the server has.
    pub fn listen(&self, store: &Store, scope: AccountScope, hears: Topics) -> Result<Listening> {
        let mut watched = lock(&self.0);
        let closed = watched.closed;
        let ears = &mut watched.ears;
        if ears.all >= EARS_MAX {
            let message = "too many pages listen for changes; close some, or look again by hand";
            return Err(Error::unavailable(message, PAUSE));
        }
        let account = scope.account_id();
        let of_account = ears.known.entry(account).or_default();
        if of_account.len() >= EARS_OF_ACCOUNT_MAX {
            let message = format!(
                "{EARS_OF_ACCOUNT_MAX} pages of this account listen for changes already; close one"
            );
            return Err(Error::new(ErrorKind::RateLimit, message).with_retry_after(PAUSE));
        }
        let (tell, told) = watch::channel(Heard { topics: Topics::NONE, closed });
        let ear = Arc::new(Ear { environment: scope.environment(), hears, heard: tell });
        of_account.push(Arc::clone(&ear));
        ears.all += 1;
        drop(watched);
        let clone = self.clone();
        Ok(Listening { account, watches: clone, ear, heard: told, _telling: store.tell_changes() })
    }
}

impl Watched {
    pub(super) fn hear_change(&self, change: &Change) {
        match change.account {
            Some((account, environment)) => {
                for ear in self.ears.known.get(&account).into_iter().flatten() {
                    let is_same = ear.environment == environment;
                    let topics = change.topics;
                    ear.hear(if is_same { topics } else { topics.within(Topics::SHARED) });
                }
            }
            None => self.tell_all(Topics::NONE.with(Topic::Server)),
        }
    }

    /// Tells everybody who listens.
    pub(super) fn tell_all(&self, topics: Topics) {
        self.ears.known.values().flatten().for_each(|ear| ear.hear(topics));
    }

    pub(super) fn close_ears(&self) {
        for ear in self.ears.known.values().flatten() {
            ear.heard.send_modify(|heard| heard.closed = true);
        }
    }
}

impl Listening {
    /// The receiver to await something with that was not taken yet.
    pub fn heard(&mut self) -> &mut watch::Receiver<Heard> {
        &mut self.heard
    }

    /// What was heard since the last time.
    pub fn take(&self) -> Topics {
        let mut topics = Topics::NONE;
        self.ear.heard.send_if_modified(|heard| {
            topics = std::mem::take(&mut heard.topics);
            false
        });
        topics
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut watched = lock(&self.watches.0);
        let ears = &mut watched.ears;
        if let Some(of_account) = ears.known.get_mut(&self.account) {
            of_account.retain(|ear| !Arc::ptr_eq(ear, &self.ear));
            if of_account.is_empty() {
                ears.known.remove(&self.account);
            }
        }
        ears.all -= 1;
    }
}

#[cfg(test)]
mod tests;
