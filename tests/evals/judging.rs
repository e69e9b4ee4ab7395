//! Judging on a clock that only the test moves.

use std::time::Duration;

use serde_json::json;
use skai_server::{
    ambient::Ambient,
    app::evals,
    domain::{ErrorKind, EvalId, EvalRunId, Timestamp},
    store::{AccountScope, evals as stored},
    workers::Judging,
};

use crate::support::deeds::{Deeds, caller, model, success};

struct Bench {
    deeds: Deeds,
    scope: AccountScope,
    eval: EvalId,
}

impl Bench {
    fn new() -> Self {
        let deeds = Deeds::new([model("m", 1)]);
        let scope = deeds.funded(1_000_000);
        let eval = super::with_eval(&deeds, scope, 1).id;
        Self { deeds, scope, eval }
    }

    /// Begins a run, whose only job is the `nth` of all, and lets it end after the clock was moved.
    fn run(&self, nth: i64, moved: impl FnOnce(&Ambient)) -> EvalRunId {
        let app = &self.deeds.app;
        let caller = caller(self.scope);
        evals::run(app, &caller, "helper", self.eval, None, None, |_| Ok(Vec::new())).unwrap();
        let (claimed, job) = self.deeds.begin(nth, nth);
        moved(&self.deeds.ambient);
        assert!(self.deeds.finish(&claimed, job, success(1)));
        let newest = app.store.read(self.scope, |it| stored::runs(it, 1, None, 1));
        newest.unwrap().remove(0).id
    }

    fn report(&self, run: EvalRunId) -> evals::RunReport {
        evals::report(&self.deeds.app, self.scope, self.eval, run).unwrap()
    }
}

#[test]
fn a_clock_that_is_set_back_spoils_no_run() {
    let bench = Bench::new();
    let hour = Duration::from_hours(1);
    let back = |ambient: &Ambient| {
        ambient.jump(Timestamp::from_millis(ambient.now().millis() - 3_600_000));
    };
    let set_back = bench.run(1, back);
    let slow = bench.run(2, |ambient| ambient.advance(hour));
    Judging::new(bench.deeds.app.clone()).tick();
    let report = bench.report(set_back);
    assert_eq!((report.run.passed, report.results[0].latency_ms), (1, Some(0)));
    let report = bench.report(slow);
    assert_eq!((report.run.failed, report.results[0].latency_ms), (1, Some(3_600_000)));
}

#[test]
fn a_run_that_cannot_be_judged_does_not_hold_up_the_others() {
    let bench = Bench::new();
    let (broken, sound) = (bench.run(1, |_| ()), bench.run(2, |_| ()));
    let break_run = |n: i64| {
        let outside = bench.deeds.outside();
        outside.execute("update eval_result set n = ?1 where run = 1", [n]).unwrap();
    };
    break_run(99);
    let judging = Judging::new(bench.deeds.app.clone());
    judging.tick();
    assert!(bench.report(broken).run.finished_at.is_none());
    assert_eq!(bench.report(sound).run.passed, 1);
    // Once it is mended, the next round judges it.
    break_run(1);
    judging.tick();
    assert_eq!(bench.report(broken).run.passed, 1);
}

#[test]
fn an_eval_has_only_so_many_runs_and_an_account_so_many_evals() {
    let bench = Bench::new();
    let outside = bench.deeds.outside();
    let fill = |rest: &str, count: i64| {
        let numbers =
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < ?1)";
        outside.execute(&format!("{numbers} {rest}"), [count]).unwrap();
    };
    let (app, caller) = (&bench.deeds.app, caller(bench.scope));
    let run = || evals::run(app, &caller, "helper", bench.eval, None, None, |_| Ok(Vec::new()));
    fill(
        "insert into eval_run (account, id, eval, version, total, finished_at, created_at)
         select e.account, randomblob(16), e.seq, 1, 1, 1, 1 from n, eval e",
        999,
    );
    run().unwrap();
    assert_eq!(run().unwrap_err().kind(), ErrorKind::Conflict);
    fill(
        "insert into eval (account, id, agent, name, cases, created_at)
         select e.account, randomblob(16), 1000 + i, 'e', '[]', 1 from n, eval e",
        9_999,
    );
    let cases = json!([{"input": {}, "expect": {"status": "succeeded"}}]);
    let eval = serde_json::from_str(&json!({"name": "e", "cases": cases}).to_string()).unwrap();
    let made = evals::create(app, &caller, "helper".to_owned(), &eval, None, |_| Ok(Vec::new()));
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Conflict);
}
