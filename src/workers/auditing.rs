//! Verifying the ledger once a day.

use std::{sync::Arc, sync::Mutex, time::Duration};

use crate::{
    ambient::lock,
    app::{App, ledger_audit},
    domain::Timestamp,
};

const DAY: Duration = Duration::from_hours(24);

/// Verifies the ledger every day at the same time, when the ticker calls it.
pub struct Auditing {
    app: Arc<App>,
    /// The time of the day in UTC; `None`: never.
    at: Option<Duration>,
    next: Mutex<Option<Timestamp>>,
}

impl Auditing {
    /// The first time comes within a day.
    pub fn new(app: Arc<App>, at: Option<Duration>) -> Self {
        Self { app, at, next: Mutex::default() }
    }

    /// Verifies if it is time.
    pub fn tick(&self) {
        if self.is_due()
            && let Err(error) = ledger_audit::watch(&self.app)
        {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the ledger was not verified; tomorrow it is tried again");
        }
    }

    /// A clock that was set back waits for the same time of its day.
    fn is_due(&self) -> bool {
        let Some(at) = self.at else { return false };
        let now = self.app.ambient.now();
        let mut next = lock(&self.next);
        let due = next.is_some_and(|next| next <= now);
        if due || next.is_none_or(|next| next.since(now) > DAY) {
            *next = Some(now.next_time_of_day(at));
        }
        due
    }
}
