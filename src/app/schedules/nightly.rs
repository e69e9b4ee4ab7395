//! What is run each night, by the account's own clocks.

use super::change::{SchedulePatch, change, next};
use crate::{
    app::App,
    domain::{Builtin, CatchUp, Error, Overlap, Recurrence, Result, ScheduleId, TimeZone},
    store::{
        AccountScope, Tx,
        schedules::{self, ScheduleRules},
    },
};

/// Schedules of a nightly function that follow the account's time zone.
const NIGHTLY_MAX: u32 = 100;
/// The schedules of a new account: the change of day and the cleaning up, each night in the account's time zone.
pub(in crate::app) fn register(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    timezone: &TimeZone,
) -> Result<()> {
    for (builtin, cron) in
        [(Builtin::DailyTokenReset, "0 0 * * *"), (Builtin::CleanupExpiredTokens, "0 3 * * *")]
    {
        let rules = ScheduleRules {
            name: format!("nightly {}", builtin.as_str()),
            function: builtin.as_str().to_owned(),
            payload: None,
            cron: Recurrence::parse(cron).map_err(Error::internal)?,
            timezone: timezone.clone(),
            catch_up: CatchUp::One,
            overlap: Overlap::Skip,
            // All accounts of a zone have the same midnight.
            jitter_ms: 60_000,
        };
        let id = ScheduleId::from_uuid(app.ambient.uuid());
        let next_at = next(&rules, tx.now(), tx.now())?;
        schedules::insert(tx, id, &rules, None, Some(next_at))?;
    }
    Ok(())
}

/// The account's days begin elsewhere from now on: what is run each night follows, where it went by the old zone.
pub(in crate::app) fn move_to(
    tx: &Tx<'_, AccountScope>,
    from: &TimeZone,
    to: &TimeZone,
) -> Result<()> {
    if from == to {
        return Ok(());
    }
    for builtin in [Builtin::DailyTokenReset, Builtin::CleanupExpiredTokens] {
        let nightly = schedules::of_function(tx, builtin.as_str(), NIGHTLY_MAX)?;
        for mut schedule in nightly.into_iter().filter(|it| it.rules.timezone == *from) {
            let patch = SchedulePatch { timezone: Some(to.clone()), ..SchedulePatch::default() };
            change(&mut schedule, &patch, tx.now())?;
            schedules::update(tx, &schedule)?;
        }
    }
    Ok(())
}
