//! What counts on which day, and how often, on a clock that the tests set.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use skai_server::{
    app::{jobs, usage},
    domain::{Day, DaySpan, JobErrorCode, PageRequest, UsageTotals},
    store::AccountScope,
    workers::Maintenance,
};

use super::{fold, rows};
use crate::support::deeds::{Deeds, caller, failure, micros, model, success};

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn at(deeds: &Deeds, time: &str) {
    deeds.ambient.jump(time.parse().unwrap());
}

/// Day, jobs that succeeded, failed and were canceled, charge: newest day first.
fn days(deeds: &Deeds, scope: AccountScope) -> Vec<(String, [u64; 3], i64)> {
    let span = DaySpan { from: day("2026-11-01"), to: day("2026-11-30") };
    let page = usage::daily(&deeds.app, scope, span, None, &PageRequest::default()).unwrap();
    let figures = |totals: &UsageTotals| [totals.succeeded, totals.failed, totals.canceled];
    let rows = page.data.iter().map(|row| {
        let totals = &row.figures.totals;
        (row.day.to_string(), figures(totals), totals.charged.micros())
    });
    rows.collect()
}

fn run(deeds: &Deeds, scope: AccountScope, cost: i64) {
    let job = deeds.submit(scope, &json!({})).unwrap();
    let (claimed, job) = deeds.begin(job.seq, 7);
    assert!(deeds.finish(&claimed, job, success(cost)));
}

#[test]
fn a_job_counts_on_the_day_on_which_it_ended() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.funded(1_000_000);
    at(&deeds, "2026-11-20T23:59:59.000Z");
    let [late, later] = [(); 2].map(|()| deeds.submit(scope, &json!({})).unwrap());
    let (claimed, late) = deeds.begin(late.seq, 7);
    at(&deeds, "2026-11-20T23:59:59.999Z");
    run(&deeds, scope, 5);
    at(&deeds, "2026-11-21T00:00:00.000Z");
    assert!(deeds.finish(&claimed, late, success(7)));
    let expected =
        [("2026-11-21".to_owned(), [1, 0, 0], 7), ("2026-11-20".to_owned(), [1, 0, 0], 5)];
    assert_eq!(days(&deeds, scope), expected);
    // A clock that is put back counts for the day that it shows, also after that day was counted.
    assert_eq!(fold(&deeds), 1);
    at(&deeds, "2026-11-20T23:59:59.500Z");
    let (claimed, later) = deeds.begin(later.seq, 8);
    assert!(deeds.finish(&claimed, later, success(1)));
    let expected =
        [("2026-11-21".to_owned(), [1, 0, 0], 7), ("2026-11-20".to_owned(), [2, 0, 0], 6)];
    for _ in 0..2 {
        assert_eq!(days(&deeds, scope), expected);
        fold(&deeds);
    }
    deeds.verify();
}

#[test]
fn a_job_that_ended_again_counts_again_and_history_stays() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.funded(1_000_000);
    let job = deeds.submit(scope, &json!({})).unwrap();
    let (claimed, begun) = deeds.begin(job.seq, 7);
    assert!(deeds.finish(&claimed, begun, failure(None)));
    deeds.ambient.advance(Duration::from_hours(24));
    let caller = caller(scope);
    let retry = || jobs::retry(&deeds.app, &caller, job.id, None, |_| Ok(Vec::new())).wait();
    retry().unwrap();
    deeds.cancel(&caller, job.id).unwrap();
    deeds.ambient.advance(Duration::from_hours(24));
    retry().unwrap();
    let (claimed, begun) = deeds.begin(job.seq, 8);
    // An attempt that is put off is no end.
    let retry_at = Some(deeds.ambient.now());
    assert!(deeds.finish(&claimed, begun, failure(retry_at)));
    let (claimed, begun) = deeds.begin(job.seq, 9);
    deeds.ambient.advance(Duration::from_millis(120));
    assert!(deeds.finish(&claimed, begun, success(9)));
    let expected = [
        ("2026-11-22".to_owned(), [1, 0, 0], 9),
        ("2026-11-21".to_owned(), [0, 0, 1], 0),
        ("2026-11-20".to_owned(), [0, 1, 0], 0),
    ];
    for _ in 0..2 {
        assert_eq!(days(&deeds, scope), expected);
        fold(&deeds);
    }
    let span = DaySpan { from: day("2026-11-22"), to: day("2026-11-22") };
    let summary = usage::summary(&deeds.app, scope, span).unwrap();
    let totals = &summary.jobs.totals;
    assert_eq!((totals.completion_tokens, totals.charged), (9, micros(9)));
    // Only the last attempt counts.
    assert_eq!((totals.latency_ms, summary.jobs.latency_p50_ms), (120, Some(120)));
    deeds.verify();
}

#[test]
fn what_expires_counts_as_failed() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.funded(1_000_000);
    let job = deeds.submit(scope, &json!({})).unwrap();
    let claimed = deeds.claim(job.seq, 7).unwrap();
    assert!(jobs::give_up(&deeds.app, &claimed, JobErrorCode::Expired).wait().unwrap());
    assert_eq!(days(&deeds, scope), [("2026-11-20".to_owned(), [0, 1, 0], 0)]);
    deeds.verify();
}

#[test]
fn maintenance_counts_in_bulk_and_leaves_the_newest() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.funded(1_000_000);
    let maintenance = Maintenance::new(Arc::clone(&deeds.app));
    for _ in 0..500 {
        run(&deeds, scope, 1);
    }
    maintenance.tick();
    assert_eq!((rows(&deeds, "usage_tail", scope), rows(&deeds, "usage_day", scope)), (500, 0));
    run(&deeds, scope, 1);
    maintenance.tick();
    assert_eq!((rows(&deeds, "usage_tail", scope), rows(&deeds, "usage_day", scope)), (1, 6));
    assert_eq!(days(&deeds, scope), [("2026-11-20".to_owned(), [501, 0, 0], 501)]);
    // What is counted next is no number that was counted before.
    run(&deeds, scope, 1);
    assert_eq!(fold(&deeds), 1);
    let newest: i64 =
        deeds.outside().query_row("select max(seq) from usage_tail", [], |row| row.get(0)).unwrap();
    assert_eq!(newest, 502);
    deeds.verify();
}

#[test]
fn a_start_after_a_crash_goes_on_where_the_last_one_was() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.funded(1_000_000);
    (0..10).for_each(|_| run(&deeds, scope, 2));
    assert_eq!(fold(&deeds), 9);
    (0..5).for_each(|_| run(&deeds, scope, 3));
    let before = days(&deeds, scope);
    let next = deeds.crashed([model("m", 0)], 2);
    assert_eq!(days(&next, scope), before);
    assert_eq!((fold(&next), fold(&next)), (5, 0));
    assert_eq!(days(&next, scope), before);
    next.verify();
}

#[test]
fn two_that_count_at_once_count_everything_once() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.funded(1_000_000);
    (0..200).for_each(|_| run(&deeds, scope, 1));
    let folded: usize = std::thread::scope(|threads| {
        let both = [(); 2].map(|()| threads.spawn(|| fold(&deeds)));
        both.map(|thread| thread.join().unwrap()).iter().sum()
    });
    // One of them may have given up early, as the other was quicker.
    assert_eq!(folded + fold(&deeds), 199);
    assert_eq!(days(&deeds, scope), [("2026-11-20".to_owned(), [200, 0, 0], 200)]);
    deeds.verify();
}
