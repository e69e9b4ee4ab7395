//! `[queues.NAME]`: how fast each kind of work is done, and how long it is tried.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    sources::Problem,
    values::{self, DAY, SECOND},
    write,
};
use crate::domain::{Deadline, QueueName, format_duration};

/// The four queues.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Queues {
    /// Calls to providers.
    #[serde(rename = "generation.create")]
    pub generation_create: Queue,
    /// Webhooks to customers' endpoints.
    #[serde(rename = "webhook.delivery")]
    pub webhook_delivery: Queue,
    /// Credits from payments.
    #[serde(rename = "billing.credit_grant")]
    pub billing_credit_grant: Queue,
    /// Scheduled tasks.
    #[serde(rename = "task.run")]
    pub task_run: Queue,
}

/// How one queue is worked off.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Queue {
    /// How many of its jobs run at the same time.
    #[serde(deserialize_with = "values::whole::<1, 2_000, _, _>")]
    pub concurrency: usize,
    /// How long after it was queued a job is still started.
    #[serde(
        deserialize_with = "values::duration::<100, { 30 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub ttl: Duration,
    /// The pause before each retry; as many retries as entries.
    #[serde(
        deserialize_with = "values::durations::<1, { 7 * DAY }, _>",
        serialize_with = "write::durations"
    )]
    pub backoff: Vec<Duration>,
    /// The most in flight for one lane (account or endpoint); 0: no limit.
    #[serde(deserialize_with = "values::whole::<0, 2_000, _, _>")]
    pub lane_concurrency: usize,
    /// Whether its jobs wait until it is resumed.
    pub paused: bool,
    /// After how many crashes of the server under a job the job is given up.
    #[serde(deserialize_with = "values::whole::<1, 100, _, _>")]
    pub max_crashes: u32,
    /// An attempt that takes longer is taken for crashed.
    #[serde(
        deserialize_with = "values::duration::<SECOND, { 2 * DAY }, _>",
        serialize_with = "write::duration"
    )]
    pub max_runtime: Duration,
}

impl Queues {
    /// The settings of one queue.
    pub const fn get(&self, name: QueueName) -> &Queue {
        match name {
            QueueName::GenerationCreate => &self.generation_create,
            QueueName::WebhookDelivery => &self.webhook_delivery,
            QueueName::BillingCreditGrant => &self.billing_credit_grant,
            QueueName::TaskRun => &self.task_run,
        }
    }

    /// A call that may take longer than an attempt would be cut short, in spite of its own timeout.
    pub(super) fn check_timeout(
        &self,
        name: QueueName,
        path: &[&str],
        timeout: Duration,
    ) -> Result<(), Problem> {
        let max_runtime = self.get(name).max_runtime;
        let time = Deadline::time(max_runtime);
        if timeout <= time {
            return Ok(());
        }
        let queue = name.as_str();
        let [timeout, least, max_runtime, time] =
            [timeout, Deadline::max_runtime(timeout), max_runtime, time].map(format_duration);
        let what = format!(
            "a timeout of {timeout} does not fit into queues.{queue:?}.max_runtime = \"{max_runtime}\", \
             of which the calls of an attempt get four fifths; set max_runtime to at least \
             \"{least}\", or {} to at most \"{time}\"",
            path.join("."),
        );
        Err(Problem::between(path, &["queues", queue, "max_runtime"], what))
    }
}
