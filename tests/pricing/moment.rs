//! Jobs that are accepted together have the prices of one moment, also while prices change all the time.

use std::thread;

use skai_server::app::{evals, prices};

use crate::{
    evals::with_eval,
    support::deeds::{Deeds, caller, model},
};

/// Jobs of a batch, and cases of an eval.
const JOBS: usize = 500;

#[test]
fn jobs_that_are_accepted_together_have_one_price_list() {
    let deeds = Deeds::new([model("m", 1)]);
    let scope = deeds.funded(1_000_000_000);
    let eval = with_eval(&deeds, scope, JOBS);
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
    let outside = deeds.outside();
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
