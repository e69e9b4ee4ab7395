//! What has to be done from time to time, whatever else happens: listing, forgetting and expiring.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    ambient::lock,
    app::{self, App, agents::health, batches, credits, sign_in, usage},
    domain::Result,
};

/// How often there is a round.
const PERIOD: Duration = Duration::from_mins(1);
/// How often all agents are looked at for drift.
const DRIFT_PERIOD: Duration = Duration::from_mins(5);
/// Agents that are looked at for drift at a time.
const AGENTS: u32 = 100;
/// Saved answers that one write removes, so that it stays short.
const ANSWERS_PER_WRITE: u32 = 1_000;
/// Writes of that kind in one round. A million answers a day are some 700 in a round.
const WRITES_PER_ROUND: u32 = 60;
/// Sessions and links of the dashboard that one round removes at most, of each. More wait for the next.
const SIGN_INS_PER_ROUND: u32 = 1_000;

/// Once a second, when the ticker calls it: fills lists, records late outcomes, goes on with cancellations, takes back
/// expired grants, looks at some agents for drift and counts what was used. Once a minute it forgets old answers,
/// hours, sessions and links.
pub struct Maintenance {
    app: Arc<App>,
    last: Mutex<Option<Duration>>,
    drift: Mutex<Round>,
}

/// A round over all agents, a part of it at a time.
struct Round {
    began: Option<Duration>,
    /// The last agent that was looked at; `None` where the round is over.
    after: Option<i64>,
}

impl Maintenance {
    /// The first round is due at once.
    pub fn new(app: Arc<App>) -> Self {
        let drift = Mutex::new(Round { began: None, after: None });
        Self { app, last: Mutex::new(None), drift }
    }

    /// Does what is due. What fails is logged and waits for the next time.
    pub fn tick(&self) {
        // While the database takes no writes, there is nothing to list.
        if self.app.store.trouble().is_none() {
            report("fill lists", app::fill_lists(&self.app));
            report("record outcomes of calls", Ok(self.app.calls.record_late()));
        }
        report("cancel the rest of batches", batches::cancel_rest(&self.app));
        report("expire grants", credits::expire_due_grants(&self.app));
        if self.is_due() {
            report("forget saved answers", self.forget_answers());
            report("forget hours of agents", health::forget_hours(&self.app));
            let forgotten = sign_in::forget_expired(&self.app, SIGN_INS_PER_ROUND);
            report("forget sessions and links", forgotten.wait());
        }
        report("watch for drift", self.watch_drift());
        // The last, as it may have the most to do.
        if self.app.store.trouble().is_none() {
            report("count what was used", usage::fold(&self.app));
        }
    }

    /// Looks at the next agents, from the first again some minutes after the last round began.
    fn watch_drift(&self) -> Result<usize> {
        let now = self.app.ambient.monotonic();
        let mut round = lock(&self.drift);
        let is_due = round.began.is_none_or(|began| now.saturating_sub(began) >= DRIFT_PERIOD);
        if round.after.is_none() {
            if !is_due {
                return Ok(0);
            }
            round.began = Some(now);
        }
        health::watch_drift(&self.app, &mut round.after, AGENTS)
    }

    fn is_due(&self) -> bool {
        let now = self.app.ambient.monotonic();
        let mut last = lock(&self.last);
        let due = last.is_none_or(|last| now.saturating_sub(last) >= PERIOD);
        if due {
            *last = Some(now);
        }
        due
    }

    fn forget_answers(&self) -> Result<usize> {
        let mut forgotten = 0;
        for _ in 0..WRITES_PER_ROUND {
            let removed = app::forget_answers(&self.app, ANSWERS_PER_WRITE).wait()?;
            forgotten += removed;
            if removed < ANSWERS_PER_WRITE as usize {
                break;
            }
        }
        Ok(forgotten)
    }
}

fn report(duty: &str, result: Result<usize>) {
    match result {
        Ok(0) => {}
        Ok(done) => tracing::debug!(duty, done, "maintenance"),
        Err(error) => {
            tracing::error!(duty, error = &error as &dyn std::error::Error, "maintenance failed");
        }
    }
}
