//! What the server says of itself.

use std::{sync::OnceLock, time::Duration};

use hyper::{StatusCode, body::Bytes};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    domain::{Error, Result},
    http::{
        openapi::document,
        reply::Reply,
        request::Request,
        routes::{Access, Route, handler},
    },
    providers::BreakerState,
    store::telemetry::Telemetry,
};

/// What the server says of itself.
pub(super) fn routes() -> [Route; 5] {
    [
        Route::get("/healthz", "getHealth", handler!(health))
            .summary("Whether the process is alive.")
            .unlogged()
            .answers::<Health>(StatusCode::OK),
        Route::get("/readyz", "getReadiness", handler!(ready))
            .summary(
                "Whether the server takes work: the database can write and nothing is stopping.",
            )
            .unlogged()
            .answers::<Readiness>(StatusCode::OK),
        Route::get("/metrics", "getMetrics", handler!(metrics))
            .summary("Numbers for Prometheus, as OpenMetrics 1.0.")
            .access(Access::Metrics)
            .unlogged()
            .media_types(&["application/openmetrics-text"]),
        Route::get("/openapi.json", "getOpenApi", handler!(openapi))
            .summary("The OpenAPI document of this API.")
            .answers::<serde_json::Value>(StatusCode::OK),
        Route::get("/docs", "getReference", handler!(super::docs::page))
            .summary("The API reference as a page.")
            .media_types(&["text/html"])
            .headers(&["Content-Security-Policy"]),
    ]
}

/// A sign of life.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    /// Always `ok`.
    #[schemars(extend("const" = "ok"))]
    status: &'static str,
}

/// `GET /healthz`
pub(super) async fn health(_: Request) -> Result<Reply> {
    Reply::ok(&Health { status: "ok" })
}

/// A sign that the server takes work.
#[derive(Serialize, JsonSchema)]
pub(super) struct Readiness {
    /// Always `ready`.
    #[schemars(extend("const" = "ready"))]
    status: &'static str,
    /// Whether what happens is recorded. Where it is not, requests go on, and what they would leave is lost.
    telemetry: TelemetryState,
    /// The configured providers of models, by name. One that is left alone is no reason not to be ready.
    providers: Vec<ProviderState>,
}

/// Whether what happens is recorded.
#[derive(Serialize, JsonSchema)]
pub(super) struct TelemetryState {
    #[schemars(extend("enum" = ["ok", "degraded", "off"]))]
    status: &'static str,
    /// What is wrong and what mends it, where it is degraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

impl TelemetryState {
    fn of(telemetry: &Telemetry) -> Self {
        let trouble = telemetry.trouble();
        let status = match &trouble {
            _ if !telemetry.is_running() => "off",
            Some(_) => "degraded",
            None => "ok",
        };
        Self { status, trouble }
    }
}

/// Whether a provider is called.
#[derive(Serialize, JsonSchema)]
pub(super) struct ProviderState {
    /// Its name in the configuration.
    name: String,
    /// `closed`: it is called. `open`: it failed several times in a row and is left alone for a while.
    /// `half_open`: one call is let through, to see whether it works again.
    #[schemars(extend("enum" = ["closed", "half_open", "open"]))]
    breaker: &'static str,
}

/// `GET /readyz`
pub(super) async fn ready(request: Request) -> Result<Reply> {
    let soon = Duration::from_secs(2);
    if request.app.watches.is_closed() {
        return Err(Error::unavailable(
            "server: draining, it is about to stop; send requests to another, or wait for the next start",
            soon,
        ));
    }
    if let Some(trouble) = request.app.store.trouble() {
        return Err(Error::unavailable(format!("database: {trouble}"), soon));
    }
    let state = |(name, state): (&str, BreakerState)| ProviderState {
        name: name.to_owned(),
        breaker: state.as_str(),
    };
    let providers = request.app.providers.breakers().map(state).collect();
    let telemetry = TelemetryState::of(&request.app.recording.telemetry);
    Reply::ok(&Readiness { status: "ready", telemetry, providers })
}

/// `GET /metrics`: `OpenMetrics` 1.0, which Prometheus reads by its media type.
pub(super) async fn metrics(request: Request) -> Result<Reply> {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    // It looks at files and at what others hold locks for.
    let text = request.blocking(|app| Ok(app.metrics.render())).await?;
    Ok(Reply::text(OPEN_METRICS, text))
}

/// `GET /openapi.json`
pub(super) async fn openapi(_: Request) -> Result<Reply> {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    if DOCUMENT.get().is_none() {
        let document = document(&super::table());
        let bytes = serde_json::to_vec(&document).map_err(Error::internal)?;
        DOCUMENT.get_or_init(|| bytes.into());
    }
    let document = DOCUMENT.get().cloned().unwrap_or_default();
    Ok(Reply::json_bytes(StatusCode::OK, document))
}
