//! What the server does for itself from time to time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Recurrence, TimeZone, Timestamp};

/// A duty of the server's.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
)]
pub enum DutyName {
    /// Copies database and key to a folder of its own.
    #[serde(rename = "backup")]
    Backup,
    /// Proves that the books are right.
    #[serde(rename = "ledger.verify")]
    LedgerVerify,
    /// Takes away what was kept long enough.
    #[serde(rename = "prune")]
    Prune,
    /// Gives the disk back what the database does not need any more.
    #[serde(rename = "vacuum")]
    Vacuum,
}

impl DutyName {
    /// Every duty, in the order in which those are done that are due at once: what is copied is what was there before
    /// anything was taken away.
    pub const ALL: [Self; 4] = [Self::Backup, Self::LedgerVerify, Self::Prune, Self::Vacuum];

    /// The name in the API, the metrics and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::LedgerVerify => "ledger.verify",
            Self::Prune => "prune",
            Self::Vacuum => "vacuum",
        }
    }

    /// The duty of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|duty| duty.as_str() == name)
    }
}

/// When a duty is due by itself.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm<'a> {
    /// At these times; `None`: never.
    pub cron: Option<&'a Recurrence>,
    /// Where its days begin.
    pub timezone: &'a TimeZone,
}

impl Rhythm<'_> {
    /// The times in words; empty where there are none.
    pub fn cron(&self) -> String {
        self.cron.map(ToString::to_string).unwrap_or_default()
    }

    /// The first time after that one. Those of every so many minutes are counted from 1970.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.cron?.next(self.timezone, Timestamp::default(), after)
    }

    /// Whether the clock was set back so far that the duty would be left out, which is due at `due_at`: there are two
    /// times before. With one, the clock may be about to come to that for the second time.
    pub fn was_set_back(&self, due_at: Timestamp, now: Timestamp) -> bool {
        let second = self.next(now).and_then(|next| self.next(next));
        second.is_some_and(|second| second < due_at)
    }
}
