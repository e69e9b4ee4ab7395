//! Deeds: one public function is one deed is one transaction.

pub mod accounts;
pub mod agents;
pub mod api_keys;
mod argon;
pub mod asking;
pub mod audit_log;
pub mod auth;
mod backlog;
pub mod backup;
pub mod batches;
mod budgets;
pub mod builtins;
mod cache;
mod calls;
pub mod chat;
mod contracts;
pub mod credits;
pub mod dead_letters;
pub mod deliveries;
pub mod duties;
pub mod end_users;
pub mod evals;
mod events;
mod facts;
pub mod functions;
pub mod jobs;
pub mod ledger_audit;
mod limits;
mod listing;
pub mod me;
pub mod members;
pub mod models;
mod once;
pub mod prices;
pub mod projects;
pub mod queues;
#[cfg(test)]
pub(crate) mod rig;
pub mod schedules;
pub mod schemas;
pub mod sign_in;
pub mod stripe;
pub mod tasks;
pub mod telemetry;
pub mod usage;
mod vault;
mod watch;
pub mod webhooks;

use std::{sync::Arc, time::Duration};

pub use argon::{HashCost, hash as hash_api_key};
pub use backlog::{Backlog, Load};
pub use cache::CacheUse;
pub use calls::{CallLimits, Calls};
pub use contracts::Contracts;
pub use duties::DutySettings;
pub use facts::Facts;
pub use ledger_audit::LastAudit;
pub use limits::{KeyBuckets, RateClass, RateLimits, exceeded};
pub use listing::fill_lists;
pub use once::{Render, Reply, forget_answers};
pub use stripe::StripeSettings;
pub use tasks::TaskSettings;
pub use vault::{Vault, create_private};
pub use watch::{Bell, Listener, Listening, Pulse, Steps, Told, Watch, Watches};

pub(crate) use once::Secrecy;

use auth::Authenticator;
use prices::LiveCatalog;
use serde::{Deserialize, Deserializer};
use telemetry::Recording;

use crate::{
    ambient::Ambient,
    domain::{
        Backoff, CapPolicy, Credits, Cursor, DriftLimits, Error, Page, PageRequest, Payer, Result,
        RetryPolicy, StreakPolicy, Timestamp, TraceContext,
    },
    observe::{Metrics, traces::Traces},
    providers::Providers,
    store::{AccountScope, Signal, Store, listing::Looked},
    webhooks::guard::Guard,
};

/// What all deeds work with.
pub struct App {
    /// Clock, ids and randomness.
    pub ambient: Ambient,
    /// The database.
    pub store: Store,
    /// Verifies API keys and the operator's token.
    pub auth: Authenticator,
    /// The models that can be asked for, and their prices.
    pub catalog: LiveCatalog,
    /// Who runs the models.
    pub providers: Arc<Providers>,
    /// Seals secrets.
    pub vault: Vault,
    /// Schemas that were compiled.
    pub contracts: Contracts,
    /// Agents that are ready to run.
    pub agents: agents::Opened,
    /// Requests that wait for jobs.
    pub watches: Watches,
    /// Says which addresses a tenant's URL may name.
    pub guard: Guard,
    /// What the operator decided.
    pub settings: Settings,
    /// When this start began.
    pub started_at: Timestamp,
    /// The number of this start: what an earlier one left is void.
    pub boot: i64,
    /// How much waits.
    pub backlog: Backlog,
    /// Calls that clients wait for on their connections.
    pub calls: Calls,
    /// What the last proof of the books found.
    pub last_audit: LastAudit,
    /// Counts, for whoever looks.
    pub metrics: Arc<Metrics>,
    /// What is recorded beside the books.
    pub recording: Arc<Recording>,
    /// Where the steps of traces are told.
    pub traces: Traces,
    /// How the server runs.
    pub facts: Facts,
}

/// Policy that deeds follow.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the answers to POSTs with an idempotency key are kept.
    pub idempotency_ttl: Duration,
    /// How long a job may wait.
    pub job_ttl: Duration,
    /// How long an attempt at a job may take.
    pub job_runtime: Duration,
    /// How long a job of a batch may wait.
    pub batch_ttl: Duration,
    /// How many requests a batch may have.
    pub max_batch_requests: usize,
    /// What the jobs of a batch may hold together, in bytes: prompts are longer than the inputs they are
    /// made of.
    pub max_batch_bytes: usize,
    /// How many jobs of all accounts may wait.
    pub max_waiting_jobs: usize,
    /// How many jobs of an account may wait or run.
    pub max_open_jobs: u64,
    /// Pauses between a job's attempts.
    pub job_backoff: Backoff,
    /// Calls that quote the validation errors, after an answer that breaks the contract.
    pub max_repairs: u32,
    /// The longest time that a job may give its provider.
    pub max_timeout: Duration,
    /// How long a delivery is tried, policy `standard`; `extended` adds its own pauses.
    pub delivery_ttl: Duration,
    /// Pauses between the tries of a delivery, policy `standard`.
    pub delivery_backoff: Backoff,
    /// The same, policy `extended`.
    pub extended_backoff: Backoff,
    /// How long both secrets sign after a rotation, unless the request says otherwise.
    pub rotation_overlap: Duration,
    /// How long an endpoint may fail before it is disabled.
    pub disable_after: Duration,
    /// When endpoints are told that an agent became worse.
    pub drift: DriftLimits,
    /// `credits.low` is told when an account falls below it that has no mark of its own.
    pub low_mark: Credits,
    /// What an account's twin for tests has to play with.
    pub test_credits: Credits,
    /// How end users are capped, unless the operator says otherwise of their account.
    pub end_users: CapPolicy,
    /// What the streaks of end users earn.
    pub streaks: StreakPolicy,
    /// How long the cleanup keeps what nobody needs.
    pub cleanup: CleanupSettings,
    /// What payments buy, and who may tell of them.
    pub stripe: StripeSettings,
    /// How tasks are run, and how many there may be.
    pub tasks: TaskSettings,
    /// What the server does for itself.
    pub duties: DutySettings,
    /// How people come in to the dashboard.
    pub dashboard: DashboardSettings,
}

/// How people come in to the dashboard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DashboardSettings {
    /// How long a link to an invitation or a new password is good.
    pub link_ttl: Duration,
    /// How long the link of the first start is good.
    pub setup_ttl: Duration,
    /// How people reach this server, such as `https://ai.example.com`; empty: as whoever asks for a link does.
    pub public_url: String,
}

impl Default for DashboardSettings {
    fn default() -> Self {
        let day = Duration::from_hours(24);
        Self { link_ttl: 3 * day, setup_ttl: day, public_url: String::new() }
    }
}

/// How long what nobody needs any more is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleanupSettings {
    /// API keys, from when they ended.
    pub api_keys: Duration,
    /// Canceled jobs, from when they ended.
    pub canceled_jobs: Duration,
    /// What end users used, day by day.
    pub usage: Duration,
    /// What telemetry recorded.
    pub telemetry: Duration,
}

impl App {
    /// Lets go of what these commits made doubtful of what is in memory, and wakes who waits for them. A listener of
    /// the store's.
    pub fn hear(&self, signals: &[Signal]) {
        self.auth.hear(signals);
        self.agents.hear(signals);
        self.recording.switches.hear(signals);
        self.watches.hear(signals);
        self.calls.hear(signals);
    }
}

impl Settings {
    fn max_timeout_ms(&self) -> u64 {
        u64::try_from(self.max_timeout.as_millis()).unwrap_or(u64::MAX)
    }

    /// The first attempt and one after each pause.
    fn job_attempts(&self) -> u32 {
        u32::try_from(self.job_backoff.delays().len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The pauses between the tries of a delivery.
    fn backoff(&self, policy: RetryPolicy) -> &Backoff {
        match policy {
            RetryPolicy::Standard => &self.delivery_backoff,
            RetryPolicy::Extended => &self.extended_backoff,
        }
    }

    /// How long a delivery is tried: the operator's limit, and for `extended`, which is to go on
    /// for days, its pauses at their longest besides.
    fn time_to_live(&self, policy: RetryPolicy) -> Duration {
        match policy {
            RetryPolicy::Standard => self.delivery_ttl,
            RetryPolicy::Extended => {
                let pauses: Duration = self.extended_backoff.delays().iter().sum();
                // Jitter makes each up to a fifth longer.
                self.delivery_ttl + pauses + pauses / 5
            }
        }
    }
}

/// On whose behalf a deed is done.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The right to the account's rows.
    pub scope: AccountScope,
    /// Internal number of the key's project.
    pub project: i64,
    /// Internal number of the key.
    pub key: i64,
    /// Who pays for jobs; `None` for the operator at a command line, who makes none.
    pub payer: Option<Payer>,
    /// The request.
    pub request_id: String,
    /// The step of a trace that asks, where there is one.
    pub trace: Option<TraceContext>,
}

impl Caller {
    /// Who pays for the jobs that this one makes.
    fn payer(&self) -> Result<Payer> {
        self.payer.ok_or_else(|| Error::internal("nobody pays for a job"))
    }
}

/// Rows to read for a page: one more than it has, to see whether there is a next one.
fn one_more(page: &PageRequest) -> u32 {
    u32::try_from(page.limit).unwrap_or(u32::MAX).saturating_add(1)
}

/// The page of what was found, whose next begins after the row with this cursor.
fn page_of<T, P>(found: Looked<T, P>, cursor: impl FnOnce(&P) -> Cursor) -> Page<T> {
    let next = found.next_after.as_ref().map(|place| cursor(place).text());
    Page::of(found.rows, next)
}

/// Adds up what came of each duty; all are done. Gives the first error, and logs the others.
fn total(done: impl IntoIterator<Item = Result<usize>>) -> Result<usize> {
    let mut sum = Ok(0);
    for done in done {
        match (&mut sum, done) {
            (Ok(sum), Ok(done)) => *sum += done,
            (Ok(_), Err(error)) => sum = Err(error),
            (Err(_), Ok(_)) => {}
            (Err(_), Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "maintenance failed too");
            }
        }
    }
    sum
}

/// Tells null from nothing, for `#[serde(deserialize_with)]`.
#[expect(clippy::option_option, reason = "the three cases of a member of a JSON merge patch")]
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Refuses a limit of credits that lets nothing through.
fn monthly_credit_limit(limit: Option<Credits>) -> Result<()> {
    if limit.is_none_or(Credits::is_positive) {
        return Ok(());
    }
    let message =
        "monthly_credit_limit must be above zero; leave it out, or give null, for no limit";
    Err(Error::invalid("monthly_credit_limit", message))
}

/// Refuses a text that is empty or has more than `most` characters.
fn text(param: &str, text: &str, most: usize) -> Result<()> {
    if text.trim().is_empty() || text.chars().nth(most).is_some() {
        let message = format!("{param} must have 1 to {most} characters, not only spaces");
        return Err(Error::invalid(param, message));
    }
    Ok(())
}
