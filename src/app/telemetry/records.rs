//! Looking at what was recorded.

use super::page;
use crate::{
    app::App,
    domain::{Error, InvocationId, Page, Result},
    store::{
        AccountScope,
        telemetry::{
            Window,
            invocations::{self, Invocation, InvocationFilter},
            usage_events::{self, UsageEvent, UsageEventFilter},
        },
    },
};

/// The account's executions, newest first. Blocks.
pub fn usage_events(
    app: &App,
    scope: AccountScope,
    window: &Window,
    filter: &UsageEventFilter,
) -> Result<Page<UsageEvent>> {
    let telemetry = &app.recording.telemetry;
    telemetry.read(scope, |snapshot| usage_events::list(snapshot, window, filter)).map(page)
}

/// What the account's executions were asked and answered, newest first. Blocks.
pub fn invocations(
    app: &App,
    scope: AccountScope,
    window: &Window,
    filter: &InvocationFilter,
) -> Result<Page<Invocation>> {
    let telemetry = &app.recording.telemetry;
    telemetry.read(scope, |snapshot| invocations::list(snapshot, window, filter)).map(page)
}

/// The account's invocation of that id. Blocks.
pub fn invocation(app: &App, scope: AccountScope, id: InvocationId) -> Result<Invocation> {
    let found = app.recording.telemetry.read(scope, |snapshot| invocations::find(snapshot, id))?;
    found.ok_or_else(|| Error::not_found("invocation"))
}
