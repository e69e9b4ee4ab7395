//! Hearing of what changes in an account as it happens: for pages that show it. What is heard is which kinds of
//! objects changed, never how; who hears it looks.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::watch;

use super::{Watched, Watches};
use crate::{
    ambient::lock,
    domain::{AccountId, ApiKeyId, Error, ErrorKind, Result, Topic, Topics, UserId},
    store::{AccountScope, AccountSeq, Change, Signal, Store, Telling},
};

/// Streams of all accounts at the same time.
const EARS_MAX: usize = 200;
/// Of these, so many are for operators alone: they are to see what goes on however many others look.
const EARS_OF_OPERATORS: usize = 20;
/// Streams of one account, besides those of operators.
const EARS_OF_ACCOUNT_MAX: usize = 20;
/// Streams of one person, or of one key.
const EARS_OF_ONE_MAX: usize = 6;
/// When one who was refused may ask again.
const PAUSE: Duration = Duration::from_secs(5);
/// Between two times that one who listens is told of requests: looks at their log wait for one of few places.
const LOG_PERIOD: Duration = Duration::from_secs(5);

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
    /// Whether the one who listens may not be let in any more, or not as before.
    pub doubtful: bool,
    /// Whether nothing more should be waited for: the server is about to stop.
    pub closed: bool,
}

/// Who wants to listen.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Whose changes.
    pub scope: AccountScope,
    /// The key that lets them in; of who signed in, the one that pays.
    pub key: ApiKeyId,
    /// Who signed in, if so.
    pub user: Option<UserId>,
    /// Of what.
    pub hears: Topics,
}

/// Where one who listens is told.
struct Ear {
    who: Listener,
    heard: watch::Sender<Heard>,
    requests: Mutex<Requests>,
}

/// What one who listens was told of requests.
#[derive(Default)]
struct Requests {
    told_at: Option<Duration>,
    /// Whether more were recorded since.
    has_more: bool,
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

impl Heard {
    /// Whether it does not wait for the moment between two events.
    pub const fn is_urgent(self) -> bool {
        self.closed || self.doubtful
    }
}

impl Listener {
    fn is_operator(&self) -> bool {
        self.hears.has(Topic::Server)
    }

    /// Whether it is the same person, or the same key where nobody signed in.
    fn is_same(&self, other: &Self) -> bool {
        self.user == other.user && (self.user.is_some() || self.key == other.key)
    }
}

impl Ear {
    fn hear(&self, topics: Topics) {
        let topics = topics.common(self.who.hears);
        if topics.is_empty() {
            return;
        }
        self.heard.send_if_modified(|heard| {
            let all = heard.topics.or(topics);
            std::mem::replace(&mut heard.topics, all) != all
        });
    }

    /// Hears of requests, where there are `more` or were, and it was not told just now.
    fn hear_requests(&self, more: bool, now: Duration) {
        let mut requests = lock(&self.requests);
        requests.has_more |= more;
        let is_early = requests.told_at.is_some_and(|at| now.saturating_sub(at) < LOG_PERIOD);
        if requests.has_more && !is_early {
            *requests = Requests { told_at: Some(now), has_more: false };
            self.hear(Topics::NONE.with(Topic::Logs));
        }
    }

    fn doubt(&self) {
        self.heard.send_if_modified(|heard| !std::mem::replace(&mut heard.doubtful, true));
    }
}

impl Ears {
    fn has_place(&self, who: &Listener) -> Result<()> {
        let (all, own) = if who.is_operator() {
            (EARS_MAX, usize::MAX)
        } else {
            (EARS_MAX - EARS_OF_OPERATORS, EARS_OF_ACCOUNT_MAX)
        };
        if self.all >= all {
            let message = "too many pages listen for changes; close some, or look again by hand";
            return Err(Error::unavailable(message, PAUSE));
        }
        let refused = |message: String| {
            Err(Error::new(ErrorKind::RateLimit, message).with_retry_after(PAUSE))
        };
        if self.count(|ear| ear.who.is_same(who)) >= EARS_OF_ONE_MAX {
            return refused(format!(
                "{EARS_OF_ONE_MAX} of your pages listen for changes already; close one"
            ));
        }
        let account = who.scope.account_id();
        let is_of_account =
            |ear: &Ear| ear.who.scope.account_id() == account && !ear.who.is_operator();
        if self.count(is_of_account) >= own {
            return refused(format!(
                "{EARS_OF_ACCOUNT_MAX} pages of this account listen for changes already; close one"
            ));
        }
        Ok(())
    }

    /// How many there are such. There are few in all.
    fn count(&self, is: impl Fn(&Ear) -> bool) -> usize {
        self.known.values().flatten().filter(|ear| is(ear)).count()
    }
}

impl Watches {
    /// Hears of changes of an account. 429 where the account, the person or the key has too many who listen, 503 where
    /// the server has.
    pub fn listen(&self, store: &Store, who: Listener) -> Result<Listening> {
        let mut watched = lock(&self.0);
        let closed = watched.closed;
        let ears = &mut watched.ears;
        ears.has_place(&who)?;
        let account = who.scope.account_id();
        let (tell, told) = watch::channel(Heard { closed, ..Heard::default() });
        let ear = Arc::new(Ear { who, heard: tell, requests: Mutex::default() });
        ears.known.entry(account).or_default().push(Arc::clone(&ear));
        ears.all += 1;
        drop(watched);
        let clone = self.clone();
        Ok(Listening { account, watches: clone, ear, heard: told, _telling: store.tell_changes() })
    }
}

impl Watches {
    /// Tells who listens in these accounts that requests were recorded, and who was told too lately when others were.
    pub fn hear_requests(&self, accounts: impl Iterator<Item = AccountSeq>, now: Duration) {
        if lock(&self.0).ears.all == 0 {
            return;
        }
        let accounts: BTreeSet<_> = accounts.collect();
        let watched = lock(&self.0);
        for ear in watched.ears.known.values().flatten() {
            ear.hear_requests(accounts.contains(&ear.who.scope.seq()), now);
        }
    }

    /// Tells operators that the server has more or less to do.
    pub fn hear_load(&self) {
        lock(&self.0).tell_all(Topics::NONE.with(Topic::Load));
    }

    /// Whether an operator listens.
    pub fn has_operator(&self) -> bool {
        lock(&self.0).ears.count(|ear| ear.who.is_operator()) > 0
    }
}

impl Watched {
    pub(super) fn hear_change(&self, change: &Change) {
        match change.account {
            Some((account, environment)) => {
                for ear in self.ears.known.get(&account).into_iter().flatten() {
                    let is_same = ear.who.scope.environment() == environment;
                    let topics = change.topics;
                    ear.hear(if is_same { topics } else { topics.common(Topics::SHARED) });
                }
            }
            None => self.tell_all(Topics::NONE.with(Topic::Server)),
        }
    }

    /// What lets some listen changed: they are to see at once whether they still may.
    pub(super) fn doubt(&self, signal: &Signal) {
        for ear in self.ears.known.values().flatten() {
            let is_doubtful = match signal {
                Signal::KeyChanged(key) => ear.who.key == *key,
                Signal::UserChanged(user) => ear.who.user == Some(*user),
                Signal::AccountChanged | Signal::Elsewhere => true,
                _ => false,
            };
            if is_doubtful {
                ear.doubt();
            }
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

    /// Takes it that the one who listens is about to see whether they still may. What changes meanwhile is heard.
    pub fn settle(&self) {
        self.ear.heard.send_if_modified(|heard| {
            heard.doubtful = false;
            false
        });
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
