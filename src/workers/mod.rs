//! What is done behind the door: one file per kind of work. A worker asks the outside world and
//! hands the outcome to a deed.

pub mod builtins;
pub mod deliver_webhook;
mod duties;
mod grant_credits;
mod judging;
mod maintenance;
mod run_generation;
mod run_task;
mod scheduling;

use std::time::Duration;

pub use duties::Duties;
pub use grant_credits::GrantCredits;
pub use judging::Judging;
pub use maintenance::Maintenance;
pub use run_generation::RunGeneration;
pub use run_task::RunTask;
pub use scheduling::Scheduling;

use crate::{
    domain::{ErrorKind, Result},
    queue::Stop,
    store::Commit,
    wire::Line,
};

/// How long to wait before an outcome is recorded again that the database refused.
const PAUSE: Duration = Duration::from_secs(1);

/// Talks to the outside world; the connection is cut as soon as the attempt is stopped.
fn until_stopped<T>(stop: &Stop, call: impl FnOnce() -> T) -> T {
    let line = Line::default();
    let cut = line.clone();
    stop.on_set(move || cut.cut());
    line.during(call)
}

/// Records an outcome, again and again while the database cannot: what a provider was paid for, or a
/// customer was told, is not done twice because a disk was full. Nothing is recorded once it is stopped.
fn record<T>(stop: &Stop, deed: impl Fn() -> Commit<T>) -> Result<Option<T>> {
    loop {
        match deed().wait() {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "outcome not recorded yet"
                );
                if stop.pause(PAUSE) {
                    return Ok(None);
                }
            }
            other => return other.map(Some),
        }
    }
}
