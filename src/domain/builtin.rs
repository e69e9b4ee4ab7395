//! The functions that the server itself has.

/// A function of the server's own, for one account.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Builtin {
    /// Looks at the change of day of end users' tokens.
    DailyTokenReset,
    /// Brings requests of batches forward.
    BatchAiProcessor,
    /// Counts the days that end users are active in a row.
    StreakUpdater,
    /// Removes what is over.
    CleanupExpiredTokens,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::DailyTokenReset,
        Self::BatchAiProcessor,
        Self::StreakUpdater,
        Self::CleanupExpiredTokens,
    ];

    /// The name in the API.
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
