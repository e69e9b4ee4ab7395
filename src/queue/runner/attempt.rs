//! From a lease to its end: the claim's transaction, the attempt on a thread of the crew, and what is
//! left where an attempt breaks off.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::Arc,
    time::Duration,
};

use super::{Broken, Inner, Wanted};
use crate::{
    ambient::lock,
    domain::{Error, ErrorKind, Result, Timestamp},
    queue::{GiveUp, Kind},
    store::{
        SystemScope,
        queue::{self, Claimed, Lease, Waiting},
    },
};

/// How long work waits that could not be given up.
const PAUSE: Duration = Duration::from_secs(5);

/// What became of a row that the dispatcher wanted.
enum Start<T> {
    /// It was leased.
    Attempt(Begun<T>),
    /// It is gone, or leased to another.
    Gone,
    /// It waits, but is not due: its time was changed, or the clock went back.
    Later(Waiting),
}

/// A leased row with what its attempt needs, or why there will be none.
struct Begun<T> {
    claimed: Claimed,
    task: std::result::Result<T, GiveUp>,
}

impl<K: Kind> Inner<K> {
    /// One row may have spoiled the claim of all: each is claimed by itself, and the one that fails
    /// again waits as after a crash. Where the database refuses, all of them wait again.
    pub(super) fn claim_apart(self: &Arc<Self>, wanted: &[Wanted], error: &Error) {
        if error.kind() == ErrorKind::Unavailable {
            self.forget(wanted);
            self.rest();
            return;
        }
        for one in wanted {
            if let Err(error) = self.claim(slice::from_ref(one)) {
                if error.kind() == ErrorKind::Unavailable {
                    self.forget(slice::from_ref(one));
                    self.rest();
                    continue;
                }
                let id = one.lease.id;
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    queue = K::QUEUE.as_str(),
                    subject = id.subject,
                    "an attempt could not begin"
                );
                self.set_back(one);
            }
        }
    }

    /// Counts a crash against a row that waits.
    fn set_back(&self, wanted: &Wanted) {
        let lease = wanted.lease;
        let set_back = self.store.write(SystemScope::new(), move |tx| {
            if queue::claim(tx, lease)?.is_some() {
                queue::crash(tx, lease)?;
            }
            Ok(())
        });
        if let Err(error) = set_back.wait() {
            tracing::error!(error = &error as &dyn std::error::Error, "the row waits as it is");
            self.forget(slice::from_ref(wanted));
            self.rest();
        } else {
            self.ended(lease.token);
        }
    }

    /// Leases what is wanted in one transaction and hands it to the crew.
    pub(super) fn claim(self: &Arc<Self>, wanted: &[Wanted]) -> Result<()> {
        let leases: Vec<Lease> = wanted.iter().map(|wanted| wanted.lease).collect();
        let this = Arc::clone(self);
        let claimed = self
            .store
            .write(SystemScope::new(), move |tx| {
                leases.iter().map(|lease| this.begin(tx, *lease)).collect::<Result<Vec<_>>>()
            })
            .wait()?;
        for (wanted, begun) in wanted.iter().zip(claimed) {
            match begun {
                Start::Attempt(begun) => self.hand_over(begun),
                Start::Gone => self.ended(wanted.lease.token),
                Start::Later(row) => {
                    lock(&self.state).order.add(&row, self.ambient.now());
                    self.ended(wanted.lease.token);
                }
            }
        }
        Ok(())
    }

    fn begin(
        &self,
        tx: &crate::store::Tx<'_, SystemScope>,
        lease: Lease,
    ) -> Result<Start<K::Task>> {
        let Some(claimed) = queue::claim(tx, lease)? else {
            let row = queue::find_waiting(tx, lease.id)?;
            return Ok(row.map_or(Start::Gone, Start::Later));
        };
        if let Some(why) = self.hopeless(&claimed, tx.now()) {
            let attempts = claimed.attempts.saturating_sub(1);
            let claimed = Claimed { attempts, ..claimed };
            return Ok(Start::Attempt(Begun { claimed, task: Err(why) }));
        }
        if let Some(task) = self.kind.begin(tx, &claimed)? {
            return Ok(Start::Attempt(Begun { claimed, task: Ok(task) }));
        }
        queue::withdraw(tx, lease.id)?;
        Ok(Start::Gone)
    }

    fn hopeless(&self, claimed: &Claimed, now: Timestamp) -> Option<GiveUp> {
        if claimed.crashes >= self.settings.max_crashes {
            Some(GiveUp::CrashLoop)
        } else if claimed.expires_at <= now {
            Some(GiveUp::Expired)
        } else {
            None
        }
    }

    fn hand_over(self: &Arc<Self>, begun: Begun<K::Task>) {
        let this = Arc::clone(self);
        self.crew.run(move || this.attempt(begun));
    }

    fn attempt(&self, begun: Begun<K::Task>) {
        let Begun { claimed, task } = begun;
        let lease = claimed.lease;
        let running = lock(&self.state).running.get(&lease.token).map(|it| Arc::clone(&it.stop));
        let Some(stop) = running else {
            // Withdrawn before it began. The row may have been queued anew before it was leased.
            self.put_back(lease, Duration::ZERO);
            return self.ended(lease.token);
        };
        let is_attempt = task.is_ok();
        let outcome = catch_unwind(AssertUnwindSafe(|| match task {
            Ok(task) => self.kind.run(&claimed, task, &stop),
            Err(why) => self.kind.give_up(&claimed, why),
        }));
        if let Ok(Err(error)) = &outcome {
            tracing::error!(
                error = error as &dyn std::error::Error,
                queue = K::QUEUE.as_str(),
                "attempt not recorded"
            );
        }
        match outcome {
            Ok(Ok(())) => {}
            _ if is_attempt => self.crashed(lease),
            _ => self.put_back(lease, PAUSE),
        }
        self.ended(lease.token);
    }

    /// Ends a lease whose attempt broke off, or never began.
    pub(super) fn mend(&self, broken: Broken) {
        if broken.counts {
            self.crashed(broken.lease);
        } else {
            self.put_back(broken.lease, Duration::ZERO);
        }
    }

    /// Lets work wait again, uncounted, of which no attempt was made. No effect where its row is gone.
    fn put_back(&self, lease: Lease, pause: Duration) {
        let back = self.store.write(SystemScope::new(), move |tx| {
            queue::release(tx, lease, tx.now().plus(pause), false)
        });
        if let Err(error) = back.wait() {
            tracing::error!(error = &error as &dyn std::error::Error, "lease not given back yet");
            lock(&self.state).broken.push(Broken { lease, counts: false });
        }
    }

    /// Lets work whose attempt broke off wait again; it counts as a crash.
    fn crashed(&self, lease: Lease) {
        let retry = self.store.write(SystemScope::new(), move |tx| queue::crash(tx, lease)).wait();
        if let Err(error) = retry {
            tracing::error!(error = &error as &dyn std::error::Error, "crash not recorded yet");
            lock(&self.state).broken.push(Broken { lease, counts: true });
        }
    }

    /// The thread is free again, and so is the slot, where the attempt still held one.
    fn ended(&self, token: i64) {
        {
            let mut state = lock(&self.state);
            if let Some(attempt) = state.leave(token)
                && let Some(lane) = attempt.lane
            {
                state.order.pace(lane, self.is_slow(&attempt));
            }
        }
        self.wake.notify_all();
    }
}
