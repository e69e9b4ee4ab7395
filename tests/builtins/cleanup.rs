//! `cleanup-expired-tokens`.

use std::{ops::ControlFlow, time::Duration};

use serde_json::{Value, json};
use skai_server::{
    app::{
        builtins::cleanup::{self, Cleaned, Place},
        credits::{self, EntryFilter},
        end_users, jobs,
    },
    domain::{ApiKeyId, Builtin, ErrorKind, PageRequest},
    store::{
        AccountScope,
        api_keys::{self, NewApiKey},
        idempotency::{self, Answer, Saved},
    },
};

use super::{active, canceled, noon, run, twin};
use crate::support::deeds::{Deeds, caller, failure, model};

const DAY: Duration = Duration::from_hours(24);

fn deeds() -> Deeds {
    Deeds::new([model("m", 0)])
}

fn clean(deeds: &Deeds, scope: AccountScope) -> Value {
    run(&deeds.app, scope, Builtin::CleanupExpiredTokens)
}

/// What a run says that removed so much of one kind, and nothing else.
fn only(kind: &str, removed: u64) -> Value {
    let mut told = json!({"idempotency_keys": 0, "api_keys": 0, "canceled_jobs": 0, "usage_days": 0,
        "telemetry": 0, "complete": true});
    told[kind] = json!(removed);
    told
}

/// Whether the database has such rows, counted past the store.
fn rows(deeds: &Deeds, sql: &str) -> i64 {
    deeds.outside().query_row(&format!("select count(*) from {sql}"), [], |it| it.get(0)).unwrap()
}

fn save(deeds: &Deeds, scope: AccountScope, keys: std::ops::Range<u16>, ttl: Duration) {
    let saved = deeds.app.store.write(scope, move |tx| {
        for n in keys.clone() {
            let mut key = [0; 16];
            key[..2].copy_from_slice(&n.to_be_bytes());
            let saved = Saved { body_hash: [0; 32], answer: Answer::Body(vec![1]) };
            idempotency::save(tx, &key, &saved, tx.now().plus(ttl))?;
        }
        Ok(())
    });
    saved.wait().unwrap();
}

#[test]
fn answers_that_expired_are_forgotten() {
    let deeds = deeds();
    let (scope, other) = (deeds.account("a"), deeds.account("b"));
    save(&deeds, scope, 0..700, DAY);
    save(&deeds, other, 0..600, DAY);
    save(&deeds, scope, 700..1_300, DAY);
    deeds.ambient.advance(DAY);
    save(&deeds, scope, 1_300..1_303, DAY);
    assert_eq!(clean(&deeds, scope), only("idempotency_keys", 1_300));
    assert_eq!(clean(&deeds, scope), only("idempotency_keys", 0));
    assert_eq!(rows(&deeds, "idempotency"), 603);
    assert_eq!(clean(&deeds, other), only("idempotency_keys", 600));
}

/// A key with the number that it gets, and what is done to it.
fn key(deeds: &Deeds, scope: AccountScope, origin: Option<i64>, change: &str) -> i64 {
    let id = deeds.ambient.uuid();
    let new = NewApiKey {
        id: ApiKeyId::from_uuid(id),
        project: 1,
        name: "key".to_owned(),
        prefix: id.to_string(),
        hash: "hash".to_owned(),
        scopes: "jobs:read".to_owned(),
        rate_limit: None,
        monthly_credit_limit: None,
        allowed_cidrs: None,
        origin,
        expires_at: None,
    };
    deeds.app.store.write(scope, move |tx| api_keys::insert(tx, &new)).wait().unwrap();
    let outside = deeds.outside();
    let seq = outside.query_row("select max(seq) from api_key", [], |row| row.get(0)).unwrap();
    if !change.is_empty() {
        outside.execute(&format!("update api_key set {change} where seq = {seq}"), []).unwrap();
    }
    seq
}

#[test]
fn keys_leave_that_ended_long_ago_and_are_not_needed() {
    let deeds = deeds();
    let (scope, other) = (deeds.account("a"), deeds.account("b"));
    let twin = twin(&deeds, scope);
    let old = deeds.ambient.now().minus(7 * DAY).millis() - 1;
    let recent = old + 1;
    let ended = |column: &str| key(&deeds, scope, None, &format!("{column} = {old}"));
    let gone = [ended("revoked_at"), ended("expires_at"), ended("overlap_ends_at")];
    let works = key(&deeds, scope, None, "");
    let young = key(&deeds, scope, None, &format!("revoked_at = {recent}"));
    let foreign = key(&deeds, other, None, &format!("revoked_at = {old}"));
    // What replaced it goes first, as it is looked up by way of the first.
    let first = ended("revoked_at");
    let second = key(&deeds, scope, Some(first), &format!("revoked_at = {old}"));
    let origin = ended("overlap_ends_at");
    let replaced = key(&deeds, scope, Some(origin), "");
    // Its schedule is in the part for tests, its task is not over.
    let [scheduled, unscheduled, waiting, done] = [(); 4].map(|()| ended("revoked_at"));
    let (live, test) = (scope.seq().number(), twin.seq().number());
    deeds
        .outside()
        .execute_batch(&format!(
            "insert into schedule (account, id, name, function, cron, timezone, catch_up, overlap, jitter_ms,
               api_key, anchor, next_at, created_at, updated_at, deleted_at)
             values
               ({test}, x'01', 's', 'f', '@daily', 'UTC', 'one', 'skip', 0, {scheduled}, 1, 1, 1, 1, null),
               ({live}, x'02', 's', 'f', '@daily', 'UTC', 'one', 'skip', 0, {unscheduled}, 1, null, 1, 1, 1);
             insert into scheduled_task (account, id, function, scheduled_time, request_id, status, api_key,
               finished_at, created_at)
             values ({live}, x'02', 'f', 1, 'r', 2, {waiting}, null, 1),
               ({live}, x'03', 'f', 1, 'r', 4, {done}, 1, 1);"
        ))
        .unwrap();
    let newest = ended("revoked_at");
    assert_eq!(clean(&deeds, twin), only("api_keys", 0));
    assert_eq!(clean(&deeds, scope), only("api_keys", 7));
    let left = |seq: &i64| rows(&deeds, &format!("api_key where seq = {seq}")) == 1;
    assert!(![first, second, unscheduled, done].iter().chain(&gone).any(left));
    let stay = [works, young, foreign, origin, replaced, scheduled, waiting, newest];
    assert!(stay.iter().all(left));
    // A number is not used twice.
    assert_eq!(key(&deeds, scope, None, ""), newest + 1);
    assert_eq!(clean(&deeds, scope), only("api_keys", 1));
    // More than one transaction removes.
    for _ in 0..120 {
        ended("revoked_at");
    }
    assert_eq!(clean(&deeds, scope), only("api_keys", 119));
}

#[test]
fn canceled_jobs_leave_and_their_entries_stay() {
    let deeds = deeds();
    let (scope, other) = (deeds.funded(1_000_000), deeds.funded(1_000_000));
    let gone = canceled(&deeds, scope);
    let foreign = canceled(&deeds, other);
    let waits = deeds.submit(scope, &json!({})).unwrap();
    active(&deeds, scope, "u", 5);
    let failed = deeds.submit(scope, &json!({})).unwrap();
    let (claimed, job) = deeds.begin(failed.seq, 8);
    deeds.finish(&claimed, job, failure(None));
    // It was given up, retried, and canceled then.
    let redriven = deeds.submit(scope, &json!({"user": "u"})).unwrap();
    let (claimed, job) = deeds.begin(redriven.seq, 9);
    deeds.finish(&claimed, job, failure(None));
    let retry = |id| jobs::retry(&deeds.app, &caller(scope), id, None, |_| Ok(Vec::new())).wait();
    retry(redriven.id).unwrap();
    deeds.cancel(&caller(scope), redriven.id).unwrap();
    let retried = canceled(&deeds, scope);
    retry(retried.id).unwrap();
    let of_task = canceled(&deeds, scope);
    let account = scope.seq().number();
    let task = format!(
        "insert into scheduled_task (account, id, function, scheduled_time, request_id, status, job,
           finished_at, created_at) values ({account}, x'01', 'f', 1, 'r', 6, {}, 1, 1)",
        of_task.seq
    );
    deeds.outside().execute_batch(&task).unwrap();
    let batch = deeds.batch(scope, 2);
    skai_server::app::batches::cancel(&deeds.app, &caller(scope), batch.id, None, |_| {
        Ok(Vec::new())
    })
    .unwrap();
    deeds.ambient.advance(DAY);
    let young = canceled(&deeds, scope);
    deeds.ambient.advance(6 * DAY + Duration::from_millis(1));
    let newest = canceled(&deeds, scope);
    deeds.verify();
    let letters = rows(&deeds, "dead_letter");

    assert_eq!(clean(&deeds, scope), only("canceled_jobs", 2));
    assert_eq!(clean(&deeds, scope), only("canceled_jobs", 0));
    deeds.verify();
    for job in [&gone, &redriven] {
        let error = jobs::get(&deeds.app, scope, job.id).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        for table in ["job_request", "job_result", "job_event"] {
            assert_eq!(rows(&deeds, &format!("{table} where job = {}", job.seq)), 0, "{table}");
        }
    }
    assert_eq!(rows(&deeds, "dead_letter"), letters - 1);
    for job in [&waits, &failed, &retried, &of_task, &young, &newest] {
        jobs::get(&deeds.app, scope, job.id).unwrap();
    }
    jobs::get(&deeds.app, other, foreign.id).unwrap();
    assert_eq!(rows(&deeds, "job where batch is not null and status = 6"), 2);
    entries_are_read(&deeds, scope, gone.id);

    deeds.ambient.advance(DAY);
    assert_eq!(clean(&deeds, scope), only("canceled_jobs", 1));
    deeds.verify();
}

/// The ledger still shows what was set aside for a job that is gone, though not of what model it was.
fn entries_are_read(deeds: &Deeds, scope: AccountScope, gone: skai_server::domain::JobId) {
    let page = PageRequest { limit: 100, after: None };
    let list = |filter| credits::entries(&deeds.app, scope, filter, &page).unwrap().data;
    let all = list(EntryFilter::default());
    assert!(all.iter().all(|entry| entry.job_id.is_some() || entry.grant_id.is_some()));
    let count = i64::try_from(all.len()).unwrap();
    assert_eq!(count, deeds.balance(scope).entries);
    let of_job = list(EntryFilter { job: Some(gone), ..EntryFilter::default() });
    assert_eq!(of_job.len(), 2);
    for entry in &of_job {
        assert_eq!(entry.job_id, Some(gone));
        assert!(entry.description().contains("a model"), "{}", entry.description());
        assert!(all.iter().any(|it| (it.n, it.job_id) == (entry.n, Some(gone))));
    }
}

#[test]
fn answers_are_kept_that_may_be_asked_for_again() {
    let deeds = Deeds::with([model("m", 0)], |settings| {
        settings.cleanup.canceled_jobs = Duration::from_hours(1);
    });
    let scope = deeds.funded(1_000_000);
    canceled(&deeds, scope);
    canceled(&deeds, scope);
    deeds.ambient.advance(DAY);
    assert_eq!(clean(&deeds, scope), only("canceled_jobs", 0));
    deeds.ambient.advance(Duration::from_millis(1));
    assert_eq!(clean(&deeds, scope), only("canceled_jobs", 1));
    deeds.verify();
}

#[test]
fn jobs_that_stay_are_passed_over_some_at_a_time() {
    let deeds = deeds();
    let scope = deeds.funded(1_000_000);
    let batch = deeds.batch(scope, 1);
    let account = scope.seq().number();
    // Past the deeds: canceled jobs of the batch, and one that is of none.
    deeds
        .outside()
        .execute_batch(&format!(
            "update job set status = {canceled}, batch = {};
             with recursive n (n) as (select 2 union all select n + 1 from n where n < 5002)
             insert into job (account, id, project, api_key, status, round, attempts, max_attempts, priority,
               model, batch, reserved_free, reserved_paid, spending, price_list, completion_bound, request_id,
               run_at, created_at, started_at)
             select {account}, randomblob(16), 1, 1, {canceled}, 1, 0, 1, 0, 'm', iif(n < 5001, 1, null), 0, 0,
               1, 1, 1, 'r', 1, 1, 1 from n;
             insert into job_result (job, account, charged, finished_at) select seq, account, 0, 1 from job;",
            batch.seq,
            canceled = 6,
        ))
        .unwrap();
    let (mut place, mut steps, mut removed) = (Place::default(), 0, 0);
    loop {
        let (some, next) = cleanup::step(&deeds.app, scope, Cleaned::CanceledJobs, place).unwrap();
        (steps, removed) = (steps + 1, removed + some);
        match next {
            ControlFlow::Continue(next) => place = next,
            ControlFlow::Break(()) => break,
        }
    }
    assert_eq!((steps, removed), (3, 1));
    assert_eq!(rows(&deeds, "job"), 5_001);
}

#[test]
fn old_days_become_a_part_of_the_sum() {
    let deeds = deeds();
    let (scope, other) = (deeds.funded(1_000_000), deeds.funded(1_000_000));
    for (day, user, tokens) in [
        ("2026-08-01", "u", 1),
        ("2026-08-02", "u", 2),
        ("2026-08-02", "v", 4),
        ("2026-08-30", "u", 8),
    ] {
        noon(&deeds, day);
        active(&deeds, scope, user, tokens);
        active(&deeds, other, user, tokens);
    }
    // Ninety days later a day is kept, the next day it is not.
    noon(&deeds, "2026-10-31");
    assert_eq!(clean(&deeds, scope), only("usage_days", 1));
    noon(&deeds, "2026-11-01");
    assert_eq!(clean(&deeds, scope), only("usage_days", 2));
    assert_eq!(clean(&deeds, scope), only("usage_days", 0));
    deeds.verify();
    let sums = rows(&deeds, "end_user_day where day = -1 and tokens in (3, 4)");
    assert_eq!((sums, rows(&deeds, "end_user_day")), (2, 3 + 4));
    let seen = end_users::get(&deeds.app, scope, "u").unwrap().user;
    assert_eq!((seen.tokens, seen.jobs, seen.tokens_today), (11, 3, 0));
    noon(&deeds, "2027-01-01");
    assert_eq!(clean(&deeds, scope), only("usage_days", 1));
    assert_eq!(rows(&deeds, "end_user_day where day = -1 and tokens = 11 and jobs = 3"), 1);
    deeds.verify();
}
