//! The deeds on a real database file and a real sender, with a clock that stands still until it is
//! set, and a queue that is worked off step by step.

#![allow(clippy::unnecessary_wraps, reason = "the signatures are those that the deeds take")]

use std::{cell::Cell, sync::Arc, time::Duration};

use serde_json::{Value, json};
use skai_server::{
    ambient::Ambient,
    app::{
        App, Backlog, CallLimits, Caller, Calls, Contracts, HashCost, RateLimits, Reply, Settings,
        Vault, Watches,
        auth::{AuthSettings, Authenticator},
        deliveries::{self, DeliveryLog},
        prices::{self, LiveCatalog},
        telemetry::Recording,
        webhooks::{self, EndpointRequest, EndpointWithSecret},
    },
    domain::{
        AccountId, Backoff, Credits, DeliveryId, EndpointId, EventFilter, Idempotency,
        IdempotencyKey, Model, PageRequest, ProjectId, QueueName, Result, RetryPolicy, Secret,
        Tariff, Timestamp,
    },
    observe::{Metrics, traces::Traces},
    providers::Providers,
    queue::{GiveUp, Kind, Stop},
    store::{
        Commit, EngineSettings, Store, SystemScope, accounts,
        dead_letters::DeadLetter,
        deliveries::{Delivery, DeliveryFilter},
        jobs::Job,
        queue::{self, Claimed, Lease, WorkId},
    },
    webhooks::{
        guard::Guard,
        send::{Limits, Sender},
    },
    workers::deliver_webhook::DeliverWebhook,
};
use tempfile::TempDir;

use crate::support::Receiver;

/// Friday, 20 November 2026, 9:00.
pub(super) const START: Timestamp = Timestamp::from_millis(1_795_165_200_000);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_hours(24);

pub(super) struct Rig {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) receiver: Receiver,
    pub(super) worker: DeliverWebhook,
    claims: Cell<i64>,
    _folder: TempDir,
}

impl Rig {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ambient = Ambient::manual(START, 7);
        let settings = EngineSettings { durable: false, ..EngineSettings::default() };
        let (store, _) = Store::open(&folder.path().join("skai.db"), &settings, &ambient).unwrap();
        let vault = Vault::open(&folder.path().join("secret.key"), &ambient).unwrap();
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let sender = Sender::new(guard.clone(), &ambient, Limits::default());
        let auth = authenticator(&ambient, &store);
        let app = App {
            recording: Recording::off(&store, &ambient),
            started_at: ambient.now(),
            boot: 1,
            backlog: Backlog::default(),
            calls: Calls::new(CallLimits { all: 100, account: 100 }),
            providers: Arc::new(Providers::new(&ambient, [])),
            ambient,
            store,
            auth,
            catalog: LiveCatalog::default(),
            vault,
            guard,
            contracts: Contracts::default(),
            agents: skai_server::app::agents::Opened::default(),
            watches: Watches::default(),
            settings: policy(),
            last_audit: skai_server::app::LastAudit::default(),
            metrics: Arc::new(Metrics::new()),
            traces: Traces::default(),
            facts: skai_server::app::Facts::default(),
        };
        let app = Arc::new(app);
        prices::put_in_force(&app, vec![free()]).unwrap();
        Self {
            caller: caller(&app, "first"),
            receiver: Receiver::start(),
            worker: DeliverWebhook::new(Arc::clone(&app), sender),
            app,
            claims: Cell::new(1),
            _folder: folder,
        }
    }

    /// An account of its own.
    pub(super) fn stranger(&self) -> Caller {
        caller(&self.app, "second")
    }

    pub(super) fn request(&self, path: &str) -> EndpointRequest {
        EndpointRequest {
            url: self.receiver.url(path),
            events: EventFilter::parse(["job.completed"]).unwrap(),
            description: None,
            active: true,
            retry_policy: RetryPolicy::Standard,
        }
    }

    /// Makes an endpoint; gives its id and secret.
    pub(super) fn endpoint(&self, request: EndpointRequest) -> (EndpointId, String) {
        let reply = webhooks::create(&self.app, &self.caller, request, None, show_secret);
        id_and_secret(&reply.wait().unwrap())
    }

    /// An endpoint at `path` for every event.
    pub(super) fn listener(&self, path: &str) -> (EndpointId, String) {
        self.endpoint(EndpointRequest { events: EventFilter::All, ..self.request(path) })
    }

    pub(super) fn ping(&self, endpoint: EndpointId) -> DeliveryId {
        let reply = webhooks::test(&self.app, &self.caller, endpoint, None, show_delivery);
        id(&reply.wait().unwrap())
    }

    pub(super) fn log(&self, id: DeliveryId) -> DeliveryLog {
        deliveries::get(&self.app, &self.caller, id).unwrap()
    }

    pub(super) fn deliveries(&self, filter: &DeliveryFilter) -> Vec<Delivery> {
        let limit = PageRequest::MAX_LIMIT;
        deliveries::list(&self.app, &self.caller, filter, limit).unwrap().data
    }

    /// Leases the first row that is due, as the runner does; `None` where none is.
    pub(super) fn claim(&self) -> Option<Claimed> {
        let rows = self
            .app
            .store
            .read(SystemScope::new(), |snapshot| {
                queue::scan(snapshot, QueueName::WebhookDelivery, 0, 100)
            })
            .unwrap();
        let now = self.app.ambient.now();
        let id: WorkId = rows.into_iter().find(|row| row.run_at <= now)?.id;
        let token = self.claims.replace(self.claims.get() + 1);
        let lease = Lease { id, token };
        self.write(move |tx| queue::claim(tx, lease))
    }

    fn write<T: Send + 'static>(
        &self,
        deed: impl FnMut(&skai_server::store::Tx<'_, SystemScope>) -> Result<T> + Send + 'static,
    ) -> T {
        self.app.store.write(SystemScope::new(), deed).wait().unwrap()
    }

    /// Does what is due, one after the other; gives how much that was.
    pub(super) fn work(&self) -> usize {
        let mut count = 0;
        while let Some(claimed) = self.claim() {
            self.attempt(&claimed);
            count += 1;
        }
        count
    }

    pub(super) fn attempt(&self, claimed: &Claimed) {
        if claimed.expires_at <= self.app.ambient.now() {
            return self.worker.give_up(claimed, GiveUp::Expired).unwrap();
        }
        let begun = claimed.clone();
        let begun = self.write(move |tx| {
            let task = deliveries::begin(tx, &begun)?;
            if task.is_none() {
                queue::withdraw(tx, begun.lease.id)?;
            }
            Ok(task)
        });
        if let Some(task) = begun {
            self.worker.run(claimed, task, &Stop::default()).unwrap();
        }
    }

    /// Works until nothing waits any more, however long the pauses; gives how long they were.
    pub(super) fn work_off(&self) -> Vec<Duration> {
        let mut pauses = Vec::new();
        loop {
            self.work();
            let Some(next) = self.next_due() else { return pauses };
            let pause = next.since(self.app.ambient.now());
            self.app.ambient.advance(pause);
            pauses.push(pause);
        }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let read = |snapshot: &skai_server::store::Snapshot<'_, SystemScope>| {
            queue::scan(snapshot, QueueName::WebhookDelivery, 0, 100)
        };
        let rows = self.app.store.read(SystemScope::new(), read).unwrap();
        rows.into_iter().map(|row| row.run_at).min()
    }
}

fn authenticator(ambient: &Ambient, store: &Store) -> Authenticator {
    let limit = "60,1m".parse().unwrap();
    let settings = AuthSettings {
        rate_limits: RateLimits::all(limit),
        operator_rate_limit: limit,
        failed_attempts: limit,
        hash_cost: HashCost { memory_kib: 8, passes: 1 },
        threads: 1,
        cache_ttl: Duration::from_mins(1),
        operator_token: Secret::new(String::new()),
        sessions: skai_server::app::auth::SessionSettings::default(),
    };
    Authenticator::start(ambient.clone(), settings, store.clone()).unwrap()
}

fn free() -> Model {
    Model {
        name: "free".to_owned(),
        provider: "sandbox".to_owned(),
        upstream: "free".to_owned(),
        tariff: Tariff::Free,
        price: None,
        max_tokens: 10,
    }
}

fn policy() -> Settings {
    Settings {
        idempotency_ttl: DAY,
        job_ttl: Duration::from_mins(30),
        job_runtime: Duration::from_mins(15),
        batch_ttl: Duration::from_hours(24),
        max_batch_requests: 10_000,
        max_batch_bytes: 1 << 20,
        max_waiting_jobs: 1_000_000,
        max_open_jobs: 1_000_000,
        job_backoff: Backoff::default(),
        max_repairs: 1,
        max_timeout: Duration::from_mins(1),
        delivery_ttl: Duration::from_hours(2),
        delivery_backoff: Backoff::default(),
        extended_backoff: Backoff::new(
            [5, 300, 7200, 36_000, 72_000, 86_400].map(Duration::from_secs),
        ),
        rotation_overlap: DAY,
        disable_after: 5 * DAY,
        drift: crate::support::deeds::DRIFT,
        low_mark: skai_server::domain::Credits::ZERO,
        dashboard: skai_server::app::DashboardSettings::default(),
        test_credits: Credits::ZERO,
        end_users: crate::support::deeds::NO_CAPS,
        tasks: crate::support::deeds::tasks(),
        streaks: skai_server::domain::StreakPolicy::default(),
        cleanup: crate::support::deeds::KEPT,
        stripe: skai_server::app::StripeSettings::default(),
        duties: skai_server::app::DutySettings::default(),
    }
}

fn caller(app: &App, name: &'static str) -> Caller {
    let id = AccountId::from_uuid(app.ambient.uuid());
    let project = ProjectId::from_uuid(app.ambient.uuid());
    let scope = app
        .store
        .write(SystemScope::new(), move |tx| accounts::insert(tx, id, project, name))
        .wait()
        .unwrap();
    crate::support::deeds::caller(scope)
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

pub(super) fn show_secret(made: &EndpointWithSecret) -> Result<Vec<u8>> {
    Ok(bytes(&json!({"id": made.endpoint.id, "secret": made.secret.text()})))
}

pub(super) fn show_delivery(delivery: &Delivery) -> Result<Vec<u8>> {
    Ok(bytes(&json!({"id": delivery.id})))
}

pub(super) fn show_letter(letter: &DeadLetter) -> Result<Vec<u8>> {
    Ok(bytes(&json!({"id": letter.id, "redriven_at": letter.redriven_at})))
}

pub(super) fn show_job(job: &Job) -> Result<Vec<u8>> {
    Ok(bytes(&json!({"id": job.id, "status": job.status})))
}

pub(super) fn show_count(redriven: &webhooks::Redriven) -> Result<Vec<u8>> {
    Ok(bytes(&json!([redriven.count, redriven.has_more])))
}

pub(super) fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

pub(super) fn id<T: serde::de::DeserializeOwned>(reply: &Reply) -> T {
    serde_json::from_value(body(reply)["id"].clone()).unwrap()
}

pub(super) fn id_and_secret(reply: &Reply) -> (EndpointId, String) {
    (id(reply), body(reply)["secret"].as_str().unwrap().to_owned())
}

/// A request with an idempotency key.
pub(super) fn keyed(key: &str, body: u8) -> Option<Idempotency> {
    let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
    Some(Idempotency::new("POST /test", &key, [body; 32]))
}

/// The kind and the param of a refusal.
pub(super) fn refusal<T>(commit: Commit<T>) -> (skai_server::domain::ErrorKind, Option<String>) {
    let Err(error) = commit.wait() else { panic!("it was not refused") };
    (error.kind(), error.param().map(str::to_owned))
}
