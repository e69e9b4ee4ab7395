//! Runs the functions of the server itself for one account, step by step, until they are done or may not go on.

mod batch;

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;

use crate::{
    app::{
        App,
        builtins::{
            self, check_payload,
            cleanup::{self, Cleaned, Place},
            streaks::{self, Counted},
        },
    },
    domain::{Builtin, Credits, Day, Deadline, Error, Result},
    queue::Stop,
    store::AccountScope,
};

/// Runs a function for an account; gives its counts. It ends early, with what it did so far, once four fifths of the
/// queue's `max_runtime` are over: the next run goes on. [`Unavailable`](crate::domain::ErrorKind::Unavailable) once it is
/// stopped, or the server is about to stop: then another attempt goes on, after the next start;
/// [`InvalidRequest`](crate::domain::ErrorKind::InvalidRequest) for a payload that it does not understand.
pub fn run(
    app: &Arc<App>,
    scope: AccountScope,
    builtin: Builtin,
    payload: Option<&Value>,
    stop: &Stop,
) -> Result<Value> {
    check_payload(builtin, payload)?;
    let turn = Turn::begin(app, stop);
    match builtin {
        Builtin::DailyTokenReset => told(&builtins::token_reset(app, scope)?),
        Builtin::BatchAiProcessor => batch::run(app, scope, payload, &turn),
        Builtin::StreakUpdater => count_streaks(app, scope, &turn),
        Builtin::CleanupExpiredTokens => clean_up(app, scope, &turn),
    }
}

fn told(result: &impl Serialize) -> Result<Value> {
    serde_json::to_value(result).map_err(Error::internal)
}

/// How long an attempt may go on.
struct Turn<'a> {
    app: &'a App,
    stop: &'a Stop,
    /// By the monotonic clock.
    end: Duration,
}

impl<'a> Turn<'a> {
    fn begin(app: &'a App, stop: &'a Stop) -> Self {
        let end =
            app.ambient.monotonic().saturating_add(Deadline::time(app.settings.tasks.runtime));
        Self { app, stop, end }
    }

    /// How much of its time is left.
    fn left(&self) -> Duration {
        self.end.saturating_sub(self.app.ambient.monotonic())
    }

    /// Whether there may be another step. An error where nobody wants the result any more, or another attempt is to go
    /// on.
    fn goes_on(&self) -> Result<bool> {
        if self.stop.is_set() {
            return Err(Error::unavailable("the task was stopped", Duration::ZERO));
        }
        if self.app.watches.is_closed() {
            let message = "the server is about to stop; what is left is done after its next start";
            return Err(Error::unavailable(message, Duration::ZERO));
        }
        Ok(!self.left().is_zero())
    }
}

/// The result of `streak-updater`.
#[derive(Serialize)]
struct Streaks {
    /// Today, in the account's time zone.
    day: Day,
    incremented: u64,
    reset: u64,
    bonuses: u64,
    bonus_credits: Credits,
    bonuses_withheld: u64,
    /// False where it ended early.
    complete: bool,
}

fn count_streaks(app: &Arc<App>, scope: AccountScope, turn: &Turn<'_>) -> Result<Value> {
    let day = streaks::today(app, scope)?;
    let mut sum = Counted::default();
    let (mut after, mut may_end) = (Some(0), true);
    while turn.goes_on()? {
        if let Some(place) = after {
            let (counted, next) = streaks::count_some(app, scope, place).wait()?;
            sum.incremented += counted.incremented;
            sum.reset += counted.reset;
            sum.bonuses += counted.bonuses;
            sum.bonus_credits = [sum.bonus_credits, counted.bonus_credits].into_iter().sum();
            sum.bonuses_withheld += counted.bonuses_withheld;
            after = next;
        } else if may_end {
            let (ended, has_more) = streaks::end_some(app, scope).wait()?;
            sum.reset += ended;
            may_end = has_more;
        } else {
            break;
        }
    }
    let Counted { incremented, reset, bonuses, bonus_credits, bonuses_withheld } = sum;
    let complete = after.is_none() && !may_end;
    told(&Streaks { day, incremented, reset, bonuses, bonus_credits, bonuses_withheld, complete })
}

fn clean_up(app: &Arc<App>, scope: AccountScope, turn: &Turn<'_>) -> Result<Value> {
    let mut result = serde_json::Map::new();
    let mut complete = true;
    for kind in Cleaned::ALL {
        let mut removed = 0;
        let mut place = Some(Place::default());
        while let Some(at) = place
            && turn.goes_on()?
        {
            let (count, next) = cleanup::step(app, scope, kind, at)?;
            removed += count;
            place = next.continue_value();
        }
        complete &= place.is_none();
        result.insert(kind.as_str().to_owned(), removed.into());
    }
    result.insert("complete".to_owned(), complete.into());
    Ok(result.into())
}
