//! Configuration: the embedded `config.toml`, under the file that `--config` names, under the environment.
//!
//! The embedded file is the only place where a default stands, and the documentation of every key. What is
//! not known or not allowed is refused before anything starts, with the place where it was written.

use std::{collections::BTreeMap, path::Path, path::PathBuf};

use figment::{Figment, providers::Serialized, value::Dict};
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::{QueueName, Secret};

mod auth;
mod batches;
mod cleanup;
mod credits;
mod dashboard;
mod drift;
mod end_users;
mod environment;
mod http;
mod idempotency;
mod jobs;
mod log;
mod maintenance;
mod models;
mod providers;
mod queues;
mod rate_limit;
mod shown;
mod sources;
mod store;
mod streaks;
mod stripe;
mod tasks;
mod telemetry;
mod traces;
mod values;
mod webhooks;
mod write;

pub use auth::Auth;
pub use batches::Batches;
pub use cleanup::Cleanup;
pub use credits::CreditsPolicy;
pub use dashboard::Dashboard;
pub use drift::Drift;
pub use end_users::EndUsers;
pub use http::Http;
pub use idempotency::Idempotency;
pub use jobs::Jobs;
pub use log::{Log, LogFormat};
pub use maintenance::{Backup, Maintenance};
pub use models::Model;
pub use providers::{Provider, ProviderKind};
pub use queues::{Queue, Queues};
pub use rate_limit::RateLimits;
pub use shown::Shown;
pub use sources::ConfigError;
pub use store::{Store, Synchronous};
pub use streaks::Streaks;
pub use stripe::{ExactCredits, Stripe, StripePrice};
pub use tasks::Tasks;
pub use telemetry::{Invocations, Telemetry};
pub use traces::Traces;
pub use webhooks::Webhooks;

use environment::Overrides;
use sources::{File, Problem, Sources};

/// The defaults and their documentation.
const EMBEDDED: &str = include_str!("../../config.toml");

/// Everything that can be set, with every value checked.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Config {
    /// The folder of the databases and key files; relative to the working directory.
    #[serde(deserialize_with = "folder")]
    pub data_dir: PathBuf,
    /// The key to `/admin/v1`; empty: one is made at the first start.
    #[serde(deserialize_with = "values::secret", serialize_with = "write::secret")]
    pub operator_token: Secret<String>,
    /// The door.
    pub http: Http,
    /// What is written to standard error.
    pub log: Log,
    /// Spans for a collector.
    pub traces: Traces,
    /// The database file.
    pub store: Store,
    /// How API keys are verified.
    pub auth: Auth,
    /// How many requests a key may send.
    pub rate_limit: RateLimits,
    /// The memory of `Idempotency-Key`s.
    pub idempotency: Idempotency,
    /// The bounds of one generation.
    pub jobs: Jobs,
    /// The bounds of a batch of them.
    pub batches: Batches,
    /// What the server does for itself.
    pub maintenance: Maintenance,
    /// Copies of database and key.
    pub backup: Backup,
    /// Policy for balances.
    pub credits: CreditsPolicy,
    /// When an agent became worse.
    pub drift: Drift,
    /// How many tokens end users may use.
    pub end_users: EndUsers,
    /// What their days in a row earn.
    pub streaks: Streaks,
    /// Who runs the models, by name.
    pub providers: BTreeMap<String, Provider>,
    /// What can be asked for, by name.
    pub models: BTreeMap<String, Model>,
    /// How each kind of work is done.
    pub queues: Queues,
    /// What scheduled tasks do.
    pub tasks: Tasks,
    /// How long one of them keeps things.
    pub cleanup: Cleanup,
    /// Deliveries to customers' endpoints.
    pub webhooks: Webhooks,
    /// Credits for payments.
    pub stripe: Stripe,
    /// What is recorded beside the books.
    pub telemetry: Telemetry,
    /// How people sign in.
    pub dashboard: Dashboard,
}

impl Config {
    /// The embedded defaults, untouched by any file or environment.
    pub fn embedded() -> Result<Self, ConfigError> {
        Self::load(None, std::iter::empty())
    }

    /// The embedded `config.toml`: every key, its default and what it is for.
    pub const fn documentation() -> &'static str {
        EMBEDDED
    }

    /// Reads the defaults, then `file`, then `environment`; what comes later wins, key by key.
    ///
    /// Variables that begin with `SKAI_` must name a key; of the others only the known aliases are looked at.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::read(file, environment, None)
    }

    /// Reads the same again for a server that runs with this configuration: its models may name only the
    /// providers that it has already.
    pub fn load_again(
        &self,
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::read(file, environment, Some(self))
    }

    fn read(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        running: Option<&Self>,
    ) -> Result<Self, ConfigError> {
        let defaults = File::parse("embedded config.toml", EMBEDDED)?.table()?;
        let file = file.map(File::read).transpose()?;
        let mut figment = Figment::from(Serialized::defaults(&defaults));
        if let Some(file) = &file {
            figment = figment.merge(Serialized::defaults(file.table()?));
        }
        let below: Dict = figment.extract().unwrap_or_default();
        let overrides = Overrides::read(environment, &defaults, &below)?;
        let figment = figment.merge(Serialized::defaults(overrides.table()));
        let sources = Sources::new(file, overrides);
        let mut config: Self = figment.extract().map_err(|error| sources.explain(error))?;
        config.check(running).map_err(|problem| sources.locate(&problem))?;
        config.name_upstreams();
        Ok(config)
    }

    /// The configuration in force as TOML, with secrets as `[hidden]`. It can be read again once these are put in
    /// or left out.
    pub fn effective_toml(&self) -> String {
        // Every field is text, a number, a boolean, a list or a table, so that there is nothing to refuse.
        toml_edit::ser::to_string_pretty(self).unwrap_or_default()
    }

    /// The keys and tables in which another configuration differs, `models` left out.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        // Named one by one, so that none is forgotten.
        let Self {
            data_dir,
            operator_token,
            http,
            log,
            traces,
            store,
            auth,
            rate_limit,
            idempotency,
            jobs,
            batches,
            drift,
            end_users,
            streaks,
            credits,
            maintenance,
            backup,
            providers,
            models: _,
            queues,
            tasks,
            cleanup,
            webhooks,
            stripe,
            telemetry,
            dashboard,
        } = self;
        let sections = [
            ("data_dir", *data_dir != other.data_dir),
            ("operator_token", *operator_token != other.operator_token),
            ("http", *http != other.http),
            ("log", *log != other.log),
            ("traces", *traces != other.traces),
            ("store", *store != other.store),
            ("auth", *auth != other.auth),
            ("rate_limit", *rate_limit != other.rate_limit),
            ("idempotency", *idempotency != other.idempotency),
            ("jobs", *jobs != other.jobs),
            ("batches", *batches != other.batches),
            ("drift", *drift != other.drift),
            ("end_users", *end_users != other.end_users),
            ("streaks", *streaks != other.streaks),
            ("credits", *credits != other.credits),
            ("maintenance", *maintenance != other.maintenance),
            ("backup", *backup != other.backup),
            ("providers", *providers != other.providers),
            ("queues", *queues != other.queues),
            ("tasks", *tasks != other.tasks),
            ("cleanup", *cleanup != other.cleanup),
            ("webhooks", *webhooks != other.webhooks),
            ("stripe", *stripe != other.stripe),
            ("telemetry", *telemetry != other.telemetry),
            ("dashboard", *dashboard != other.dashboard),
        ];
        sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    /// The names of its providers.
    fn provider_names(&self) -> Vec<&str> {
        self.providers.keys().map(String::as_str).collect()
    }

    /// What one value alone cannot tell. `running`: what the server runs with that this is for, if it does.
    fn check(&self, running: Option<&Self>) -> Result<(), Problem> {
        let names = self.provider_names();
        let running = running.map(Self::provider_names);
        for (name, provider) in &self.providers {
            provider.check(name)?;
        }
        for (name, model) in &self.models {
            model.check(name, &names, running.as_deref())?;
        }
        self.streaks.check()?;
        self.stripe.check()?;
        self.traces.check()?;
        self.backup.check()?;
        self.check_timeouts()
    }

    fn check_timeouts(&self) -> Result<(), Problem> {
        use QueueName::{GenerationCreate, WebhookDelivery};
        let check = |queue, path: &[&str], timeout| self.queues.check_timeout(queue, path, timeout);
        check(GenerationCreate, &["jobs", "max_timeout"], self.jobs.max_timeout)?;
        check(GenerationCreate, &["jobs", "provider_timeout"], self.jobs.provider_timeout)?;
        for (name, provider) in &self.providers {
            let timeout = provider.timeout.unwrap_or_default();
            check(GenerationCreate, &["providers", name, "timeout"], timeout)?;
        }
        check(WebhookDelivery, &["webhooks", "timeout"], self.webhooks.timeout)
    }

    fn name_upstreams(&mut self) {
        for (name, model) in &mut self.models {
            if model.upstream.is_empty() {
                model.upstream.clone_from(name);
            }
        }
    }
}

fn folder<'de, D: Deserializer<'de>>(given: D) -> Result<PathBuf, D::Error> {
    values::text(given, "the path of a folder", |given| {
        let path = given.text()?;
        (!path.is_empty()).then(|| path.into())
    })
}

#[cfg(test)]
mod tests;
