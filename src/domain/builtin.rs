//! Functions of the server itself that scheduled tasks can run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A function that every account has, by its name.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Builtin {
    /// Tells what end users used on the day before, which counts against no cap any more.
    DailyTokenReset,
    /// Brings requests of batches forward from the background, some at a time.
    BatchAiProcessor,
    /// Counts the days in a row on which end users were active, and gives bonuses.
    StreakUpdater,
    /// Removes what nobody needs any more.
    CleanupExpiredTokens,
}

impl Builtin {
    /// Every one of them.
    pub const ALL: [Self; 4] = [
        Self::DailyTokenReset,
        Self::BatchAiProcessor,
        Self::StreakUpdater,
        Self::CleanupExpiredTokens,
    ];

    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DailyTokenReset => "daily-token-reset",
            Self::BatchAiProcessor => "batch-ai-processor",
            Self::StreakUpdater => "streak-updater",
            Self::CleanupExpiredTokens => "cleanup-expired-tokens",
        }
    }

    /// The function of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_json_and_in_the_store() {
        for builtin in Builtin::ALL {
            assert_eq!(Builtin::parse(builtin.as_str()), Some(builtin));
            assert_eq!(serde_json::to_value(builtin).unwrap(), builtin.as_str());
        }
        assert_eq!(Builtin::parse("streak_updater"), None);
    }
}
