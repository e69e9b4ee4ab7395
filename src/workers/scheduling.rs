//! Making the tasks of schedules when they are due.

use std::sync::Arc;

use crate::{
    app::{App, schedules},
    domain::Timestamp,
};

/// Makes tasks, whenever the ticker calls it.
pub struct Scheduling {
    app: Arc<App>,
}

impl Scheduling {
    /// Works with these deeds.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Makes the tasks of all schedules that are due; gives when the next one is. What fails is logged and waits for
    /// the next time.
    pub fn tick(&self) -> Option<Timestamp> {
        match schedules::fire_due(&self.app) {
            Ok(next) => next,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "schedules wait");
                None
            }
        }
    }
}
