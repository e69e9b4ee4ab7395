//! What it may take to prepare the jobs of a batch. Agents make long prompts of short inputs, and schemas and
//! templates cost time, so that neither follows from the size of the request.

use std::time::Duration;

use crate::{
    app::{App, jobs::Prepared},
    domain::{Error, ErrorKind, Result},
};

/// The longest time that jobs are prepared. Those of the largest batches take a small part of it, unless
/// somebody makes them dear.
const TIME: Duration = Duration::from_secs(20);

/// What may still be spent on the jobs of one batch.
pub(in crate::app) struct Allowance {
    bytes: usize,
    until: Duration,
}

impl Allowance {
    /// That of a batch whose jobs are prepared from now on.
    pub(in crate::app) fn new(app: &App) -> Self {
        let until = app.ambient.monotonic().saturating_add(TIME);
        Self { bytes: app.settings.max_batch_bytes, until }
    }

    /// Takes off what this job took; [`ErrorKind::InvalidRequest`] where that is more than is left.
    pub(in crate::app) fn spend(&mut self, app: &App, job: &Prepared) -> Result<()> {
        let left = self.bytes.checked_sub(job.bytes());
        self.bytes = left.ok_or_else(|| {
            let most = app.settings.max_batch_bytes;
            refused(format!(
                "the prompts and schemas of the jobs take more than {most} bytes together; send \
                 fewer at once, or shorten the agent's messages"
            ))
        })?;
        if app.ambient.monotonic() > self.until {
            let most = TIME.as_secs();
            return Err(refused(format!(
                "the jobs take more than {most} s to prepare; send fewer at once, or make the \
                 templates and schemas simpler"
            )));
        }
        Ok(())
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
