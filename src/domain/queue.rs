//! The names of the queues.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A queue and, by its name with `.dlq`, its dead letters.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
)]
pub enum QueueName {
    /// Generation jobs.
    #[serde(rename = "generation.create")]
    GenerationCreate,
    /// Webhooks on their way.
    #[serde(rename = "webhook.delivery")]
    WebhookDelivery,
    /// Credits that were paid for.
    #[serde(rename = "billing.credit_grant")]
    BillingCreditGrant,
    /// Scheduled tasks that are due.
    #[serde(rename = "task.run")]
    TaskRun,
}

impl QueueName {
    /// Every queue.
    pub const ALL: [Self; 4] =
        [Self::GenerationCreate, Self::WebhookDelivery, Self::BillingCreditGrant, Self::TaskRun];

    /// The name in the API and the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GenerationCreate => "generation.create",
            Self::WebhookDelivery => "webhook.delivery",
            Self::BillingCreditGrant => "billing.credit_grant",
            Self::TaskRun => "task.run",
        }
    }

    /// The queue of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.as_str() == name)
    }

    /// The queue whose dead letters have that name.
    pub fn parse_dead(name: &str) -> Option<Self> {
        name.strip_suffix(".dlq").and_then(Self::parse)
    }

    /// The number in the database; never changes.
    pub const fn number(self) -> i64 {
        match self {
            Self::GenerationCreate => 2,
            Self::WebhookDelivery => 3,
            Self::BillingCreditGrant => 4,
            Self::TaskRun => 5,
        }
    }

    /// The queue of that number.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.number() == number)
    }
}
