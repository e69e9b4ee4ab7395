//! `[streaks]`: what the days in a row earn on which end users were active.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ExactCredits, sources::Problem, values, write};
use crate::domain::Credits;

/// The most bonuses.
const BONUSES_MAX: usize = 100;
/// The longest streak that has one: a hundred years.
const DAYS_MAX: u64 = 36_500;

/// What streaks earn their accounts.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Streaks {
    /// What one account may be given in a day.
    #[serde(deserialize_with = "values::credits", serialize_with = "write::credits")]
    pub max_bonus_per_day: Credits,
    /// Credits for a streak, by its days.
    #[serde(default)]
    pub bonus: BTreeMap<String, ExactCredits>,
}

impl Streaks {
    /// The bonuses, by days.
    pub fn bonuses(&self) -> BTreeMap<u64, Credits> {
        self.bonus.iter().filter_map(|(days, bonus)| Some((days_of(days)?, bonus.0))).collect()
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if let Some(name) = self.bonus.keys().find(|name| days_of(name).is_none()) {
            let what = format!("no number of days; allowed: a whole number from 1 to {DAYS_MAX}");
            return Err(Problem::new(&["streaks", "bonus", name], what));
        }
        if self.bonus.len() > BONUSES_MAX {
            let what = format!("too many entries; allowed: at most {BONUSES_MAX}");
            return Err(Problem::new(&["streaks", "bonus"], what));
        }
        Ok(())
    }
}

/// Written in one way alone, so that no two entries are for the same days.
fn days_of(name: &str) -> Option<u64> {
    let days: u64 = name.parse().ok()?;
    ((1..=DAYS_MAX).contains(&days) && days.to_string() == name).then_some(days)
}
