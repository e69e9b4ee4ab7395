//! Gives the disk back what the database does not need any more, little by little.
//!
//! Statistics for the planner are not gathered: each statement was written for the index that it takes, tests hold it to
//! that, and with statistics a file's own history would decide instead.

use std::{sync::Arc, thread, time::Duration};

use serde_json::{Value, json};

use super::{super::App, go_on, look, write};
use crate::{domain::Result, store::space};

/// Free pages that stay: new rows take them before the file grows again. Some 8 MB.
const SPARE: u64 = 2_000;
/// How often cutting the log is tried, where the writer or a reader is in the way, and how long it is waited in between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);
/// The longest that the writer is left alone between two steps.
const BREATH: Duration = Duration::from_millis(50);

/// Does it; gives by how much the files became smaller.
pub(super) fn run(app: &Arc<App>) -> Result<Value> {
    let free = look(app, space::free_pages)?;
    let (goal, mut pages) = (free.saturating_sub(SPARE), 0);
    while pages < goal {
        go_on(app)?;
        let began = app.ambient.monotonic();
        let given = write(app, space::shrink).wait()?;
        if given == 0 {
            break;
        }
        pages += given;
        breathe(app, began);
    }
    Ok(json!({"pages": pages, "log_bytes": shorten_log(app)?}))
}

fn shorten_log(app: &App) -> Result<u64> {
    let mut shorter_by = app.store.shorten_log()?;
    for _ in 1..TRIES {
        if shorter_by > 0 || !app.store.has_long_log() {
            break;
        }
        app.watches.wait_closed(PAUSE);
        go_on(app)?;
        shorter_by = app.store.shorten_log()?;
    }
    Ok(shorter_by)
}

/// Leaves the writer to others for as long as the step took that began then.
pub(super) fn breathe(app: &App, began: Duration) {
    thread::park_timeout(app.ambient.monotonic().saturating_sub(began).min(BREATH));
}
