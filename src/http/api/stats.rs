//! `/admin/v1/stats` and `/admin/v1/settings`: how the server is doing, and by which settings.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::queues::QueueBody;
use crate::{
    app::{
        App,
        backup::free_room,
        duties::{self, Copy},
        ledger_audit::Found,
        queues,
    },
    domain::{DutyName, Result, Timestamp},
    http::{reply::Reply, request::Request},
    observe::process,
    providers::ProviderState,
    store::duties::Duty,
};

/// How the server is doing.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Stats")]
pub(super) struct StatsBody<'a> {
    #[schemars(extend("const" = "stats"))]
    object: &'static str,
    /// The program's version.
    version: &'static str,
    /// When this start began.
    started_at: Timestamp,
    /// Seconds since then.
    uptime_seconds: u64,
    queues: Vec<QueueBody>,
    writer: WriterBody,
    /// Bytes of the database file and its write-ahead log.
    database_bytes: u64,
    /// Bytes of the write-ahead log alone.
    wal_bytes: u64,
    /// Bytes of the file of telemetry and its write-ahead log.
    telemetry_bytes: u64,
    /// Bytes that may still be written to the disk of the database; null where the system does not say.
    free_disk_bytes: Option<u64>,
    /// Bytes of memory that the process has in use; null where the system does not say.
    memory_bytes: Option<u64>,
    /// Connections that are open.
    connections: u64,
    /// The configured providers of models, by name.
    providers: Vec<ProviderBody<'a>>,
    backups: BackupsBody,
    /// What the server found when it last verified its books; null where it did not since its start.
    ledger: Option<Found>,
}

/// What the database's writer has done since the start.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WriterTotals")]
struct WriterBody {
    commits: u64,
    /// Deeds within the commits.
    deeds: u64,
    /// Milliseconds spent on them, the disk included.
    busy_ms: u64,
    /// Why the last commit failed, where it did.
    trouble: Option<String>,
}

impl WriterBody {
    fn of(app: &App) -> Self {
        let (totals, trouble) = (app.store.totals(), app.store.trouble());
        Self { commits: totals.commits, deeds: totals.deeds, busy_ms: millis(totals.busy), trouble }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A provider of models.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProviderStats")]
struct ProviderBody<'a> {
    /// Its name in the configuration.
    name: &'a str,
    /// The protocol that it speaks.
    #[schemars(extend("enum" = ["openai", "anthropic", "sandbox"]))]
    kind: &'static str,
    /// Whether it is called: `closed` it is, `open` it is left alone, `half_open` one call is tried.
    #[schemars(extend("enum" = ["closed", "half_open", "open"]))]
    breaker: &'static str,
    /// Calls that run now.
    in_flight: u32,
    /// Calls to it at the same time, at most; null where any number.
    limit: Option<u32>,
}

impl<'a> ProviderBody<'a> {
    fn of(state: ProviderState<'a>) -> Self {
        let ProviderState { name, kind, breaker, in_flight, limit } = state;
        Self { name, kind, breaker: breaker.as_str(), in_flight, limit }
    }
}

/// Copies of database and key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BackupStats")]
struct BackupsBody {
    /// Whether there is a folder for them.
    configured: bool,
    /// The newest 20, newest first.
    files: Vec<BackupBody>,
    /// What came of the duty that makes them; null where it never began.
    last: Option<LastBackupBody>,
}

/// One copy.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BackupFile")]
struct BackupBody {
    /// What it is called in its folder.
    name: String,
    /// Bytes of its files.
    bytes: u64,
    created_at: Timestamp,
}

/// The last run of the duty that makes copies.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LastBackup")]
struct LastBackupBody {
    started_at: Option<Timestamp>,
    /// When it ended; null while it goes on.
    finished_at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    duration_ms: Option<u64>,
    /// When a run last ended well.
    succeeded_at: Option<Timestamp>,
    /// Whether the last run that ended failed; the duty `backup` says why.
    failed: bool,
    /// When it is due next; null: never by itself.
    due_at: Option<Timestamp>,
}

impl BackupsBody {
    fn look(app: &App) -> Result<Self> {
        let all = duties::list(app)?;
        let last = all.into_iter().find(|duty| duty.name == DutyName::Backup);
        let body = |copy: Copy| {
            let Copy { name, bytes, created_at } = copy;
            BackupBody { name, bytes, created_at }
        };
        Ok(Self {
            configured: app.settings.duties.backup.is_some(),
            files: duties::copies(app).into_iter().map(body).collect(),
            last: last.as_ref().filter(|duty| duty.started_at.is_some()).map(LastBackupBody::of),
        })
    }
}

impl LastBackupBody {
    fn of(duty: &Duty) -> Self {
        Self {
            started_at: duty.started_at,
            finished_at: duty.finished_at,
            duration_ms: duty.duration.map(millis),
            succeeded_at: duty.succeeded_at,
            failed: duty.error.is_some(),
            due_at: duty.due_at,
        }
    }
}

/// `GET /admin/v1/stats`
pub(super) async fn stats(request: Request) -> Result<Reply> {
    let look = |app: &Arc<App>| {
        let app = &**app;
        let folder = app.store.path().parent().map(std::path::Path::to_owned);
        let open = app.facts.connections.load(Ordering::Relaxed);
        Reply::ok(&StatsBody {
            object: "stats",
            version: env!("CARGO_PKG_VERSION"),
            started_at: app.started_at,
            uptime_seconds: app.ambient.now().since(app.started_at).as_secs(),
            queues: queues::look(app)?.iter().map(QueueBody::of).collect(),
            writer: WriterBody::of(app),
            database_bytes: app.store.size(),
            wal_bytes: app.store.log_size(),
            telemetry_bytes: app.recording.telemetry.size(),
            free_disk_bytes: folder.and_then(|folder| free_room(&folder)),
            memory_bytes: process::usage().map(|usage| usage.resident_bytes),
            connections: u64::try_from(open).unwrap_or(u64::MAX),
            providers: app.providers.states().map(ProviderBody::of).collect(),
            backups: BackupsBody::look(app)?,
            ledger: app.last_audit.found(),
        })
    };
    request.blocking(look).await
}

/// The configuration in force.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Settings")]
pub(super) struct SettingsBody<'a> {
    #[schemars(extend("const" = "settings"))]
    object: &'static str,
    /// Section by section, as in `config.toml`. A secret is `[hidden]` where it is set and empty where it is not.
    settings: &'a Map<String, Value>,
    /// The keys that are not as they come, such as `http.listen`.
    changed: &'a [String],
}

/// `GET /admin/v1/settings`
pub(super) async fn settings(request: Request) -> Result<Reply> {
    let shown = request.app.facts.settings();
    Reply::ok(&SettingsBody {
        object: "settings",
        settings: &shown.settings,
        changed: &shown.changed,
    })
}
