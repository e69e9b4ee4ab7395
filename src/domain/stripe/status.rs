//! Where an event of Stripe's stands.

use schemars::JsonSchema;
use serde::Serialize;

/// Where an event stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "StripeEventStatus")]
pub enum EventStatus {
    /// It waits in the queue.
    Pending,
    /// It had its effect, or has none.
    Processed,
    /// It tells of a payment that another event grants.
    Linked,
    /// Its payment was granted before.
    Duplicate,
    /// It names no account that is known here.
    Unmatched,
    /// The operator has to do something about it.
    Ignored,
    /// Its queue gave it up.
    Failed,
}

impl EventStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Processed,
        Self::Linked,
        Self::Duplicate,
        Self::Unmatched,
        Self::Ignored,
        Self::Failed,
    ];

    /// Those that are not an end: something has still to be done.
    pub const TROUBLED: [Self; 5] =
        [Self::Pending, Self::Linked, Self::Unmatched, Self::Ignored, Self::Failed];

    /// Its name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processed => "processed",
            Self::Linked => "linked",
            Self::Duplicate => "duplicate",
            Self::Unmatched => "unmatched",
            Self::Ignored => "ignored",
            Self::Failed => "failed",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}
