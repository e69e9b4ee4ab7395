//! Answers under an idempotency key: how long they are kept, and that the oldest go first.

use std::time::Duration;

use serde_json::json;
use skai_server::{
    app::{forget_answers, jobs},
    domain::{ErrorKind, Idempotency, IdempotencyKey, Result},
    store::AccountScope,
};

use crate::support::deeds::{Deeds, caller, model};

const HOUR: Duration = Duration::from_hours(1);

fn rig() -> (Deeds, AccountScope) {
    let deeds = Deeds::new([model("m", 1)]);
    let scope = deeds.funded(1_000_000);
    (deeds, scope)
}

/// Submits a job under a key; `body` stands for what the request says.
fn submit(deeds: &Deeds, scope: AccountScope, key: &str, body: u8) -> Result<jobs::Submitted> {
    let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
    let once = Idempotency::new("POST /v1/jobs/generations", &key, [body; 32]);
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let request = serde_json::from_str(&request.to_string()).unwrap();
    let prepared = jobs::prepare(&deeds.app, &caller(scope), &request)?;
    jobs::submit(&deeds.app, &caller(scope), prepared, Some(once)).wait()
}

fn forget(deeds: &Deeds, limit: u32) -> usize {
    forget_answers(&deeds.app, limit).wait().unwrap()
}

#[test]
fn an_answer_that_expired_makes_room_for_another_request() {
    let (deeds, scope) = rig();
    let first = submit(&deeds, scope, "k", 1).unwrap();
    let again = submit(&deeds, scope, "k", 1).unwrap();
    assert_eq!((first.replayed, again.replayed, again.job.id), (false, true, first.job.id));
    let other = submit(&deeds, scope, "k", 2).unwrap_err();
    assert_eq!(other.kind(), ErrorKind::IdempotencyKeyConflict);

    deeds.ambient.advance(24 * HOUR);
    let later = submit(&deeds, scope, "k", 2).unwrap();
    assert!(!later.replayed && later.job.id != first.job.id);
    assert_eq!(submit(&deeds, scope, "k", 2).unwrap().job.id, later.job.id);
    assert_eq!(forget(&deeds, 9), 0, "the old answer is gone, the new one is kept");
    deeds.verify();
}

#[test]
fn answers_are_forgotten_in_the_order_they_were_saved() {
    let (deeds, scope) = rig();
    for key in ["a", "b", "c"] {
        submit(&deeds, scope, key, 1).unwrap();
        deeds.ambient.advance(HOUR);
    }
    assert_eq!(forget(&deeds, 9), 0);
    deeds.ambient.advance(21 * HOUR);
    // Saved anew, so it is younger than `c` from now on.
    assert!(!submit(&deeds, scope, "a", 2).unwrap().replayed);
    deeds.ambient.advance(HOUR);
    assert_eq!([forget(&deeds, 1), forget(&deeds, 1), forget(&deeds, 1)], [1, 0, 0]);
    assert!(submit(&deeds, scope, "c", 1).unwrap().replayed);
    deeds.ambient.advance(HOUR);
    assert_eq!([forget(&deeds, 9), forget(&deeds, 9)], [1, 0]);
    assert!(submit(&deeds, scope, "a", 2).unwrap().replayed);
}

#[test]
fn a_clock_that_was_ahead_keeps_no_answer_for_longer() {
    let (deeds, scope) = rig();
    let now = deeds.ambient.now();
    deeds.ambient.jump(now.plus(1_000 * HOUR));
    submit(&deeds, scope, "ahead", 1).unwrap();
    deeds.ambient.jump(now);
    submit(&deeds, scope, "right", 1).unwrap();
    assert_eq!(forget(&deeds, 9), 1, "no answer is kept for a thousand hours");
    deeds.ambient.advance(24 * HOUR);
    assert_eq!(forget(&deeds, 9), 1);
}
