//! How agents are judged: by evals, and by what their jobs come to over time.

mod drift;
mod judging;
mod runs;

use serde_json::json;
use skai_server::{
    app::{agents, evals},
    store::{AccountScope, evals as stored},
};

use crate::support::deeds::{Deeds, caller};

/// Makes the agent `helper` and an eval of so many cases, the first of the database.
pub(crate) fn with_eval(deeds: &Deeds, scope: AccountScope, cases: usize) -> stored::Eval {
    let (app, caller) = (&deeds.app, caller(scope));
    let messages = json!([{"role": "user", "content": "hi"}]);
    let agent = json!({"name": "helper", "model": "m", "messages": messages}).to_string();
    let agent = serde_json::from_str(&agent).unwrap();
    agents::create(app, &caller, &agent, None, |_| Ok(Vec::new())).unwrap();
    let case = json!({"input": {}, "expect": {"max_latency_ms": 1_000}});
    let eval = json!({"name": "e", "cases": vec![case; cases]}).to_string();
    let eval = serde_json::from_str(&eval).unwrap();
    let name = "helper".to_owned();
    evals::create(app, &caller, name, &eval, None, |_| Ok(Vec::new())).unwrap();
    app.store.read(scope, |it| stored::by_seq(it, 1)).unwrap().unwrap()
}
