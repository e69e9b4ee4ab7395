//! What an operator sees of the server and no commit tells of: what its queues hold, and which providers it calls.

use std::{iter, sync::Mutex, time::Duration};

use crate::{
    ambient::lock,
    app::{App, Load},
    providers::BreakerState,
};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(2);

/// Looks now and then, while an operator listens.
#[derive(Default)]
pub struct Pulse(Mutex<Last>);

/// The last look.
#[derive(Default)]
struct Last {
    at: Option<Duration>,
    seen: Option<Seen>,
}

#[derive(PartialEq)]
struct Seen {
    loads: Vec<Load>,
    breakers: Vec<BreakerState>,
}

impl Pulse {
    /// Looks where that is due, and tells operators where it is not as it was. The first that begins to listen is told
    /// at once: nobody knows what they saw before. Also tells of requests whom it is time to tell again.
    pub fn tick(&self, app: &App) {
        let now = app.ambient.monotonic();
        app.watches.hear_requests(iter::empty(), now);
        let mut last = lock(&self.0);
        if !app.watches.has_operator() {
            *last = Last::default();
            return;
        }
        if last.at.is_some_and(|at| now.saturating_sub(at) < PERIOD) {
            return;
        }
        let breakers = app.providers.breakers().map(|(_, state)| state).collect();
        let seen = Some(Seen { loads: app.backlog.loads(), breakers });
        if last.seen != seen {
            app.watches.hear_load();
        }
        *last = Last { at: Some(now), seen };
    }
}
