//! The server's own duties, one after the other.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

use crate::{
    ambient::lock,
    app::{
        App,
        duties::{self, Ended},
    },
    domain::{DutyName, Result},
};

/// Runs what is due, when the ticker calls it.
pub struct Duties {
    app: Arc<App>,
    /// A run that ended while the database took no writes.
    unrecorded: Mutex<Option<(DutyName, Ended)>>,
}

impl Duties {
    /// Plans all duties by the configuration; the first tick may find some due that were missed.
    pub fn new(app: Arc<App>) -> Result<Self> {
        duties::plan(&app)?;
        Ok(Self { app, unrecorded: Mutex::default() })
    }

    /// Runs all that is due. Where the database refuses, that waits for the next time.
    pub fn tick(&self) {
        while !self.is_stopped() {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    return tracing::error!(error, "duties wait for the database");
                }
            }
        }
    }

    /// Runs the next that is due; false where there is none.
    fn step(&self) -> Result<bool> {
        let mut unrecorded = lock(&self.unrecorded);
        if let Some((name, ended)) = &*unrecorded {
            duties::end(&self.app, *name, ended.clone())?;
            *unrecorded = None;
        }
        let Some(name) = duties::next(&self.app)? else { return Ok(false) };
        if !duties::begin(&self.app, name)? {
            return Ok(true);
        }
        let ended = self.run(name);
        if ended.outcome.is_err() && self.is_stopped() {
            duties::put_back(&self.app, name)?;
            return Ok(false);
        }
        // Kept until it is recorded: what was done is not done again because of a full disk.
        let ended = unrecorded.insert((name, ended));
        duties::end(&self.app, name, ended.1.clone())?;
        *unrecorded = None;
        Ok(true)
    }

    fn run(&self, name: DutyName) -> Ended {
        let began = self.app.ambient.monotonic();
        let run = catch_unwind(AssertUnwindSafe(|| duties::run(&self.app, name)));
        let duration = self.app.ambient.monotonic().saturating_sub(began);
        let duty = name.as_str();
        let outcome = match run {
            Ok(Ok(did)) => {
                tracing::info!(duty, %did, "duty done");
                Ok(did.to_string())
            }
            Ok(Err(error)) => {
                if !self.is_stopped() {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(duty, error, "duty failed");
                }
                Err(duties::explain(&error))
            }
            Err(_) => Err("it panicked; the log says where".to_owned()),
        };
        Ended { outcome, duration }
    }

    fn is_stopped(&self) -> bool {
        self.app.watches.is_closed()
    }
}
