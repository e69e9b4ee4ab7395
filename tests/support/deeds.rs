//! The deeds over a real database in a temporary folder, without a server, on a clock that tests set.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use skai_server::{
    ambient::Ambient,
    app::{
        App, Backlog, CallLimits, Caller, Calls, CleanupSettings, Contracts, DutySettings,
        HashCost, LastAudit, RateLimits, Settings, TaskSettings, Vault, Watches, accounts, agents,
        asking::Trail,
        auth::{AuthSettings, Authenticator},
        batches::{self, Asked},
        credits,
        jobs::{self, Outcome, Success},
        ledger_audit,
        prices::{self, LiveCatalog},
        telemetry::Recording,
    },
    domain::{
        AccountId, ApiKeyId, Backoff, Bucket, CapPolicy, Credits, DriftLimits, Environment,
        GenerationRequest, JobError, JobErrorCode, JobId, Model, Payer, Price, ProjectId,
        QueueName, RateLimit, Result, Secret, StreakPolicy, Tariff, TimeZone, Timestamp, Usage,
    },
    observe::traces::Traces,
    providers::{Observer, ProviderLimits, ProviderSettings, Providers},
    store::{
        AccountScope, EngineSettings, Store, SystemScope, Tx,
        batches::Batch,
        jobs::Job,
        ledger::Balance,
        queue::{self, Claimed, Lease, WorkId},
    },
    webhooks::guard::Guard,
};

/// The deeds, and what they stand on.
pub(crate) struct Deeds {
    pub(crate) app: Arc<App>,
    pub(crate) ambient: Ambient,
    folder: tempfile::TempDir,
}

/// How scheduled tasks are run in most tests.
pub(crate) fn tasks() -> TaskSettings {
    TaskSettings {
        ttl: Duration::from_hours(2),
        backoff: Backoff::default(),
        runtime: Duration::from_mins(15),
        max_functions: 200,
        max_schedules: 1_000,
        max_open: 10_000,
        batch_size: 10,
    }
}

/// An amount in microcredits.
pub(crate) fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

/// A model at the provider `test`: a microcredit for each completion token, `input` for each of the prompt.
pub(crate) fn model(name: &str, input: i64) -> Model {
    let price = Price {
        input_per_million: micros(input * 1_000_000),
        cached_input_per_million: micros(input * 1_000_000),
        output_per_million: micros(1_000_000),
        minimum_charge: micros(0),
    };
    Model {
        name: name.to_owned(),
        provider: "test".to_owned(),
        upstream: format!("upstream-{name}"),
        tariff: Tariff::Priced(price),
        price: None,
        max_tokens: 100,
    }
}

impl Deeds {
    pub(crate) fn new(models: impl IntoIterator<Item = Model>) -> Self {
        Self::with(models, |_| ())
    }

    pub(crate) fn with(
        models: impl IntoIterator<Item = Model>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::served(models, [], change)
    }

    /// Deeds whose models are run by these providers.
    pub(crate) fn served(
        models: impl IntoIterator<Item = Model>,
        providers: impl IntoIterator<Item = (String, ProviderSettings, ProviderLimits)>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ambient = Ambient::manual("2026-11-20T09:00:00Z".parse().unwrap(), 1);
        Self::open(folder, ambient, 1, models, providers, change)
    }

    /// What another start finds if this one ends where it stands: what the files hold now. Leases that were
    /// taken before are void.
    pub(crate) fn crashed(&self, models: impl IntoIterator<Item = Model>, boot: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in ["skai.db", "skai.db-wal", "secret.key"] {
            std::fs::copy(self.folder.path().join(file), folder.path().join(file)).unwrap();
        }
        let deeds = Self::open(folder, self.ambient.clone(), boot, models, [], |_| ());
        let reclaim = move |tx: &Tx<'_, SystemScope>| {
            queue::reclaim(tx, QueueName::GenerationCreate, boot << 32, u32::MAX)
        };
        deeds.app.store.write(SystemScope::new(), reclaim).wait().unwrap();
        deeds
    }

    fn open(
        folder: tempfile::TempDir,
        ambient: Ambient,
        boot: i64,
        models: impl IntoIterator<Item = Model>,
        providers: impl IntoIterator<Item = (String, ProviderSettings, ProviderLimits)>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let engine = EngineSettings { durable: false, readers: 1, ..EngineSettings::default() };
        let (store, _writer) =
            Store::open(&folder.path().join("skai.db"), &engine, &ambient).unwrap();
        let limit: RateLimit = "1000,1m".parse().unwrap();
        let auth = AuthSettings {
            rate_limits: RateLimits::all(limit),
            operator_rate_limit: limit,
            failed_attempts: limit,
            hash_cost: HashCost { memory_kib: 8, passes: 1 },
            threads: 1,
            cache_ttl: Duration::from_mins(1),
            operator_token: Secret::default(),
            sessions: skai_server::app::auth::SessionSettings::default(),
        };
        let mut settings = settings();
        let nobody: Observer = Arc::new(|_: &str, _, _| ());
        change(&mut settings);
        let app = App {
            recording: Recording::off(&store, &ambient),
            started_at: ambient.now(),
            boot,
            backlog: Backlog::default(),
            calls: Calls::new(CallLimits { all: 100, account: 100 }),
            auth: Authenticator::start(ambient.clone(), auth, store.clone()).unwrap(),
            vault: Vault::open(&folder.path().join("secret.key"), &ambient).unwrap(),
            catalog: LiveCatalog::default(),
            providers: Arc::new(Providers::limited(
                &ambient,
                providers,
                &nobody,
                &Traces::default(),
            )),
            contracts: Contracts::default(),
            agents: agents::Opened::default(),
            watches: Watches::default(),
            guard: Guard::new(Vec::new()),
            last_audit: LastAudit::default(),
            metrics: Arc::default(),
            traces: Traces::default(),
            facts: skai_server::app::Facts::default(),
            ambient: ambient.clone(),
            store,
            settings,
        };
        prices::put_in_force(&app, models.into_iter().collect()).unwrap();
        let app = Arc::new(app);
        let listener = Arc::downgrade(&app);
        app.store.listen(move |signals| {
            if let Some(app) = listener.upgrade() {
                app.agents.hear(signals);
            }
        });
        Self { app, ambient, folder }
    }

    /// A connection to the database past the store.
    pub(crate) fn outside(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.app.store.path()).unwrap()
    }

    /// A new account without credits.
    pub(crate) fn account(&self, name: &str) -> AccountScope {
        let new = accounts::NewAccount { name: name.to_owned() };
        let created = accounts::create(&self.app, new).wait().unwrap();
        created.account.scope
    }

    /// A new account with so many paid credits.
    pub(crate) fn funded(&self, amount: i64) -> AccountScope {
        let scope = self.account("a");
        self.grant(scope.account_id(), Bucket::Paid, amount, None);
        scope
    }

    pub(crate) fn grant(
        &self,
        account: AccountId,
        bucket: Bucket,
        amount: i64,
        expires_at: Option<Timestamp>,
    ) {
        let reason = "test".to_owned();
        let (amount, environment) = (micros(amount), Environment::Live);
        let request = credits::GrantRequest { amount, bucket, reason, expires_at, environment };
        credits::grant(&self.app, account, request, None).wait().unwrap();
    }

    pub(crate) fn balance(&self, scope: AccountScope) -> Balance {
        credits::balance(&self.app, scope).unwrap()
    }

    /// Asks for a job; `more` is added to the smallest request for model `m`.
    pub(crate) fn submit(&self, scope: AccountScope, more: &Value) -> Result<Job> {
        self.submit_as(&caller(scope), more)
    }

    /// The same on behalf of this caller.
    pub(crate) fn submit_as(&self, caller: &Caller, more: &Value) -> Result<Job> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let request = serde_json::from_str(&body.to_string()).unwrap();
        let prepared = jobs::prepare(&self.app, caller, &request)?;
        Ok(jobs::submit(&self.app, caller, prepared, None).wait()?.job)
    }

    /// Asks for a batch of so many of the smallest jobs.
    pub(crate) fn batch(&self, scope: AccountScope, jobs: usize) -> Batch {
        self.try_batch(scope, jobs).unwrap();
        let newest =
            self.app.store.read(scope, |it| skai_server::store::batches::list(it, None, 1));
        newest.unwrap().remove(0)
    }

    pub(crate) fn try_batch(&self, scope: AccountScope, jobs: usize) -> Result<()> {
        self.try_batch_as(&caller(scope), jobs)
    }

    /// The same on behalf of this caller.
    pub(crate) fn try_batch_as(&self, caller: &Caller, jobs: usize) -> Result<()> {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        let request: GenerationRequest = serde_json::from_str(&body.to_string()).unwrap();
        let work = batches::Work::Generation(Box::new(request));
        let asked = |n| Asked { custom_id: format!("request {n}"), work: work.clone() };
        let prepared = batches::prepare(&self.app, caller, (0..jobs).map(asked).collect(), None)?;
        batches::submit(&self.app, caller, prepared, None, |_| Ok(Vec::new())).wait().map(drop)
    }

    /// Leases the job; `None` where it does not wait.
    pub(crate) fn claim(&self, job: i64, token: i64) -> Option<Claimed> {
        let id = WorkId { queue: QueueName::GenerationCreate, subject: job };
        let lease = Lease { id, token };
        let claimed = self.app.store.write(SystemScope::new(), move |tx| queue::claim(tx, lease));
        claimed.wait().unwrap()
    }

    /// Leases the job and begins an attempt.
    pub(crate) fn begin(&self, job: i64, token: i64) -> (Claimed, Job) {
        let claimed = self.claim(job, token).expect("the job waits");
        let begun = claimed.clone();
        let app = Arc::clone(&self.app);
        let job = self.app.store.write(SystemScope::new(), move |tx| jobs::begin(&app, tx, &begun));
        (claimed, job.wait().unwrap().expect("the job is not over"))
    }

    pub(crate) fn finish(&self, claimed: &Claimed, job: Job, outcome: Outcome) -> bool {
        jobs::finish(&self.app, claimed, Arc::new(job), Arc::new(outcome)).wait().unwrap()
    }

    pub(crate) fn cancel(&self, caller: &Caller, id: JobId) -> Result<()> {
        jobs::cancel(&self.app, caller, id, None, |_| Ok(Vec::new())).wait().map(drop)
    }

    pub(crate) fn job(&self, scope: AccountScope, id: JobId) -> Job {
        let found = self.app.store.read(scope, |tx| skai_server::store::jobs::find(tx, id));
        found.unwrap().expect("the job exists")
    }

    /// The names and data of the job's events.
    pub(crate) fn story(&self, scope: AccountScope, job: i64) -> Vec<(String, Value)> {
        let events =
            self.app.store.read(scope, |tx| skai_server::store::job_events::list(tx, job, 0, 100));
        let data = |raw: Option<Box<serde_json::value::RawValue>>| {
            raw.map_or(Value::Null, |raw| serde_json::from_str(raw.get()).unwrap())
        };
        events.unwrap().into_iter().map(|event| (event.name, data(event.data))).collect()
    }

    /// What endpoints were told, or will be, oldest first.
    pub(crate) fn told(&self) -> Vec<Value> {
        let outside = self.outside();
        let mut rows =
            outside.prepare("select payload from webhook_delivery order by seq").unwrap();
        let payloads = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
        payloads.map(|payload| serde_json::from_str(&payload.unwrap()).unwrap()).collect()
    }

    /// Fails where the books are not right.
    pub(crate) fn verify(&self) {
        let report = ledger_audit::verify(&self.app).unwrap();
        assert!(report.ok, "{:#?}", report.problems);
    }
}

pub(crate) fn caller(scope: AccountScope) -> Caller {
    let payer = Some(payer());
    Caller { scope, project: 1, key: 1, payer, request_id: "req-1".to_owned(), trace: None }
}

/// A key without a budget.
pub(crate) fn payer() -> Payer {
    let id = uuid::Uuid::from_u128(1);
    Payer {
        project: ProjectId::from_uuid(id),
        project_limit: None,
        key: ApiKeyId::from_uuid(id),
        key_limit: None,
    }
}

/// Success at this cost, which must be that of so many completion tokens of `m`, the first model that has a price.
pub(crate) fn success(cost: i64) -> Outcome {
    Outcome::Succeeded(Success {
        output: None,
        text: "done".to_owned(),
        model: "m".to_owned(),
        provider: "test".to_owned(),
        usage: Usage::new(0, cost.unsigned_abs()),
        estimated: false,
        cut_short: false,
        cost: micros(cost),
        price: Some(1),
        trail: Trail::default(),
    })
}

/// Failure; to be tried again at `retry_at`.
pub(crate) fn failure(retry_at: Option<Timestamp>) -> Outcome {
    let error = JobError { code: JobErrorCode::ServerError, message: "no".to_owned() };
    let (exhausted, trail) = (retry_at.is_none(), Trail::default());
    Outcome::Failed { error, retry_at, exhausted, answer: None, trail }
}

/// Two hours, two jobs in each, and half as much again.
pub(crate) const DRIFT: DriftLimits = DriftLimits {
    window_hours: 2,
    min_jobs: 2,
    schema_failures: 10,
    latency: 50,
    tokens: 50,
    credits: 50,
};

/// Nobody is capped without a cap of its own.
pub(crate) const NO_CAPS: CapPolicy =
    CapPolicy { timezone: TimeZone::UTC, daily_token_caps: false, daily_token_cap: 25_000 };

/// A week, and three months for days.
pub(crate) const KEPT: CleanupSettings = CleanupSettings {
    api_keys: Duration::from_hours(168),
    canceled_jobs: Duration::from_hours(168),
    usage: Duration::from_hours(2_160),
    telemetry: Duration::from_hours(2_160),
};

fn settings() -> Settings {
    let hour = Duration::from_hours(1);
    Settings {
        idempotency_ttl: 24 * hour,
        job_ttl: hour / 2,
        job_runtime: Duration::from_mins(15),
        batch_ttl: 24 * hour,
        max_batch_requests: 10_000,
        max_batch_bytes: 1 << 20,
        max_waiting_jobs: 1_000_000,
        max_open_jobs: 1_000_000,
        job_backoff: Backoff::default(),
        max_repairs: 1,
        max_timeout: hour,
        delivery_ttl: 2 * hour,
        delivery_backoff: Backoff::default(),
        extended_backoff: Backoff::default(),
        rotation_overlap: 24 * hour,
        disable_after: 24 * hour,
        drift: DRIFT,
        low_mark: micros(0),
        dashboard: skai_server::app::DashboardSettings::default(),
        test_credits: Credits::ZERO,
        end_users: NO_CAPS,
        streaks: StreakPolicy::default(),
        cleanup: KEPT,
        stripe: skai_server::app::StripeSettings::default(),
        tasks: tasks(),
        duties: DutySettings::default(),
    }
}
