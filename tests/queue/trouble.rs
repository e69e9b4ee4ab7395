//! The queue while the database takes no writes, and work that cannot even begin.

use std::time::Duration;

use skai_server::queue::GiveUp;

use super::rig::{Attempt, POISON, Rig, SECOND, settings, until};

#[test]
fn a_start_on_a_locked_database_still_takes_back_old_leases() {
    let rig = Rig::new();
    rig.push(1, [1]);
    rig.claim(1, 1).expect("it waits");
    // The number of the start is drawn before the lock.
    let boot = skai_server::queue::boot(&rig.store).unwrap();
    let locked = rig.lock();
    let runner = rig.start_as(boot, settings(1));
    until("the start was refused", || rig.store.trouble().is_some());
    drop(locked);
    let attempt = rig.begun();
    assert_eq!((attempt.subject(), attempt.claimed.crashes), (1, 1));
    assert!(attempt.finish());
    runner.drain(SECOND);
}

/// Neither the claim nor the outcome nor the crash can be written; all of it is made up for.
#[test]
fn nothing_is_lost_while_the_database_takes_no_writes() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    rig.push(1, [1, 2]);
    let first = rig.begun();
    let locked = rig.lock();
    assert!(!first.finish(), "its outcome cannot be recorded");
    until("the claim of the second was refused", || runner.stats().ready == 0);
    drop(locked);
    let second = rig.begun();
    assert_eq!((second.subject(), second.claimed.attempts), (2, 1));
    assert!(second.finish());
    until("the first waits again", || {
        runner.tick();
        rig.waiting() == [1]
    });
    rig.ambient.advance(5 * SECOND);
    let again = rig.begun();
    assert_eq!((again.subject(), again.claimed.crashes), (1, 1));
    assert!(again.finish());
    runner.drain(SECOND);
    assert!(rig.waiting().is_empty());
}

/// While a disk is full, a million rows are not read again each second.
#[test]
fn what_could_not_be_claimed_waits_again_without_a_scan() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    rig.push(1, [1, 2]);
    let first = rig.begun();
    rig.push_unheard(3, 2);
    let locked = rig.lock();
    assert!(!first.finish());
    until("the second is wanted", || runner.stats().ready == 0);
    until("it waits again", || runner.stats().ready == 1);
    drop(locked);
    let second = rig.begun();
    assert_eq!((second.subject(), second.claimed.attempts), (2, 1));
    rig.push(1, [4]);
    assert!(second.finish());
    assert_eq!(rig.begun().subject(), 4, "a scan would have found 3");
    runner.drain(Duration::ZERO);
}

#[test]
fn work_that_cannot_begin_holds_up_nobody_and_is_given_up() {
    let rig = Rig::new();
    rig.push(1, [1, POISON, 1_000]);
    let runner = rig.start(settings(3));
    let mut begun = [rig.begun(), rig.begun()];
    begun.sort_by_key(Attempt::subject);
    assert_eq!(
        begun.each_ref().map(|it| (it.subject(), it.claimed.attempts)),
        [(1, 1), (1_000, 1)]
    );
    for attempt in begun {
        assert!(attempt.finish());
    }
    for _ in 0..3 {
        until("it was set back", || rig.run_at(POISON) > Some(rig.ambient.now()));
        rig.ambient.advance(5 * SECOND);
    }
    assert_eq!(rig.given_up(), (POISON, GiveUp::CrashLoop));
    runner.drain(SECOND);
    assert!(rig.waiting().is_empty());
}
