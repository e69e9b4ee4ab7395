//! Jobs that are accepted together have the prices of one moment, also while prices change all the time.

use std::thread;

use serde_json::json;
use skai_server::{
    app::{agents, evals, prices},
    domain::Bucket,
    store::{AccountScope, evals as stored},
};

use crate::support::deeds::{Deeds, caller, model};

/// Jobs of a batch, and cases of an eval.
const JOBS: usize = 500;

/// Adds an agent of that name with an eval.
fn with_eval(deeds: &Deeds, scope: AccountScope) -> stored::Eval {
    let (app, caller) = (&deeds.app, caller(scope));
    let messages = json!([{"role": "user", "content": "hi"}]);
    let agent = json!({"name": "helper", "model": "m", "messages": messages}).to_string();
    let agent = serde_json::from_str(&agent).unwrap();
    agents::create(app, &caller, &agent, None, |_| Ok(Vec::new())).unwrap();
    let case = json!({"input": {}, "expect": {"max_latency_ms": 1_000}});
    let eval = json!({"name": "e", "cases": vec![case; JOBS]}).to_string();
    let eval = serde_json::from_str(&eval).unwrap();
    let name = "helper".to_owned();
    evals::create(app, &caller, name, &eval, None, |_| Ok(Vec::new())).unwrap();
    app.store.read(scope, |it| stored::by_seq(it, 1)).unwrap().unwrap()
}

#[test]
fn jobs_that_are_accepted_together_have_one_price_list() {
    let deeds = Deeds::new([model("m", 1)]);
    let scope = deeds.account("a");
    deeds.grant(scope.account_id(), Bucket::Paid, 1_000_000_000, None);
    let eval = with_eval(&deeds, scope);
    let (deeds, caller) = (&deeds, caller(scope));
    thread::scope(|threads| {
        let accepting = threads.spawn(move || {
            for _ in 0..20 {
                deeds.batch(scope, JOBS);
                let run =
                    evals::run(&deeds.app, &caller, "helper", eval.id, None, None, |_| Ok(vec![]));
                run.unwrap();
            }
        });
        for input in [2, 1].into_iter().cycle() {
            if accepting.is_finished() {
                break;
            }
            prices::put_in_force(&deeds.app, vec![model("m", input)]).unwrap();
        }
    });
    let outside = rusqlite::Connection::open(deeds.app.store.path()).unwrap();
    let lists = "select count(distinct price_list) as lists from job group by batch";
    let [most, batches]: [usize; 2] = outside
        .query_row(&format!("select max(lists), count(*) from ({lists})"), [], |row| {
            Ok([row.get(0)?, row.get(1)?])
        })
        .unwrap();
    assert_eq!((most, batches), (1, 40));
    let all = "select count(distinct price_list) from job";
    assert!(outside.query_row(all, [], |row| row.get::<_, usize>(0)).unwrap() > 1);
    deeds.verify();
}
