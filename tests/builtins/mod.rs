//! The built-in functions of scheduled tasks, each run for one account.

mod batch;
mod cleanup;
mod stop;
mod streaks;
mod tokens;

use std::sync::Arc;

use serde_json::{Value, json};
use skai_server::{
    app::{
        App,
        accounts::{self, AccountChange},
    },
    domain::{Builtin, Result},
    queue::Stop,
    store::{AccountScope, SystemScope},
    workers::builtins,
};

use crate::support::deeds::{Deeds, caller, success};

/// Runs a function without a payload.
fn run(app: &Arc<App>, scope: AccountScope, builtin: Builtin) -> Value {
    run_with(app, scope, builtin, &json!(null)).unwrap()
}

fn run_with(
    app: &Arc<App>,
    scope: AccountScope,
    builtin: Builtin,
    payload: &Value,
) -> Result<Value> {
    builtins::run(app, scope, builtin, Some(payload), &Stop::default())
}

/// Runs a job of this end user that uses so many tokens, each of which costs a microcredit.
fn active(deeds: &Deeds, scope: AccountScope, user: &str, tokens: u32) {
    let job = deeds.submit(scope, &json!({ "user": user })).unwrap();
    let (claimed, job) = deeds.begin(job.seq, 7);
    assert!(deeds.finish(&claimed, job, success(tokens.into())));
}

/// It is noon on that day of the clock of UTC.
fn noon(deeds: &Deeds, day: &str) {
    deeds.ambient.jump(format!("{day}T12:00:00Z").parse().unwrap());
}

/// Where the account's days begin.
fn set_timezone(deeds: &Deeds, scope: AccountScope, timezone: &str) {
    let change = json!({ "timezone": timezone }).to_string();
    let change: AccountChange = serde_json::from_str(&change).unwrap();
    accounts::update(&deeds.app, scope.account_id(), change).wait().unwrap();
}

/// The account's part for tests.
fn twin(deeds: &Deeds, scope: AccountScope) -> AccountScope {
    let made = deeds.app.store.write(SystemScope::new(), move |tx| {
        let live = skai_server::store::accounts::find(tx, scope.account_id(), scope.environment())?;
        skai_server::store::accounts::insert_twin(tx, &live.unwrap())
    });
    made.wait().unwrap()
}

/// Submits a job and cancels it; gives its number.
fn canceled(deeds: &Deeds, scope: AccountScope) -> skai_server::store::jobs::Job {
    let job = deeds.submit(scope, &json!({"user": "u"})).unwrap();
    deeds.cancel(&caller(scope), job.id).unwrap();
    job
}
