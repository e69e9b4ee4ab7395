//! `/dashboard/api/`: signing in and out, and what is a person's own.

mod accounts;
mod links;
mod password;
mod session;
mod sessions;

use crate::http::routes::Route;

/// All of them.
pub(super) fn routes() -> Vec<Route> {
    let mut table = Vec::new();
    table.extend(links::routes());
    table.extend(session::routes());
    table.extend(accounts::routes());
    table.extend(sessions::routes());
    table.extend(password::routes());
    table
}
