//! `[maintenance]` and `[backup]`: what the server does for itself, and when.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    sources::Problem,
    values::{self, DAY, HOUR},
    write,
};
use crate::domain::{Recurrence, TimeZone};

/// The longest that anything is kept which is not kept for ever: ten years.
const KEPT_MAX: u64 = 3_650 * DAY;

/// When duties are due, and how long things are kept.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Maintenance {
    /// Where the days of the schedules begin, also that of backups.
    #[serde(deserialize_with = "values::timezone")]
    pub timezone: TimeZone,
    /// When the books are verified; `None`: never.
    #[serde(deserialize_with = "schedule", serialize_with = "write::optional_schedule")]
    pub verify: Option<Recurrence>,
    /// When what was kept long enough is taken away; `None`: never.
    #[serde(deserialize_with = "schedule", serialize_with = "write::optional_schedule")]
    pub prune: Option<Recurrence>,
    /// When the disk is given back what the database does not need; `None`: never.
    #[serde(deserialize_with = "schedule", serialize_with = "write::optional_schedule")]
    pub vacuum: Option<Recurrence>,
    /// How long deliveries that ended are kept; `None`: for ever.
    #[serde(deserialize_with = "kept", serialize_with = "write::optional_duration")]
    pub deliveries: Option<Duration>,
    /// The same of scheduled tasks.
    #[serde(deserialize_with = "kept", serialize_with = "write::optional_duration")]
    pub tasks: Option<Duration>,
    /// The same of dead letters that were redriven.
    #[serde(deserialize_with = "kept", serialize_with = "write::optional_duration")]
    pub dead_letters: Option<Duration>,
    /// The same of dead letters of deliveries and tasks that nobody redrove, since they were made.
    #[serde(deserialize_with = "kept", serialize_with = "write::optional_duration")]
    pub open_dead_letters: Option<Duration>,
    /// The same of the payloads of Stripe's events.
    #[serde(deserialize_with = "kept", serialize_with = "write::optional_duration")]
    pub stripe_events: Option<Duration>,
    /// The same of entries of the audit log.
    #[serde(deserialize_with = "kept", serialize_with = "write::optional_duration")]
    pub audit_log: Option<Duration>,
    /// The same of days that are counted by end user.
    #[serde(deserialize_with = "kept", serialize_with = "write::optional_duration")]
    pub usage_by_user: Option<Duration>,
    /// The same of copies that migrations made.
    #[serde(deserialize_with = "kept", serialize_with = "write::optional_duration")]
    pub snapshots: Option<Duration>,
}

/// Copies of database and key.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Backup {
    /// When they are made; `None`: never by themselves.
    #[serde(deserialize_with = "schedule", serialize_with = "write::optional_schedule")]
    pub schedule: Option<Recurrence>,
    /// The folder that they are in; empty: there are none.
    pub folder: PathBuf,
    /// How many are kept.
    #[serde(deserialize_with = "values::whole::<1, 10_000, _, _>")]
    pub keep: usize,
}

impl Backup {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.schedule.is_some() && self.folder.as_os_str().is_empty() {
            let what = "backup.folder is missing; allowed: the path of a folder that is for backups alone, or no schedule";
            return Err(Problem::between(
                &["backup", "folder"],
                &["backup", "schedule"],
                what.to_owned(),
            ));
        }
        Ok(())
    }
}

fn schedule<'de, D: Deserializer<'de>>(given: D) -> Result<Option<Recurrence>, D::Error> {
    let allowed = "five fields of cron such as \"0 3 * * *\", a name such as \"@daily\", \"every 15m\", or \"\"";
    values::text(given, allowed, |given| match given.text()? {
        "" => Some(None),
        text => text.parse().map(Some).ok(),
    })
}

fn kept<'de, D: Deserializer<'de>>(given: D) -> Result<Option<Duration>, D::Error> {
    values::optional_duration::<HOUR, KEPT_MAX, D>(given)
}
