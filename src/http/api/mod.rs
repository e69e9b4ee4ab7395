//! The table of all routes, and a file of handlers per resource.

mod meta;

use super::routes::{Route, handler};

/// All routes. What is not here is 404.
pub(crate) fn table() -> Vec<Route> {
    vec![
        Route::get("/healthz", "getHealth", handler!(meta::health))
            .summary("Whether the process is alive.")
            .answers::<meta::Health>(hyper::StatusCode::OK),
        Route::get("/openapi.json", "getOpenApi", handler!(meta::openapi))
            .summary("This document.")
            .answers::<serde_json::Value>(hyper::StatusCode::OK),
    ]
}
