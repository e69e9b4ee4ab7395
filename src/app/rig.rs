//! An [`App`] for tests of single parts, with no queue, no worker and no provider.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    ambient::Ambient,
    app::{
        self, App, Contracts, HashCost, RateLimits, Vault, Watches,
        auth::{AuthSettings, Authenticator, SessionSettings},
    },
    domain::{self, Backoff, RateLimit, Secret},
    observe::{Metrics, traces::Traces},
    providers::Providers,
    store::Store,
    webhooks::guard,
};

/// What hashing costs here.
pub(crate) const CHEAP: HashCost = HashCost { memory_kib: 8, passes: 1 };

fn authenticator(store: &Store, ambient: &Ambient) -> Authenticator {
    let limit = RateLimit { limit: 60, window: Duration::from_mins(1) };
    let settings = AuthSettings {
        rate_limits: RateLimits::all(limit),
        operator_rate_limit: limit,
        failed_attempts: limit,
        hash_cost: CHEAP,
        threads: 2,
        cache_ttl: Duration::from_mins(1),
        operator_token: Secret::new("the operator".to_owned()),
        sessions: SessionSettings { password_cost: CHEAP, ..SessionSettings::default() },
    };
    Authenticator::start(ambient.clone(), settings, store.clone()).unwrap()
}

fn policy() -> app::Settings {
    let minute = Duration::from_mins(1);
    app::Settings {
        idempotency_ttl: minute,
        job_ttl: minute,
        job_runtime: Duration::from_mins(15),
        batch_ttl: Duration::from_hours(24),
        max_batch_requests: 10_000,
        max_batch_bytes: 1 << 20,
        max_waiting_jobs: 1_000_000,
        max_open_jobs: 1_000_000,
        job_backoff: Backoff::default(),
        max_repairs: 1,
        max_timeout: minute,
        delivery_ttl: minute,
        delivery_backoff: Backoff::default(),
        extended_backoff: Backoff::default(),
        rotation_overlap: minute,
        disable_after: minute,
        low_mark: domain::Credits::ZERO,
        end_users: domain::CapPolicy {
            timezone: domain::TimeZone::UTC,
            daily_token_caps: false,
            daily_token_cap: 25_000,
        },
        streaks: domain::StreakPolicy::default(),
        cleanup: app::CleanupSettings {
            api_keys: minute,
            canceled_jobs: minute,
            usage: minute,
            telemetry: minute,
        },
        stripe: app::StripeSettings::default(),
        tasks: app::TaskSettings {
            ttl: minute,
            backoff: Backoff::default(),
            runtime: minute,
            max_functions: 100,
            max_schedules: 100,
            max_open: 100,
            batch_size: 1,
        },
        duties: app::DutySettings::default(),
        drift: domain::DriftLimits {
            window_hours: 24,
            min_jobs: 50,
            schema_failures: 10,
            latency: 50,
            tokens: 50,
            credits: 50,
        },
        dashboard: app::DashboardSettings::default(),
        test_credits: domain::Credits::ZERO,
    }
}

/// Everything that deeds work with, on that store.
pub(crate) fn app(store: Store, ambient: Ambient, folder: &Path) -> App {
    let auth = authenticator(&store, &ambient);
    let vault = Vault::open(&folder.join("secret.key"), &ambient).unwrap();
    App {
        recording: app::telemetry::Recording::off(&store, &ambient),
        started_at: ambient.now(),
        boot: 1,
        backlog: app::Backlog::default(),
        calls: app::Calls::new(app::CallLimits { all: 100, account: 100 }),
        providers: Arc::new(Providers::new(&ambient, [])),
        ambient,
        store,
        auth,
        catalog: app::prices::LiveCatalog::default(),
        vault,
        contracts: Contracts::default(),
        agents: app::agents::Opened::default(),
        watches: Watches::default(),
        guard: guard::Guard::new(Vec::new()),
        settings: policy(),
        last_audit: app::LastAudit::default(),
        metrics: Arc::new(Metrics::new()),
        traces: Traces::default(),
        facts: app::Facts::default(),
    }
}
