//! What can be changed of a schedule, and what follows for its next occurrence.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    app::{present, text},
    domain::{CatchUp, Error, Overlap, Recurrence, Result, TimeZone, Timestamp, check_payload},
    store::schedules::{Schedule, ScheduleRules},
};

/// An occurrence that is further ahead was dealt with by a clock that was wrong.
const FAR_AHEAD: Duration = Duration::from_hours(24);
/// Characters of a name.
const NAME_MAX: usize = 200;
/// The most that a task is delayed by chance.
const JITTER_MAX: u32 = 60;
/// `PATCH /v1/schedules/{id}`: what to change; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedulePatch {
    /// What you call it.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// When it is due: five fields of cron, a name such as `@daily`, or `every 15m`.
    pub cron: Option<Recurrence>,
    /// In the time of this zone.
    pub timezone: Option<TimeZone>,
    /// The function that is run.
    pub function_name: Option<String>,
    /// What it is given: any JSON value up to 64 KiB; null for nothing.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub payload: Option<Option<Box<RawValue>>>,
    /// What becomes of occurrences that are more than a minute late, as after a stop of the server.
    pub catch_up: Option<CatchUp>,
    /// What becomes of an occurrence while an earlier task of the schedule is not over.
    pub overlap: Option<Overlap>,
    /// Each task starts up to so many seconds late, by chance.
    #[schemars(range(max = 60))]
    pub jitter_seconds: Option<u32>,
    /// Whether it stands still. What passes meanwhile is not made up for.
    pub paused: Option<bool>,
}

/// Refuses rules that cannot be kept.
pub(super) fn check(rules: &ScheduleRules) -> Result<()> {
    text("name", &rules.name, NAME_MAX)?;
    check_payload(rules.payload.as_deref())?;
    if rules.jitter_ms > JITTER_MAX * 1_000 {
        let message = format!("jitter_seconds must be from 0 to {JITTER_MAX}");
        return Err(Error::invalid("jitter_seconds", message));
    }
    Ok(())
}

/// The first occurrence after a time.
pub(super) fn next(
    rules: &ScheduleRules,
    anchor: Timestamp,
    after: Timestamp,
) -> Result<Timestamp> {
    rules.cron.next(&rules.timezone, anchor, after).ok_or_else(|| {
        Error::invalid("cron", "cron: this is never due again; choose times that are to come")
    })
}

/// Changes the rules; the next occurrence follows where they say when.
pub(super) fn change(schedule: &mut Schedule, patch: &SchedulePatch, now: Timestamp) -> Result<()> {
    let SchedulePatch { name, cron, timezone, function_name, payload, .. } = patch.clone();
    let Schedule { rules, anchor, last_at, .. } = schedule;
    let moves = cron.as_ref().is_some_and(|cron| *cron != rules.cron)
        || timezone.as_ref().is_some_and(|zone| *zone != rules.timezone);
    if cron.as_ref().is_some_and(|cron| *cron != rules.cron) {
        *anchor = now;
    }
    rules.cron = cron.unwrap_or_else(|| rules.cron.clone());
    rules.timezone = timezone.unwrap_or_else(|| rules.timezone.clone());
    rules.name = name.unwrap_or_else(|| rules.name.clone());
    rules.function = function_name.unwrap_or_else(|| rules.function.clone());
    rules.payload = payload.unwrap_or_else(|| rules.payload.clone());
    rules.catch_up = patch.catch_up.unwrap_or(rules.catch_up);
    rules.overlap = patch.overlap.unwrap_or(rules.overlap);
    rules.jitter_ms =
        patch.jitter_seconds.map_or(rules.jitter_ms, |seconds| seconds.saturating_mul(1_000));
    let pauses = patch.paused.unwrap_or(schedule.paused_at.is_some());
    if pauses {
        schedule.next_at = None;
        schedule.paused_at = schedule.paused_at.or(Some(now));
    } else if moves || schedule.next_at.is_none() {
        // Where the clock was set back a little, no occurrence comes twice. One that was far ahead for a while must not
        // stop a schedule until then; the index of occurrences lets none be two tasks all the same.
        let last = last_at.filter(|last| last.since(now) < FAR_AHEAD);
        let after = last.map_or(now, |last| last.max(now));
        schedule.next_at = Some(next(rules, *anchor, after)?);
        schedule.paused_at = None;
    }
    Ok(())
}
