//! The table of all routes. Each resource has its rows beside its handlers.

mod docs;
mod meta;

mod agents;
mod batches;
mod chat;
mod evals;
mod jobs;
mod models;

mod dead_letters;
mod deliveries;
mod webhooks;

mod credits;
mod end_users;
mod stripe;

mod functions;
mod scheduled_tasks;
mod schedules;

mod api_keys;
mod me;
mod projects;
mod users;

mod audit_log;
mod logs;
mod schemas;
mod usage;

mod invocations;
mod usage_events;

mod accounts;
mod duties;
mod operator;
mod queues;
mod stats;

use serde::Serialize;

use super::{
    dashboard,
    request::{A_TIME, Request},
    routes::Route,
};
use crate::{
    app::App,
    domain::{Cursor, Error, Result},
    store::telemetry::Window,
};

/// All routes. What is not here is 404.
pub(crate) fn table() -> Vec<Route> {
    let mut table = Vec::new();
    table.extend(meta::routes());
    table.extend(jobs::routes());
    table.extend(batches::routes());
    table.extend(chat::routes());
    table.extend(models::routes());
    table.extend(agents::routes());
    table.extend(agents::runs());
    table.extend(evals::routes());
    table.extend(webhooks::routes());
    table.extend(deliveries::routes());
    table.extend(dead_letters::routes());
    table.extend(credits::routes());
    table.extend(end_users::routes());
    table.extend(functions::routes());
    table.extend(scheduled_tasks::routes());
    table.extend(schedules::routes());
    table.extend(projects::routes());
    table.extend(api_keys::routes());
    table.extend(users::routes());
    table.extend(me::routes());
    table.extend(schemas::routes());
    table.extend(usage::routes());
    table.extend(usage_events::routes());
    table.extend(invocations::routes());
    table.extend(logs::routes());
    table.extend(audit_log::routes());
    table.extend(stripe::webhook());
    table.extend(operator::accounts());
    table.extend(operator::server());
    table.extend(duties::routes());
    table.extend(stripe::operator());
    table.extend(dashboard::routes());
    table
}

/// The routes that are there by this configuration.
pub(super) fn served(app: &App) -> Vec<Route> {
    let mut table = table();
    if !app.takes_stripe_events() {
        table.retain(|route| route.path != stripe::WEBHOOK);
    }
    table
}

/// Which part of a list of telemetry is asked for.
fn window(request: &Request) -> Result<Window> {
    let page = request.page()?;
    Ok(Window {
        after: page.after.as_ref().map(Cursor::uuid).transpose()?,
        from: request.query("created_after", A_TIME)?,
        to: request.query("created_before", A_TIME)?,
        limit: page.limit,
    })
}

/// The bytes of an answer.
fn json(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(Error::internal)
}
