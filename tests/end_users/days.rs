//! Days begin and end where the account is, on a clock that the tests set.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use skai_server::{
    app::jobs,
    domain::{ErrorKind, JobErrorCode, JobStatus, Timestamp},
    store::{SystemScope, queue},
};

use super::{cap, change, run, used, view};
use crate::support::deeds::{Deeds, caller, model};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn deeds() -> Deeds {
    Deeds::new([model("m", 0)])
}

#[test]
fn a_cap_holds_until_midnight_of_the_accounts_time_zone() {
    // Days of 24 hours, and those on which clocks change.
    for (timezone, at, midnight) in [
        ("UTC", "2026-11-20T09:00:00.000Z", "2026-11-21T00:00:00Z"),
        ("Europe/Berlin", "2026-11-20T09:00:00.001Z", "2026-11-20T23:00:00Z"),
        ("Europe/Berlin", "2026-03-29T00:30:00.500Z", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "2026-10-25T00:30:00.999Z", "2026-10-25T23:00:00Z"),
        ("America/New_York", "2026-11-20T04:59:59.250Z", "2026-11-20T05:00:00Z"),
        ("America/New_York", "2026-03-08T05:00:00.000Z", "2026-03-09T04:00:00Z"),
        ("America/New_York", "2026-11-01T04:00:00.000Z", "2026-11-02T05:00:00Z"),
    ] {
        let deeds = deeds();
        let (at, midnight) = (time(at), time(midnight));
        deeds.ambient.jump(at);
        let scope = deeds.funded(1_000_000);
        change(
            &deeds,
            scope,
            &json!({"timezone": timezone, "daily_token_caps": true, "daily_token_cap": 500}),
        );
        run(&deeds, scope, "u", 499);
        run(&deeds, scope, "u", 501);
        let seen = view(&deeds, scope, "u").unwrap();
        assert_eq!((seen.user.tokens_today, seen.resets_at), (1_000, midnight), "{timezone} {at}");
        let refused = deeds.submit(scope, &json!({"user": "u"})).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::DailyTokenCap);
        assert_eq!(refused.retry_after(), Some(midnight.since(at)), "{timezone} {at}");
        deeds.submit(scope, &json!({"user": "other"})).unwrap();
        deeds.submit(scope, &json!({})).unwrap();

        deeds.ambient.jump(Timestamp::from_millis(midnight.millis() - 1));
        let refused = deeds.submit(scope, &json!({"user": "u"})).unwrap_err();
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(1)));
        deeds.ambient.jump(midnight);
        run(&deeds, scope, "u", 1);
        let seen = view(&deeds, scope, "u").unwrap();
        assert_eq!((seen.user.tokens_today, seen.user.tokens, seen.user.jobs), (1, 1_001, 3));
        deeds.verify();
    }
}

#[test]
fn tokens_count_for_the_day_on_which_a_job_ends() {
    let deeds = deeds();
    let scope = deeds.funded(1_000_000);
    cap(&deeds, scope, "u", Some(100));
    deeds.ambient.jump(time("2026-11-20T23:59:59Z"));
    let job = deeds.submit(scope, &json!({"user": "u"})).unwrap();
    let (claimed, job) = deeds.begin(job.seq, 7);
    // What it may use yet goes with it into the next day.
    deeds.ambient.jump(time("2026-11-21T00:00:01Z"));
    assert_eq!(view(&deeds, scope, "u").unwrap().user.open_tokens, job.token_bound);
    assert!(deeds.submit(scope, &json!({"user": "u"})).is_err());
    assert!(deeds.finish(&claimed, job, super::used(100)));
    let seen = view(&deeds, scope, "u").unwrap().user;
    assert_eq!((seen.open_tokens, seen.tokens_today), (0, 100));
    assert_eq!(seen.last_active_on.unwrap().to_string(), "2026-11-21");
    assert!(deeds.submit(scope, &json!({"user": "u"})).is_err());
    deeds.verify();
}

#[test]
fn another_time_zone_counts_another_day() {
    let deeds = deeds();
    let scope = deeds.funded(1_000_000);
    deeds.ambient.jump(time("2026-11-20T20:00:00Z"));
    run(&deeds, scope, "u", 10);
    change(&deeds, scope, &json!({"timezone": "Asia/Tokyo"}));
    let seen = view(&deeds, scope, "u").unwrap();
    assert_eq!((seen.user.tokens_today, seen.user.tokens), (0, 10));
    assert_eq!(seen.resets_at, time("2026-11-21T15:00:00Z"));
    change(&deeds, scope, &json!({"timezone": null}));
    assert_eq!(view(&deeds, scope, "u").unwrap().user.tokens_today, 10);
    deeds.verify();
}

#[test]
fn a_clock_that_goes_back_does_no_harm() {
    let deeds = deeds();
    let scope = deeds.funded(1_000_000);
    deeds.ambient.jump(time("2026-11-21T00:00:00Z"));
    let job = deeds.submit(scope, &json!({"user": "u"})).unwrap();
    deeds.ambient.jump(time("2026-11-20T12:00:00Z"));
    deeds.cancel(&caller(scope), job.id).unwrap();
    run(&deeds, scope, "u", 10);
    let seen = view(&deeds, scope, "u").unwrap().user;
    assert_eq!((seen.open_tokens, seen.tokens_today), (0, 10));
    deeds.verify();
}

/// What is in the way for a moment is not told to be in the way until midnight.
#[test]
fn jobs_in_flight_are_waited_for_and_jobs_of_another_day_are_not() {
    let deeds = deeds();
    let scope = deeds.funded(1_000_000);
    cap(&deeds, scope, "u", Some(100));
    let later = json!({"user": "u", "run_at": "2026-11-21T00:00:00Z"});
    for _ in 0..5 {
        deeds.submit(scope, &later).unwrap();
    }
    assert_eq!(view(&deeds, scope, "u").unwrap().user.open_tokens, 0);
    let today = deeds.submit(scope, &json!({"user": "u", "run_at": "2026-11-20T23:59:59Z"}));
    let today = today.unwrap();
    assert!(view(&deeds, scope, "u").unwrap().user.open_tokens > 100);
    let refused = deeds.submit(scope, &json!({"user": "u"})).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::DailyTokenCap);
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(5)));
    assert!(refused.message().contains("send it again when some of them have ended"));
    // Those of another day go on being accepted.
    deeds.submit(scope, &later).unwrap();
    deeds.cancel(&caller(scope), today.id).unwrap();
    deeds.submit(scope, &json!({"user": "u"})).unwrap();
    deeds.verify();
}

/// What was put off to a day is held to the cap of that day when it begins.
#[test]
fn a_job_of_a_later_day_does_not_begin_above_the_cap() {
    let deeds = deeds();
    let scope = deeds.funded(1_000_000);
    cap(&deeds, scope, "u", Some(100));
    let later = json!({"user": "u", "run_at": "2026-11-21T00:00:00Z"});
    let put_off = [(); 4].map(|()| deeds.submit(scope, &later).unwrap());
    deeds.ambient.jump(time("2026-11-21T00:00:00Z"));
    // As the queue does it: what does not begin leaves it.
    let begin = |at: usize| {
        let claimed = deeds.claim(put_off[at].seq, 7).unwrap();
        let (app, begun) = (Arc::clone(&deeds.app), claimed.clone());
        let begun = deeds.app.store.write(SystemScope::new(), move |tx| {
            let job = jobs::begin(&app, tx, &begun)?;
            assert!(job.is_some() || queue::finish(tx, begun.lease)?);
            Ok(job)
        });
        (claimed, begun.wait().unwrap())
    };
    let open_tokens = || view(&deeds, scope, "u").unwrap().user.open_tokens;
    assert_eq!(open_tokens(), 0);
    // From then on they count, and those that come are held against them.
    let (claimed, first) = begin(0);
    let (_, beside) = begin(1);
    let (first, beside) = (first.unwrap(), beside.unwrap());
    assert!(first.token_bound > 100, "more than the cap is in flight when the second begins");
    assert_eq!(open_tokens(), first.token_bound + beside.token_bound);
    assert!(deeds.submit(scope, &json!({"user": "u"})).is_err());
    assert_eq!(deeds.job(scope, beside.id).token_bound, beside.token_bound);
    assert!(deeds.finish(&claimed, first, used(100)));
    assert_eq!(open_tokens(), beside.token_bound);
    deeds.verify();
    let (_, third) = begin(2);
    assert!(third.is_none());
    let failed = deeds.job(scope, put_off[2].id);
    let error = failed.result.unwrap().error.unwrap();
    assert_eq!((failed.status, error.code), (JobStatus::Failed, JobErrorCode::RateLimit));
    assert!(
        error.message.contains("may use 100 tokens a day and has used 100"),
        "{}",
        error.message
    );
    cap(&deeds, scope, "u", Some(101));
    assert!(begin(3).1.is_some());
    deeds.verify();
}
