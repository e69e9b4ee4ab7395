//! From the configuration to the settings of each part.

use std::{io, sync::Arc, time::Duration};

use hyper::header::HeaderValue;

use super::folder;
use crate::{
    ambient::Ambient,
    app::{
        self, App, Backlog, CallLimits, Calls, CleanupSettings, Contracts, DashboardSettings,
        DutySettings, Facts, HashCost, LastAudit, RateLimits, StripeSettings, TaskSettings, Vault,
        Watches,
        auth::{AuthSettings, Authenticator, SessionSettings},
        duties::{BackupSettings, Retention},
        prices::LiveCatalog,
        telemetry::{InvocationPolicy, Recording},
    },
    config::{self, Cleanup, Config, Drift, EndUsers, ProviderKind, Synchronous},
    domain::{
        Backoff, CapPolicy, DriftLimits, DutyName, Model, Price, QueueName, Recurrence, Secret,
        StreakPolicy, Tariff, stripe::CreditPolicy,
    },
    http,
    observe::{
        Metrics,
        traces::{Exporter, TraceSettings, Traces},
    },
    providers::{Observer, ProviderLimits, ProviderSettings, Providers, RemoteSettings},
    queue::QueueSettings,
    store::{
        EngineSettings, Store,
        telemetry::{Telemetry, TelemetrySettings},
    },
    webhooks::guard::Guard,
};

/// What deeds work with, but for the models: they come into force with their prices.
pub fn app(
    config: &Config,
    ambient: Ambient,
    store: Store,
    vault: Vault,
    operator_token: Secret<String>,
    boot: i64,
    traces: Traces,
) -> io::Result<App> {
    let metrics = Arc::new(Metrics::new());
    let providers = Arc::new(providers(config, &ambient, &metrics, &traces));
    let auth = Authenticator::start(ambient.clone(), auth(config, operator_token), store.clone())?;
    let recording = recording(config, &ambient, &store);
    Ok(App {
        started_at: ambient.now(),
        ambient,
        store,
        auth,
        catalog: LiveCatalog::default(),
        providers,
        vault,
        contracts: Contracts::default(),
        agents: app::agents::Opened::default(),
        watches: Watches::default(),
        guard: Guard::new(config.webhooks.allow_networks.clone()),
        settings: settings(config),
        boot,
        backlog: Backlog::default(),
        calls: Calls::new(CallLimits {
            all: config.jobs.max_calls,
            account: config.jobs.max_calls_per_account,
        }),
        last_audit: LastAudit::default(),
        metrics,
        recording,
        traces,
        facts: Facts::default(),
    })
}

/// What is recorded beside the books, once it is started.
fn recording(config: &Config, ambient: &Ambient, store: &Store) -> Arc<Recording> {
    let telemetry = &config.telemetry;
    let settings = TelemetrySettings {
        enabled: telemetry.enabled,
        waiting: telemetry.max_pending,
        waiting_bytes: telemetry.max_pending_size,
        patience: telemetry.flush_every,
        max_size: telemetry.max_size,
        requests: telemetry.requests,
        usage_events: telemetry.usage_events,
        invocations: telemetry.invocations.kept,
    };
    let invocations = InvocationPolicy {
        enabled: telemetry.invocations.enabled,
        max_payload: telemetry.invocations.max_payload,
        redact: telemetry.invocations.redact.clone(),
    };
    let path = folder::telemetry(&config.data_dir);
    Recording::new(Telemetry::new(&path, settings, ambient), invocations, store, ambient)
}

/// Where the steps of traces are told, and the thread that sends them, where they are to be sent.
pub(super) fn traces(config: &Config, ambient: &Ambient) -> io::Result<(Traces, Option<Exporter>)> {
    let of = &config.traces;
    // Empty where nothing is exported; else it was checked.
    let Ok(endpoint) = of.endpoint.parse() else { return Ok((Traces::default(), None)) };
    let settings = TraceSettings {
        endpoint,
        headers: of.headers(),
        sample_ratio: of.sample_ratio,
        service_name: of.service_name.clone(),
        timeout: of.timeout,
    };
    let (traces, exporter) = Traces::start(ambient, settings)?;
    Ok((traces, Some(exporter)))
}

/// How the database is opened.
pub fn engine(config: &Config) -> EngineSettings {
    let store = &config.store;
    EngineSettings {
        readers: store.readers,
        batch: store.batch,
        waiting: store.writer_queue,
        checkpoint_pages: store.checkpoint_pages,
        durable: store.synchronous == Synchronous::Full,
        busy_timeout: store.busy_timeout,
        announce: false,
    }
}

fn auth(config: &Config, operator_token: Secret<String>) -> AuthSettings {
    let (auth, limits) = (&config.auth, &config.rate_limit);
    AuthSettings {
        rate_limits: RateLimits { read: limits.for_reads(), write: limits.for_writes() },
        operator_rate_limit: limits.operator,
        failed_attempts: auth.failed_attempts,
        hash_cost: HashCost { memory_kib: auth.argon2_memory_kib(), passes: auth.argon2_passes },
        threads: auth.argon2_threads,
        cache_ttl: auth.cache_ttl,
        operator_token,
        sessions: SessionSettings {
            ttl: config.dashboard.session_ttl,
            max: config.dashboard.session_max,
            rate_limit: config.dashboard.rate_limit,
            password_cost: HashCost {
                memory_kib: config.dashboard.argon2_memory / 1024,
                passes: config.dashboard.argon2_passes,
            },
        },
    }
}

fn settings(config: &Config) -> app::Settings {
    let backoff = |delays: &[Duration]| Backoff::new(delays.iter().copied());
    let (jobs, deliveries) = (&config.queues.generation_create, &config.queues.webhook_delivery);
    app::Settings {
        idempotency_ttl: config.idempotency.ttl,
        job_ttl: jobs.ttl,
        job_runtime: jobs.max_runtime,
        batch_ttl: config.batches.ttl,
        max_batch_requests: config.batches.max_requests,
        max_batch_bytes: config.batches.body_limit,
        max_waiting_jobs: config.jobs.max_waiting,
        max_open_jobs: config.jobs.max_open_per_account,
        job_backoff: backoff(&jobs.backoff),
        max_repairs: config.jobs.max_repairs,
        max_timeout: config.jobs.max_timeout,
        delivery_ttl: deliveries.ttl,
        delivery_backoff: backoff(&deliveries.backoff),
        extended_backoff: backoff(&config.webhooks.extended_backoff),
        rotation_overlap: config.webhooks.rotation_overlap,
        disable_after: config.webhooks.disable_after,
        drift: drift(config),
        low_mark: config.credits.low_mark,
        test_credits: config.credits.test_credits,
        end_users: end_users(config),
        streaks: streaks(config),
        cleanup: cleanup(config),
        stripe: stripe(config),
        tasks: tasks(config),
        duties: duties(config),
        dashboard: dashboard(config),
    }
}

fn dashboard(config: &Config) -> DashboardSettings {
    let of = &config.dashboard;
    DashboardSettings {
        link_ttl: of.link_ttl,
        setup_ttl: of.setup_ttl,
        public_url: of.public_url.clone(),
    }
}

fn tasks(config: &Config) -> TaskSettings {
    let (tasks, queue) = (&config.tasks, &config.queues.task_run);
    TaskSettings {
        ttl: queue.ttl,
        backoff: Backoff::new(queue.backoff.iter().copied()),
        runtime: queue.max_runtime,
        max_functions: tasks.max_functions,
        max_schedules: tasks.max_schedules,
        max_open: tasks.max_open,
        batch_size: tasks.batch_size,
    }
}

fn duties(config: &Config) -> DutySettings {
    let (maintenance, backup) = (&config.maintenance, &config.backup);
    let crons = [
        (DutyName::Backup, &backup.schedule),
        (DutyName::LedgerVerify, &maintenance.verify),
        (DutyName::Prune, &maintenance.prune),
        (DutyName::Vacuum, &maintenance.vacuum),
    ];
    let cron = |(name, cron): (_, &Option<Recurrence>)| cron.clone().map(|cron| (name, cron));
    let has_folder = !backup.folder.as_os_str().is_empty();
    let (folder, keep) = (backup.folder.clone(), backup.keep);
    DutySettings {
        timezone: maintenance.timezone.clone(),
        crons: crons.into_iter().filter_map(cron).collect(),
        retention: Retention {
            deliveries: maintenance.deliveries,
            tasks: maintenance.tasks,
            dead_letters: maintenance.dead_letters,
            open_dead_letters: maintenance.open_dead_letters,
            stripe_events: maintenance.stripe_events,
            audit_log: maintenance.audit_log,
            usage_by_user: maintenance.usage_by_user,
            snapshots: maintenance.snapshots,
        },
        backup: has_folder.then_some(BackupSettings { folder, keep }),
    }
}

fn stripe(config: &Config) -> StripeSettings {
    let (stripe, queue) = (&config.stripe, &config.queues.billing_credit_grant);
    let per_unit = stripe.credits_per_unit.iter().map(|(name, it)| (name.clone(), it.0));
    let per_price = stripe.prices.iter().map(|(id, it)| (id.clone(), it.credits.0));
    StripeSettings {
        secrets: stripe.webhook_secrets.clone(),
        tolerance: config.webhooks.tolerance,
        policy: CreditPolicy {
            per_unit: per_unit.collect(),
            per_price: per_price.collect(),
            refuses_test_events: !stripe.accept_test_events,
        },
        ttl: queue.ttl,
        backoff: Backoff::new(queue.backoff.iter().copied()),
    }
}

fn drift(config: &Config) -> DriftLimits {
    let Drift { window, min_jobs, schema_failures, latency, tokens, credits } = config.drift;
    let window_hours = u32::try_from(window.as_secs() / 3600).unwrap_or(u32::MAX);
    DriftLimits { window_hours, min_jobs, schema_failures, latency, tokens, credits }
}

fn end_users(config: &Config) -> CapPolicy {
    let EndUsers { daily_token_caps, daily_token_cap, timezone } = config.end_users.clone();
    CapPolicy { timezone, daily_token_caps, daily_token_cap }
}

fn streaks(config: &Config) -> StreakPolicy {
    let max_bonus_per_day = config.streaks.max_bonus_per_day;
    StreakPolicy { bonuses: config.streaks.bonuses(), max_bonus_per_day }
}

fn cleanup(config: &Config) -> CleanupSettings {
    let Cleanup { api_keys, canceled_jobs, usage, telemetry } = config.cleanup;
    CleanupSettings { api_keys, canceled_jobs, usage, telemetry }
}

/// The models that can be asked for.
pub fn models(config: &Config) -> Vec<Model> {
    let default = config.jobs.default_max_tokens;
    let model = |(name, model): (&String, &config::Model)| Model {
        name: name.clone(),
        provider: model.provider.clone(),
        upstream: model.upstream.clone(),
        tariff: tariff(model),
        price: None,
        max_tokens: model.max_tokens.unwrap_or(default),
    };
    config.models.iter().map(model).collect()
}

fn tariff(model: &config::Model) -> Tariff {
    match (model.free, model.input_per_million, model.output_per_million) {
        (true, ..) => Tariff::Free,
        (false, Some(input_per_million), Some(output_per_million)) => Tariff::Priced(Price {
            input_per_million,
            cached_input_per_million: model.cached_input_per_million.unwrap_or(input_per_million),
            output_per_million,
            minimum_charge: model.minimum_charge.unwrap_or_default(),
        }),
        _ => Tariff::Unknown,
    }
}

/// Who runs the models. Each call is counted.
fn providers(
    config: &Config,
    ambient: &Ambient,
    metrics: &Arc<Metrics>,
    traces: &Traces,
) -> Providers {
    let settings = config.providers.iter().map(|(name, provider)| {
        let remote = RemoteSettings {
            base_url: provider.base_url().to_owned(),
            api_key: provider.api_key.clone(),
            timeout: provider.timeout.unwrap_or(config.jobs.provider_timeout),
            allow_media_urls: provider.allow_media_urls,
        };
        let settings = match provider.kind {
            ProviderKind::OpenAi => ProviderSettings::OpenAi(remote),
            ProviderKind::Anthropic => ProviderSettings::Anthropic(remote),
            ProviderKind::Sandbox => ProviderSettings::Sandbox,
        };
        let is_sandbox = matches!(settings, ProviderSettings::Sandbox);
        let limits = ProviderLimits {
            // What the sandbox is told to fail by one account is no failure for others.
            breaker_failures: provider.breaker_failures.unwrap_or(if is_sandbox { 0 } else { 10 }),
            breaker_pause: provider.breaker_pause,
            max_concurrency: provider.max_concurrency,
        };
        (name.clone(), settings, limits)
    });
    let metrics = Arc::clone(metrics);
    let observer: Observer = Arc::new(move |provider, outcome, took| {
        metrics.provider_call(provider, outcome, took);
    });
    Providers::limited(ambient, settings, &observer, traces)
}

/// How a queue is run.
pub(super) fn queue(
    config: &Config,
    name: QueueName,
    slow_after: Option<Duration>,
) -> QueueSettings {
    let queue = config.queues.get(name);
    QueueSettings {
        concurrency: queue.concurrency,
        lane_limit: u32::try_from(queue.lane_concurrency).unwrap_or(u32::MAX),
        slow_after,
        max_runtime: queue.max_runtime,
        max_crashes: queue.max_crashes,
        paused: queue.paused,
    }
}

/// How requests are taken.
pub(super) fn edge(config: &Config) -> http::Settings {
    let http = &config.http;
    let origin = |origin: &String| HeaderValue::from_str(origin).ok();
    http::Settings {
        body_limit: http.body_limit,
        batch_body_limit: config.batches.body_limit,
        body_timeout: http.body_timeout,
        keep_alive: http.keep_alive,
        trusted_proxies: http.trusted_proxies.clone(),
        cors_origins: http.cors_origins.iter().filter_map(origin).collect(),
        metrics_open: http.metrics_open,
        ..http::Settings::default()
    }
}

/// What a connection may take.
pub(super) fn connections(config: &Config) -> http::ConnectionLimits {
    let http = &config.http;
    http::ConnectionLimits {
        connections: u32::try_from(http.max_connections).unwrap_or(u32::MAX),
        header_timeout: http.header_timeout,
        idle_timeout: http.idle_timeout,
        drain: http.drain_timeout,
        ..http::ConnectionLimits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Catalog, Usage};

    #[test]
    fn the_embedded_models_have_their_prices() {
        let catalog = Catalog::new(models(&Config::embedded().unwrap()), 0);
        let million = Usage::new(1_000_000, 1_000_000);
        let cost = |name| catalog.find(name, "model").unwrap().cost(million).unwrap().to_string();
        assert_eq!((cost("gpt-4o-mini"), cost("sandbox")), ("750".to_owned(), "0".to_owned()));
    }
}
