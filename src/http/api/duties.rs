//! `/admin/v1/duties`: what the server does for itself.

use std::sync::Arc;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    app::duties,
    domain::{DutyName, Error, ErrorKind, Page, Result, Timestamp},
    http::{
        reply::Reply,
        request::Request,
        routes::{Access, Route, handler},
    },
    store::duties::Duty,
};

/// A duty of the server's.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Duty")]
struct DutyBody<'a> {
    /// Its name.
    id: DutyName,
    #[schemars(extend("const" = "duty"))]
    object: &'static str,
    /// The same as `id`.
    name: DutyName,
    /// When it is due by itself; null: never.
    cron: Option<&'a str>,
    /// Where the days of that begin.
    timezone: &'a str,
    /// When it is due next.
    due_at: Option<Timestamp>,
    /// When it last began.
    started_at: Option<Timestamp>,
    /// When that run ended; null while it goes on.
    finished_at: Option<Timestamp>,
    /// How long that run took, in milliseconds.
    duration_ms: Option<u64>,
    /// When a run last ended well.
    succeeded_at: Option<Timestamp>,
    /// What the last run did, in figures of its own.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    result: Option<&'a RawValue>,
    /// Why the last run failed.
    error: Option<&'a str>,
    /// When a server planned it for the first time.
    created_at: Timestamp,
}

impl<'a> DutyBody<'a> {
    fn of(duty: &'a Duty) -> Self {
        let millis = |it: std::time::Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: duty.name,
            object: "duty",
            name: duty.name,
            cron: Some(&*duty.cron).filter(|cron| !cron.is_empty()),
            timezone: &duty.timezone,
            due_at: duty.due_at,
            started_at: duty.started_at,
            finished_at: duty.finished_at,
            duration_ms: duty.duration.map(millis),
            succeeded_at: duty.succeeded_at,
            result: duty.result.as_deref(),
            error: duty.error.as_deref(),
            created_at: duty.created_at,
        }
    }
}

/// Rows of the table.
pub(super) fn routes() -> [Route; 2] {
    [
        Route::get("/admin/v1/duties", "listDuties", handler!(list))
            .summary(
                "Lists what the server does for itself: when each is due, and what came of it.",
            )
            .answers::<Page<DutyBody<'_>>>(StatusCode::OK),
        Route::post("/admin/v1/duties/{name}/run", "runDuty", handler!(run))
            .summary("Lets a duty run now, or once another that runs has ended.")
            .answers::<DutyBody<'_>>(StatusCode::ACCEPTED)
            .errors(&[ErrorKind::NotFound, ErrorKind::Conflict]),
    ]
    .map(|route| route.access(Access::Operator))
}

/// `GET /admin/v1/duties`
async fn list(request: Request) -> Result<Reply> {
    let all = request.blocking(|app: &Arc<_>| duties::list(app)).await?;
    Reply::ok(&Page::of(all.iter().map(DutyBody::of).collect(), None))
}

/// `POST /admin/v1/duties/{name}/run`
async fn run(request: Request) -> Result<Reply> {
    let name = DutyName::parse(request.segment("name")?).ok_or_else(|| {
        let names = DutyName::ALL.map(DutyName::as_str).join(", ");
        Error::new(ErrorKind::NotFound, format!("no such duty; the duties are {names}"))
    })?;
    let duty = duties::ask(&request.app, name).await?;
    Reply::json(StatusCode::ACCEPTED, &DutyBody::of(&duty))
}
