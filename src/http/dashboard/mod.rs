//! The dashboard: what its page needs besides the API that everybody uses.

mod api;

use super::routes::Route;

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    api::routes()
}
