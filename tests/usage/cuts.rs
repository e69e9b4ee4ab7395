//! A long tail is counted in parts, and a damaged row holds nobody up.

use serde_json::json;
use skai_server::{
    app::{ledger_audit, usage},
    domain::{Day, DaySpan, PageRequest, UsageBy, UsageTotals},
    store::AccountScope,
};

use super::{fold, rows};
use crate::support::deeds::{Deeds, model, success};

/// A page that takes every row.
const ALL: PageRequest = PageRequest { limit: 9_999, after: None };

fn days() -> DaySpan {
    let day = |text| Day::parse(text).unwrap();
    DaySpan { from: day("2026-11-01"), to: day("2026-11-30") }
}

fn run(deeds: &Deeds, scope: AccountScope, cost: i64) {
    let job = deeds.submit(scope, &json!({})).unwrap();
    let (claimed, job) = deeds.begin(job.seq, 7);
    assert!(deeds.finish(&claimed, job, success(cost)));
}

/// What the account used in all, and by each end user: group, sums and percentile.
type Report = (UsageTotals, Vec<(Option<String>, UsageTotals, Option<u64>)>);

fn report(deeds: &Deeds, scope: AccountScope, by: UsageBy) -> Report {
    let summary = usage::summary(&deeds.app, scope, days()).unwrap();
    let page = usage::daily(&deeds.app, scope, days(), Some(by), &ALL).unwrap();
    let row = |row: usage::DayOfUsage| (row.group, row.figures.totals, row.figures.latency_p95_ms);
    (summary.jobs.totals, page.data.into_iter().map(row).collect())
}

/// As many more successes of that many end users as if they waited to be counted, after one that is real.
fn wait(deeds: &Deeds, scope: AccountScope, jobs: u32, users: u32) {
    run(deeds, scope, 1);
    let added = deeds.outside().execute(
        "with recursive n (n) as (select 1 union all select n + 1 from n where n < ?2)
         insert into usage_tail (account, day, outcome, spending, model, end_user, latency_ms, prompt_tokens,
           completion_tokens, charged)
         select t.account, t.day, 2, t.spending, 'm', 'user ' || (n % ?3), n, 1, 2, 3
         from n, usage_tail t where t.seq = 1 and t.account = ?1",
        (scope.seq().number(), jobs, users),
    );
    assert_eq!(added, Ok(jobs.try_into().unwrap()));
}

#[test]
fn a_batch_ends_with_its_sums_or_its_rows() {
    // Of the first, each row has an end user of its own, and five sums are of all.
    for (jobs, users, expected) in [(1_100, 1_100, 995), (4_500, 3, 4_000)] {
        let deeds = Deeds::new([model("m", 0)]);
        let scope = deeds.funded(1_000_000);
        wait(&deeds, scope, jobs, users);
        let before = report(&deeds, scope, UsageBy::User);
        assert_eq!(before.1.len(), usize::try_from(users).unwrap() + 1);
        assert_eq!(usage::fold_once(&deeds.app, 1).unwrap(), expected);
        let left = i64::from(jobs) + 1 - i64::try_from(expected).unwrap();
        assert_eq!(rows(&deeds, "usage_tail", scope), left);
        assert_eq!(usage::waiting(&deeds.app).unwrap(), u64::try_from(left - 1).unwrap());
        assert_eq!(report(&deeds, scope, UsageBy::User), before);
        assert_eq!(i64::try_from(fold(&deeds)).unwrap(), left - 1);
        assert_eq!(report(&deeds, scope, UsageBy::User), before);
    }
}

#[test]
fn a_damaged_histogram_holds_nobody_up() {
    let deeds = Deeds::new([model("m", 0)]);
    let (scope, other) = (deeds.funded(1_000_000), deeds.funded(1_000_000));
    (0..3).for_each(|_| run(&deeds, scope, 2));
    run(&deeds, other, 2);
    assert_eq!(fold(&deeds), 3);
    let damaged = deeds.outside().execute("update usage_day set latencies = x'00'", []);
    assert_eq!(damaged, Ok(6));
    run(&deeds, scope, 2);
    run(&deeds, other, 2);
    for folded in [2, 0] {
        for (scope, jobs) in [(scope, 4), (other, 2)] {
            let (totals, by_model) = report(&deeds, scope, UsageBy::Model);
            assert_eq!((totals.succeeded, by_model[0].1.succeeded), (jobs, jobs));
            assert_eq!(by_model[0].2, Some(0));
        }
        assert_eq!(fold(&deeds), folded);
    }
    // What is lost of it is told.
    let problems = ledger_audit::verify(&deeds.app).unwrap().problems;
    assert_eq!(problems.len(), 6, "{problems:#?}");
    let what = "whose histogram of latencies has 1 jobs, and 4 succeeded: 2026-11-20";
    assert!(problems.iter().all(|problem| problem.contains(what)), "{problems:#?}");
}

#[test]
fn a_row_without_project_and_key_counts_without_them() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.funded(1_000_000);
    (0..2).for_each(|_| run(&deeds, scope, 2));
    let lost = deeds.outside().execute("update usage_tail set spending = 99 where seq = 1", []);
    assert_eq!(lost, Ok(1));
    for folded in [1, 0] {
        for by in [UsageBy::Project, UsageBy::ApiKey] {
            let (totals, groups) = report(&deeds, scope, by);
            assert_eq!((totals.succeeded, groups.len()), (2, 2), "{by:?}");
            assert_eq!((&groups[1].0, groups[1].1.succeeded), (&None, 1), "{by:?}");
        }
        assert_eq!(fold(&deeds), folded);
    }
    deeds.verify();
}
